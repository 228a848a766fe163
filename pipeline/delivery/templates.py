"""Templates of Jinja for what people read."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.errors import RefusedError

SUBJECT: Final = "[{{ severity }}] {{ rule }}{% if key %} {{ key }}{% endif %}"
TEXT: Final = "{{ summary }}\n\nseverity {{ severity }}, at {{ time }}\nid {{ id }}\n"
CHAT: Final = "*{{ severity }}* {{ summary }}"


def template(source: str, *, escape: Callable[[str], str] = str) -> Callable[[Mapping[str, Any]], str]:
    """A text with ``{{ name }}`` for the fields of a message, in Jinja's sandbox.

    Args:
        source: The template.
        escape: Applied to each value that is put in, not to the template's own text.

    Raises:
        ValueError: If it is no template.

    >>> template("{{ severity }}: {{ key|upper }}")({"severity": "high", "key": "a17"})
    'high: A17'
    """
    from jinja2 import StrictUndefined, TemplateError  # noqa: PLC0415 - most applications deliver nothing
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(  # plain text, no HTML
        undefined=StrictUndefined, finalize=lambda value: escape(str(value)), keep_trailing_newline=True
    )
    try:
        compiled = environment.from_string(source)
    except TemplateError as error:
        raise ValueError(f"no template: {error}") from error

    def render(variables: Mapping[str, Any]) -> str:
        try:
            return compiled.render(variables)
        except Exception as error:  # whatever a template of somebody's does
            raise RefusedError(f"the template can't be filled: {error}") from error

    return render
