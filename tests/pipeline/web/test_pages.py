"""The pages in a real browser, over a real log with a real worker on it."""

import asyncio
import json
from statistics import median

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from agents.events import Alert, Outgoing, RecordRef, Records
from pipeline.alerts import encode_alert
from pipeline.log.opening import open_log
from tests.pipeline.web.filled import example, now_ms, produce
from tests.pipeline.web.running import browser, need_chromium, process, requested, web

WAIT_S = 30


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A log with payments to work on."""
    need_chromium()
    url = f"local://{tmp_path_factory.mktemp('log')}/events.db"
    on_log(url, lambda log: produce(log, example(url)))
    return url


@pytest.fixture(scope="module")
def address(url):
    """A web view beside a worker."""
    with process("worker", url), web(url) as address:
        yield address


def on_log(url, work):
    async def opened():
        log = open_log(url)
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())


@pytest.fixture(scope="module")
def driver(address, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def until(driver, condition):
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


def test_overview_shows_the_state_of_the_whole(driver, address):
    """Tiles, charts, partitions and the latest alerts fill with real data and stay live."""
    driver.get(address)
    until(driver, lambda: "All is well" in driver.find_element(By.CSS_SELECTOR, ".sg-banner").text)
    until(driver, lambda: "payments" in charts(driver)[0])
    until(driver, lambda: charts(driver)[1].get("p99", 0) > 0)
    until(driver, lambda: charts(driver)[2].get("payments", 0) > 2)
    rows = texts(driver, ".sg-table tbody tr")
    assert [row.split()[0] for row in rows if row.startswith("payments/")] == [f"payments/{p}" for p in range(4)]
    assert all("OK" in row for row in rows)
    assert len(texts(driver, ".sg-feed li")) == 4
    assert texts(driver, ".sg-fresh span") == ["Live"]
    calm(driver, address)


def test_table_is_filtered_sorted_and_paged_by_the_server(driver, address):
    """The browser holds one page; sorting, filtering and paging fetch another, and a mistake is told."""
    driver.get(f"{address}/tables")
    until(driver, lambda: driver.find_element(By.LINK_TEXT, "account_10m")).click()
    until(driver, lambda: len(texts(driver, ".ag-pinned-left-cols-container .ag-row")) == 25)
    counts = [int(text) for text in texts(driver, ".ag-center-cols-container [col-id='n']")]
    assert counts == sorted(counts, reverse=True)
    assert len(texts(driver, ".sg-part")) == 4
    first = texts(driver, ".ag-pinned-left-cols-container [col-id='key']")
    driver.find_element(By.XPATH, "//button[.='Next']").click()
    until(driver, lambda: texts(driver, ".ag-pinned-left-cols-container [col-id='key']") != first)
    second = texts(driver, ".ag-pinned-left-cols-container [col-id='key']")
    assert not set(first) & set(second)
    driver.find_element(By.CSS_SELECTOR, ".ag-header-cell[col-id='key']").click()
    until(driver, lambda: "1 to 25" in driver.find_element(By.CSS_SELECTOR, ".sg-pager").text)
    field = driver.find_element(By.CSS_SELECTOR, "input[aria-label='Filter rows']")
    field.send_keys(first[0])
    until(driver, lambda: texts(driver, ".ag-pinned-left-cols-container [col-id='key']") == [first[0]])
    field.send_keys(" spnt>1")
    until(driver, lambda: "did you mean 'spent'?" in driver.find_element(By.CSS_SELECTOR, ".sg-note").text)
    calm(driver, address)


def test_alerts_show_their_evidence(driver, address):
    """Choosing an alert shows why it fired without leaving the list; its address can be opened by itself."""
    driver.get(f"{address}/alerts")
    link = until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-alert"))
    target = link.get_attribute("href")
    rule = link.find_element(By.TAG_NAME, "b").text
    link.click()
    until(driver, lambda: driver.current_url == target)
    detail = until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-detail h2"))
    assert detail.text.startswith(rule)
    shown = driver.find_element(By.CSS_SELECTOR, ".sg-detail").text
    for part in ("Values beside their thresholds", "Condition", "Window", "Contributing records", "fired for"):
        assert part in shown
    driver.get(target)
    until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-detail h2").text.startswith(rule))
    assert "UTC" in driver.find_element(By.CSS_SELECTOR, ".sg-detail sg-time").get_attribute("title")
    calm(driver, address)


def test_a_new_alert_appears_by_itself(driver, address, url):
    """An alert that is appended while the list is open comes to its top, and its text is text, not markup."""
    driver.get(f"{address}/alerts")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-alert"))
    key = "<img src=x onerror=alert(1)> `${1}` &amp;"
    now = now_ms()
    ref = RecordRef("payments", 0, 1, key)
    alert = Alert(
        id="f" * 32,
        rule="made-by-hand",
        version="01234567",
        severity="critical",
        stream="payments",
        table="account_10m",
        key=key,
        event_time_ms=now,
        appended_ms=now,
        window_start_ms=now - 600_000,
        window_end_ms=now,
        condition="n > 1",
        values={"n": 2},
        thresholds={"n": 1},
        source=ref,
        records=(ref,),
    )
    encoded = encode_alert(alert, detected_ms=now + 60_000, app="payments")
    on_log(url, lambda log: log.append([Outgoing("alerts", 0, Records(values=[encoded.value]))]))
    until(driver, lambda: texts(driver, ".sg-alert b")[0] == "made-by-hand")
    assert texts(driver, ".sg-alert .k")[0] == key
    driver.find_element(By.CSS_SELECTOR, ".sg-alert").click()
    until(driver, lambda: key in driver.find_element(By.CSS_SELECTOR, ".sg-detail h2").text)
    calm(driver, address)


def test_alerts_are_filtered_by_severity_and_rule(driver, address):
    """Only alerts of the pressed severities are listed; searching for nonsense says what to do."""
    driver.get(f"{address}/alerts")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-alert"))
    severity = driver.find_element(By.CSS_SELECTOR, ".sg-alert .sg-pill").text
    button = driver.find_element(By.XPATH, f"//button[.='{severity}']")
    button.click()
    until(driver, lambda: button.get_attribute("aria-pressed") == "true")
    until(driver, lambda: set(texts(driver, ".sg-alert .sg-pill")) == {severity})
    driver.find_element(By.CSS_SELECTOR, "input[aria-label='Search alerts']").send_keys("no such thing")
    until(driver, lambda: "No alert passes this filter" in driver.find_element(By.CSS_SELECTOR, ".sg-split").text)
    calm(driver, address)


def test_api_page_lists_every_endpoint(driver, address):
    """The description of the API is drawn without anything from elsewhere."""
    driver.get(f"{address}/api")
    until(driver, lambda: "GET /api/tables/{name}" in texts(driver, "h2"))
    calm(driver, address)


def test_missing_page_says_where_to_go(driver, address):
    """An unknown address shows our page; the console holds nothing but its 404."""
    driver.get(f"{address}/nope")
    until(driver, lambda: "There is no page /nope." in driver.find_element(By.TAG_NAME, "main").text)
    entries = driver.get_log("browser")
    assert [entry for entry in entries if "404" not in entry["message"]] == []


def test_theme_is_switched_and_remembered(driver, address):
    """The switch turns light into dark, and the next page comes dark from the start."""
    driver.get(address)
    button = until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-iconbtn"))
    dark = "return document.body.classList.contains('body--dark')"
    before = driver.execute_script(dark)
    button.click()
    until(driver, lambda: driver.execute_script(dark) != before)
    driver.get(f"{address}/tables")
    until(driver, lambda: driver.find_elements(By.TAG_NAME, "h1"))
    until(driver, lambda: driver.execute_script(dark) != before)
    calm(driver, address)


def test_pages_are_reached_by_keyboard(driver, address):
    """From the top, Tab meets the skip link, then the brand, the theme switch and every page in order."""
    driver.get(address)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-nav a"))
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    met = []
    for _ in range(7):
        focused = driver.switch_to.active_element
        met.append(focused.text or focused.get_attribute("aria-label"))
        focused.send_keys(Keys.TAB)
    switch = "Switch between light and dark"
    assert met == ["Skip to main content", "streamgauge", switch, "Overview", "Tables", "Alerts", "API"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(driver, address, theme):
    """Every text on every page reaches WCAG AA on what is behind it, in both themes."""
    driver.get(address)
    driver.add_cookie({"name": "streamgauge-theme", "value": theme})
    for path in ("/", "/tables", "/tables/account_10m", "/alerts", "/api"):
        driver.get(address + path)
        until(driver, lambda: driver.find_elements(By.TAG_NAME, "h1"))
        if path == "/tables/account_10m":
            until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".ag-row"))
        assert driver.execute_script(CONTRAST) == [], path


CONTRAST = """
const parse = (text) => { const p = text.match(/[\\d.]+/g).map(Number); return [p[0], p[1], p[2], p[3] ?? 1]; };
const over = (top, base) => top.slice(0, 3).map((c, i) => c * top[3] + base[i] * (1 - top[3])).concat(1);
const behind = (element) => {
  if (!element) return [255, 255, 255, 1];
  const own = parse(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(element.parentElement));
};
const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = (c) => c.slice(0, 3).map((v) => linear(v / 255))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const found = [];
const walker = document.createTreeWalker(document.querySelector(".sg-shell"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
  if (!text || !element.checkVisibility() || element.closest(".sg-sr, :disabled")) continue;
  const style = getComputedStyle(element);
  if (!/^rgb/.test(style.color)) continue;
  const base = behind(element), [a, b] = [light(over(parse(style.color), base)), light(base)];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return found;
"""


def test_pages_fit_a_phone(address, tmp_path):
    """At 390 px nothing is wider than the screen, on no page."""
    with browser(tmp_path, phone=True) as phone:
        for path in ("/", "/tables", "/tables/account_10m", "/alerts", "/api"):
            phone.get(address + path)
            until(phone, lambda: phone.find_elements(By.TAG_NAME, "h1"))
            assert phone.execute_script("return document.documentElement.scrollWidth") <= 390, path
        calm(phone, address)


def test_only_what_changed_is_sent(driver, address):
    """A chart's points are sent once: after the first message an update is short, however long the history."""
    driver.get(address)
    until(driver, lambda: charts(driver)[2].get("payments", 0) > 2)
    lengths = frames(driver)
    until(driver, lambda: lengths.extend(frames(driver)) or len(lengths) > 10)
    assert median(lengths[-9:]) < 2_000


def frames(driver):
    """Lengths of the messages that the server sent to the browser since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    received = [m for m in messages if m["method"] == "Network.webSocketFrameReceived"]
    return [len(m["params"]["response"]["payloadData"]) for m in received]
