"""Names the rewrite that makes the difference.

A migration by hand is taken apart: linenify's own migration, if that one is
equal, takes over more and more of the changed passages, until it differs, too.
What is found is left out, and the search goes on while the rest still differs.
For linenify's own migration, what `--exact` would write instead is tried.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from linenify.verify.rules_of import rules_of
from linenify.verify.run import Job, run_jobs
from linenify.verify.service import Settings, Verified
from linenify.verify.verdict import CaseResult, Outcome
from linenify.verify.workspace import Migrate, Touched


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
    [result] = _run(each, [exact], settings, scratch)
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
    failed = [run.failure for run in result.runs if run.failure] or result.message
    return different | ({"errors"} if failed else set())


def _by_hand(each: Verified, migrations: Migrations, settings: Settings, scratch: Path) -> str:
    own = _copy(each.sides.legacy, scratch / "own")
    touched = migrations.plain(own).touched
    [result] = _run(each, [own], settings, scratch)
    # What linenify's own migration does not keep either is no passage's fault.
    known = _differing(result)
    if not _differing(each.result) - known:
        what = ", ".join(sorted(known))
        return f"unknown: linenify's own migration is not equal either ({what})"
    passages = [
        hunk for file, theirs in _files(own, each.sides.linen) for hunk in _hunks(file, theirs)
    ]
    if not passages:
        return "the text is the same as linenify's own migration, which is equal"

    def outcomes(trials: Sequence[Sequence[_Hunk]]) -> list[Outcome]:
        sides = []
        for trial in trials:
            side = _copy(own, Path(tempfile.mkdtemp(dir=scratch)) / "side")
            _apply(own, side, trial)
            sides.append(side)
        results = _run(each, sides, settings, scratch)
        return [
            result.outcome if _differing(result) - known else Outcome.CLOSE for result in results
        ]

    found: list[str] = []
    while passages and len(found) < _MOST:
        [outcome] = outcomes([passages])
        if outcome.passed:
            break
        first, last = _narrowed(passages, outcome, outcomes)
        found.append(" together with ".join(
            _described(hunk, own, each.sides.legacy, touched) for hunk in passages[first:last]
        ))  # fmt: skip
        del passages[first:last]
    return "; and ".join(found) or "no passage: with all of them, the sides are equal"


_MOST = 4  # wrong passages are named, each found without those before it
_PROBES = 3  # tried at a time


def _narrowed(
    passages: Sequence[_Hunk],
    wrong: Outcome,
    outcomes: Callable[[Sequence[Sequence[_Hunk]]], list[Outcome]],
) -> tuple[int, int]:
    """The smallest slice found such that what stands before it is right, and with it wrong.

    A part of the passages may not run without the others; it says nothing then,
    unless not to run is what is looked for.
    """
    low, high = 0, len(passages)
    silent: set[int] = set()
    while high - low > 1:
        steps = {low + (high - low) * step // (_PROBES + 1) for step in range(1, _PROBES + 1)}
        places = sorted(steps - silent - {low, high})
        if not places:
            places = [place for place in range(low + 1, high) if place not in silent]
        if not places:
            break
        for place, outcome in zip(
            places, outcomes([passages[:place] for place in places]), strict=True
        ):
            if outcome is Outcome.ERROR and wrong is not Outcome.ERROR:
                silent.add(place)
            elif outcome.passed:
                low = max(low, place)
            else:
                high = min(high, place)
    return low, high


@dataclass(frozen=True, slots=True)
class _Hunk:
    """A passage that the other text writes differently."""

    file: Path
    first: int
    last: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    line: int


def _described(hunk: _Hunk, own: Path, legacy: Path, touched: Sequence[Touched]) -> str:
    """The passage by its place in the other migration, with the rules of linenify's own."""
    home = own if own.is_dir() else own.parent
    file = hunk.file.relative_to(home)
    old = " / ".join(line.strip() for line in hunk.before if line.strip())
    new = " / ".join(line.strip() for line in hunk.after if line.strip())
    codes = _codes(hunk, (legacy if legacy.is_dir() else legacy.parent) / file, file, touched)
    rules = f" ({', '.join(codes)})" if codes else ""
    return f"{file}:{hunk.line}: `{new:.160}` where linenify writes `{old:.160}`{rules}"


def _codes(hunk: _Hunk, legacy: Path, file: Path, touched: Sequence[Touched]) -> list[str]:
    """The rules that wrote what linenify has in the place of a passage."""
    try:
        before, after = (each.read_text().splitlines(True) for each in (legacy, hunk.file))
    except (OSError, UnicodeDecodeError):
        return []
    lines: set[int] = set()
    for tag, low, high, start, end in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag != "equal" and start <= max(hunk.last - 1, hunk.first) and end > hunk.first:
            lines |= set(range(low + 1, high + 1))
    return sorted(
        {
            code
            for each in touched
            if each.path == str(file) and lines & set(range(each.line, each.end_line + 1))
            for code in each.codes
        }
    )


def _hunks(file: Path, theirs: Path) -> Iterator[_Hunk]:
    before, after = (each.read_text().splitlines(True) for each in (file, theirs))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, low, high, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        if high - low == end - start:  # line for line
            for step in range(high - low):
                yield _hunk(
                    file,
                    before,
                    after,
                    (low + step, low + step + 1, start + step, start + step + 1),
                )
        else:
            yield _hunk(file, before, after, (low, high, start, end))


def _hunk(
    file: Path, before: Sequence[str], after: Sequence[str], place: tuple[int, int, int, int]
) -> _Hunk:
    low, high, start, end = place
    return _Hunk(file, low, high, tuple(before[low:high]), tuple(after[start:end]), start + 1)


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


def _run(
    each: Verified, sides: Sequence[Path], settings: Settings, scratch: Path
) -> list[CaseResult]:
    memory = scratch / "returned"
    memory.mkdir(exist_ok=True)
    old = Path(each.sides.job.linen)
    below = old.relative_to(each.sides.linen)
    jobs: list[Job] = [
        dataclasses.replace(
            each.sides.job, linen=str(side / below), locate=False, memory=str(memory)
        )
        for side in sides
    ]
    limits = settings.limits
    if limits.platform == "cpu" and not limits.workers:
        limits = dataclasses.replace(limits, workers=min(os.cpu_count() or 1, _PROBES))
    return run_jobs(jobs, limits=limits)
