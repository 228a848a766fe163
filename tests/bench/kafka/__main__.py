"""``python -m tests.bench.kafka [TOOL ...] [--json]``: measure on a real Kafka, one tool after the other."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from tests.bench.kafka import gaps, latency, memory, restore
from tests.bench.kafka.ground import Ground, ground
from tests.bench.kafka.options import TINY, Options
from tests.bench.kafka.result import Result
from tests.broker.errors import KafkaUnavailableError

UNAVAILABLE = 77
TOOLS: dict[str, Callable[[Ground], Awaitable[Result]]] = {
    "latency": latency.measure,
    "gaps": gaps.measure,
    "memory": memory.measure,
    "restore": restore.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kafka", description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"of {', '.join(TOOLS)}; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON line a tool instead of a table")
    parser.add_argument("--tiny", action="store_true", help="as small as can be: does it work?")
    parser.add_argument("--servers", help="HOST:PORT of a cluster to use instead of one of our own")
    parser.add_argument("--rate", type=int, help="latency: records a second")
    parser.add_argument("--seconds", type=float, help="latency: how long, after the warm-up")
    parser.add_argument("--size-mb", type=int, help="restore: state over all partitions")
    parser.add_argument("--keys", type=int, help="memory: keys of the table")
    parser.add_argument("--backlog", type=int, help="memory: records to catch up with")
    parser.add_argument("--nice", type=int, help="of the processes that are measured")
    given = parser.parse_args()
    unknown = set(given.tools) - set(TOOLS)
    if unknown:
        parser.error(f"there is no tool {min(unknown)!r}; there are {', '.join(TOOLS)}")
    return given


def _options(given: argparse.Namespace) -> Options:
    asked = {
        "rate_per_s": given.rate,
        "seconds": given.seconds,
        "state_bytes": given.size_mb and given.size_mb * 1_000_000,
        "keys": given.keys,
        "backlog": given.backlog,
        "nice": given.nice,
    }
    return replace(TINY if given.tiny else Options(), **{name: value for name, value in asked.items() if value})


async def run(
    tools: Sequence[str], options: Options, *, servers: str | None, as_json: bool, prefix: str | None = None
) -> None:
    """Measure and print, each tool on a broker of its own unless there is one to use."""
    for tool in tools:
        async with ground(options, servers, prefix) as here:
            result = await TOOLS[tool](here)
        print(result.as_json() if as_json else result.as_text(), flush=True)


def main() -> int:
    """The command."""
    given = _arguments()
    try:
        asyncio.run(run(given.tools or list(TOOLS), _options(given), servers=given.servers, as_json=given.json))
    except KafkaUnavailableError as error:
        sys.stderr.write(f"no Kafka: {error}\n")
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
