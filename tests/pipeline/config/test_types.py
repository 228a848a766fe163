"""``types``: by what the records of a stream are told apart in a file that mixes streams."""

import pytest

from pipeline.config import check_config, load_config

STREAM = """
[streams.{name}]
time = "ts"
fields = {{ ts = "int" }}
{more}
"""


def write(tmp_path, **streams):
    file = tmp_path / "app.toml"
    file.write_text(
        '[app]\nname = "a"\n' + "".join(STREAM.format(name=name, more=more) for name, more in streams.items())
    )
    return file


def test_a_stream_declares_its_types(tmp_path):
    """Several, or none."""
    found = load_config(write(tmp_path, orders='types = ["buy", "sell"]', labels=""), {})
    assert {name: stream.types for name, stream in found.streams.items()} == {"orders": ("buy", "sell"), "labels": ()}


@pytest.mark.parametrize("given", ['"buy"', "[1]", '[""]', "3"])
def test_types_are_a_list_of_texts(tmp_path, given):
    """Anything else is one mistake, with its place."""
    (line,) = check_config(write(tmp_path, orders=f"types = {given}"), {})
    assert ":7:" in line
    assert "types must be a list of texts" in line


def test_a_type_is_that_of_one_stream(tmp_path):
    """The second stream that declares it is told which one was first."""
    (line,) = check_config(write(tmp_path, orders='types = ["buy"]', returns='types = ["back", "buy"]'), {})
    assert line.endswith("the type 'buy' is already that of [streams.orders]")
