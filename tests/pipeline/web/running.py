"""Processes and a browser for the page tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 60
ROOT = Path(__file__).parents[3]
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PAGES = ("/", "/incidents", "/alerts", "/tables", "/tables/account_10m", "/rules", "/dead-letters", "/lag", "/system")

# What axe, which must be loaded, finds serious or critical by WCAG 2.1 AA.
VIOLATIONS = """
const done = arguments[arguments.length - 1];
const asked = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] };
axe.run(document, asked).then((found) =>
  done(found.violations.filter((each) => ["serious", "critical"].includes(each.impact)).map((each) =>
    `${each.id}, ${each.nodes.length} times: ${each.nodes[0].html.slice(0, 160)} ${each.nodes[0].failureSummary}`)));
"""


@contextlib.contextmanager
def process(what, url):
    """A process of the product, ended by SIGTERM; says so if it does not end well."""
    command = [sys.executable, "-m", "tests.pipeline.web.process", what, url]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=30)
        assert running.returncode == 0, output + errors


@contextlib.contextmanager
def web(url):
    """The address of a web view."""
    with process("web", url) as running:
        line = running.stdout.readline()
        assert line.startswith("web view: http://127.0.0.1:"), line + running.stderr.read()
        yield line.removeprefix("web view: ").strip().rstrip("/")


def need_chromium():
    """Skip without Debian's browser, except where CI has to have it."""
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing:
        reason = f"{' and '.join(missing)} missing: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def browser(profile, *, phone=False):
    """Headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if phone:
        metrics = {"width": 390, "height": 844, "pixelRatio": 2, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def requested(driver):
    """Addresses that the browser asked for since the last call; its own pages and inlined data are none."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [
        message["params"].get("request", message["params"])["url"]
        for message in messages
        if message["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}
    ]
    return [url for url in urls if not url.startswith(("data:", "blob:", "chrome:", "chrome-untrusted:"))]


def until(driver, condition):
    """What ``condition`` gives once it is true."""
    wait = WebDriverWait(driver, WAIT_S, poll_frequency=0.1, ignored_exceptions=[StaleElementReferenceException])
    return wait.until(lambda _: condition())


def texts(driver, css):
    """Texts of all elements at one moment."""
    script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText.trim())"
    return driver.execute_script(script, css)


def calm(driver, address):
    """No message on the console, and nothing was asked of anybody but this server."""
    assert [entry for entry in driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []
    host = address.removeprefix("http://")
    assert [url for url in requested(driver) if not url.startswith((f"http://{host}/", f"ws://{host}/"))] == []


def charts(driver):
    """Number of points in each series of each chart."""
    return driver.execute_script(
        "return [...document.querySelectorAll('.nicegui-echart')].map((element) => {"
        " const option = getElement(+element.id.slice(1)).chart.getOption();"
        " return Object.fromEntries((option.series || []).map((series) => [series.name, series.data.length])); })"
    )


def frames(driver):
    """Lengths of the messages that the server sent to the browser since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    received = [m for m in messages if m["method"] == "Network.webSocketFrameReceived"]
    return [len(m["params"]["response"]["payloadData"]) for m in received]
