"""The frame around every page: navigation, theme, and how fresh the data is."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nicegui import ui

from pipeline.config.model import AppConfig
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.parts.account import account, login_note
from pipeline.web.parts.elements import ICONS, Tag, icon, when
from pipeline.web.parts.live import while_shown

STATIC: Final = Path(__file__).parents[1] / "static"
PAGES: Final = {
    "": (("overview", "Overview", "/"),),
    "Watch": (("incidents", "Incidents", "/incidents"), ("alerts", "Alerts", "/alerts")),
    "Data": (
        ("tables", "Tables", "/tables"),
        ("rules", "Rules", "/rules"),
        ("letters", "Dead letters", "/dead-letters"),
    ),
    "Pipeline": (("lag", "Lag", "/lag"), ("system", "System", "/system"), ("api", "API", "/api")),
}
ON_A_PHONE: Final = ("overview", "incidents", "alerts", "tables")
THEMES: Final[dict[str, bool | None]] = {"light": False, "dark": True, "auto": None}
FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#3d7be0" stroke-width="2.4" '
    f'stroke-linecap="round" stroke-linejoin="round">{ICONS["logo"]}</svg>'
)
TICK_S: Final = 1.0
STALE_MS: Final = 5_000


def _version() -> str:
    """Fingerprint of the static files, so that a browser never mixes two releases."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_VERSION: Final = _version()


def versioned(name: str) -> str:
    """The address of a static file."""
    return f"/static/{name}?v={_VERSION}"


def command(config: AppConfig, words: str) -> str:
    """The exact command line for this configuration.

    >>> command(AppConfig(name="a", log="local://x"), "worker")
    'streamgauge worker'
    """
    return f"streamgauge {words} -c {config.source}" if config.source else f"streamgauge {words}"


@contextmanager
def frame(model: ReadModel, *, title: str, page: str) -> Iterator[Tag]:
    """Lay out a page; what is built inside becomes its main part."""
    client = ui.context.client
    client.title = f"{title} · {model.config.name} · streamgauge"
    now_ms = int(time.time() * 1_000)
    ui.add_head_html(
        f'<meta name="description" content="streamgauge: tables, lag and alerts of event streams">\n'
        f'<link rel="stylesheet" href="/static/streamgauge.css?v={_VERSION}">\n'
        f'<script src="/static/streamgauge.js?v={_VERSION}" data-now="{now_ms}"></script>\n'
        f'<script src="/static/figures.js?v={_VERSION}"></script>'
    )
    theme = client.request.cookies.get("streamgauge-theme", "auto")
    dark = ui.dark_mode(THEMES.get(theme))
    with Tag("div", classes="sg-shell"):
        _header(model, dark)
        _navigation(page)
        with Tag("main", classes="sg-main", attributes={"id": "main"}) as main:
            login_note()
            yield main
    ui.skip_link(target=main)


def _header(model: ReadModel, dark: ui.dark_mode) -> None:
    with Tag("header", classes="sg-top"):
        with Tag("a", classes="sg-brand", attributes={"href": "/", "aria-label": "streamgauge, overview"}):
            icon("logo")
            Tag("span", "streamgauge")
        Tag(
            "span", model.config.name, "sg-appname", {"title": f"Application {model.config.name} on {model.config.log}"}
        )
        Tag("div", classes="sg-spacer")
        _freshness(model)
        account()
        with Tag(
            "button", classes="sg-iconbtn", attributes={"type": "button", "aria-label": "Switch between light and dark"}
        ) as button:
            icon("theme")

    # Auto mode follows the system, which only the browser knows: it answers with what is shown now.
    def switch(event: object) -> None:
        shown_dark = bool(getattr(event, "args", False))
        dark.set_value(not shown_dark)

    button.on(
        "click",
        switch,
        js_handler="() => { const dark = document.body.classList.contains('body--dark');"
        " sg.theme(dark ? 'light' : 'dark'); emit(dark); }",
    )


def _freshness(model: ReadModel) -> None:
    with Tag("div", classes="sg-fresh", attributes={"role": "status"}) as line:
        text = Tag("span", "")
        read = when(None, ago=True)

    def show() -> None:
        stale = model.age_ms() > STALE_MS
        line.mark_as("is-stale" if stale else "", ("is-stale",))
        text.put(("Not read yet" if model.refreshed_ms is None else "Last read") if stale else "Live")
        line.set("title", model.problem or "The log is read once a second")
        read.set("ms", model.refreshed_ms if stale and model.refreshed_ms is not None else "")
        read.set_visibility(stale and model.refreshed_ms is not None)

    show()
    while_shown(TICK_S, show)


def _navigation(current: str) -> None:
    """Pages by what one comes for. A phone shows four in a bar at the bottom, and the rest behind a button."""
    with Tag("nav", classes="sg-nav", attributes={"aria-label": "Pages"}):
        with Tag("div", classes="sg-navs", attributes={"id": "pages"}):
            for group, pages in PAGES.items():
                with Tag("div", classes="sg-navgroup"):
                    if group:
                        Tag("p", group, "sg-navtitle", {"id": f"pages-{group}"})
                    with Tag("ul", attributes={"aria-labelledby": f"pages-{group}" if group else None}):
                        for page in pages:
                            _link(page, current)
        hidden = current not in ON_A_PHONE and current != ""
        with Tag("button", classes="sg-more", attributes={"type": "button", "aria-expanded": "false"}) as more:
            more.props["aria-controls"] = "pages"
            more.mark_as("is-here" if hidden else "", ("is-here",))
            icon("more")
            Tag("span", "More")
    more.on("click", js_handler="(e) => sg.more(e.currentTarget)")


def _link(page: tuple[str, str, str], current: str) -> None:
    name, title, path = page
    with (
        Tag("li", classes="" if name in ON_A_PHONE else "is-more"),
        Tag("a", attributes={"href": path, "aria-current": "page" if name == current else None}),
    ):
        icon(name)
        Tag("span", title)


def head(title: str, subtitle: str = "") -> None:
    """The page's heading and one line below it."""
    with Tag("div", classes="sg-head"):
        Tag("h1", title)
        if subtitle:
            Tag("p", subtitle)


def not_found(model: ReadModel, sentence: str) -> None:
    """A real 404 that says what is missing and where to go on."""
    ui.context.client.status_code = 404
    with frame(model, title="Not found", page=""):
        head("Not found")
        with Tag("div", classes="sg-card"), Tag("div", classes="sg-empty"):
            Tag("strong", sentence)
            with Tag("p"):
                Tag("a", "Go to the overview", attributes={"href": "/"})
