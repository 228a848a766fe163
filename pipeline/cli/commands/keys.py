"""``streamgauge keys``: API keys for programs."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigFile, OutputFormat

app = typer.Typer(help="API keys, with which programs ask the web view.", no_args_is_help=True)


@app.command("list")
def show(config: ConfigFile = None, form: OutputFormat = None) -> None:
    """List keys that were not revoked, without their secrets."""
    from pipeline.cli.rows.access import desk, list_keys

    with desk(config, form, needed=True) as opened:
        list_keys(opened)


@app.command()
def add(
    owner: Annotated[str, typer.Argument(metavar="USER", help="On whose behalf it is used.")],
    scope: Annotated[
        str,
        typer.Option(metavar="SCOPE", help="read, write or a role; a key never may more than its owner."),
    ] = "read",
    lifetime: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long it counts, at most 366d.")
    ] = "90d",
    label: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """Make a key and show it, this once."""
    from pipeline.cli.options import parse_length
    from pipeline.cli.rows.access import add_key, desk

    lifetime_ms = parse_length("--for", lifetime)
    with desk(config, form, needed=True) as opened:
        add_key(opened, owner, scope, label, lifetime_ms)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Of the key, as the list shows it.")],
    config: ConfigFile = None,
    form: OutputFormat = None,
) -> None:
    """End a key at once."""
    from pipeline.cli.rows.access import desk

    with desk(config, form, needed=True) as opened:
        opened.keys.revoke(key, by=opened.by)
        opened.say({"revoked": key}, f"revoked {key}")
