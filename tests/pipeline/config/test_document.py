"""Where keys and values stand in TOML text."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.document import Document, Place

TEXT = """\
title = "x"
[app]
a.b = 3       # dotted
[[item]]
k = 1
[[item]]
# a comment
k = 2
deep = { r = "é", "q r" = { z = [1, 2, { k = 3 }] } }
[streams."pay ments".x]
m = 'y'
[item.sub]
j = 1
"""


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("title",), (1, 1), (1, 9)),
        (("app",), (2, 2), (2, 2)),
        (("app", "a"), (3, 1), (3, 1)),
        (("app", "a", "b"), (3, 3), (3, 7)),
        (("item", 0, "k"), (5, 1), (5, 5)),
        (("item", 1, "k"), (8, 1), (8, 5)),
        (("item", 1, "deep", "r"), (9, 10), (9, 14)),
        (("item", 1, "deep", "q r", "z", 2, "k"), (9, 42), (9, 46)),
        (("streams", "pay ments", "x", "m"), (11, 1), (11, 5)),
        (("item", 1, "sub", "j"), (13, 1), (13, 5)),
    ],
)
def test_keys_and_values_are_found(path, key, value):
    """Keys and values are found by path, whichever of TOML's ways they are written in."""
    document = Document(TEXT)
    assert document.mistakes == []
    assert (document.key(path), document.value(path)) == (Place(*key), Place(*value))


def test_what_is_missing_stands_where_it_would():
    """Something missing is reported at what it is missing from."""
    document = Document(TEXT)
    assert document.value(("app", "nothing")) == Place(2, 2)
    assert document.value(("nothing",)) == Place(1, 1)


def test_header_after_its_part_gives_the_place():
    """A table opened only implicitly at first is placed at its own header."""
    assert Document("[a.b]\nx = 1\n[a]\ny = 2\n").key(("a",)) == Place(3, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"ab$"', (1, 8)),
        ("'a\\b$'", (1, 9)),
        ('"\\u00e9\\t\\"$"', (1, 16)),
        ('"""\n ab\n  $"""', (3, 3)),
        ("'''x\n$'''", (2, 1)),
        ('"""a\\\n   b$"""', (2, 5)),
    ],
)
def test_place_inside_a_text(text, found):
    """The place of a character within a text takes quotes, escapes and line breaks into account."""
    document = Document(f"k = {text}")
    offset = document.values["k"].index("$")
    assert document.inside(("k",), offset) == Place(*found)


@given(st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=20), st.booleans())
@settings(deadline=None)
def test_place_inside_any_escaped_text(text, all_escaped):
    """However a text is escaped, the place found is where its character is written."""
    escaped = (
        "".join(f"\\U{ord(sign):08x}" for sign in text) if all_escaped else json.dumps(text, ensure_ascii=False)[1:-1]
    )
    line = f'k = "{escaped}$"'.replace("\x7f", "\\u007f")
    place = Document(line).inside(("k",), len(text))
    assert line[place.column - 1] == "$"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a = \n", [1]),
        ("a = 1\nb == 2\nc = 3\nd = = 4\n", [2, 4]),
        ("[a\nb = 1\n", [1]),
        ("a = 1\na = 2\n", [2]),
        ('a = "x', [1]),
    ],
)
def test_syntax_errors_have_places(text, lines):
    """What is not TOML is reported with its line, and so is the next such place."""
    assert [place.line for place, _ in Document(text).mistakes] == lines
