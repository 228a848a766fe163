"""A process of its own that works on a log and reports on its standard output; run by the process tests.

Usage: client.py MODE URL NAME. Each reported line is JSON.
"""

import asyncio
import json
import sys
import time

from agents.events import Outgoing, Records
from pipeline.errors import FencedError
from pipeline.log.opening import open_log

RECORDS = 40


def say(*facts):
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def batch(name, step):
    """Records of one step for two topics; those of ``big`` fill several pages."""
    value = f"{name} {step}".encode()
    return [
        Outgoing("small", None, Records(values=[value] * RECORDS, keys=[b"%d" % key for key in range(RECORDS)])),
        Outgoing("big", 0, Records(values=[value + bytes(2_000)] * RECORDS)),
        Outgoing("state", 0, Records(values=[value], keys=[name.encode()])),
    ]


async def append(log, name):
    """Append for ever, report each step that is acknowledged."""
    step = 0
    while True:
        await log.append(batch(name, step))
        say(step)
        step += 1


async def commit(log, name):
    """Own partition 0 of ``source`` and commit one step for each line of input."""
    fences = await log.renew("g", name, ["source"], ttl_ms=5_000)
    say(len(fences))
    for step, _ in enumerate(sys.stdin):
        try:
            await log.commit(fences[0], step + 1, batch(name, step))
            say("committed")
        except FencedError:
            say("fenced")


async def member(log, name):
    """Be a member of a group, report whenever what it owns has changed."""
    owned = None
    while True:
        fences = await log.renew("g", name, ["source"], ttl_ms=600)
        if fences != owned:
            owned = fences
            say([fence.source.partition for fence in fences], [fence.epoch for fence in fences])
        await asyncio.sleep(0.1)


async def compete(log, name):
    """After a line of input append for a second as fast as it goes, report how often."""
    say("ready")
    sys.stdin.readline()
    until, count = time.monotonic() + 1, 0
    while time.monotonic() < until:
        await log.append([Outgoing("big", 0, Records(values=[name.encode()]))])
        count += 1
    say(count)


async def clock(log, name):
    """For each line of input append one record that says when it was acknowledged at the latest."""
    for _ in sys.stdin:
        await log.append([Outgoing("big", 0, Records(values=[name.encode()]))])
        say(time.time())


async def main(mode, url, name):
    log = open_log(url, create=False)
    await {"append": append, "commit": commit, "member": member, "compete": compete, "clock": clock}[mode](log, name)
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
