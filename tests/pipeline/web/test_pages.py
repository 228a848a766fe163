"""The pages in a real browser, over a real log with a real worker on it."""

from statistics import median

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from agents.events import Alert, Outgoing, RecordRef, Records
from pipeline.alerts import encode_alert
from tests.pipeline.web.filled import example, now_ms, on_log, produce
from tests.pipeline.web.running import PAGES, browser, calm, charts, frames, need_chromium, process, texts, until, web


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


@pytest.fixture(scope="module")
def driver(address, tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def test_overview_shows_the_state_of_the_whole(driver, address):
    """Tiles, charts, partitions and the latest alerts fill with real data and stay live."""
    driver.get(address)
    fine = ("All is well", "Every partition keeps up")  # the second where an incident is open
    until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-banner").text.startswith(fine))
    until(driver, lambda: "payments" in charts(driver)[0])
    until(driver, lambda: charts(driver)[1].get("p99", 0) > 0)
    until(driver, lambda: charts(driver)[2].get("payments", 0) > 2)
    rows = texts(driver, ".sg-table tbody tr")
    assert [row.split()[0] for row in rows if row.startswith("payments/")] == [f"payments/{p}" for p in range(4)]
    assert all("OK" in row for row in rows)
    assert len(texts(driver, ".sg-feed li")) == 4
    assert texts(driver, ".sg-fresh span") == ["Live"]

    def tile(name):
        tiles = zip(texts(driver, ".sg-tile .d"), texts(driver, ".sg-tile .v"), strict=True)
        return dict(tiles)[name]

    until(driver, lambda: tile("Open incidents").isdecimal() and tile("Open incidents") != "0")
    until(driver, lambda: tile("Rejects, 5 m") == "4")  # the health tables tell it, a window later
    until(driver, lambda: "newest" in driver.find_element(By.CSS_SELECTOR, ".sg-tile sg-spark").accessible_name)
    calm(driver, address)


def test_topology_says_what_flows_where(driver, address):
    """Boxes from streams to incidents carry what flows, are linked, and name what they feed for a screen reader."""
    driver.get(address)
    until(driver, lambda: "rapid-large" in texts(driver, ".sg-node .n"))
    names = texts(driver, ".sg-node .n")
    assert names[:2] == ["payments", "samples"]
    assert {"account_10m", "mule-fan-in", "sample-jump", "alerts", "incidents"} <= set(names)
    assert "health" not in " ".join(names)
    boxes = driver.find_elements(By.CSS_SELECTOR, ".sg-node")
    told = {box.get_attribute("title"): box.get_attribute("textContent") for box in boxes}
    assert "feeds account_10m, account_1d, merchant_10m" in told["payments"]
    assert len(driver.find_elements(By.CSS_SELECTOR, ".sg-topo-body path")) == 3 + 2 + 6 + 8 + 1
    until(driver, lambda: any(text[:1].isdigit() and text[0] != "0" for text in texts(driver, ".sg-node.is-rule .r")))
    next(box for box in boxes if box.get_attribute("title") == "merchant_10m").click()
    until(driver, lambda: driver.current_url.endswith("/tables/merchant_10m"))
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
    field.send_keys(first[0], " n>0")
    until(driver, lambda: texts(driver, ".ag-pinned-left-cols-container [col-id='key']") == [first[0]])
    export = driver.find_element(By.LINK_TEXT, "Parquet").get_attribute("href")
    assert export == f"{address}/api/tables/account_10m/export?format=parquet&q={first[0]}&where=n%3E0&sort=-key"
    field.send_keys(" spnt>1")
    until(driver, lambda: "did you mean 'spent'?" in driver.find_element(By.CSS_SELECTOR, ".sg-note").text)
    calm(driver, address)


def test_the_address_of_a_table_says_what_is_shown(driver, address):
    """Filter, order and place can be linked to; a column that is not there is told, with the nearest one."""
    driver.get(f"{address}/tables/account_10m?sort=key&offset=25")
    until(driver, lambda: len(texts(driver, ".ag-pinned-left-cols-container .ag-row")) == 25)
    keys = texts(driver, ".ag-pinned-left-cols-container [col-id='key']")
    assert keys == sorted(keys)
    assert driver.find_element(By.CSS_SELECTOR, ".sg-pager").text.split("of")[0].endswith("26 to 50 ")
    header = driver.find_element(By.CSS_SELECTOR, ".ag-header-cell[col-id='key']")
    assert header.get_attribute("aria-sort") == "ascending"
    driver.get(f"{address}/tables/account_10m?sort=-spnt")
    until(driver, lambda: "did you mean 'spent'?" in driver.find_element(By.CSS_SELECTOR, ".sg-note").text)
    calm(driver, address)


def test_key_shows_its_history(driver, address):
    """A key leads to its page: what it is now, how each measure went, and which alerts it raised."""
    driver.get(f"{address}/alerts")
    link = until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-alert"))
    key = link.find_element(By.CSS_SELECTOR, ".k").text
    driver.get(link.get_attribute("href"))
    until(driver, lambda: driver.find_element(By.CSS_SELECTOR, ".sg-facts a")).click()
    until(driver, lambda: driver.find_element(By.TAG_NAME, "h1").text == key)
    until(driver, lambda: charts(driver)[0].get("n", 0) > 0)
    driver.find_element(By.XPATH, "//button[.='spent']").click()
    until(driver, lambda: charts(driver)[0].get("spent", 0) > 0)
    assert driver.find_element(By.CSS_SELECTOR, ".nicegui-echart").get_attribute("aria-label").startswith("spent from")
    assert set(texts(driver, ".sg-feed .k")) == {key}
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
    driver.get(f"{address}/alerts?rule=rapid-large")
    until(driver, lambda: set(texts(driver, ".sg-alert b")) == {"rapid-large"})
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


def test_dead_letters_are_browsed_by_reason(driver, address):
    """Each reason says how many there are and shows only its own; the payload is there as it came."""
    driver.get(f"{address}/dead-letters")
    reasons = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".sg-reason"))
    counts = [int(text.split()[0]) for text in texts(driver, ".sg-reason")]
    assert sum(counts) == 4
    until(driver, lambda: len(texts(driver, "tbody tr")) == 4)
    reasons[-1].click()
    until(driver, lambda: len(texts(driver, "tbody tr")) == counts[-1])
    assert reasons[-1].get_attribute("aria-pressed") == "true"
    driver.find_element(By.CSS_SELECTOR, "tbody summary").click()
    until(driver, lambda: driver.find_element(By.CSS_SELECTOR, "tbody pre").is_displayed())
    driver.find_element(By.CSS_SELECTOR, "input[aria-label='Search dead letters']").send_keys("no such thing")
    until(driver, lambda: "No dead letter passes this filter" in driver.find_element(By.TAG_NAME, "main").text)
    calm(driver, address)


