"""Writes fixtures otherwise, by the thousand, and says what linenify makes of them.

    python benchmarks/generality [--programs N] [--seed S] [--steps K] [--minutes M]
                                 [--only MUTATION] [--base FIXTURE] [--keep FOLDER]
                                 [--marks-only]

Every program is a fixture that was changed in 1 to K places without changing what it
computes.  It is migrated, and both sides are run and compared.  A program is

    equal      migrated without a mark, and both sides agree
    flagged    a mark where the fixture itself has none
    silent     other numbers, or a crash, that no mark foretells
    internal   linenify failed
    unrun      migrated without a mark, with --marks-only
    invalid    the changed legacy program does not run: the mutation is at fault

Prints a table by mutation and by code; exits with 1 if anything is silent or internal.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generality.code import Program
from generality.mutations import MUTATIONS
from linenify.migrate import migrate
from linenify.outcome import Migration
from linenify.project.load import load_text
from linenify.verify.run import Job, Limits, run_jobs
from linenify.verify.verdict import CaseResult, Outcome

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
BATCH = 24
TRIES = 8  # for a mutation that a program has a place for
KINDS = ("equal", "unrun", "flagged", "silent", "internal", "invalid")


@dataclass(frozen=True)
class Base:
    """A fixture that is migrated whole."""

    name: str
    text: str
    case: str

    @property
    def kept(self) -> frozenset[str]:
        """Every name that its case may mean."""
        return frozenset(re.findall(r"\w+", self.case))


@dataclass
class Made:
    """A program, how it came about, and what became of it.

    Attributes:
        steps: the mutations, each with the seed of its choices.
        code: for a flagged program, the code of the first mark.
        why: what was said, or how the sides part.
    """

    base: Base
    steps: tuple[tuple[str, str], ...]
    text: str
    verdict: str = ""
    code: str = ""
    why: str = ""
    linen: str = ""
    less: tuple[tuple[str, str], ...] = field(default=())  # steps that suffice for the verdict


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.0, help="stop then; 0: never")
    parser.add_argument("--marks-only", action="store_true", help="migrate, run nothing")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--only", action="append", choices=sorted(MUTATIONS), default=[])
    parser.add_argument("--base", action="append", default=[])
    parser.add_argument("--keep", type=Path, help="a folder for programs that are not equal")
    options = parser.parse_args()
    bases = [b for b in usable() if not options.base or b.name in options.base]
    start = time.monotonic()
    done: list[Made] = []
    programs = made(bases, options.seed, options.steps, options.only or sorted(MUTATIONS))
    while len(done) < options.programs:
        if options.minutes and time.monotonic() - start > 60 * options.minutes:
            break
        batch = [next(programs) for _ in range(min(BATCH, options.programs - len(done)))]
        judge(batch, options.workers, run=not options.marks_only)
        for each in batch:
            if each.verdict in {"silent", "internal", "flagged"}:
                shrink(each, options.workers, run=not options.marks_only)
                print(told(each), flush=True)
                if options.keep is not None:
                    keep(each, options.keep / f"{len(done):05}_{each.verdict}")
            done.append(each)
        print(f"# {len(done)} programs, {time.monotonic() - start:.0f} s", flush=True)
    print(table(done))
    return 1 if any(each.verdict in {"silent", "internal"} for each in done) else 0


def usable() -> list[Base]:
    """Fixtures of one file that are run and migrated without a mark."""
    found = []
    for case in sorted(FIXTURES.glob("*/case.toml")):
        document = tomllib.loads(case.read_text())
        legacy = case.parent / "legacy.py"
        whole = document.get("run") and not document["refusals"] and not document.get("options")
        if legacy.exists() and whole:
            found.append(Base(case.parent.name, legacy.read_text(), case.read_text()))
    return found


def made(bases: Sequence[Base], seed: str, most: int, names: Sequence[str]) -> Iterator[Made]:
    """Endless programs; the same for the same seed."""
    number = 0
    while True:
        choose = random.Random(f"{seed}:{number}")
        number += 1
        base = choose.choice(bases)
        steps: list[tuple[str, str]] = []
        wanted = choose.randint(1, most)
        for attempt in range(TRIES):
            step = (choose.choice(names), f"{seed}:{number}:{attempt}")
            if mutated(base, [*steps, step]) is not None:
                steps.append(step)
            if len(steps) == wanted:
                break
        text = mutated(base, steps) if steps else None
        if text is not None:
            yield Made(base, tuple(steps), text)


def mutated(base: Base, steps: Sequence[tuple[str, str]]) -> str | None:
    """The text of a base after all steps; None where one finds no place."""
    tree = ast.parse(base.text)
    for mutation, seed in steps:
        program = Program(tree, base.kept, random.Random(seed))
        if not MUTATIONS[mutation](program):
            return None
        ast.fix_missing_locations(tree)
    text = ast.unparse(tree) + "\n"
    try:
        compile(text, base.name, "exec")
    except SyntaxError:
        return None
    return text


def judge(batch: Sequence[Made], workers: int, *, run: bool) -> None:
    """Migrates programs, runs both sides of what is whole, and enters the verdicts."""
    with tempfile.TemporaryDirectory() as scratch:
        runs: list[tuple[Made, Job]] = []
        for index, each in enumerate(batch):
            if migrated(each) and run:
                home = Path(scratch) / str(index)
                keep(each, home)
                job = Job(
                    str(home / "case.toml"),
                    str(home / "legacy.py"),
                    str(home / "linen.py"),
                    locate=False,
                )
                runs.append((each, job))
        limits = Limits(timeout=120.0, workers=workers)
        results = run_jobs([job for _, job in runs], limits=limits)
        for (each, _), result in zip(runs, results, strict=True):
            compared(each, result)


def migrated(each: Made) -> bool:
    """Migrates a program; whether it is left without a mark, to be run."""
    found: Migration = migrate(load_text(each.text.encode(), Path("legacy.py")))
    each.linen = found.changes[0].after if found.changes else each.text
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


def shrink(each: Made, workers: int, *, run: bool) -> None:
    """Finds fewer steps with the same verdict and code, one step left out at a time."""
    each.less = each.steps
    for step in each.steps:
        rest = tuple(s for s in each.less if s != step)
        text = mutated(each.base, rest) if rest else None
        if text is None:
            continue
        smaller = Made(each.base, rest, text)
        judge([smaller], workers, run=run)
        if (smaller.verdict, smaller.code) == (each.verdict, each.code):
            each.less = rest
            each.text, each.linen, each.why = smaller.text, smaller.linen, smaller.why


def keep(each: Made, home: Path) -> None:
    """Writes both sides of a program, and how to run it."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "legacy.py").write_text(each.text)
    (home / "linen.py").write_text(each.linen)
    (home / "case.toml").write_text(each.base.case)


def told(each: Made) -> str:
    """One line about a program that is not equal."""
    steps = ", ".join(f"{mutation} [{seed}]" for mutation, seed in each.less or each.steps)
    return f"{each.verdict:8} {each.code:6} {each.base.name}: {steps}: {each.why[:200]}"


def table(done: Sequence[Made]) -> str:
    """Counts by mutation, and flagged programs by code with an example."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for each in done:
        for mutation, _ in each.less or each.steps:
            rows[mutation][each.verdict] += 1
    whole = Counter(each.verdict for each in done)
    lines = [f"{'':34}" + "".join(f"{kind:>9}" for kind in KINDS)]
    for mutation, counts in [*sorted(rows.items()), ("all programs", whole)]:
        lines.append(f"{mutation:34}" + "".join(f"{counts[kind]:9}" for kind in KINDS))
    codes = Counter(each.code for each in done if each.verdict == "flagged")
    for code, count in codes.most_common():
        example = next(each for each in done if each.code == code)
        lines.append(f"{count:5} {code} {told(example)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
