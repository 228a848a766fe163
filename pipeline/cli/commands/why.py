"""``streamgauge why``: an alert once more."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat


def why(
    alert_id: Annotated[
        str, typer.Argument(metavar="ALERT-ID", help="Its id or the first digits of it.", show_default=False)
    ],
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Say in one sentence why an alert fired, and compute it again from the log.

    Ends with 0 if it comes out exactly as it was raised, else with 6, and says what is different.
    """
    from pipeline.cli.explaining import explain_alert
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run

    run(explain_alert(read_config(config), alert_id, Output(form)))
