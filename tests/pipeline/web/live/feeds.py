"""Feeds that look often, and what a listener hears of them."""

from contextlib import aclosing

from pipeline.web.live.feed import Feed
from pipeline.web.live.sources import AlertSource, Wanted

ALL = Wanted()


def feed_of(answers, **settings):
    return Feed(AlertSource(answers), **{"interval_s": 0.001, "heartbeat_s": 60.0, **settings})


async def first(feed, count, after=None, wanted=ALL, then=lambda: None):
    """What a listener hears first, ``count`` things; ``then`` runs when it began."""
    heard = []
    async with aclosing(feed.follow(after, wanted)) as items:
        async for item in items:
            heard.append(item)
            if len(heard) == 1:
                then()
            if len(heard) == count:
                return heard
    return heard


def ids(items):
    return [item.id for item in items]


def place(number):
    return f"{number}-{number:032x}"
