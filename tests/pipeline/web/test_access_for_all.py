"""Pages that everybody can use: contrast, names and roles, the keyboard, and nothing that jumps."""

from importlib.resources import files

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.pipeline.web.filled import example, fill, on_log
from tests.pipeline.web.running import PAGES, VIOLATIONS, browser, need_chromium, until, web

LINKED = {"/incidents": ".sg-incidents a", "/alerts": ".sg-alert", "/tables/account_10m": ".ag-row a"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A web view over a log that a worker has worked through."""
    need_chromium()
    url = f"local://{tmp_path_factory.mktemp('log')}/events.db"
    on_log(url, lambda log: fill(log, example(url)))
    with web(url) as address:
        yield address


@pytest.fixture(scope="module")
def driver(address, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(address)
        yield driver


def visit(driver, address, path):
    driver.get(address + path)
    until(driver, lambda: driver.find_elements(By.TAG_NAME, "h1"))
    if path in LINKED:
        return until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, LINKED[path]))[0].get_attribute("href")
    return None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_violation(driver, address, theme):
    """Axe finds nothing serious or critical by WCAG 2.1 AA, contrast included, on any page in either theme."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text()
    driver.add_cookie({"name": "streamgauge-theme", "value": theme})
    targets = [visit(driver, address, path) for path in LINKED]
    found = []
    for path in (*PAGES, "/api", *(target.removeprefix(address) for target in targets)):
        visit(driver, address, path)
        driver.execute_script(axe)
        found += [f"{path}: {each}" for each in driver.execute_async_script(VIOLATIONS)]
    assert found == []


def test_pages_are_reached_by_keyboard(driver, address):
    """From the top, Tab meets the skip link, then the brand, the theme switch and every page in order."""
    driver.get(address)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-nav a"))
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    met = []
    for _ in range(12):
        focused = driver.switch_to.active_element
        met.append(focused.text or focused.get_attribute("aria-label"))
        focused.send_keys(Keys.TAB)
    pages = ["Overview", "Incidents", "Alerts", "Tables", "Rules", "Dead letters", "Lag", "System", "API"]
    assert met == ["Skip to main content", "streamgauge", "Switch between light and dark", *pages]


def test_nothing_jumps_while_a_page_comes_up(driver, address):
    """What is there stays where it is when the rest arrives: a fifth of the shift that is called good."""
    targets = [visit(driver, address, path).removeprefix(address) for path in LINKED]
    shifts = {}
    for path in (*PAGES, *targets):
        visit(driver, address, path)
        until(driver, lambda: driver.execute_script("return performance.now()") > 1_600)
        shifts[path] = driver.execute_async_script(SHIFT)
    assert {path: shift for path, shift in shifts.items() if shift >= 0.02} == {}


SHIFT = """
const done = arguments[arguments.length - 1];
let sum = 0;
const add = (entry) => { if (!entry.hadRecentInput) sum += entry.value; };
new PerformanceObserver((list) => list.getEntries().forEach(add))
  .observe({ type: "layout-shift", buffered: true });
setTimeout(() => done(sum), 100);
"""