def test_lag_is_shown_by_group_topic_and_partition(driver, address):
    """The workers' group comes first, with each topic it reads, and each partition with its owner and trend."""
    driver.get(f"{address}/lag")
    until(driver, lambda: "payments · the workers" in texts(driver, "h2"))
    until(driver, lambda: any(text.split()[:2] == ["payments/3", "OK"] for text in texts(driver, "details tbody tr")))
    topics = {text.split()[0] for text in texts(driver, ".sg-card > .sg-scroll tbody tr")}
    assert {"payments", "samples", "alerts"} <= topics
    calm(driver, address)


def test_system_shows_who_works_with_which_settings(driver, address):
    """The worker with its partitions, the versions, and the configuration in force with its defaults."""
    driver.get(f"{address}/system")
    until(driver, lambda: "payments: 0 to 3" in driver.find_element(By.CSS_SELECTOR, "tbody").text)
    assert "nicegui" in texts(driver, "dt")
    summary = driver.find_element(By.XPATH, "//summary[.='[rules.rapid-large]']")
    summary.send_keys(Keys.ENTER)
    opened = summary.find_element(By.XPATH, "..")
    until(driver, lambda: "large >= 2 and first_seen(country)" in opened.text)
    assert "severity" in opened.text
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
    driver.get(f"{address}/incidents/0123")
    until(driver, lambda: "There is no incident 0123." in driver.find_element(By.TAG_NAME, "main").text)
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


def test_pages_fit_a_phone(address, tmp_path):
    """At 390 px nothing is wider than the screen, on no page; what the bar has no room for is behind a button."""
    with browser(tmp_path, phone=True) as phone:
        for path in (*PAGES, "/api"):
            phone.get(address + path)
            until(phone, lambda: phone.find_elements(By.TAG_NAME, "h1"))
            assert phone.execute_script("return document.documentElement.scrollWidth") <= 390, path
        system = phone.find_element(By.CSS_SELECTOR, ".sg-nav a[href='/system']")
        assert not system.is_displayed()
        phone.find_element(By.CSS_SELECTOR, ".sg-more").click()
        until(phone, system.is_displayed)
        system.click()
        until(phone, lambda: phone.current_url.endswith("/system"))
        calm(phone, address)


def test_only_what_changed_is_sent(driver, address):
    """A chart's points are sent once: after the first message an update is short, however long the history."""
    driver.get(address)
    until(driver, lambda: charts(driver)[2].get("payments", 0) > 2)
    lengths = frames(driver)
    until(driver, lambda: lengths.extend(frames(driver)) or len(lengths) > 10)
    assert median(lengths[-9:]) < 2_000
