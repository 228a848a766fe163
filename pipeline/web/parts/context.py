"""What a page is built from: what it may ask, and what it may do."""

from dataclasses import dataclass

from pipeline.readmodel.questions import Answers
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.changes import Changes


@dataclass(frozen=True, kw_only=True, slots=True)
class PageContext:
    """What a page is built from.

    Args:
        model: What the log says now: configuration, health, lag, topics.
        answers: The store of alerts, incidents, tables and refused records.
        changes: What people may do.
    """

    model: ReadModel
    answers: Answers
    changes: Changes
