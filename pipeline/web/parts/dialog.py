"""A small form in a modal dialog. The browser's own: it keeps the focus inside, and Escape closes it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from nicegui.events import GenericEventArguments

from pipeline.web.parts.elements import Attribute, Tag, button

Filled = dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of a form.

    Args:
        name: Under which its text comes back.
        label: For people.
        choices: Value and title of each choice; none for free text.
        required: Whether it must not be empty.
        hint: What may stand there, shown while it is empty.
    """

    name: str
    label: str
    choices: Sequence[tuple[str, str]] = ()
    required: bool = False
    hint: str = ""


class FormDialog:
    """A form that opens when ``opener`` is clicked.

    Args:
        title: Its heading.
        advice: One sentence on what will happen.
        fields: What to fill in.
        submit: Text of the button that sends it.
        on_submit: Gets what was filled in, by name of field.
    """

    def __init__(
        self,
        title: str,
        advice: str,
        fields: Sequence[Field],
        submit: str,
        on_submit: Callable[[Filled], Awaitable[None]],
    ) -> None:
        self._on_submit = on_submit
        self._dialog = Tag("dialog", classes="sg-dialog", attributes={"aria-label": title})
        with self._dialog, Tag("form", attributes={"method": "dialog"}) as form:
            Tag("h2", title)
            Tag("p", advice, "sg-muted")
            for each in fields:
                _field(each)
            with Tag("div", classes="sg-dialog-end"):
                cancel = button("Cancel")
                Tag("button", submit, "sg-btn is-primary", {"type": "submit"})
        cancel.on("click", js_handler="(e) => e.target.closest('dialog').close()")
        form.on(
            "submit",
            self._submitted,
            js_handler="(e) => { e.preventDefault(); emit(Object.fromEntries(new FormData(e.target)));"
            " e.target.closest('dialog').close(); e.target.reset(); }",
        )

    def opened_by(self, opener: Tag) -> None:
        """Let a button open it."""
        opener.on("click", js_handler=f"() => getHtmlElement({self._dialog.id}).showModal()")

    async def _submitted(self, event: GenericEventArguments) -> None:
        given = event.args if isinstance(event.args, dict) else {}
        await self._on_submit({str(name): str(text).strip() for name, text in given.items()})


def _field(field: Field) -> None:
    with Tag("label", classes="sg-field"):
        Tag("span", field.label)
        attributes: dict[str, Attribute] = {"name": field.name, "required": field.required or None}
        if field.choices:
            with Tag("select", attributes=attributes):
                for value, title in field.choices:
                    Tag("option", title, attributes={"value": value})
        else:
            attributes |= {"type": "text", "maxlength": 1_000, "placeholder": field.hint or None, "autocomplete": "off"}
            Tag("input", attributes=attributes)
