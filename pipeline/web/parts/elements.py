"""Small building blocks of the pages: plain HTML elements whose text is always text."""

from collections.abc import Iterable, Mapping
from typing import Final

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

Attribute = str | int | bool | None

# Outlines by Lucide's grid: 24 px, 2 px strokes, currentColor.
ICONS: Final = {
    "logo": '<path d="M3 14a9 9 0 0 1 18 0"/><path d="m12 14 4.5-5"/><path d="M3 19h18"/>',
    "overview": '<path d="M4 20V10"/><path d="M10 20V4"/><path d="M16 20v-7"/><path d="M22 20H2"/>',
    "tables": '<rect x="3" y="4" width="18" height="16" rx="2"/><path d="M3 10h18M3 15h18M10 10v10"/>',
    "alerts": '<path d="M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9"/><path d="M10 20a2.2 2.2 0 0 0 4 0"/>',
    "api": '<path d="m8 7-5 5 5 5"/><path d="m16 7 5 5-5 5"/><path d="m13.5 5-3 14"/>',
    "incidents": '<path d="M12 3 2.5 20h19L12 3Z"/><path d="M12 10v4.5M12 17.5v.01"/>',
    "rules": '<path d="M4 6h10M18 6h2M4 12h2M10 12h10M4 18h7M15 18h5"/><circle cx="16" cy="6" r="2"/>'
    '<circle cx="8" cy="12" r="2"/><circle cx="13" cy="18" r="2"/>',
    "letters": '<rect x="3" y="5" width="18" height="14" rx="2"/><path d="m3.5 7 8.5 6 8.5-6"/>',
    "lag": '<circle cx="12" cy="13" r="7.5"/><path d="M12 9v4l2.5 2.5M9.5 2.5h5"/>',
    "system": '<rect x="3" y="4" width="18" height="7" rx="2"/><rect x="3" y="13" width="18" height="7" rx="2"/>'
    '<path d="M7 7.5h.01M7 16.5h.01M11 7.5h6M11 16.5h6"/>',
    "more": '<path d="M4 7h16M4 12h16M4 17h16"/>',
    "theme": '<circle cx="12" cy="12" r="8.5"/><path d="M12 3.5v17a8.5 8.5 0 0 0 0-17Z" fill="currentColor"/>',
}


class Tag(TextElement):
    """Any HTML element with text.

    Args:
        tag: Name of the element; custom elements too.
        text: Its text, never taken as markup.
        classes: Style classes.
        attributes: HTML attributes; ``None`` leaves one out, ``True`` sets it without a value.
    """

    def __init__(
        self, tag: str, text: str = "", classes: str = "", attributes: Mapping[str, Attribute] | None = None
    ) -> None:
        super().__init__(tag=tag, text=text)
        if classes:
            self.classes(classes)
        for name, value in (attributes or {}).items():
            if value is not None:
                self.props[name] = value

    def put(self, text: str) -> None:
        """Change the text; nothing is sent if it is the same."""
        if self.text != text:
            self.set_text(text)

    def set(self, name: str, value: Attribute) -> None:
        """Change an attribute; nothing is sent if it is the same."""
        if self.props.get(name) == value:
            return
        if value is None:
            self.props.pop(name, None)
        else:
            self.props[name] = value
        self.update()

    def mark_as(self, state: str, among: tuple[str, ...]) -> None:
        """Carry the class ``state`` and none of the others in ``among``."""
        wanted = [name for name in self.classes if name not in among]
        if state:
            wanted.append(state)
        if wanted != list(self.classes):
            self.classes(replace=" ".join(wanted))


def when(ms: float | None, *, ago: bool = False, classes: str = "") -> Tag:
    """A moment in the viewer's zone with UTC on hover, or how long ago it was, counted on by the browser."""
    return Tag("sg-ago" if ago else "sg-time", "", classes, {"ms": "" if ms is None else int(ms)})


def icon(name: str) -> Element:
    """One of ``ICONS``, as a picture that says nothing to a screen reader."""
    return ui.html(
        f'<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round" aria-hidden="true">{ICONS[name]}</svg>',
        sanitize=False,
    )


def button(text: str, classes: str = "", attributes: Mapping[str, Attribute] | None = None) -> Tag:
    """A plain button that submits nothing."""
    return Tag("button", text, f"sg-btn {classes}".strip(), {"type": "button", **(attributes or {})})


def spark(label: str, *, bars: bool = False) -> Tag:
    """A sparkline of fixed size; its attribute ``values`` holds numbers separated by commas, nothing where none is."""
    return Tag("sg-spark", "", "", {"label": label, "values": "", "bars": bars or None})


def numbers(values: Iterable[float | None]) -> str:
    """Values for a sparkline, four significant digits each.

    >>> numbers([1.0, None, 12345.678])
    '1,,1.235e+04'
    """
    return ",".join("" if value is None else f"{value:.4g}" for value in values)


def empty_state(title: str, advice: str, command: str | None = None) -> Element:
    """What stands where nothing is yet: what is missing, what to do, and the exact command."""
    with Tag("div", classes="sg-empty") as box:
        Tag("strong", title)
        Tag("p", advice)
        if command:
            Tag("code", command, "sg-cmd")
    return box


def table_head(columns: list[tuple[str, str]], caption: str) -> None:
    """Caption for screen readers and header row; each column is its title and style classes."""
    Tag("caption", caption, "sg-sr")
    with Tag("thead"), Tag("tr"):
        for title, classes in columns:
            Tag("th", title, classes, {"scope": "col"})
