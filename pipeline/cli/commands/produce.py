"""``streamgauge produce``: raw records from standard input."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def produce(
    topic: Annotated[str, typer.Argument(help="A topic of the configuration or of the log.", show_default=False)],
    config: ConfigFile = None,
    key_field: Annotated[
        str | None,
        typer.Option(
            "--key-field",
            metavar="FIELD",
            help="The key is this field, where the line is a JSON object that has it as text or whole number. "
            "By default the key of the topic's stream; '' for none.",
        ),
    ] = None,
    form: OutputFormat = None,
) -> None:
    """Append standard input to a topic, each line a record.

    A line may hold any bytes, and is appended as soon as it can be read. Ctrl-C and SIGTERM end it; a line that
    was only begun is left out.
    """
    from rich.text import Text

    from pipeline.cli.human import number
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config
    from pipeline.cli.traffic.producing import produce_lines, standard_input

    output = Output(form)
    done = produce_lines(read_config(config), topic, standard_input(), key_field)
    if output.json:
        output.objects([{"topic": topic, "records": done.records, "keyed": done.keyed}])
    else:
        output.show(Text(f"{number(done.records)} records to {topic}, {number(done.keyed)} of them with a key"))
