"""Runs all of a case, and turns what user code raises into a verdict."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from linenify.verify.case import Case, CaseError, RunPair
from linenify.verify.loading import UserFiles
from linenify.verify.modules import compared_modules
from linenify.verify.overlay import Overlay
from linenify.verify.programs import compared_programs
from linenify.verify.record import Record, compared_records
from linenify.verify.remembering import Memory
from linenify.verify.verdict import (
    CaseResult,
    Census,
    Comparison,
    Curve,
    Departure,
    Outcome,
    RunResult,
    failed_case,
    worst_outcome,
)
from linenify.verify.worlds import UserCodeError, World


def run_case(
    name: str,
    case: Case,
    legacy: UserFiles,
    linen: UserFiles,
    overlay: Overlay,
    records: Sequence[Record | str] = (),
    *,
    locate: bool = True,
    memory: Memory | None = None,
) -> CaseResult:
    """The verdict on all runs of a case; user errors are part of it.

    `records` are what another oracle computed for the runs, if it was asked; `locate`
    says whether to look for the place where the sides part; in `memory` results of the
    legacy side are kept.
    """
    worlds = World(legacy, overlay, memory=memory), World(linen, None)
    try:
        runs = tuple(
            _run(pair, *worlds, other, locate=locate)
            for pair, other in itertools.zip_longest(case.runs, records[: len(case.runs)])
        )
    except CaseError as error:
        return failed_case(name, str(error), misused=True)
    outcome = worst_outcome(run.outcome for run in runs)
    return CaseResult(name, outcome, runs, reached=linen.reached)


def _run(
    pair: RunPair, legacy: World, linen: World, other: Record | str | None, *, locate: bool
) -> RunResult:
    start = time.monotonic()
    failure = None
    comparisons: tuple[Comparison, ...] = ()
    first: Departure | None = None
    curves: tuple[Curve, ...] = ()
    sizes: tuple[Census, ...] = ()
    remark = ""
    try:
        if pair.legacy.function:
            comparisons, first, curves, sizes = compared_programs(pair, legacy, linen, locate)
        else:
            comparisons, first, sizes = compared_modules(pair, legacy, linen, locate)
        if linen.masking.happened and not worst_outcome(c.outcome for c in comparisons).passed:
            again = _with_added_masks(pair, legacy, linen)
            if again is not None:
                comparisons, first, remark = again, None, _ADDED
        if other is not None:
            comparisons = (*comparisons, compared_records(pair.legacy, legacy.anew(), other))
    except UserCodeError as error:
        failure = error.failure
    outcome = worst_outcome(comparison.outcome for comparison in comparisons)
    if failure is not None:
        outcome = Outcome.ERROR
    seconds = time.monotonic() - start
    return RunResult(
        pair.name, outcome, comparisons, failure, seconds, first, curves, sizes, remark
    )


_ADDED = (
    "compared with masks that are added to the scores, as legacy did: in rows that are masked "
    "as a whole gradients differ otherwise (LN803)"
)


def _with_added_masks(pair: RunPair, legacy: World, linen: World) -> tuple[Comparison, ...] | None:
    """The comparisons, if the sides are equal once Linen adds its masks."""
    compared = compared_programs if pair.legacy.function else compared_modules
    try:
        again = compared(pair, legacy.anew(), linen.adding_masks(), False)[0]
    except UserCodeError:
        return None
    return again if worst_outcome(each.outcome for each in again).passed else None
