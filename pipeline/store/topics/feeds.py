"""Every topic that the store keeps something of, besides the state of tables."""

from pipeline.config.model import AppConfig
from pipeline.plan import labels_topic
from pipeline.store.topics.alerts import AlertFeed
from pipeline.store.topics.feed import Feed
from pipeline.store.topics.incidents import IncidentFeed
from pipeline.store.topics.labels import LabelFeed
from pipeline.store.topics.letters import LetterFeed, letter_topics


def feeds_of(config: AppConfig) -> list[Feed]:
    """The feeds of an application; topics that do not exist yet are looked for again."""
    return [
        AlertFeed(config.alerts_topic),
        IncidentFeed(config.name),
        LetterFeed(letter_topics(config)),
        LabelFeed(labels_topic(config.name)),
    ]
