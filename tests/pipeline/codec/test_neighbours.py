"""Records can't touch each other, whatever stands beside them."""

import json

import pytest

from pipeline.codec import Decoder, Reason
from tests.pipeline.codec.records import GOOD, STREAM, chunk, nested, outcome, payload


def test_bad_neighbours_leave_good_records_as_they_are():
    """Among 2,000 records with every third one malformed, the good ones decode as alone and in place."""
    bad = [b"{", b"{},{}", None, b'{"id":"', b"]", b"\xff", b"x" * 70_000, nested(600), payload(amount=2**70)]
    values = [bad[at // 3 % len(bad)] if at % 3 == 0 else payload(amount=at) for at in range(2000)]
    batch, rejects = Decoder(STREAM).decode(chunk(values))
    assert batch.columns["amount"].tolist() == [at for at in range(2000) if at % 3]
    assert [reject.index for reject in rejects] == list(range(0, 2000, 3))
    alone = [outcome(value) for value in bad]
    assert [str(reject.reason) for reject in rejects] == [alone[at % len(bad)] for at in range(len(rejects))]


@pytest.mark.parametrize("gap", [b"\n", b"\r\n", b"\n\n", b" \n\t"])
@pytest.mark.parametrize("empty", [b"", b" ", b"\t", b"\r"])
def test_no_payload_stands_for_two(gap, empty):
    """Two objects in one payload are one bad record, also when an empty one beside it would make up the number."""
    two = payload(id="x") + gap + payload(id="y")
    for values in ([two, empty], [empty, two], [payload(id="a"), empty, two, payload(id="b")]):
        batch, rejects = Decoder(STREAM).decode(chunk(values))
        accepted = [at for at, value in enumerate(values) if value not in (two, empty)]
        assert batch.offsets.tolist() == [100 + 2 * at for at in accepted]
        assert batch.columns["id"] == ["a", "b"][: len(accepted)]
        assert {reject.reason for reject in rejects} == {Reason.BAD_JSON}


def test_line_feeds_within_a_payload_are_white_space():
    """A record that is laid out over several lines is accepted, its neighbours too."""
    pretty = json.dumps(GOOD, indent=2).encode()
    batch, rejects = Decoder(STREAM).decode(chunk([payload(id="a"), pretty, payload(id="b")]))
    assert rejects == []
    assert batch.columns["id"] == ["a", "r1", "b"]
