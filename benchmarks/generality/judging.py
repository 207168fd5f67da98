"""Migrates programs, runs both sides of what is whole, and enters the verdicts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from generality.bases import Made
from linenify.migrate import migrate
from linenify.outcome import Migration
from linenify.project.load import load
from linenify.verify.run import Job, Limits, run_jobs
from linenify.verify.verdict import CaseResult, Outcome

KINDS = ("equal", "unrun", "flagged", "silent", "internal", "invalid")


@dataclass(frozen=True)
class How:
    """How programs are judged.

    Attributes:
        workers: processes that run them.
        run: whether they are run at all, or only migrated.
        quick: whether single precision is enough: half the time, but a few steps of training
            may hide a small difference in it.
    """

    workers: int = 0
    run: bool = True
    quick: bool = False


def judge(batch: Sequence[Made], how: How) -> None:
    """Enters the verdict of each program."""
    with tempfile.TemporaryDirectory() as scratch:
        runs: list[tuple[Made, Job]] = []
        for index, each in enumerate(batch):
            home = Path(scratch) / str(index)
            keep(each, home)
            if migrated(each, home / "legacy") and how.run:
                keep(each, home, quick=how.quick)
                paths = (home / "case.toml", home / "legacy", home / "linen")
                if len(each.files) == 1:
                    [name] = each.files
                    paths = (paths[0], paths[1] / name, paths[2] / name)
                case, legacy, linen = map(str, paths)
                runs.append((each, Job(case, legacy, linen, locate=False)))
        limits = Limits(timeout=120.0, workers=how.workers)
        results = run_jobs([job for _, job in runs], limits=limits)
        for (each, _), result in zip(runs, results, strict=True):
            compared(each, result)
    if how.quick:
        # Single precision can't tell a difference from noise that an optimizer has blown up.
        judge([each for each, _ in runs if each.verdict == "silent"], replace(how, quick=False))


def migrated(each: Made, home: Path) -> bool:
    """Migrates a program; whether it is left without a mark, to be run."""
    found: Migration = migrate(load([home]))
    after = {change.path.name: change.after for change in found.changes}
    each.linen = {name: after.get(name, text) for name, text in each.files.items()}
    lost = [d for d in found.diagnostics if d.severity.value == "error"]
    refused = [d for d in found.diagnostics if d.severity.value == "refusal"]
    if lost:
        each.verdict, each.code, each.why = "internal", lost[0].code, lost[0].message
    elif refused:
        each.verdict, each.code = "flagged", refused[0].code
        each.why = f"line {refused[0].span.line}: {refused[0].message}"
    else:
        each.verdict = "unrun"
    return each.verdict == "unrun"


def compared(each: Made, result: CaseResult) -> None:
    """Enters what came of running both sides."""
    if result.outcome.passed:
        each.verdict = "equal"
        return
    each.verdict, each.why = "silent", result.message
    for run in result.runs:
        if run.failure is not None:
            each.verdict = "invalid" if run.failure.side == "legacy" else "silent"
            each.why = f"{run.failure.side} {run.failure.stage}: {run.failure.message}"
            return
        for comparison in run.comparisons:
            if comparison.outcome is Outcome.DIFFERENT and comparison.worst:
                each.why = f"{comparison.what}{comparison.worst[0].keypath} differ"
                return


def keep(each: Made, home: Path, *, quick: bool = False) -> None:
    """Writes both sides of a program, and how to run it."""
    shutil.rmtree(home, ignore_errors=True)
    for side, files in (("legacy", each.files), ("linen", each.linen)):
        (home / side).mkdir(parents=True)
        for name, text in files.items():
            (home / side / name).write_text(text)
    case = each.base.case
    if quick and "rtol" not in case:
        case = case.replace("[[run]]", "[[run]]\nrtol = 1e-4")
    (home / "case.toml").write_text(case)
