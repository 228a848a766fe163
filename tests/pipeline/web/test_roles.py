"""Every route as each role and as nobody, on a view that runs; and a login in a real browser."""

import asyncio
import os
import re
from itertools import product

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from nicegui import app as nicegui_app
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from starlette.routing import Mount
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pipeline.access.roles import Role
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app, build_pages
from pipeline.web.auth import PUBLIC, declared, is_public
from pipeline.web.origin import SAFE
from pipeline.web.parts.account import NOTE
from tests.pipeline.access.kit import PASSWORD, TESTER, Kit
from tests.pipeline.web.filled import example, now_ms
from tests.pipeline.web.running import browser, need_chromium, requested, web

WAIT_S = 60
NOBODY = "nobody"
WHO = [NOBODY, *(role.label for role in Role)]
EXPECTED = {
    ("GET", "/"): Role.VIEWER,
    ("GET", "/alerts"): Role.VIEWER,
    ("GET", "/api"): Role.VIEWER,
    ("GET", "/api/status"): Role.VIEWER,
    ("GET", "/api/openapi.json"): Role.VIEWER,
    ("GET", "/api/users"): Role.ADMIN,
    ("POST", "/api/users"): Role.ADMIN,
    ("PATCH", "/api/users/{name}"): Role.ADMIN,
    ("DELETE", "/api/users/{name}"): Role.ADMIN,
    ("GET", "/api/keys"): Role.ADMIN,
    ("POST", "/api/keys"): Role.ADMIN,
    ("DELETE", "/api/keys/{key_id}"): Role.ADMIN,
    ("GET", "/api/audit"): Role.ADMIN,
    ("GET", "/api/audit/verify"): Role.ADMIN,
}


def routes(folder):
    """Method, path and declared role of every route of the application, from the application itself."""
    log = open_log(f"local://{folder}/routes.db")
    try:
        model = ReadModel(example(f"local://{folder}/routes.db"), log, clock_ms=now_ms)
        app = build_api_app(model)
        app.include_router(build_pages(model, app))
        found = []
        for route in iter_route_contexts(app.routes):
            assert not isinstance(route.original_route, Mount), f"{route.path}: what it serves can't be looked into"
            dependant = getattr(route, "dependant", None)
            role = declared(dependant) if dependant is not None else None
            found += [(method, route.path, role) for method in sorted(route.methods or {"WEBSOCKET"})]
        return found
    finally:
        asyncio.run(log.close())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return routes(tmp_path_factory.mktemp("routes"))


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """Address of a view with login that runs, and a key for each role."""
    folder = tmp_path_factory.mktemp("view")
    kit = Kit(folder / "access.db")
    kit.clock.ms = now_ms()
    keys = {}
    for role in Role:
        kit.users.add(role.label, role, PASSWORD, by=TESTER)
        _, keys[role.label] = kit.keys.add(role.label, role.label, label="", lifetime_ms=86_400_000, by=TESTER)
    kit.database.close()
    patch = pytest.MonkeyPatch()
    for name, value in {"LOGIN": "true", "USERS": str(folder / "access.db")}.items():
        patch.setitem(os.environ, f"STREAMGAUGE_WEB__{name}", value)
    with web(f"local://{folder}/log.db") as address:
        patch.undo()
        yield address, keys
    found = kit.audit.verify()
    assert found.broken is None
    assert found.head.number > len(keys)


def test_every_route_names_its_role(found):
    """A route without a role is a mistake, unless its path is one of the few that are for everybody."""
    assert [(method, path) for method, path, role in found if role is None and not is_public(path)] == []
    assert [path for _, path, role in found if role is not None and is_public(path)] == []
    assert {path for path in PUBLIC if not path.endswith("/")} >= {path for _, path, role in found if role is None}


def test_changes_need_more_than_reading(found):
    """Nothing that may change something is for viewers, but the end of the own login."""
    weak = {path for method, path, role in found if method not in SAFE | {"WEBSOCKET"} and role is Role.VIEWER}
    assert weak == {"/logout"}


def test_roles_are_those_that_were_meant(found):
    """Of some routes it is written down here who may use them."""
    declared_roles = {(method, path): role for method, path, role in found}
    assert {route: declared_roles.get(route) for route in EXPECTED} == EXPECTED


def test_every_route_as_everybody(found, view):
    """Each route of the running view answers those whose role is enough, and nobody else, with 401 or 403."""
    address, keys = view
    wrong = []
    for (method, path, role), who in product(found, WHO):
        got = ask(address, method, re.sub(r"\{[^}]*\}", "x", path), keys.get(who))
        if (method, path) == ("POST", "/login"):
            is_right = got in {401, 403, 429}  # an empty name; without a key also of no page of ours
        elif role is None or (who != NOBODY and Role[who.upper()] >= role):
            is_right = got not in {401, 403} and got < 500
        elif who != NOBODY or method == "WEBSOCKET":
            is_right = got == 403
        else:
            is_right = got in {401, 303}
        if not is_right:
            wrong.append((method, path, who, got))
    assert wrong == []


