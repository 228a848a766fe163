"""Charts over the last five minutes; each point is sent to a browser once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from nicegui import ui

from pipeline.web.parts.elements import Tag
from pipeline.web.parts.live import call_script

Points = Mapping[str, list[tuple[int, float | None]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartSpec:
    """What a chart shows.

    Args:
        title: Heading of its card.
        subtitle: What is drawn, with its unit.
        unit: How its values are to be read.
        log: Whether the value axis is logarithmic.
        fetch: Points that changed after a generation, by series.
        waiting: What to say while there is nothing to draw.
        command: What to run then.
    """

    title: str
    subtitle: str
    unit: Literal["rate", "ms", "s"]
    fetch: Callable[[int], Points]
    waiting: str
    command: str | None = None
    log: bool = False


class LiveChart:
    """A card with one chart, brought up to date by ``update``."""

    def __init__(self, spec: ChartSpec) -> None:
        self._spec = spec
        self._sent = 0
        self._drawn = False
        with Tag("section", classes="sg-card"):
            with Tag("header"):
                Tag("h2", spec.title)
                Tag("p", spec.subtitle)
            with Tag("div", classes="sg-chart"):
                self._chart = ui.echart({"animation": False})
                self._chart.props["role"] = "img"
                self._chart.props["aria-label"] = f"{spec.title}: {spec.subtitle}, last five minutes"
                with Tag("div", classes="sg-chart-empty") as self._waiting:
                    Tag("p", spec.waiting)
                    if spec.command:
                        Tag("code", spec.command, "sg-cmd")
        has_points = any(spec.fetch(0).values())
        self._waiting.set_visibility(not has_points)

    def update(self, generation: int) -> None:
        """Send the points that changed since the last call; the first call sends all."""
        if generation == self._sent and self._drawn:
            return
        series = {name: points for name, points in self._spec.fetch(self._sent).items() if points}
        self._sent = generation
        if series or not self._drawn:
            self._drawn = True
            call_script("sg.chart", self._chart.id, {"unit": self._spec.unit, "log": self._spec.log, "series": series})
        if series:
            self._waiting.set_visibility(False)
