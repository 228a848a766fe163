"""Nothing is left to be compiled when the first records come."""

from importlib import import_module

import pytest

from pipeline.compiling import compile_ahead

numba = pytest.importorskip("numba")


@pytest.mark.parametrize(
    "module",
    [
        "agents.series.compiled",
        "detectors.compiled",
        "tables.compiled",
        "tables.cells.compiled",
        "pipeline.codec.compiled",
        "pipeline.kafka.consuming.compiled",
    ],
)
def test_every_loop_is_compiled_ahead(module):
    compile_ahead()
    loops = {
        name: loop
        for name, loop in vars(import_module(module)).items()
        if isinstance(loop, numba.core.dispatcher.Dispatcher) and loop.__module__ == module and not name.startswith("_")
    }
    assert loops
    assert [name for name, loop in loops.items() if not loop.signatures] == []
