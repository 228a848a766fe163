"""A process that snoozes one key after the other, as the web view does, until it is killed.

Usage: ``python -m tests.pipeline.web.changing FOLDER MOMENT``; it kills itself ``before`` or ``after`` the third
command is written to the log, or for ``never`` goes on and prints the id of each.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from pipeline.access.audit import Actor
from pipeline.incidents.settings import IncidentSettings
from pipeline.log.opening import open_log
from pipeline.web.access import Access
from pipeline.web.changes import Changes
from tests.pipeline.web.answers import MemoryAnswers
from tests.pipeline.web.filled import example, now_ms

BY = Actor(who="ann", how="session", address="192.0.2.1")


class MortalLog:
    """A log whose process dies at the third append."""

    def __init__(self, log, moment):
        self._log = log
        self._moment = moment
        self._appends = 0

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def append(self, outgoing):
        self._appends += 1
        if self._appends == 3 and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = await self._log.append(outgoing)
        if self._appends == 3 and self._moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done


def configured(folder):
    """An application with incidents, all of it in a folder."""
    config = example(f"local://{folder}/log.db", incidents=IncidentSettings())
    return replace(config, web=replace(config.web, users=f"{folder}/access.db"))


async def main(folder, moment):
    config = configured(Path(folder))
    access = Access(config, login=False, clock_ms=now_ms)
    log = MortalLog(open_log(config.log), moment)
    changes = Changes(config, log, MemoryAnswers(), access.log, clock_ms=now_ms)
    for number in range(100_000):
        until_ms = now_ms() + 3_600_000
        sent = await changes.snooze(rule=None, key=f"a{number}", until_ms=until_ms, reason="holiday", by=BY)
        sys.stdout.write(f"{sent.id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
