"""What people do about incidents, in a real browser, with a real worker that acts on it."""

from importlib.resources import files

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from pipeline.access.audit import AuditLog
from pipeline.access.database import Database
from tests.pipeline.web.filled import example, now_ms, on_log, produce
from tests.pipeline.web.running import VIOLATIONS, browser, calm, need_chromium, process, texts, until, web


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the log and the audit log are."""
    return tmp_path_factory.mktemp("log")


@pytest.fixture(scope="module")
def address(folder):
    """A web view beside a worker, over payments with fraud in them."""
    need_chromium()
    url = f"local://{folder}/events.db"
    on_log(url, lambda log: produce(log, example(url)))
    with process("worker", url), web(url) as address:
        yield address


@pytest.fixture(scope="module")
def driver(address, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def opened(driver, address, place):
    """Open the incident at a place of the list; its address."""
    driver.get(f"{address}/incidents")
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".sg-incidents tbody tr")) > 2)
    target = driver.find_elements(By.CSS_SELECTOR, ".sg-incidents a")[place].get_attribute("href")
    driver.get(target)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-actions button"))
    return target


def press(driver, text):
    driver.find_element(By.XPATH, f"//div[contains(@class, 'sg-actions')]/button[starts-with(., '{text}')]").click()
    return until(driver, lambda: driver.find_element(By.CSS_SELECTOR, "dialog[open]"))


def test_incidents_come_worst_first(driver, address):
    """The list has the severities in order, and a search narrows it."""
    driver.get(f"{address}/incidents")
    until(driver, lambda: len(texts(driver, ".sg-incidents tbody tr")) > 2)
    order = ["critical", "high", "medium", "low", "info"]
    shown = texts(driver, ".sg-incidents .sg-pill")
    assert shown == sorted(shown, key=order.index)
    name = texts(driver, ".sg-incidents a")[0]
    driver.find_element(By.CSS_SELECTOR, "input[aria-label='Search incidents']").send_keys(name.split(" · ")[1])
    until(driver, lambda: name in texts(driver, ".sg-incidents a") and len(texts(driver, ".sg-incidents a")) < 4)
    driver.find_element(By.XPATH, "//button[.='Resolved']").click()
    until(driver, lambda: "No incident passes this filter" in driver.find_element(By.TAG_NAME, "main").text)
    calm(driver, address)


def test_incident_draws_values_with_their_threshold(driver, address):
    """The chart has the alerts' values as dots and the limit that they were compared with as a line."""
    opened(driver, address, 0)
    drawn = "return getElement(+document.querySelector('.nicegui-echart').id.slice(1)).chart.getOption().series"
    until(driver, lambda: len(driver.execute_script(drawn) or []) == 2)
    line, dots = driver.execute_script(drawn)
    name = driver.find_element(By.CSS_SELECTOR, ".sg-measures [aria-pressed='true']").text
    rows = driver.find_elements(By.CSS_SELECTOR, ".sg-evidence tr")
    of_measure = next(row for row in rows if row.text.startswith(f"{name} "))
    value, limit = (cell.text.replace(",", "") for cell in of_measure.find_elements(By.CSS_SELECTOR, ".r"))
    assert line["markLine"]["data"][0]["yAxis"] == pytest.approx(float(limit), rel=1e-3)
    assert dots["data"][-1][1] == pytest.approx(float(value), rel=1e-3)
    shown = driver.find_element(By.TAG_NAME, "main").text
    for part in ("fired for", "Contributing records", "Condition", "What happened", "People were told"):
        assert part in shown
    calm(driver, address)


