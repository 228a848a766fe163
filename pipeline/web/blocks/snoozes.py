"""The snoozes in force: what is quiet, until when, why and by whom; each can be ended early."""

from collections.abc import Sequence

from pipeline.access.roles import Role
from pipeline.incidents.model import Incident, Snoozed
from pipeline.web.blocks.actions import attempt
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, table_head, when
from pipeline.web.parts.permitted import may


class SnoozeList:
    """Snoozes; not there while there are none.

    Args:
        context: Ends them.
        title: Heading of the section.
    """

    def __init__(self, context: PageContext, title: str) -> None:
        self._context = context
        columns = [("What", ""), ("Until", ""), ("Why", "wide"), ("By", ""), ("Since", ""), ("End", "r")]
        with Tag("section", classes="sg-section sg-snoozes") as self._section:
            Tag("h2", title)
            with Tag("div", classes="sg-card"), Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
                table_head(columns, title)
                body = Tag("tbody")
        self._rows = LiveRows[Snoozed](body, key=lambda snooze: snooze.id, make=self._row)

    def show(self, snoozes: Sequence[Snoozed]) -> None:
        """Show these."""
        self._section.set_visibility(bool(snoozes))
        self._rows.show(snoozes)

    def _row(self, snooze: Snoozed) -> Made[Snoozed]:
        name = " at ".join(filter(None, (snooze.rule, snooze.key)))
        with Tag("tr") as row:
            Tag("td", name, "strong")
            with Tag("td"):
                when(snooze.until_ms)
            Tag("td", snooze.reason, "wrap")
            Tag("td", snooze.by or human.NOTHING)
            with Tag("td"):
                when(snooze.since_ms, ago=True)
            with Tag("td", classes="r"):
                end = button("End now", "is-small", {"aria-label": f"End now the snooze of {name}"})
        allowed = may(Role.OPERATOR)
        end.set("disabled", not allowed or None)
        end.set("title", None if allowed else "Your role may not do this")

        async def ended() -> None:
            done = f"{name} is told of again; a worker writes it down"
            await attempt(Role.OPERATOR, lambda by: self._context.changes.unsnooze(snooze.id, by=by), done)

        end.on("click", ended)
        return Made(row, lambda _: None)


def covers(snooze: Snoozed, incident: Incident) -> bool:
    """Whether a snooze keeps an incident quiet."""
    return snooze.rule in {None, incident.rule} and snooze.key in {None, incident.key}
