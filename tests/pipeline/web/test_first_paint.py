"""What a page shows before its socket is up: the values are in the page itself."""

import httpx
import pytest
from selenium.webdriver.common.by import By

from pipeline.web.parts import human
from tests.pipeline.web.filled import example, fill, on_log
from tests.pipeline.web.running import browser, charts, need_chromium, texts, until, web

# What a browser without a socket is: neither a websocket nor polling gets through.
CUT = """
window.WebSocket = class { constructor() { this.readyState = 0; } close() {} send() {} addEventListener() {} };
const open = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, url, ...rest) {
  return open.call(this, method, String(url).includes("socket.io") ? "/static/none" : url, ...rest);
};
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A web view that has read a log that a worker has worked through."""
    need_chromium()
    url = f"local://{tmp_path_factory.mktemp('log')}/events.db"
    on_log(url, lambda log: fill(log, example(url)))
    with web(url) as address:
        while httpx.get(f"{address}/api/status").json()["refreshed_ms"] is None:
            pass
        yield address


@pytest.fixture(scope="module")
def driver(address, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CUT})
        yield driver


def test_the_overview_has_its_numbers(driver, address):
    """Tiles, the banner, alerts, what flows and the partitions: all is there, and as the API has it."""
    incidents = httpx.get(f"{address}/api/incidents", params={"limit": 500}).json()["incidents"]
    driver.get(address)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-tile"))
    tiles = dict(zip(texts(driver, ".sg-tile .d"), texts(driver, ".sg-tile .v"), strict=True))
    assert tiles["Open incidents"] == str(len(incidents))
    assert tiles["Lag"] == "0.0 s"
    assert tiles["Watermark"].count(":") == 2
    assert driver.find_element(By.CSS_SELECTOR, ".sg-banner").text.startswith("No worker is running")
    newest = httpx.get(f"{address}/api/alerts", params={"limit": 4}).json()["alerts"]
    assert texts(driver, ".sg-feed b") == [each["rule"] for each in newest]
    assert human.NOTHING not in texts(driver, ".sg-node .r")
    rows = [row for row in texts(driver, ".sg-table tbody tr") if row.startswith("payments/")]
    assert (len(rows), all("OK" in row for row in rows)) == (4, True)
    until(driver, lambda: charts(driver)[2].get("payments", 0) > 0)


def test_an_incident_has_its_evidence(driver, address):
    """The list, and on the page of an incident the chart with its threshold and the alerts."""
    driver.get(f"{address}/incidents")
    target = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-incidents a"))[0].get_attribute("href")
    driver.get(target)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-evidence tr"))
    assert texts(driver, ".sg-stack tbody tr")
    drawn = "return getElement(+document.querySelector('.nicegui-echart').id.slice(1)).chart.getOption().series"
    until(driver, lambda: len(driver.execute_script(drawn) or []) == 2)


@pytest.mark.parametrize(
    ("path", "rows"),
    [("/alerts", ".sg-alert"), ("/tables/account_10m", ".ag-center-cols-container .ag-row"), ("/lag", "tbody tr")],
)
def test_lists_have_their_rows(driver, address, path, rows):
    """A live list, a page of a table and the lag of each partition."""
    driver.get(address + path)
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, rows)) > 4)


def test_there_is_no_socket(driver, address):
    """Else the tests above would prove nothing."""
    driver.get(address)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-tile"))
    assert driver.execute_script("return window.socket.connected") is False
