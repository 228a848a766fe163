"""The expression language: what it allows, what it refuses and where, and what it tells about itself."""

import numpy as np
import pytest

from agents.language.expression import ExpressionError, Scope, compile_expression
from agents.spec import Field
from tables.spec import Measure
from tables.text import hash_text

FIELDS = {
    name: Field(name=name, type=kind)
    for name, kind in {
        "country": "str",
        "amount_cents": "int",
        "ts": "int",
        "price": "float",
        "abroad": "bool",
        "buckets": "ints",
    }.items()
}
MEASURES = {
    measure.name: measure
    for measure in (
        Measure(name="n", kind="count"),
        Measure(name="large", kind="count", input="amount_cents >= 20000"),
        Measure(name="mean", kind="mean", input="amount_cents"),
    )
}
SCOPE = Scope(fields=FIELDS, measures=MEASURES)


def problems(text, **options):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, SCOPE, **options)
    return caught.value.problems


def marked(text, **options):
    """The parts of the text that its problems point at."""
    return [text[each.column - 1 : each.column - 1 + each.length] for each in problems(text, **options)]


def test_facts_of_a_condition():
    """A condition tells what it reads, what it needs from the table, and what it compares with constants."""
    found = compile_expression("large>=3 and (outlier(amount_cents) > 5) and country in ('FR', 'DE')", SCOPE)
    assert found.text == "large >= 3 and outlier(amount_cents) > 5 and (country in ('FR', 'DE'))"
    assert found.kind == "bool"
    assert found.fields == {"amount_cents", "country"}
    assert found.measures == {"large"}
    assert [measure.name for measure in found.hidden] == ["count()", "mean(amount_cents)", "std(amount_cents)"]
    assert found.thresholds == {"large": 3, "outlier(amount_cents)": 5, "country": "FR, DE"}


def test_both_ends_of_a_chain_are_thresholds():
    """A column with two limits shows both, the second with its operator."""
    assert compile_expression("3 <= n < 10", SCOPE).thresholds == {"n": 3, "n <": 10}


def test_hidden_measures_are_merged_by_name():
    """Two calls that need the same measure need it once."""
    found = compile_expression("burst(country) > 3 and outlier(amount_cents) > 3", SCOPE)
    assert [measure.name for measure in found.hidden].count("count()") == 1


def test_every_mistake_is_found_at_its_place():
    """All mistakes of a text are reported together, each with the column of what is wrong, past non-ASCII text too."""
    text = "'é' == contry and lage > 2 or amount_cents == 'x' and (price.y or first_sen(ts, nn) and n ** 2 > 3)"
    assert marked(text) == ["contry", "lage", "'x'", "price.y", "first_sen", "nn", "n ** 2"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("contry == 'DE'", "did you mean 'country'?"),
        ("lage > 3", "did you mean 'large'?"),
        ("frist_seen(country)", "did you mean 'first_seen'?"),
        ("true", "did you mean 'True'?"),
        ("n = 3", "write == instead of ="),
        ("n > 3 && large > 2", "write and instead of &"),
        ("(n > 3) & (large > 2)", "write and"),
        ("n is 3", "write =="),
        ("n() > 3", "leave the parentheses out"),
        ("first_seen", "call it: first_seen(value)"),
        ("n > 3 # many", "a comment can't stand"),
    ],
)
def test_messages_say_what_was_meant(text, hint):
    """A message says what to write instead."""
    assert hint in problems(text)[0].message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "(n > 3",
        "n > 3) or (n > 2",
        "n\0",
        "\ud800 == country",
        "-" * 4000 + "n > 0",
        "(" * 1000 + "n" + ")" * 1000,
        "+".join("n" * 500) + " > 1",
        "n > 1" + " " * 5000,
        "n > 9007199254740993",
        "n > -9007199254740993",
        "n > 9007199254740992 * 2",
        "n > 1e999",
        "n > 1" + "0" * 4000,
        "n > 1j",
        "n > None",
        "n > ...",
        "country == b'x'",
        "country == f'{n}'",
        '"\\d" == country',
        "n > 10if n else 3",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "(n := 3) > 1",
        "n[0] > 1",
        "country.lower() == 'x'",
        "__import__('os').system('true')",
        "().__class__",
        "max(*n)",
        "max(n, large, key=3)",
        "(yield)",
        "await n",
        "n if n > 3 else large",
    ],
)
def test_everything_else_is_refused(text):
    """Whatever is not on the list is a mistake, and reading it ends at once, whatever its size."""
    for problem in problems(text):
        assert 1 <= problem.column <= max(1, len(text))
        assert problem.length >= 1
        assert problem.message


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("country + 1 > 2", "country"),
        ("amount_cents == 'x'", "'x'"),
        ("country > 'DE'", "'DE'"),
        ("country in (1, 'DE')", "1"),
        ("n in (1, 'DE')", "'DE'"),
        ("n in (1, large)", "large"),
        ("n in 3", "3"),
        ("n in ()", "()"),
        ("abroad + 1 > 2", "abroad"),
        ("abroad == n", "abroad"),
        ("n and abroad", "n"),
        ("not price", "price"),
        ("1 < 2", "2"),
        ("n / 0 > 2", "0"),
        ("n % (1 - 1) > 2", "1 - 1"),
        ("buckets > 2", "buckets"),
        ("hour(price) > 2", "price"),
        ("outlier(n) > 2", "n"),
        ("outlier(3) > 2", "3"),
        ("outlier(outlier(price)) > 2", "outlier"),
        ("first_seen(price)", "price"),
        ("first_seen(country) > 2", "first_seen(country)"),
        ("max(n) > 2", "max"),
    ],
)
def test_types_are_checked(text, at):
    """A mistake of type is found before any record comes, at the part that is wrong."""
    assert marked(text) == [at]


