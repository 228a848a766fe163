"""``/api/dead-letters``: records that were refused, and why."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query

from pipeline.readmodel.questions import Answers
from pipeline.readmodel.questions import LettersAsked as Question
from pipeline.web.api.cursors import page
from pipeline.web.schemas.common import ListAsked
from pipeline.web.schemas.letters import LetterCountOut, LetterCountsOut, LetterOut, LettersAsked, LettersOut


def add_letters(router: APIRouter, answers: Answers) -> None:
    """The endpoints that read refused records."""

    @router.get("/dead-letters", tags=["log"])
    async def list_letters(asked: Annotated[LettersAsked, Query()]) -> LettersOut:
        """Refused records, newest first."""
        found = await answers.letters(
            Question(topics=asked.topic, reasons=asked.reason, text=asked.q, cursor=asked.cursor, limit=asked.limit)
        )
        letters = [LetterOut(**dataclasses.asdict(letter)) for letter in found.rows]
        return LettersOut(letters=letters, next_cursor=found.next_cursor)

    @router.get("/dead-letters/counts", tags=["log"])
    async def count_letters(asked: Annotated[ListAsked, Query()]) -> LetterCountsOut:
        """How many records were refused, by topic and reason."""
        found = sorted((await answers.letter_counts()).items())
        shown, following = page(
            found, lambda count: count[0], of="dead-letter counts", cursor=asked.cursor, limit=asked.limit
        )
        counts = [LetterCountOut(topic=topic, reason=reason, count=count) for (topic, reason), count in shown]
        return LetterCountsOut(counts=counts, next_cursor=following)
