"""What of a local log's topics is not as wanted, and making it so. All inside the caller's transaction."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from pipeline.local.catalog import Catalog, Topic
from pipeline.log import settings
from pipeline.log.api import Difference, TopicSpec


def differences(topics: Mapping[str, Topic], specs: Collection[TopicSpec]) -> list[Difference]:
    """See ``Log.differences``."""
    found: list[Difference] = []
    for spec in specs:
        found += _of(topics[spec.name].spec, spec) if spec.name in topics else [settings.missing(spec)]
    return found


def _of(there: TopicSpec, wanted: TopicSpec) -> list[Difference]:
    found = settings.partitions(wanted, there.partitions)
    if there.cleanup != wanted.cleanup:
        advice = "it is fixed when the topic is made; use another topic or log"
        return [*found, Difference(wanted.name, settings.CLEANUP, there.cleanup, wanted.cleanup, advice)]
    held = settings.settings(there)
    return found + [
        Difference(wanted.name, name, held[name], value)
        for name, value in settings.settings(wanted).items()
        if held[name] != value
    ]


def mend(catalog: Catalog, spec: TopicSpec, differences: Collection[Difference]) -> None:
    """See ``Log.mend``.

    Raises:
        TopicMismatchError: If a difference can't be mended.
    """
    settings.refuse(differences)
    if settings.missing(spec) in differences:
        catalog.create(spec)
        return
    named = {difference.setting for difference in differences}
    if settings.PARTITIONS in named:
        catalog.add_partitions(spec)
    if named.intersection(settings.RETENTION):
        there = catalog.topic(spec.name).spec
        time, size = (name in named for name in settings.RETENTION)
        catalog.set_retention(
            replace(
                there,
                retention_ms=spec.retention_ms if time else there.retention_ms,
                retention_bytes=spec.retention_bytes if size else there.retention_bytes,
            )
        )
