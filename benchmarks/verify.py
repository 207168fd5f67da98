"""Verifies all fixtures: how many are equal, the largest errors, and what it costs.

    python benchmarks/verify.py [--oracle isolated] [FOLDER]

Prints a table for people; exits with 1 if a fixture is not equal.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from linenify.verify.discovery import discovered
from linenify.verify.document import WORDS
from linenify.verify.service import Settings, passed, verified
from linenify.verify.verdict import VANISHES, Outcome
from linenify.verify.workspace import Migrated

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHOWN = 15


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=FIXTURES)
    parser.add_argument("--oracle", choices=["overlay", "isolated"], default="overlay")
    options = parser.parse_args()
    targets = [
        target
        for target in discovered(options.folder, None).targets
        if target.linen is not None  # refused ones have no other side
    ]
    settings = Settings(cached=False, isolated=options.oracle == "isolated")
    start = time.monotonic()
    with verified(targets, lambda _: Migrated(), settings) as done:
        seconds = time.monotonic() - start
        results = [each.result for each in done]
    print(f"{len(results)} cases, {sum(len(each.runs) for each in results)} runs, {seconds:.0f} s")
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
