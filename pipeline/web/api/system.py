"""``/api/system``: what runs here, and with which settings."""

import functools
import platform
import re
from importlib import metadata

from fastapi import APIRouter

from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.masking import masked
from pipeline.web.schemas.system import MemberOut, SystemOut


def add_system(router: APIRouter, model: ReadModel) -> None:
    """The endpoint about the system."""

    @router.get("/system", tags=["system"])
    async def read_system() -> SystemOut:
        """Versions, workers, and the configuration in force without its secrets."""
        packages = versions()
        return SystemOut(
            app=model.config.name,
            version=packages["streamgauge"],
            python=platform.python_version(),
            platform=platform.platform(),
            packages=packages,
            started_ms=model.started_ms,
            members=await _members(model),
            configuration=masked(model.config),
        )


@functools.cache
def versions() -> dict[str, str]:
    """Versions of streamgauge and of each package that it needs, as installed."""
    names = [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in metadata.requires("streamgauge") or []]
    found = {"streamgauge": metadata.version("streamgauge")}
    for name in sorted(set(names)):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an optional one
            continue
    return found


async def _members(model: ReadModel) -> list[MemberOut]:
    owned: dict[str, list[str]] = {name: [] for name in await model.log.members(model.config.name)}
    for row in model.lag:
        if row.owner is not None and row.lease == "held":
            owned.setdefault(row.owner, []).append(f"{row.topic}/{row.partition}")
    return [MemberOut(name=name, partitions=partitions) for name, partitions in sorted(owned.items())]
