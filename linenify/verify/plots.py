"""A picture of a verification: the error of every leaf, and curves of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linenify.errors import UsageError
from linenify.verify.service import Verified
from linenify.verify.verdict import Curve, Gap, Outcome

_SHOWN = 60
_COLOURS = {
    Outcome.IDENTICAL: "tab:green",
    Outcome.CLOSE: "tab:olive",
    Outcome.DIFFERENT: "tab:red",
}
_SMALLEST = 1e-18  # stands for zero on a logarithmic axis


def draw(done: Sequence[Verified], file: Path) -> None:
    """Writes a PNG or SVG file.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError("--plot needs matplotlib: pip install 'linenify[plot]'") from error
    mpl.use("agg")
    from matplotlib import pyplot as plt

    leaves = _leaves(done)
    curves = [curve for each in done for run in each.result.runs for curve in run.curves]
    height = 1.5 + 0.2 * len(leaves)
    figure, axes = plt.subplots(
        1 + len(curves),
        figsize=(9, height + 3 * len(curves)),
        height_ratios=[height, *[3] * len(curves)],
        squeeze=False,
        layout="constrained",
    )
    _draw_leaves(axes[0][0], leaves)
    for axis, curve in zip(axes[1:, 0], curves, strict=True):
        _draw_curve(axis, curve)
    figure.savefig(file)
    plt.close(figure)


def _leaves(done: Sequence[Verified]) -> list[tuple[str, Gap]]:
    leaves = [
        (f"{comparison.what} {gap.keypath}", gap)
        for each in done
        for run in each.result.runs
        for comparison in run.comparisons
        for gap in comparison.every
        if gap.outcome in _COLOURS
    ]
    order = list(Outcome)
    leaves.sort(key=lambda leaf: (order.index(leaf[1].outcome), leaf[1].relative), reverse=True)
    return leaves[:_SHOWN]


def _draw_leaves(axis: Any, leaves: Sequence[tuple[str, Gap]]) -> None:
    names = [name for name, _ in leaves]
    errors = [min(max(gap.relative, _SMALLEST), 1e6) for _, gap in leaves]
    axis.barh(range(len(leaves)), errors, color=[_COLOURS[gap.outcome] for _, gap in leaves])
    for row, (_, gap) in enumerate(leaves):
        if gap.floor and gap.absolute:
            axis.plot(gap.floor * gap.relative / gap.absolute, row, "k|", markersize=9)
    axis.set_yticks(range(len(leaves)), names, fontsize=7)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlim(left=_SMALLEST)
    axis.set_xlabel("largest error, of the largest element of the leaf (|: measured noise)")


def _draw_curve(axis: Any, curve: Curve) -> None:
    axis.plot(curve.legacy, "o-", label="legacy", markersize=5)
    axis.plot(curve.linen, "x--", label="Linen", markersize=5)
    axis.set_title(curve.keypath or "result", fontsize=9)
    axis.set_xlabel("step")
    axis.legend()
