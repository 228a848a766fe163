"""Incidents as they stand in the log, without asking a worker."""

from pipeline.incidents.model import State
from pipeline.incidents.records import decode_record, restore
from pipeline.incidents.settings import IncidentSettings
from pipeline.log import Log, follow
from pipeline.plan import incidents_topic


async def read_state(log: Log, app: str, settings: IncidentSettings) -> State:
    """What is known now of the incidents of an application; nothing before its first worker.

    Raises:
        StateError: If this version can't read it.
    """
    topic = incidents_topic(app)
    if topic not in await log.topics():
        return State()
    stored: dict[bytes, bytes] = {}
    async for chunk in follow(log, topic, start="start", until_end=True):
        for key, value in zip(chunk.keys, chunk.values, strict=True):
            if key is not None and value is not None:
                stored[key] = value
            elif key is not None:
                stored.pop(key, None)
    return restore([(key.decode(), decode_record(value)) for key, value in stored.items()], settings)
