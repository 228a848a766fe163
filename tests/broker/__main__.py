"""A Kafka in the background: ``start --nodes 3 --version 3.9.1``, and ``stop``."""

import argparse
import sys

from tests.broker.background import Background
from tests.broker.errors import KafkaError

_STARTED = """\
Kafka {version} {state}: {nodes} on {bootstrap}

  in a job      log = "kafka://{bootstrap}"
  in the tests  STREAMGAUGE_KAFKA={bootstrap} make test
  logs          {folder}/node-*/broker.log
  to end it     make kafka-stop, which removes its data too
"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.broker", description=__doc__)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--nodes", type=int, default=1, help="brokers, 1 or 3")
    parser.add_argument("--version", help="of Kafka, such as 3.9.1")
    given = parser.parse_args()
    try:
        said = _start(given.nodes, given.version or None) if given.action == "start" else _stop()
    except KafkaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(said)
    return 0


def _start(nodes: int, version: str | None) -> str:
    running, is_new = Background().start(nodes=nodes, version=version)
    count = len(running.pids)
    return _STARTED.format(
        version=running.version,
        state="runs" if is_new else "is already running",
        nodes="1 node" if count == 1 else f"{count} nodes",
        bootstrap=running.bootstrap,
        folder=running.folder,
    )


def _stop() -> str:
    known = Background().stop()
    return f"Kafka {known.version} was ended and its data removed\n" if known else "no Kafka is running\n"


if __name__ == "__main__":
    sys.exit(main())
