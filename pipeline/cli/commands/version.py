"""``streamgauge version``: what runs here."""

import platform

from pipeline.cli.options import OutputFormat

_PARTS = ("faust-streaming", "aiokafka", "numpy", "msgspec", "nicegui")


def version(form: OutputFormat = None) -> None:
    """Show the version of streamgauge and of what it stands on."""
    from importlib.metadata import version as of

    from rich.text import Text

    from pipeline.cli.output import Output

    output = Output(form)
    found = {
        "streamgauge": of("streamgauge"),
        "python": platform.python_version(),
        **{name: of(name) for name in _PARTS},
    }
    if output.json:
        output.objects([found])
    else:
        first, *others = (f"{name} {number}" for name, number in found.items())
        output.show(Text.assemble((first, "bold"), f"  ({', '.join(others)})"))
