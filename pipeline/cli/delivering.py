"""Delivery from the command line."""

import logging
import sys
from collections.abc import Sequence
from typing import Literal

from pipeline.cli.options import parse_moment
from pipeline.cli.runtime import now_ms, opened
from pipeline.config import AppConfig
from pipeline.delivery.service import Service


async def deliver_messages(config: AppConfig, names: Sequence[str], *, since: str, once: bool, redrive: bool) -> None:
    """Deliver to the destinations of ``names``, or to all; messages go to standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, which may be secrets
    place: Literal["start", "end"] | int = (
        "start" if since == "start" else "end" if since == "end" else parse_moment(since, now_ms())
    )
    async with opened(config, create=True) as log:
        given_up = await Service(config, log, names, since=place).run(until_end=once, redrive=redrive)
    if given_up:
        sys.stderr.write(
            f"streamgauge: {given_up} messages were given up; `streamgauge deliver --redrive` tries again\n"
        )
