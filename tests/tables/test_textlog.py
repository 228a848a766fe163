"""A text column in bytes against a list of texts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import textlog as module
from tables.slices import texts_of
from tables.textlog import TextLog

TEXTS = st.lists(
    st.one_of(st.text(max_size=3), st.sampled_from([31, 32, 255, 256, 70_000]).map("x".__mul__)), max_size=20
)
STEPS = st.lists(st.tuples(TEXTS, st.booleans(), st.integers(0, 12)), max_size=6)


@given(STEPS, st.integers(0, 20), st.integers(0, 20))
def test_holds_and_packs_what_a_list_would(steps, start, size):
    """Texts are appended, from bytes or not, dropped from the front and packed, compiled or not."""
    for loops in (module.compiled(), None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "compiled", lambda loops=loops: loops)
            log, expected = TextLog(), []
            for texts, in_bytes, gone in steps:
                log.append(texts_of(texts) if in_bytes else texts)
                expected += texts
                count = min(gone, len(expected))
                log.drop(count)
                del expected[:count]
            assert [log[at] for at in range(len(log))] == expected
            part = slice(start, start + size)
            assert bytes(log.packed(part)) == msgspec.msgpack.encode(expected[part])


def test_a_long_list_is_packed_like_any():
    """The head of a list has two bytes more from 16 texts on, and four from 65,536 on."""
    log, texts = TextLog(), ["a"] * 65_536
    log.append(texts)
    assert bytes(log.packed(slice(0, 65_536))) == msgspec.msgpack.encode(texts)
