"""A chart over a span of its own: how a measure went, with its threshold drawn in and alerts as dots."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from nicegui import ui

from pipeline.readmodel.columns import ColumnKind
from pipeline.web.parts import human
from pipeline.web.parts.elements import Tag, button
from pipeline.web.parts.live import call_script

Points = Sequence[tuple[int, float | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """How one measure went.

    Args:
        name: Of the measure.
        kind: How its values are to be read.
        line: Time in Unix ms and value, oldest first.
        dots: Values of alerts, likewise.
        limit: The threshold; ``None`` without one.
    """

    name: str
    kind: ColumnKind | Literal["score"] = "number"
    line: Points = ()
    dots: Points = ()
    limit: float | None = None

    @property
    def sentence(self) -> str:
        """What is drawn, in words, for whoever can't see it."""
        values = [value for _, value in (*self.line, *self.dots) if value is not None]
        if not values:
            return f"{self.name}: no values"
        limit = "" if self.limit is None else f", threshold {human.number(self.limit)}"
        spread = f"from {human.number(min(values))} to {human.number(max(values))}"
        return f"{self.name} {spread}, newest {human.number(values[-1])}{limit}"


class Figure:
    """A card with one measure at a time; buttons choose which.

    Args:
        title: Heading of the card.
        subtitle: What is drawn.
        waiting: What to say while there is nothing to draw.
    """

    def __init__(self, title: str, subtitle: str, waiting: str) -> None:
        self._courses: dict[str, Course] = {}
        self._chosen: str | None = None
        self._drawn: Course | None = None
        self._buttons: dict[str, Tag] = {}
        with Tag("section", classes="sg-card"):
            with Tag("header"):
                Tag("h2", title)
                Tag("p", subtitle)
            self._choices = Tag("div", classes="sg-seg sg-measures", attributes={"role": "group"})
            self._choices.props["aria-label"] = "Measure"
            with Tag("div", classes="sg-chart"):
                self._chart = ui.echart({"animation": False})
                self._chart.props["role"] = "img"
                self._chart.props["aria-label"] = f"{title}: {subtitle}"
                with Tag("div", classes="sg-chart-empty") as self._nothing:
                    Tag("p", waiting)

    def show(self, courses: Sequence[Course]) -> None:
        """Draw these; the chosen one stays chosen."""
        self._courses = {course.name: course for course in courses if course.line or course.dots}
        if list(self._courses) != list(self._buttons):
            self._choose_among(list(self._courses))
        if self._chosen not in self._courses:
            self._chosen = next(iter(self._courses), None)
        self._draw()

    def _choose_among(self, names: list[str]) -> None:
        self._choices.clear()
        self._buttons = {}
        with self._choices:
            for name in names:
                self._buttons[name] = button(name, "is-small", {"aria-pressed": "false"})
                self._buttons[name].on("click", lambda name=name: self._choose(name))

    def _choose(self, name: str) -> None:
        self._chosen = name
        self._draw()

    def _draw(self) -> None:
        course = self._courses.get(self._chosen) if self._chosen is not None else None
        for name, each in self._buttons.items():
            each.set("aria-pressed", "true" if name == self._chosen else "false")
        self._nothing.set_visibility(course is None)
        if course is None or course == self._drawn:
            return
        self._drawn = course
        self._chart.props["aria-label"] = course.sentence
        self._chart.update()
        call_script("sg.figure", self._chart.id, asdict(course))


def lines(times_ms: Sequence[int], values: Mapping[str, Sequence[float | None]], name: str) -> Points:
    """Points of a column of a key's history; none if the column is not there."""
    return list(zip(times_ms, values.get(name, ()), strict=False))
