"""Verifies all fixtures: how many are equal, the largest errors, and what it costs.

    python benchmarks/verify.py [--oracle isolated] [--runs N] [FOLDER]

Prints a table for people; exits with 1 if a fixture is not equal, in any run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from linenify.verify.discovery import discovered
from linenify.verify.document import WORDS
from linenify.verify.service import Settings, passed, verified
from linenify.verify.target import Target
from linenify.verify.verdict import VANISHES, Outcome
from linenify.verify.workspace import Migrated

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHOWN = 15


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=FIXTURES)
    parser.add_argument("--oracle", choices=["overlay", "isolated"], default="overlay")
    parser.add_argument("--runs", type=int, default=1, help="to look for false alarms")
    options = parser.parse_args()
    targets = [
        target
        for target in discovered(options.folder, None).targets
        if target.linen is not None  # refused ones have no other side
    ]
    settings = Settings(cached=False, isolated=options.oracle == "isolated")
    return max([one_run(targets, settings) for _ in range(options.runs)])


def one_run(targets: Sequence[Target], settings: Settings) -> int:
    """Verifies all targets, prints what came of it; 1 if one is not equal."""
    start = time.monotonic()
    with verified(targets, lambda _: Migrated(), settings) as done:
        results = [each.result for each in done]
    seconds = time.monotonic() - start
    runs = sum(len(each.runs) for each in results)
    print(f"{len(results)} cases, {runs} runs, {seconds:.0f} s", flush=True)
    for outcome, count in Counter(each.outcome for each in results).items():
        print(f"  {count:4} {WORDS[outcome]}")
    leaves = [
        (gap, comparison.what, each.case)
        for each in results
        for run in each.runs
        for comparison in run.comparisons
        for gap in comparison.every
    ]
    kinds = Counter(
        "zero in exact arithmetic" if gap.note == VANISHES else WORDS[gap.outcome]
        for gap, _, _ in leaves
    )
    print(f"{len(leaves)} leaves: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
    worst = [leaf for leaf in leaves if leaf[0].absolute and leaf[0].note != VANISHES]
    doubles = [
        gap.double * gap.relative / gap.absolute for gap, _, _ in worst if gap.double is not None
    ]
    print(
        f"{len(worst)} of them differ in single precision; of these {len(doubles)} were compared "
        f"in double precision, where they differ by {max(doubles, default=0.0):.1e} of the leaf"
    )
    worst.sort(key=lambda leaf: -leaf[0].relative)
    for gap, what, case in worst[:SHOWN]:
        noise = "given rtol" if gap.floor is None else f"noise {gap.floor:.0e}"
        where = f"{Path(case).name} {what} {gap.keypath}"
        print(f"  {gap.relative:8.1e} of the leaf, {gap.absolute:8.1e}, {noise:12} {where}")
    for each in results:
        if each.outcome in (Outcome.DIFFERENT, Outcome.ERROR):
            print(f"NOT EQUAL {each.case} {each.message}")
    return 0 if passed(results) else 1


if __name__ == "__main__":
    sys.exit(main())