def test_a_condition_is_asked_for():
    """Where a condition is needed, a number is a mistake that says how to make one of it."""
    assert compile_expression("n", SCOPE).kind == "int"
    assert "n > 0" in problems("n", condition=True)[0].message


def test_measures_can_not_ask_for_history():
    """Keyed functions are refused where there is no table to ask."""
    with pytest.raises(ExpressionError, match="condition of a rule"):
        compile_expression("first_seen(country)", Scope(fields=FIELDS, measures={}, keyed=False))


def test_whole_numbers_stay_exact():
    """Operations and comparisons of whole numbers never round, not even beyond 2**53."""
    large = np.array([2**62 + 1, 2**62, -(2**62) - 1])
    values = {"amount_cents": large, "n": np.array([2**62, 2**62, 2**62])}
    assert compile_expression("amount_cents > n", SCOPE).evaluate(values).tolist() == [True, False, False]
    found = compile_expression("amount_cents // 2 + amount_cents % 7 * 3 - 1", SCOPE).evaluate(values)
    assert found.tolist() == [int(each) // 2 + int(each) % 7 * 3 - 1 for each in large]
    inside = compile_expression("amount_cents - n in (1, -3)", SCOPE).evaluate(values)
    assert inside.tolist() == [True, False, False]


def test_unknown_is_not_true():
    """NaN makes a comparison unknown: it does not fire, nor does its negation, unless the rest decides alone."""
    values = {"price": np.array([np.nan, 5.0]), "n": np.array([9, 9])}
    fired = {
        text: compile_expression(text, SCOPE).evaluate(values).tolist()
        for text in ("price > 3", "not price > 3", "price != 3", "price not in (3, 4)", "price > 3 or n > 3")
    }
    assert fired == {
        "price > 3": [False, True],
        "not price > 3": [False, False],
        "price != 3": [False, True],
        "price not in (3, 4)": [False, True],
        "price > 3 or n > 3": [True, True],
    }


def test_division_by_zero_has_no_opinion():
    """Dividing by a zero gives NaN without a warning, whole or not."""
    values = {"n": np.array([0, 2]), "amount_cents": np.array([7, 7]), "price": np.array([0.0, 2.0])}
    for text, quotient in {"amount_cents / n": 3.5, "amount_cents // n": 3, "amount_cents % price": 1}.items():
        found = compile_expression(text, SCOPE).evaluate(values)
        np.testing.assert_array_equal(found, [np.nan, quotient])


def test_text_is_compared_by_hash():
    """Text columns come as hashes, and constants are hashed once, when compiled."""
    values = {"country": np.array([hash_text("DE"), hash_text("é")])}
    assert compile_expression("country == 'é'", SCOPE).evaluate(values).tolist() == [False, True]
    assert compile_expression("country not in ['é', 'FR']", SCOPE).evaluate(values).tolist() == [True, False]


def test_constants_fill_the_column():
    """An expression without columns still gives one result a record."""
    assert compile_expression("True", SCOPE).evaluate({"n": np.array([1, 2])}).tolist() == [True, True]
    assert compile_expression("2 * 3", SCOPE).evaluate({"n": np.array([1, 2])}).tolist() == [6, 6]


def test_scores_are_evidence():
    """The result of each function call can be had beside the verdict."""
    expression = compile_expression("max(n, large) - abs(price) > 3", SCOPE)
    values = {"n": np.array([1, 5]), "large": np.array([3, 2]), "price": np.array([-1.5, 2.0])}
    scores = {text: column.tolist() for text, column in expression.scores(values).items()}
    assert scores == {"max(n, large)": [3, 5], "abs(price)": [1.5, 2.0]}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("amount_cents", 1.0),
        ("amount_cents * 2 - 1", 1.0),
        ("amount_cents / 100", 0.001),
        ("price", 0.01),
        ("price * 2 + amount_cents", 0.01),
        ("price // 2", 1.0),
        ("hour(ts)", 1.0),
        ("sqrt(amount_cents)", 0.001),
    ],
)
def test_resolution_of_numbers(text, unit):
    """A number knows its resolution: 1 for whole ones, that of its fields otherwise."""
    fields = {**FIELDS, "price": Field(name="price", type="float", unit=0.01)}
    assert compile_expression(text, Scope(fields=fields, measures={})).unit == unit


def test_lines_may_break():
    """A condition may run over several lines, and columns count from its first character."""
    assert compile_expression("\n  n > 3\n  and large > 2\n", SCOPE).text == "n > 3 and large > 2"
    assert problems("\n  n > 3\n  and lage > 2")[0].column == 16
