"""``streamgauge check``: every mistake of a configuration at once."""

from pathlib import Path
from typing import Annotated, Final

import typer

from pipeline.cli.options import ConfigFile, OutputFormat, config_path

_COUNTED: Final = ("streams", "tables", "rules", "detectors", "scores", "flows", "lists")


def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Configuration; same as -c FILE.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Find every mistake in a configuration, with line and column.

    Says what was found, what is allowed, and what may have been meant.
    Environment overrides are checked along. Nothing is started or opened.
    """
    from rich.text import Text

    from pipeline.cli.output import Output
    from pipeline.config import load_config
    from pipeline.errors import ConfigError
    from pipeline.plan import topic_specs

    path, output = config_path(file or config), Output(form)
    try:
        found = load_config(path)
        topics = topic_specs(found)
    except ConfigError as error:
        if output.json:
            output.objects([{"file": str(path), "ok": False, "problems": error.problems}])
            raise typer.Exit(error.exit_code) from error
        raise
    counts = {name: len(getattr(found, name)) for name in _COUNTED}
    if output.json:
        output.objects([{"file": str(path), "ok": True, "app": found.name, "log": found.log, **counts, "problems": []}])
    else:
        listed = ", ".join(
            f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items()
        )
        output.show(Text.assemble(("ok", "bold green"), f"  {path}: {listed}, {len(topics)} topics on {found.log}"))