def ask(address, method, path, key):
    """The status of an answer; the rest is not waited for."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if method == "WEBSOCKET":
        try:
            with connect(address.replace("http", "ws", 1) + path, additional_headers=headers):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code
    body = {} if method in SAFE else {"json": {}}
    with httpx.stream(method, address + path, headers=headers, timeout=60, **body) as answer:
        return answer.status_code


def test_what_the_pages_are_made_of_is_for_users_too(view):
    """NiceGUI's own routes, its socket, and paths that don't exist answer nobody; style sheets do."""
    address, keys = view
    paths = [re.sub(r"\{[^}]*\}", "x", route.path) for route in nicegui_app.routes if hasattr(route, "path")]
    paths = [path for path in paths if path.startswith("/_nicegui")]
    assert len(paths) > 3
    for path in [*paths, "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/_nicegui/x", "/api/nope", "/api/"]:
        assert ask(address, "GET", path, None) == 401, path
    assert ask(address, "GET", "/nope", None) == 303
    assert ask(address, "GET", "/nope", keys["viewer"]) == 404
    assert ask(address, "GET", "/static/login.css", None) == 200
    assert ask(address, "GET", "/static/../app.py", None) in {303, 401, 404}
    socket = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    assert ask(address, "WEBSOCKET", socket, None) == 403
    assert ask(address, "WEBSOCKET", socket, keys["viewer"]) == 101


@pytest.fixture
def driver(tmp_path):
    need_chromium()
    with browser(tmp_path / "profile") as driver:
        yield driver


def until(driver, condition):
    return WebDriverWait(driver, WAIT_S, poll_frequency=0.1).until(lambda _: condition())


def text(driver):
    return driver.find_element(By.TAG_NAME, "body").text


def log_in(driver, name, password):
    for field, value in (("name", name), ("password", password)):
        box = driver.find_element(By.ID, field)
        box.clear()
        box.send_keys(value)
    driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def test_a_person_logs_in_and_out(view, driver):
    """From the page that was wanted over the login back to it, live, without an error; out again, and out for good."""
    address, _ = view
    driver.get(f"{address}/alerts")
    assert driver.current_url == f"{address}/login?next=/alerts"
    log_in(driver, "analyst", "not the password")
    until(driver, lambda: "Name or password is wrong" in text(driver))
    driver.get_log("browser")  # the browser notes the 401
    log_in(driver, "analyst", PASSWORD)
    until(driver, lambda: driver.current_url == f"{address}/alerts")
    until(driver, lambda: "Live" in text(driver))
    until(driver, lambda: driver.execute_script("return window.did_handshake === true"))
    assert "analyst" in driver.find_element(By.CSS_SELECTOR, ".sg-account").text
    assert NOTE not in text(driver)
    (cookie,) = driver.get_cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("sg-session-payments", True, "Lax")
    assert driver.execute_script("return document.cookie") == ""
    assert [entry for entry in driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []
    host = address.removeprefix("http://")
    assert [url for url in requested(driver) if not url.startswith((f"http://{host}/", f"ws://{host}/"))] == []
    driver.find_element(By.CSS_SELECTOR, ".sg-account button").click()
    until(driver, lambda: driver.current_url == f"{address}/login")
    driver.add_cookie({"name": cookie["name"], "value": cookie["value"]})
    driver.get(f"{address}/alerts")
    until(driver, lambda: driver.current_url == f"{address}/login?next=/alerts")


def test_an_open_page_asks_for_a_new_login(view, driver):
    """When an admin ends a user's sessions, the page that is open goes to the login by itself."""
    address, keys = view
    driver.get(f"{address}/login")
    log_in(driver, "operator", PASSWORD)
    until(driver, lambda: driver.current_url == f"{address}/")
    until(driver, lambda: driver.execute_script("return window.did_handshake === true"))
    changed = httpx.patch(
        f"{address}/api/users/operator",
        json={"password": PASSWORD},
        headers={"authorization": f"Bearer {keys['admin']}"},
        timeout=60,
    )
    assert changed.status_code == 200
    until(driver, lambda: driver.current_url == f"{address}/login")


def test_without_login_the_page_says_so(tmp_path, driver):
    """The note is on the page, and nothing about an account."""
    with web(f"local://{tmp_path}/log.db") as address:
        driver.get(address)
        until(driver, lambda: NOTE in text(driver))
        assert driver.find_elements(By.CSS_SELECTOR, ".sg-account") == []
