"""``streamgauge web``: the web view and the JSON API."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile


def web(
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on; as configured, else 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port; as configured, else 8080; 0 takes a free one.")
    ] = None,
) -> None:
    """Serve tables, charts, alerts and the JSON API until Ctrl-C.

    Says its address once it answers. Listens on this machine only unless told otherwise.
    """
    from pipeline.cli.runtime import read_config
    from pipeline.web import serve

    settings = read_config(config)
    serve(settings, host or settings.web_host, settings.web_port if port is None else port)
