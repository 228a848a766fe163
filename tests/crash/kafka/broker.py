"""A broker of the harness's own, which may be killed."""

import asyncio

from tests.broker.cluster import Cluster
from tests.broker.errors import KafkaUnavailableError
from tests.broker.jars import default_version, jars
from tests.broker.java import java_command


def why_not() -> str | None:
    """Why no broker can be started here; ``None`` if one can."""
    try:
        java_command(jars(default_version()), "kafka.Kafka")
    except KafkaUnavailableError as error:
        return str(error)
    return None


class OneNode:
    """The only node of a cluster, as what outages hit.

    Args:
        cluster: With one node.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self._cluster.kill)

    async def start(self) -> None:
        """Start it again with its data, at its ports, and wait until it is ready."""
        await asyncio.to_thread(self._cluster.restart)
