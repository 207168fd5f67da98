"""Writes programs by the thousand, and says what linenify makes of them.

    python benchmarks/generality [--generate] [--programs N] [--first N] [--seed S]
                                 [--steps K] [--minutes M] [--only MUTATION]
                                 [--base FIXTURE] [--keep FOLDER] [--marks-only]
                                 [--quick]

Every program is a fixture that was changed in 1 to K places without changing what it
computes, or, with --generate, a new one from a grammar, changed or not.  It is migrated,
and both sides are run and compared.  A program is

    equal      migrated without a mark, and both sides agree
    flagged    a mark (where the fixture itself has none)
    silent     other numbers, or a crash, that no mark foretells
    internal   linenify failed
    unrun      migrated without a mark, with --marks-only
    invalid    the legacy program does not run: the mutation or grammar is at fault

The first programs of each cause are shrunk.  Prints a table by mutation, feature, pair of
features and cause; exits with 1 if anything is silent or internal.  The same seed gives the
same programs: a run that was stopped after N of them goes on with --first N.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generality.bases import Made, fresh, made, usable
from generality.judging import How, judge, keep
from generality.mutations import MUTATIONS
from generality.shrinking import shrink
from generality.tables import FAULTS, table, told

BATCH = 40
SHRUNK = 2  # of each cause


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generate", action="store_true", help="programs from the grammar")
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--steps", type=int, default=2, help="mutations of one program, at most")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop then; 0: never")
    parser.add_argument("--marks-only", action="store_true", help="migrate, run nothing")
    parser.add_argument("--quick", action="store_true", help="in single precision only")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument(
        "--only", action="append", choices=sorted(MUTATIONS), default=[], metavar="MUTATION"
    )
    parser.add_argument("--base", action="append", default=[], metavar="FIXTURE")
    parser.add_argument("--keep", type=Path, help="a folder for programs that are not equal")
    options = parser.parse_args()
    found = [b for b in usable() if not options.base or b.name in options.base]
    bases = fresh(options.seed, options.first) if options.generate else found
    names = options.only or sorted(MUTATIONS)
    programs = made(bases, options.seed, options.steps, names, options.first)
    how = How(options.workers, not options.marks_only, options.quick)
    start = time.monotonic()
    done: list[Made] = []
    causes: Counter[tuple[str, str, str]] = Counter()
    while len(done) < options.programs:
        if options.minutes and time.monotonic() - start > 60 * options.minutes:
            break
        batch = [next(programs) for _ in range(min(BATCH, options.programs - len(done)))]
        judge(batch, how)
        for each in batch:
            if each.verdict in FAULTS | {"invalid"}:
                causes[each.cause] += 1
                if not options.generate or causes[each.cause] <= SHRUNK:
                    shrink(each, how)
                    print(told(each), flush=True)
                    if options.keep is not None:
                        keep(each, options.keep / f"{len(done):05}_{each.verdict}_{each.code}")
            done.append(each)
        print(f"# {len(done)} programs, {time.monotonic() - start:.0f} s", flush=True)
    print(table(done))
    return 1 if any(each.verdict in {"silent", "internal"} for each in done) else 0


if __name__ == "__main__":
    sys.exit(main())
