"""Bearer tokens against a real server of keys: what does not count, and why."""

import base64
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.access.roles import Role
from pipeline.access.settings import OidcSettings
from pipeline.access.tokens import TokenError, Tokens
from tests.pipeline.access.issuer import AUDIENCE, FIRST, ISSUER, SECOND, Issuer, claims, token


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.close()


def tokens(issuer, **changed):
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": issuer.url} | changed
    return Tokens(OidcSettings(**settings), cooldown_s=0)


def raw(header, payload, signature=b""):
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode()]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    made = signature(signed) if callable(signature) else signature
    return (signed + b"." + base64.urlsafe_b64encode(made).rstrip(b"=")).decode()


def refused(checker, text, says):
    with pytest.raises(TokenError, match=says):
        checker.check(text)


def test_a_right_token_names_its_user(issuer):
    """Name, highest role and end come from the claims; the keys are fetched once."""
    checker = tokens(issuer)
    user = checker.check(token(roles=["viewer", "operator", "something else"]))
    assert (user.name, user.role, user.how) == ("ann", Role.OPERATOR, "token")
    assert checker.check(token(roles="viewer")).role is Role.VIEWER
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "integer"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iat": 4_000_000_000}, "not yet valid"),
        ({"aud": "another"}, "[Aa]udience"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"roles": None}, "names no role"),
        ({"roles": ["root"]}, "names no role"),
        ({"roles": {"admin": True}}, "names no role"),
    ],
)
def test_claims_that_do_not_fit(issuer, changed, says):
    """Ended, not yet begun, for others, from others, of nobody, without a role: each does not count."""
    refused(tokens(issuer), token(**changed), says)


def test_clocks_may_differ_a_little(issuer):
    """Five seconds after its end a token still counts, twenty seconds after it does not."""
    now = int(time.time())
    assert tokens(issuer).check(token(exp=now - 5))
    refused(tokens(issuer), token(exp=now - 20), "expired")


def test_no_signature_is_no_token(issuer):
    """``none`` in any spelling is no algorithm, whatever stands behind it."""
    for name in ("none", "None", "NONE", "nOnE", "", None):
        refused(tokens(issuer), raw({"alg": name, "kid": "one"}, claims()), "algorithm|alg")
    right = token()
    refused(tokens(issuer), right.rpartition(".")[0] + ".", "ignature|padding")
    refused(tokens(issuer), right[:-8] + "AAAAAAAA", "ignature")


def test_the_public_key_is_no_secret(issuer):
    """A token signed by HMAC with the issuer's public key, which everybody has, does not count."""
    pem = FIRST.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), json.dumps(issuer.public()[0]).encode()):
        forged = raw(
            {"alg": "HS256", "kid": "one"}, claims(), lambda signed, k=secret: hmac.digest(k, signed, "sha256")
        )
        refused(tokens(issuer), forged, "algorithm is none of RS256")


def test_only_the_pinned_algorithms_count(issuer):
    """A right signature by an algorithm that was not named does not count; one by a named algorithm does."""
    refused(tokens(issuer), token(algorithm="RS512"), "algorithm is none of RS256")
    assert tokens(issuer, algorithms=("RS512",)).check(token(algorithm="RS512"))
    issuer.keys |= {"ec": ec.generate_private_key(ec.SECP256R1()), "ed": ed25519.Ed25519PrivateKey.generate()}
    both = tokens(issuer, algorithms=("ES256", "EdDSA"))
    assert both.check(token(issuer.keys["ec"], "ec", "ES256")).name == "ann"
    assert both.check(token(issuer.keys["ed"], "ed", "EdDSA")).name == "ann"
    refused(both, token(), "algorithm is none of ES256, EdDSA")


def test_a_key_of_another_kind_does_not_count(issuer):
    """An algorithm that is allowed, with a key that is not of it."""
    issuer.keys["ec"] = ec.generate_private_key(ec.SECP256R1())
    refused(tokens(issuer, algorithms=("RS256", "ES256")), token(kid="ec"), "lgorithm|key|ignature")


def test_keys_that_are_not_the_issuers(issuer):
    """Another's key under the issuer's name, an unknown name, no name, and a key that the token brings along."""
    refused(tokens(issuer), token(SECOND), "ignature")
    refused(tokens(issuer), token(SECOND, kid="two"), "[Uu]nable to find")
    unnamed = jwt.encode(claims(), FIRST, algorithm="RS256")
    refused(tokens(issuer), unnamed, "[Uu]nable to find")
    brought = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(SECOND.public_key()))
    header = {"kid": "one", "jwk": brought, "jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/x"}
    refused(tokens(issuer), jwt.encode(claims(), SECOND, algorithm="RS256", headers=header), "ignature")


def test_a_rotated_key_is_fetched(issuer):
    """A new key counts as soon as a token names it; an old one no longer once the issuer took it away."""
    checker = tokens(issuer)
    old = token()
    assert checker.check(old)
    issuer.keys = {"two": SECOND}
    assert checker.check(token(SECOND, kid="two"))
    refused(checker, old, "[Uu]nable to find")


def test_unknown_keys_are_not_asked_for_all_the_time(issuer):
    """Made-up names of keys don't become requests to the issuer."""
    checker = Tokens(OidcSettings(issuer=ISSUER, audience=AUDIENCE, jwks=issuer.url), cooldown_s=3_600)
    assert checker.check(token())
    for number in range(20):
        refused(checker, token(kid=f"made-up-{number}"), "[Uu]nable to find")
    assert issuer.asked == 1


def test_an_issuer_that_does_not_answer(issuer):
    """Without keys nothing counts; keys that were fetched before still do."""
    checker = tokens(issuer)
    issuer.status = 500
    refused(checker, token(), "[Ff]ail to fetch")
    issuer.status = 200
    assert checker.check(token())
    issuer.status = 500
    assert checker.check(token())


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "é", "x" * 10_000, "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"])
def test_what_is_no_token(issuer, text):
    """Anything else is refused with a reason, and no other error."""
    with pytest.raises(TokenError):
        tokens(issuer).check(text)


def test_roles_and_names_stand_where_the_issuer_puts_them(issuer):
    """Nested claims, claims with dots in their names, and groups that are called otherwise."""
    nested = tokens(issuer, role_claim="realm_access.roles", name_claim="preferred_username")
    user = nested.check(token(realm_access={"roles": ["admin"]}, preferred_username="bob"))
    assert (user.name, user.role) == ("bob", Role.ADMIN)
    mapped = tokens(issuer, role_claim="https://x.example/groups", roles={"sg-admins": Role.ADMIN, "sg": Role.VIEWER})
    user = mapped.check(token(**{"https://x.example/groups": ["sg", "sg-admins"]}))
    assert user.role is Role.ADMIN
    refused(mapped, token(**{"https://x.example/groups": ["admin"]}), "names no role")