def test_incident_is_acknowledged_and_resolved_by_keyboard(driver, address):
    """A dialog asks for a note, keeps the focus, and Escape changes nothing; then a worker writes down who did it."""
    opened(driver, address, 0)
    dialog = press(driver, "Acknowledge")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(driver, lambda: not dialog.is_displayed())
    dialog = press(driver, "Acknowledge")
    field = dialog.find_element(By.CSS_SELECTOR, "input[name='note']")
    field.send_keys("calling the customer", Keys.ENTER)
    until(driver, lambda: "acknowledged by local" in driver.find_element(By.CSS_SELECTOR, ".sg-state").text)
    until(driver, lambda: any("calling the customer" in text for text in texts(driver, ".sg-story li")))
    press(driver, "Resolve").find_element(By.CSS_SELECTOR, "input[name='note']").send_keys("it was her", Keys.ENTER)
    until(driver, lambda: "resolved by local" in driver.find_element(By.CSS_SELECTOR, ".sg-state").text)
    until(driver, lambda: not driver.find_element(By.XPATH, "//button[.='Resolve']").is_enabled())
    calm(driver, address)


def test_snooze_is_shown_while_it_lasts(driver, address):
    """A snooze needs a reason, and stands below the list with its end."""
    opened(driver, address, 1)
    dialog = press(driver, "Snooze")
    Select(dialog.find_element(By.NAME, "scope")).select_by_value("rule")
    Select(dialog.find_element(By.NAME, "minutes")).select_by_value("240")
    reason = dialog.find_element(By.NAME, "reason")
    reason.send_keys(Keys.ENTER)
    assert dialog.is_displayed()
    reason.send_keys("known test", Keys.ENTER)
    row = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-snoozes tbody tr"))[0]
    rule = driver.find_element(By.TAG_NAME, "h1").text.split(" · ")[0]
    assert ("known test" in row.text, "local" in row.text) == (True, True)
    driver.get(f"{address}/incidents")
    row = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-snoozes tbody tr"))[0]
    what, until_when, why, by, _, end = [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
    assert (what, why, by, end) == (rule, "known test", "local", "End now")
    assert until_when.count(":") == 2
    assert row.find_element(By.TAG_NAME, "sg-time").get_attribute("title").endswith(" UTC")
    calm(driver, address)


def test_snooze_is_ended_early(driver, address, folder):
    """A button that says what it ends; the snooze goes from both pages, and both changes are in the audit log."""
    driver.get(f"{address}/incidents")
    end = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-snoozes button"))[0]
    what = driver.find_element(By.CSS_SELECTOR, ".sg-snoozes td").text
    assert end.accessible_name == f"End now the snooze of {what}"
    driver.execute_script(files("axe_core_python").joinpath("axe.min.js").read_text())
    assert driver.execute_async_script(VIOLATIONS) == []
    end.send_keys(Keys.ENTER)
    until(driver, lambda: f"{what} is told of again" in driver.find_element(By.TAG_NAME, "body").text)
    until(driver, lambda: not driver.find_element(By.CSS_SELECTOR, ".sg-snoozes").is_displayed())
    records = AuditLog(Database(folder / "events.db-access.db"), clock_ms=now_ms).newest(100)[::-1]
    told = [(r["action"], r["outcome"]) for r in records if r["action"].startswith("snooze")]
    assert told == [(action, outcome) for action in ("snooze.add", "snooze.end") for outcome in ("asked", "ok")]
    calm(driver, address)


def test_labels_give_a_rule_its_precision(driver, address):
    """Fraud on all alerts of an incident marks each, and the rule's precision follows from it."""
    target = opened(driver, address, 2)
    rule = driver.find_element(By.TAG_NAME, "h1").text.split(" · ")[0]
    driver.find_element(By.XPATH, "//div[contains(@class, 'sg-do')]//button[.='Fraud']").click()
    pressed = "tbody button[aria-pressed='true']"
    until(driver, lambda: set(texts(driver, pressed)) == {"Fraud"})
    driver.get(f"{address}/rules")
    row = f"//tr[th/a[.='{rule}']]"
    until(driver, lambda: "100%" in driver.find_element(By.XPATH, row).text)
    assert "labelled" in driver.find_element(By.XPATH, row).text
    driver.get(target)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, pressed))
    driver.find_element(By.XPATH, "//div[contains(@class, 'sg-do')]//button[.='Not fraud']").click()
    until(driver, lambda: set(texts(driver, pressed)) == {"Not fraud"})
    calm(driver, address)
