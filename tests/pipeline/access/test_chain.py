"""The chain of the audit log: any change to any record is found, and the first one is named."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.access.chain import Entry, Head, canonical, link, parse_head, verify
from pipeline.errors import UsageError

KEY = b"k" * 32
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
events = st.lists(st.dictionaries(st.text(max_size=6), values, max_size=3), min_size=1, max_size=8)
keys = st.sampled_from([None, KEY])


def chain(happened, key=None):
    entries, head = [], Head()
    for event in happened:
        entry = link(head, event, key)
        head = Head(entry.number, entry.hash)
        entries.append(entry)
    return entries, head


@given(events, keys)
def test_what_was_written_verifies(happened, key):
    """A chain is whole, to its end, with and without the key of its seals, and holds what was written."""
    entries, head = chain(happened, key)
    found = verify(entries, end=head, key=key, known=[head, Head(1, entries[0].hash)])
    assert (found.head, found.broken, found.sealed) == (head, None, len(entries) if key else 0)
    assert verify(entries, end=head).broken is None
    for number, (entry, event) in enumerate(zip(entries, happened, strict=True), 1):
        written = {**event, "number": number, "previous": entries[number - 2].hash if number > 1 else Head().hash}
        assert json.loads(entry.body) == written
        assert entry.hash == hashlib.sha256(canonical(written).encode()).hexdigest()


@given(events, keys, st.data())
def test_any_changed_byte_names_its_record(happened, key, data):
    """Another text, hash or seal in one record breaks the chain at that record."""
    entries, head = chain(happened, key)
    at = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["body", "hash"] + (["seal"] if key else [])))
    text = getattr(entries[at], field)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char != text[place]))
    entries[at] = entries[at]._replace(**{field: text[:place] + other + text[place + 1 :]})
    assert verify(entries, end=head, key=key).broken == at + 1


@given(events.filter(lambda happened: len(happened) > 1), keys, st.data())
def test_taken_out_put_in_and_swapped(happened, key, data):
    """A record that is missing, twice there or at another place breaks the chain where it should have stood."""
    entries, head = chain(happened, key)
    at = data.draw(st.integers(0, len(entries) - 2))
    assert verify(entries[:at] + entries[at + 1 :], end=head, key=key).broken == at + 1
    assert verify([*entries[: at + 1], entries[at], *entries[at + 1 :]], end=head, key=key).broken == at + 2
    swapped = [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]
    assert verify(swapped, end=head, key=key).broken == at + 1


@given(events, st.data())
def test_a_missing_end_is_found_by_a_head(happened, data):
    """The chain alone can't tell that its end is gone; the head in the file or one kept elsewhere can."""
    entries, head = chain(happened)
    kept = data.draw(st.integers(0, len(entries) - 1))
    cut = entries[:kept]
    assert verify(cut).broken is None
    assert verify(cut, end=head).broken == kept + 1
    shorter = Head(kept, cut[-1].hash) if cut else Head()
    assert verify(cut, end=shorter).broken is None
    assert verify(cut, end=shorter, known=[head]).broken == kept + 1


@given(events, st.data())
def test_a_chain_made_anew_is_found_by_seal_or_head(happened, data):
    """Who rewrites a record and all behind it passes without key and head, and neither with the one nor the other."""
    entries, head = chain(happened, KEY)
    at = data.draw(st.integers(0, len(entries) - 1))
    forged, end = list(entries[:at]), Head(at, entries[at - 1].hash) if at else Head()
    for event in [{"forged": True}, *happened[at + 1 :]]:
        entry = link(end, event)._replace(seal=hmac.new(b"guessed", b"x", "sha256").hexdigest())
        end = Head(entry.number, entry.hash)
        forged.append(entry)
    assert verify(forged, end=end).broken is None
    assert verify(forged, end=end, key=KEY).broken == at + 1
    assert verify(forged, end=end, known=[head]).broken == len(entries)


def test_seals_begin_once_and_never_end():
    """A key that was set later seals from then on; a record without a seal behind one with a seal is a forgery."""
    before, head = chain([{"a": 1}, {"a": 2}])
    sealed = link(head, {"a": 3}, KEY)
    assert verify([*before, sealed], key=KEY).broken is None
    bare = link(Head(3, sealed.hash), {"a": 4})
    assert verify([*before, sealed, bare], key=KEY).broken == 4
    assert verify(before, key=KEY).broken == 2, "nothing is sealed although there is a key"
    assert verify([], key=KEY).broken is None


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{}", "{", '{"number":1}'])
def test_what_is_no_record_breaks_the_chain(body):
    """A text with a right hash that is no record is named, not tripped over."""
    found = verify([Entry(1, body, hashlib.sha256(body.encode()).hexdigest())])
    assert (found.broken, found.reason) == (1, "it is no audit record")


def test_numbers_that_json_lacks_are_refused():
    """NaN would be read differently elsewhere; it is never written."""
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"x": float("nan")})


def test_heads_are_read_as_they_are_printed():
    """NUMBER:HASH; anything else says how to write it."""
    assert parse_head("7:" + "a" * 64) == Head(7, "a" * 64)
    for text in ("", "7", "x:" + "a" * 64, "7:abc"):
        with pytest.raises(UsageError, match="NUMBER:HASH"):
            parse_head(text)
