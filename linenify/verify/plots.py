"""A picture of a verification: the error of every leaf, and curves of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from linenify.errors import UsageError
from linenify.verify.document import WORDS
from linenify.verify.service import Verified
from linenify.verify.verdict import Curve, Gap, Outcome, worst_first, worst_outcome

_SHOWN = 80
_LABEL = 76  # characters; longer ones lose their middle
_COLOURS = {
    Outcome.IDENTICAL: "tab:green",
    Outcome.CLOSE: "tab:olive",
    Outcome.DIFFERENT: "tab:red",
}
_SMALLEST, _LARGEST = 1e-18, 1e6


def draw(done: Sequence[Verified], file: Path) -> None:
    """Writes a PNG or SVG file.

    Raises:
        UsageError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError(
            "--plot needs matplotlib: pip install '.[plot]' in its checkout"
        ) from error
    mpl.use("agg")
    from matplotlib import pyplot as plt

    leaves = _leaves(done)
    shown = leaves[:_SHOWN]
    curves = [curve for each in done for run in each.result.runs for curve in run.curves]
    height = 1.4 + 0.21 * max(len(shown), 1)
    figure, axes = plt.subplots(
        1 + len(curves),
        figsize=(12, 0.8 + height + 3 * len(curves)),
        height_ratios=[height, *[3] * len(curves)],
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle(_title(done), fontsize=10)
    _draw_leaves(axes[0][0], shown, hidden=len(leaves) - len(shown))
    for axis, curve in zip(axes[1:, 0], curves, strict=True):
        _draw_curve(axis, curve)
    try:
        figure.savefig(file)
    except OSError as error:
        raise UsageError(f"--plot {file}: {error}") from error
    finally:
        plt.close(figure)


def _title(done: Sequence[Verified]) -> str:
    verdict = WORDS[worst_outcome(each.result.outcome for each in done)]
    name = done[0].target.name if len(done) == 1 else f"{len(done)} cases"
    firsts = (run.first for each in done for run in each.result.runs if run.first is not None)
    first = next(
        (f"; first difference: {each.linen or 'the module itself'}" for each in firsts), ""
    )
    return "\n".join(_short(line, 90) for line in (name, verdict + first))


def _short(text: str, length: int = _LABEL) -> str:
    """The text without its middle, if it is too long."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _leaves(done: Sequence[Verified]) -> list[tuple[str, Gap]]:
    """All leaves, the worst first; those of several runs with the number of their run."""
    runs = [run for each in done for run in each.result.runs]
    leaves = [
        (f"{f'{number}: ' if len(runs) > 1 else ''}{comparison.what} {gap.keypath}", gap)
        for number, run in enumerate(runs, 1)
        for comparison in run.comparisons
        for gap in comparison.every
        if gap.outcome in _COLOURS
    ]
    return sorted(leaves, key=lambda leaf: worst_first(leaf[1]))


def _draw_leaves(axis: Any, leaves: Sequence[tuple[str, Gap]], *, hidden: int) -> None:
    errors = [min(max(gap.relative, _SMALLEST), _LARGEST) for _, gap in leaves]
    measured = [error for error, (_, gap) in zip(errors, leaves, strict=True) if gap.absolute]
    left = min([1e-9, *(error / 10 for error in measured)])
    axis.set_xscale("log")
    axis.set_xlim(left, max([1e-4, *(10 * error for error in measured)]))
    for row, (error, (_, gap)) in enumerate(zip(errors, leaves, strict=True)):
        colour = _COLOURS[gap.outcome]
        if gap.absolute:
            axis.barh(row, error, color=colour, height=0.7)
            if gap.floor:
                axis.plot(gap.floor * gap.relative / gap.absolute, row, "k|", markersize=9)
        else:
            text = "equal" if gap.outcome.passed else _short(gap.message, 80)
            axis.annotate(
                text, (0, row), (4, 0), ("axes fraction", "data"), "offset points",
                color=colour, fontsize=7, va="center",
            )  # fmt: skip
    axis.set_yticks(range(len(leaves)), [_short(name) for name, _ in leaves], fontsize=7)
    axis.set_ylim(len(leaves) - 0.4, -0.6)
    axis.set_xlabel("largest error, relative to the largest element of its leaf", fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", alpha=0.3)
    more = f"; {hidden} more leaves are not shown" if hidden else ""
    axis.set_title(
        f"red: different, olive: within noise, green: equal; |: measured noise{more}", fontsize=8
    )


def _draw_curve(axis: Any, curve: Curve) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.plot(curve.legacy, "o-", label="legacy", markersize=5)
    axis.plot(curve.linen, "x--", label="Linen", markersize=5)
    axis.set_title(_short(curve.keypath or "result"), fontsize=9)
    axis.set_xlabel("step", fontsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.tick_params(labelsize=8)
    axis.legend(fontsize=8)
