"""Refused records, the same in every database."""

from pipeline.codec.faults import Reason, Reject
from pipeline.readmodel.questions import LettersAsked
from tests.pipeline.store import topics
from tests.pipeline.store.topics import paged


def test_letters(on_store):
    """Refused records, newest first, chosen by topic, reason and text, with payloads of any bytes."""

    async def work(setting):
        payloads = [b"{", b'{"id": "Caf\xc3\xa9"}', b"\xff\x00\xfe", None, b"x" * 5_000]
        reasons = [Reason.BAD_JSON, Reason.MISSING_FIELD, Reason.INVALID_UTF8, Reason.NULL, Reason.TOO_LONG]
        rejects = [Reject(n, n, reason, "Error", f"problem {n}") for n, reason in enumerate(reasons)]
        await setting.tell(topics.letters([*zip(payloads, rejects, strict=True)], partition=1))
        got = await paged(setting.answers.letters, LettersAsked(limit=2))
        assert {each.offset: (each.reason, each.message) for each in got} == {
            n: (reason, f"problem {n}") for n, reason in enumerate(reasons)
        }
        by_offset = {each.offset: each for each in got}
        assert by_offset[1].payload == '{"id": "Café"}'
        assert by_offset[2].payload == "\ufffd\ufffd\ufffd"
        assert (by_offset[3].payload, by_offset[3].key) == ("", None)
        assert by_offset[4].payload == "x" * 4_096
        assert by_offset[4].origin == "payments/1@4"
        asked = LettersAsked(topics=["payments.dead-letter"], reasons=["null", "missing-field"], text="CAFÉ")
        assert [each.offset for each in (await setting.answers.letters(asked)).rows] == [1]
        assert (await setting.answers.letters(LettersAsked(topics=["other"]))).rows == []
        counts = await setting.answers.letter_counts()
        assert counts == {("payments.dead-letter", str(reason)): 1 for reason in reasons}

    on_store(work)
