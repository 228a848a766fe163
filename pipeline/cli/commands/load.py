"""``streamgauge load``: generated payments with labelled fraud, and recordings."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.options import ConfigFile, OutputFormat, parse_length, parse_malformed, parse_mapping, parse_rate

app = typer.Typer(help="Send generated or recorded streams, paced by the clock alone.", no_args_is_help=True)

_FRAUD, _FAULTS = "Fraud", "Faults, as shares from 0 to 1"


def _text(metavar: str, help_: str, panel: str | None = None) -> Any:
    return typer.Option(metavar=metavar, help=help_, rich_help_panel=panel)


def _share(help_: str) -> Any:
    return typer.Option(min=0.0, max=1.0, metavar="SHARE", help=help_, rich_help_panel=_FAULTS)


@app.command()
def payments(
    *,
    config: ConfigFile = None,
    rate: Annotated[str, _text("RATE", "Records a second, such as 200, 5k or 1.5M.")] = "5k",
    duration: Annotated[str | None, _text("TIME", "How long, such as 1m; without end by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = 1,
    accounts: Annotated[int, typer.Option(help="How many accounts pay.")] = 10_000,
    merchants: Annotated[int, typer.Option(help="How many merchants there are.")] = 2_000,
    topic: Annotated[str, _text("NAME", "Where to; the ground truth goes to NAME.truth.")] = "payments",
    ramp: Annotated[str, _text("TIME", "The rate rises from 0 for so long.")] = "0s",
    campaigns: Annotated[
        bool, typer.Option("--campaigns/--no-campaigns", help="With labelled fraud.", rich_help_panel=_FRAUD)
    ] = True,
    campaign_warmup: Annotated[str, _text("TIME", "None before this.", _FRAUD)] = "8s",
    campaign_period: Annotated[str, _text("TIME", "One of each kind within each such time.", _FRAUD)] = "7s",
    campaign_stretch: Annotated[
        float, typer.Option(help="Factor on how long one takes.", rich_help_panel=_FRAUD)
    ] = 1.0,
    late: Annotated[float, _share("Far too late.")] = 0.0,
    out_of_order: Annotated[float, _share("Slightly out of order.")] = 0.0,
    duplicates: Annotated[float, _share("Sent a second time.")] = 0.0,
    malformed: Annotated[
        list[str] | None, _text("[KIND=]SHARE", "Malformed: of all kinds alike, or of one; repeatable.", _FAULTS)
    ] = None,
    form: OutputFormat = None,
) -> None:
    """Generate card payments and transfers with labelled fraud in them.

    Open loop: what is due depends on the clock alone. A sender that is late catches up, and how late each record went
    out is measured. The same seed gives the same people and the same fraud.
    """
    from load import CampaignConfig, Faults, PaymentsConfig
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import now_ms, read_config, run_until_stopped
    from pipeline.cli.traffic.loading import load_payments
    from pipeline.errors import UsageError

    duration_ms = None if duration is None else parse_length("--duration", duration)
    if duration_ms == 0:
        raise UsageError("--duration must be longer than 0; leave it out to go on without end")
    try:
        fraud = CampaignConfig(
            warmup_ms=parse_length("--campaign-warmup", campaign_warmup),
            period_ms=parse_length("--campaign-period", campaign_period),
            stretch=campaign_stretch,
        )
        faults = Faults(
            late=late, disordered=out_of_order, duplicates=duplicates, malformed=parse_malformed(malformed or ())
        )
        made = PaymentsConfig(
            rate_per_s=parse_rate(rate),
            seed=seed,
            start_ms=now_ms(),
            accounts=accounts,
            merchants=merchants,
            topic=topic,
            campaigns=fraud if campaigns else None,
            faults=faults,
            ramp_ms=parse_length("--ramp", ramp),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    settings, output = read_config(config), Output(form)
    run_until_stopped(lambda stop: load_payments(settings, made, output, stop, duration_ms=duration_ms))


@app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, NDJSON or NPZ; each from its own start.")
    ],
    *,
    topic: Annotated[str, _text("NAME", "Where to; key and types are those of its stream.")],
    mapping: Annotated[
        list[str],
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Field of the record and column of the file, or FIELD==TEXT for a constant; {name} in it is the "
            "file's name. Repeatable.",
        ),
    ],
    config: ConfigFile = None,
    unit: Annotated[
        Literal["iso", "s", "ms"], typer.Option(help="Of the times in the file: ISO 8601, or since 1970.")
    ] = "iso",
    speed: Annotated[float, typer.Option(min=1e-6, help="So many times faster than recorded.")] = 1.0,
    rebase: Annotated[
        bool,
        typer.Option("--rebase", help="Times start now and go by as fast as the replay; else they stay as recorded."),
    ] = False,
    unpaced: Annotated[bool, typer.Option("--unpaced", help="As fast as the log takes it.")] = False,
    form: OutputFormat = None,
) -> None:
    """Replay recorded data from CSV, NDJSON or NPZ files.

    For example: streamgauge load replay load/samples/nyc_taxi.csv --topic samples --map id=timestamp --map ts=timestamp
    --map value=value --map series=={name} --speed 36000 --rebase.
    """
    from pipeline.cli.output import Output
    from pipeline.cli.runtime import read_config, run_until_stopped
    from pipeline.cli.traffic.loading import ReplayPlan, load_replay

    plan = ReplayPlan(
        files=files,
        topic=topic,
        mapping=parse_mapping(mapping),
        unit=unit,
        speed=speed,
        rebase=rebase,
        unpaced=unpaced,
    )
    settings, output = read_config(config), Output(form)
    run_until_stopped(lambda stop: load_replay(settings, plan, output, stop))
