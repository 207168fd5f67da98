"""Names the rewrite that makes the difference.

A migration by hand is taken apart: linenify's own migration, if that one is
equal, takes over one changed passage after the other, until it differs, too.
For linenify's own migration, what `--exact` would write instead is tried.
"""

from __future__ import annotations

import dataclasses
import difflib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linenify.verify.rules_of import rules_of
from linenify.verify.run import Job, run_jobs
from linenify.verify.service import Settings, Verified
from linenify.verify.verdict import CaseResult, Outcome
from linenify.verify.workspace import Migrate


@dataclass(frozen=True, slots=True)
class Migrations:
    """The two ways in which linenify migrates."""

    plain: Migrate
    exact: Migrate


def culprit(each: Verified, migrations: Migrations, settings: Settings) -> str:
    """One sentence on what causes the difference of a case that is not equal."""
    with tempfile.TemporaryDirectory(prefix="linenify-bisect-") as scratch:
        if each.sides.migrated is None:
            return _by_hand(each, migrations, settings, Path(scratch))
        return _own(each, migrations, settings, Path(scratch))


def _own(each: Verified, migrations: Migrations, settings: Settings, scratch: Path) -> str:
    exact = _copy(each.sides.legacy, scratch / "exact")
    migrations.exact(exact)
    [result] = _run(each, [exact], settings)
    if result.outcome.passed:
        return "what only --exact imitates: with it, the sides are equal (see the notices)"
    before, after = _differing(each.result), _differing(result)
    if after < before:
        return (
            f"in part what only --exact imitates: with it, {', '.join(sorted(before - after))} "
            f"are equal, and {', '.join(sorted(after))} still differ"
        )
    codes = [
        code for run in each.result.runs if run.first for code in rules_of(run.first, each.sides)
    ]
    if codes:
        return f"the statement that {', '.join(dict.fromkeys(codes))} rewrote"
    return "no single rewrite: --exact differs, too"


def _differing(result: CaseResult) -> set[str]:
    """What differs, in any of the runs; "errors" where a side did not run."""
    different = {
        comparison.what
        for run in result.runs
        for comparison in run.comparisons
        if not comparison.outcome.passed
    }
    return different | {"errors" for run in result.runs if run.failure}


def _by_hand(each: Verified, migrations: Migrations, settings: Settings, scratch: Path) -> str:
    own = _copy(each.sides.legacy, scratch / "own")
    migrations.plain(own)
    [result] = _run(each, [own], settings)
    if not result.outcome.passed:
        return "unknown: linenify's own migration is not equal, so there is nothing to compare with"
    pairs = _files(own, each.sides.linen)
    hunks = [hunk for file, theirs in pairs for hunk in _hunks(file, theirs)]
    if not hunks:
        return "the text is the same as linenify's own migration, which is equal"
    # Each passage alone; then more and more of them together.
    trials = [[hunk] for hunk in hunks] + [hunks[: count + 1] for count in range(1, len(hunks))]
    sides = []
    for number, trial in enumerate(trials):
        side = _copy(own, scratch / f"trial{number}")
        _apply(own, side, trial)
        sides.append(side)
    results = _run(each, sides, settings)
    for wanted in (Outcome.DIFFERENT, Outcome.ERROR):
        for trial, result in zip(trials, results, strict=True):
            if result.outcome is wanted:
                return str(trial[-1])
    return "no passage by itself: only all of them together differ"


@dataclass(frozen=True, slots=True)
class _Hunk:
    """A passage that the other text writes differently."""

    file: Path
    first: int
    last: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        old = " / ".join(line.strip() for line in self.before if line.strip())
        new = " / ".join(line.strip() for line in self.after if line.strip())
        return f"line {self.line}: `{new:.160}` where linenify writes `{old:.160}`"


def _hunks(file: Path, theirs: Path) -> list[_Hunk]:
    before, after = (each.read_text().splitlines(True) for each in (file, theirs))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [
        _Hunk(file, low, high, tuple(before[low:high]), tuple(after[start:end]), start + 1)
        for tag, low, high, start, end in matcher.get_opcodes()
        if tag != "equal"
    ]


def _apply(own: Path, side: Path, hunks: Sequence[_Hunk]) -> None:
    home = own if own.is_dir() else own.parent
    target = side if side.is_dir() else side.parent
    for hunk in reversed(hunks):
        file = target / hunk.file.relative_to(home)
        lines = file.read_text().splitlines(True)
        lines[hunk.first : hunk.last] = hunk.after
        file.write_text("".join(lines))


def _files(own: Path, theirs: Path) -> list[tuple[Path, Path]]:
    if own.is_file():
        return [(own, theirs)] if theirs.is_file() else []
    return [
        (file, other)
        for file in sorted(own.rglob("*.py"))
        if (other := theirs / file.relative_to(own)).is_file()
    ]


def _copy(side: Path, into: Path) -> Path:
    """A copy of a side with all that lies beside it."""
    if side.is_dir():
        shutil.copytree(side, into / side.name)
    else:
        shutil.copytree(side.parent, into)
    return into / side.name


def _run(each: Verified, sides: Sequence[Path], settings: Settings) -> list[CaseResult]:
    old = Path(each.sides.job.linen)
    below = old.relative_to(each.sides.linen)
    jobs: list[Job] = [
        dataclasses.replace(each.sides.job, linen=str(side / below)) for side in sides
    ]
    return run_jobs(jobs, limits=settings.limits)
