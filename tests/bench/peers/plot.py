"""The comparison as a picture."""

from pathlib import Path

from tests.bench.peers.engines import ENGINES
from tests.bench.peers.page import PLOT
from tests.bench.peers.result import Comparison

_OURS, _THEIRS, _WARM = "#2563eb", "#94a3b8", "#0f172a"


def write_plot(comparison: Comparison, folder: Path) -> Path:
    """A bar for each engine that gave figures, a dot for each run, a mark for the warm rate."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    shown = sorted(
        ((name, found) for name, found in comparison.measured.items() if found.runs), key=lambda each: each[1].per_s
    )
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.55 * len(shown)), layout="constrained")
    for row, (name, found) in enumerate(shown):
        axes.barh(row, found.per_s, color=_OURS if name == "streamgauge" else _THEIRS, height=0.6)
        rates = [run.verdict.per_s for run in found.runs]
        axes.plot(rates, [row] * len(rates), ".", color=_WARM, markersize=4)
        axes.plot(found.warm_per_s, row, "|", color=_WARM, markersize=18)
    axes.set_yticks(range(len(shown)), [f"{ENGINES[name].title}\n{found.per_s:,.0f}" for name, found in shown])
    axes.set_xlabel("records/s on one core: median of the runs (bar), each run (dot), last quarter (line)")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / PLOT
    figure.savefig(file, dpi=130, metadata={"Software": None})
    plt.close(figure)
    return file
