"""What many ask at once is asked once."""

import asyncio

import pytest

from pipeline.errors import LogError
from pipeline.readmodel.questions import AlertsAsked, Answers
from pipeline.readmodel.shared import SharedAnswers
from tests.pipeline.web.answers import MemoryAnswers, alert


class Slow(MemoryAnswers):
    """Answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()

    async def alerts(self, asked):
        self._count("alerts")
        await self.gate.wait()
        return self.stored


def test_a_question_is_asked_once_in_a_generation():
    """However many ask it, at once or one after the other; another question and the next generation ask anew."""

    async def work():
        answers, generation = Slow(), 1
        shared = SharedAnswers(answers, lambda: generation)
        answers.stored = [alert(1)]
        asking = [asyncio.create_task(shared.alerts(AlertsAsked(limit=1))) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()  # the first to ask goes away
        answers.gate.set()
        found = await asyncio.gather(*asking[1:])
        assert found == [answers.stored] * 49
        assert answers.asked == {"alerts": 1}
        await shared.alerts(AlertsAsked(limit=1))
        assert answers.asked == {"alerts": 1}
        await shared.alerts(AlertsAsked(limit=2))
        assert answers.asked == {"alerts": 2}
        generation = 2
        await shared.alerts(AlertsAsked(limit=1))
        assert answers.asked == {"alerts": 3}

    asyncio.run(work())


def test_an_error_is_shared_until_the_next_generation():
    """Everybody is told, and it is tried again when something may have changed."""

    class Broken(MemoryAnswers):
        async def rules(self):
            self._count("rules")
            raise LogError("the store can't be read")

    async def work():
        answers, generation = Broken(), 1
        shared = SharedAnswers(answers, lambda: generation)
        for asked in (1, 1):
            with pytest.raises(LogError, match="can't be read"):
                await shared.rules()
            assert answers.asked == {"rules": asked}
        generation = 2
        with pytest.raises(LogError, match="can't be read"):
            await shared.rules()
        assert answers.asked == {"rules": 2}

    asyncio.run(work())


def test_every_question_can_be_shared():
    """What the store answers, it answers."""
    names = {name for name in vars(Answers) if not name.startswith("_")}
    assert names == {name for name in vars(SharedAnswers) if not name.startswith("_")}
