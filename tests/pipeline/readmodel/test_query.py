"""Filtering, sorting and paging of table rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.readmodel.query import Condition, TableQuery, parse_condition, parse_filter, parse_sort, run
from pipeline.views import Freshness, TableView
from tables.histogram import WIDTH, bucket_counts
from tables.spec import Measure, TableSpec, Window

SPEC = TableSpec(
    name="t",
    stream="s",
    by="account",
    window=Window(kind="sliding", size_ms=60_000, pane_ms=10_000),
    measures=(
        Measure(name="n", kind="count"),
        Measure(name="mean", kind="mean", input="amount"),
        Measure(name="wait", kind="histogram", input="waits", width=WIDTH),
    ),
    ttl_ms=60_000,
)


def view_of(rows):
    """A view of rows ``(key, partition, n, mean, waits)``."""
    return TableView(
        spec=SPEC,
        keys=[row[0] for row in rows],
        partition=np.array([row[1] for row in rows], np.int64),
        window_start_ms=np.zeros(len(rows), np.int64),
        window_end_ms=np.full(len(rows), 60_000, np.int64),
        columns={
            "n": np.array([row[2] for row in rows], np.int64),
            "mean": np.array([row[3] for row in rows], np.float64),
            "wait": np.array([bucket_counts(np.array(row[4], np.int64)) for row in rows]).reshape(len(rows), WIDTH),
        },
        freshness=[Freshness(partition=0, applied=1, end=1, watermark_ms=0, committed_ms=0)],
    )


ROWS = st.lists(
    st.tuples(
        st.text("abAB/1", max_size=4),
        st.integers(0, 3),
        st.integers(-5, 5),
        st.one_of(st.just(math.nan), st.integers(-4, 4).map(float)),
        st.lists(st.integers(0, 8), max_size=3),
    ),
    max_size=12,
)
QUERIES = st.builds(
    TableQuery,
    words=st.lists(st.text("ab1", min_size=1, max_size=2), max_size=2).map(tuple),
    where=st.lists(
        st.builds(
            Condition,
            st.sampled_from(["n", "mean", "partition", "wait.max"]),
            st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
            st.integers(-3, 3).map(float),
        ),
        max_size=2,
    ).map(tuple),
    partition=st.one_of(st.none(), st.integers(0, 3)),
    sort=st.sampled_from([None, "key", "n", "mean", "partition", "wait.max"]),
    descending=st.booleans(),
    offset=st.integers(0, 5),
    limit=st.integers(1, 6),
)
HOLDS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def cell(row, column):
    if column == "wait.max":
        return max(row[4], default=math.nan)
    return row[{"key": 0, "partition": 1, "n": 2, "mean": 3}[column]]


def passes(row, query):
    if query.partition is not None and row[1] != query.partition:
        return False
    if not all(word.casefold() in row[0].casefold() for word in query.words):
        return False
    values = [(cell(row, condition.column), condition) for condition in query.where]
    return all(not math.isnan(value) and HOLDS[c.operator](value, c.value) for value, c in values)


def brute_force(rows, query):
    chosen = [row for row in rows if passes(row, query)]
    if query.sort is None:
        return chosen
    known = [row for row in chosen if cell(row, query.sort) == cell(row, query.sort)]
    missing = [row for row in chosen if cell(row, query.sort) != cell(row, query.sort)]
    if query.descending:  # equal ones come the other way round too
        known, missing = known[::-1], missing[::-1]
    return sorted(known, key=lambda row: cell(row, query.sort), reverse=query.descending) + missing


@given(ROWS, QUERIES)
def test_page_equals_brute_force(rows, query):
    """A page has the rows that filtering, a stable sort and a slice over plain tuples give."""
    page = run(view_of(rows), query)
    expected = brute_force(rows, query)
    assert page.matching == len(expected)
    assert page.total == len(rows)
    shown = [(row.key, row.partition, row.values[0]) for row in page.rows]
    assert shown == [row[:3] for row in expected[query.offset : query.offset + query.limit]]


@given(ROWS, QUERIES)
def test_pages_cover_every_row_once(rows, query):
    """Going from page to page meets each matching row once, in one order."""
    view = view_of(rows)
    whole = run(view, TableQuery(sort=query.sort, descending=query.descending, limit=1_000)).rows
    pages = [
        run(view, TableQuery(sort=query.sort, descending=query.descending, offset=offset, limit=query.limit)).rows
        for offset in range(0, len(rows), query.limit)
    ]
    assert [row for page in pages for row in page] == whole


def test_missing_values_are_none():
    """NaN, which JSON does not have, is ``None`` in a row; a count stays whole."""
    row = run(view_of([("a", 0, 3, math.nan, [])]), TableQuery()).rows[0]
    assert row.values[:2] == (3, None)
    assert isinstance(row.values[0], int)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (TableQuery(sort="maen"), "no column 'maen'; did you mean 'mean'?"),
        (TableQuery(where=(Condition("xyz", ">", 1.0),)), "there are key, partition"),
        (TableQuery(where=(Condition("key", ">", 1.0),)), "can't be compared"),
        (TableQuery(limit=0), "between 1 and 1,000, got 0"),
        (TableQuery(limit=1_001), "between 1 and 1,000, got 1001"),
        (TableQuery(offset=-1), "offset must not be negative, got -1"),
    ],
)
def test_impossible_queries_are_refused(query, message):
    """What can't be asked is told in a sentence that says what can."""
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        run(view_of([("a", 0, 1, 1.0, [1])]), query)


@pytest.mark.parametrize("text", ["n>", ">3", "n>>3", "n>3x", "n>NaN", "n 3", "1n>3", ""])
def test_what_is_no_comparison_is_refused(text):
    """Only COLUMN OPERATOR NUMBER is a comparison."""
    with pytest.raises(UsageError, match="is no comparison"):
        parse_condition(text)


def test_filter_text_mixes_words_and_comparisons():
    """Blanks separate words and comparisons; blanks around an operator don't."""
    words, where = parse_filter(" acct-1  n >= 2k x mean<.5 ")
    assert words == ("acct-1", "x")
    assert where == (Condition("n", ">=", 2_000.0), Condition("mean", "<", 0.5))


def test_sort_text():
    """A leading minus means largest first; nothing means the reader's order."""
    assert [parse_sort(text) for text in ("n", "-n", "", None)] == [
        ("n", False),
        ("n", True),
        (None, False),
        (None, False),
    ]
