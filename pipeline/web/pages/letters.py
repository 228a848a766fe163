"""Dead letters: refused records by topic and reason, payload intact."""

from dataclasses import replace
from typing import Final

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from pipeline.readmodel.questions import MAX_LIMIT, LettersAsked, StoredLetter
from pipeline.web.blocks.rows import LiveRows, Made
from pipeline.web.parts import human
from pipeline.web.parts.context import PageContext
from pipeline.web.parts.elements import Tag, button, empty_state, table_head, when
from pipeline.web.parts.layout import TICK_S, command, frame, head

LENGTH: Final = 25
_COLUMNS: Final = [("Refused", ""), ("Reason", ""), ("What was wrong", "wide"), ("First stood at", ""), ("Key", "")]
_Count = tuple[str, str, int]


async def letters_page(context: PageContext) -> None:
    """Build ``/dead-letters``."""
    await _LettersPage(context).start()


class _LettersPage:
    def __init__(self, context: PageContext) -> None:
        self._context = context
        self._asked = LettersAsked(limit=LENGTH)
        self._chosen: tuple[str, str] | None = None
        self._buttons: dict[tuple[str, str], Tag] = {}
        with frame(context.model, title="Dead letters", page="letters"):
            head("Dead letters", "Records that could not be read, by topic and reason")
            reasons = Tag("div", classes="sg-reasons", attributes={"role": "group", "aria-label": "Topic and reason"})
            self._reasons = LiveRows[_Count](reasons, key=lambda each: f"{each[0]} {each[1]}", make=self._reason)
            with Tag("section", classes="sg-card"):
                with Tag("div", classes="sg-bar"):
                    search = ui.input(placeholder="Search message, key or payload", on_change=self._search)
                    search.props('outlined dense clearable debounce=250 aria-label="Search dead letters"')
                    search.classes("sg-grow")
                with Tag("div", classes="sg-scroll sg-tall") as self._listed, Tag("table", classes="sg-table"):
                    table_head(_COLUMNS, "Dead letters, newest first")
                    body = Tag("tbody")
                self._rows = LiveRows[StoredLetter](body, key=_place, make=self._row)
                with ui.element("div") as self._nothing:
                    empty_state(
                        "No record was refused",
                        "What can't be read comes here with the reason, payload intact, and the worker goes on. "
                        "In a terminal:",
                        command(context.model.config, f"consume {self._example()} --format json"),
                    )
                with ui.element("div") as self._no_match:
                    empty_state("No dead letter passes this filter", "Choose another reason, or clear the search.")
                with Tag("div", classes="sg-pager"):
                    self._count = Tag("span", "", "sg-small sg-muted sg-num")
                    Tag("span", classes="sg-spacer")
                    self._more = button(f"Show {LENGTH} more")
                    self._more.on("click", self._lengthen)

    async def start(self) -> None:
        """Fill the page, and keep it live."""
        await self._tick()
        ui.timer(2 * TICK_S, self._tick, immediate=False)

    def _example(self) -> str:
        topics = sorted(self._context.model.sources())
        return f"{topics[0] if topics else 'TOPIC'}.dead-letter"

    def _reason(self, first: _Count) -> Made[_Count]:
        topic, reason, _ = first
        each = button("", "sg-reason", {"aria-pressed": "false"})
        with each:
            number = Tag("b", "", "sg-num")
            Tag("span", reason)
            Tag("span", topic, "sg-small sg-muted")
        each.on("click", lambda: self._choose((topic, reason)))
        self._buttons[topic, reason] = each
        return Made(each, lambda now: number.put(human.number(now[2])))

    async def _choose(self, chosen: tuple[str, str]) -> None:
        self._chosen = None if chosen == self._chosen else chosen
        topics, reasons = ((self._chosen[0],), (self._chosen[1],)) if self._chosen else ((), ())
        self._asked = replace(self._asked, topics=topics, reasons=reasons, limit=LENGTH)
        for name, each in self._buttons.items():
            each.set("aria-pressed", "true" if name == self._chosen else "false")
        await self._tick()

    async def _search(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._asked = replace(self._asked, text=(event.value or "").strip(), limit=LENGTH)
        await self._tick()

    async def _lengthen(self) -> None:
        self._asked = replace(self._asked, limit=min(self._asked.limit + LENGTH, MAX_LIMIT))
        await self._tick()

    async def _tick(self) -> None:
        counts = await self._context.answers.letter_counts()
        self._reasons.show([(*name, count) for name, count in sorted(counts.items(), key=lambda item: -item[1])])
        asked = self._asked
        found = await self._context.answers.letters(asked)
        if asked is not self._asked:
            return
        self._rows.show(found.rows)
        total = sum(counts.values())
        self._listed.set_visibility(bool(found.rows))
        self._nothing.set_visibility(total == 0)
        self._no_match.set_visibility(total > 0 and not found.rows)
        more = found.next_cursor is not None
        shown = human.plural(len(found.rows), "dead letter")
        self._count.put(f"The newest {len(found.rows):,}" if more else shown)
        self._more.set_visibility(more and asked.limit < MAX_LIMIT)

    def _row(self, letter: StoredLetter) -> Made[StoredLetter]:
        with Tag("tr", classes="is-top") as row:
            with Tag("td"):
                when(letter.time_ms)
            with Tag("td"):
                Tag("span", letter.reason, "sg-pill")
            with Tag("td", classes="wrap"):
                Tag("p", letter.message)
                with Tag("details", classes="sg-payload"):
                    Tag("summary", f"Payload, {letter.error}")
                    Tag("pre", letter.payload or "(empty)", attributes={"tabindex": 0})
                    words = f"consume {letter.topic} --from {letter.offset}"
                    Tag("code", command(self._context.model.config, words), "sg-cmd")
            Tag("td", letter.origin)
            Tag("td", letter.key or human.NOTHING, "clip")
        return Made(row, lambda _: None)


def _place(letter: StoredLetter) -> str:
    return f"{letter.topic}/{letter.partition}@{letter.offset}"
