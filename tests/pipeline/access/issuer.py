"""An issuer of bearer tokens: a real server of public keys, and tokens of its own and of others."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://id.example/realm", "streamgauge"
FIRST = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SECOND = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class Issuer:
    """Serves public keys, and counts how often it was asked."""

    def __init__(self):
        self.keys = {"one": FIRST}
        self.asked = 0
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                body = json.dumps({"keys": outer.public()}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def public(self):
        kinds = {rsa.RSAPrivateKey: "RSA", ec.EllipticCurvePrivateKey: "EC", ed25519.Ed25519PrivateKey: "OKP"}
        made = []
        for kid, key in self.keys.items():
            kind = next(name for type_, name in kinds.items() if isinstance(key, type_))
            algorithm = {"RSA": jwt.algorithms.RSAAlgorithm, "EC": jwt.algorithms.ECAlgorithm}.get(
                kind, jwt.algorithms.OKPAlgorithm
            )
            made.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        return made

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def claims(**changed):
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300, "roles": ["analyst"]}
    return {name: value for name, value in (given | changed).items() if value is not None}


def token(key=FIRST, kid="one", algorithm="RS256", **changed):
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid})
