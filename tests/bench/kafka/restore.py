"""How long a worker takes from its start until all partitions with their state are at work."""

import re
import signal
import time
from typing import NamedTuple

from tests.bench.kafka.ground import Ground, finished, opened, peak_bytes, rss_bytes, until_said
from tests.bench.kafka.result import Result
from tests.bench.kafka.state import NARROW, WIDE, Shape, fill

_SHARES = {WIDE: 1.0, NARROW: 0.25}  # of the size asked for: making many small keys takes long
_SAID = re.compile(r"opened .*: restored (\d+) slabs, (\d+) bytes in (\d+) ms")


class _Restored(NamedTuple):
    shape: str
    keys: int
    size_bytes: int
    slabs: int
    start_to_open_s: float
    restore_s: float
    mb_per_s: float
    peak_rss_bytes: int
    rss_bytes: int


async def measure(ground: Ground) -> Result:
    """Restore state of each shape."""
    runs = [await _run(ground, shape, share) for shape, share in _SHARES.items()]
    rows = [
        [run.shape, run.keys, run.size_bytes / 1e6, run.start_to_open_s, run.restore_s, run.mb_per_s,
         run.peak_rss_bytes / 1e6, run.rss_bytes / 1e6]
        for run in runs
    ]  # fmt: skip
    return Result(
        tool="restore",
        title="8 partitions from the state topic, from the start of the worker to the last one opened",
        columns=["state", "keys", "MB", "start to open, s", "restore, s", "MB/s", "peak RSS, MB", "RSS after, MB"],
        rows=rows,
        facts={"runs": [run._asdict() for run in runs]},
    )


async def _run(ground: Ground, shape: Shape, share: float) -> _Restored:
    app = ground.app(f"restore-{shape.name.rpartition(' ')[2]}")
    file, config = ground.config(app, shape.toml(app, ground.servers))
    async with opened(config) as log:
        keys, size_bytes = await fill(log, config, shape, int(ground.options.state_bytes * share))
        began = time.monotonic()
        worker = ground.worker(app, file)
        at_work = await until_said(worker, "opened")
        match = _SAID.search(worker.last_words())
        if match is None:
            raise RuntimeError(f"not all was restored at once:\n{worker.last_words()}")
        slabs, read_bytes, took_ms = map(int, match.groups())
        if read_bytes != size_bytes:
            raise RuntimeError(f"{read_bytes:,} bytes were restored of {size_bytes:,}")
        peak, now = peak_bytes(worker), rss_bytes(worker)
        worker.send(signal.SIGTERM)
        await finished(worker, 60)
    took_s = took_ms / 1000
    return _Restored(
        shape=shape.name,
        keys=keys,
        size_bytes=size_bytes,
        slabs=slabs,
        start_to_open_s=round(at_work - began, 2),
        restore_s=round(took_s, 2),
        mb_per_s=round(size_bytes / 1e6 / max(took_s, 0.001), 1),
        peak_rss_bytes=peak,
        rss_bytes=now,
    )
