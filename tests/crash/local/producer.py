"""The load as a process of its own: ``python -m tests.crash.local.producer CONFIG --rate N --seconds N --seed N``."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from load.pacing import OpenLoop
from load.payments import PaymentsLoad
from pipeline.config import load_config
from pipeline.errors import StreamgaugeError
from pipeline.log import Log
from pipeline.log.opening import open_log
from tests.crash.local.application import load

_RETRY_S = 0.2


async def produce(log: Log, source: PaymentsLoad, seconds: float) -> None:
    """Send what is due by the clock, whatever the log or the workers are at."""
    start_ms, began = source.start_ms, time.monotonic()
    pace = OpenLoop(start_ms=start_ms, wall_ms=start_ms, duration_ms=int(seconds * 1_000))
    while True:
        due = pace.due(start_ms + int((time.monotonic() - began) * 1_000))
        await _append(log, source, due.end_ms)
        if due.finished:
            return
        await asyncio.sleep(due.wait_ms / 1_000)


async def _append(log: Log, source: PaymentsLoad, end_ms: int) -> None:
    """An append that was refused is sent again: should it have landed after all, that is one more duplicate."""
    outgoing = source.until(end_ms)
    while outgoing:
        try:
            await log.append(outgoing)
        except StreamgaugeError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(_RETRY_S)
        else:
            return


async def main(arguments: argparse.Namespace) -> None:
    """Run until everything has been sent."""
    config = load_config(arguments.config)
    source = PaymentsLoad(
        load(
            config.streams["payments"],
            rate_per_s=arguments.rate,
            seed=arguments.seed,
            start_ms=time.time_ns() // 1_000_000,
        )
    )
    log = open_log(config.log, kafka=config.kafka)
    try:
        await produce(log, source, arguments.seconds)
    finally:
        await log.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    sys.exit(asyncio.run(main(parser.parse_args())))
