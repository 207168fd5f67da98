"""What a dry run costs, against what libcst needs to read and print the files that change.

    python benchmarks/migrate.py [--runs N] [PATH...]

A table, one row a tree: processor seconds and peak memory, each of a process of its own
(the start of Python and imports left out), the best of N runs.  Without a path it takes
copies of the legacy halves of the fixtures, and generated projects of four sizes, and says
how time grows from one size to the next against the number of lines.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from projects import generate

T = TypeVar("T")

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
COPIES = 4
SIZES = (25, 100, 400, 1600)
HEAD = f"{'tree':24} {'files':>6} {'lines':>7} {'changed':>7} {'libcst':>8} {'dry run':>8}"
HEAD += f" {'ratio':>6} {'peak':>9} {'allowed':>9}"


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one tree: seconds, and MiB."""

    files: int
    lines: int
    changed: int
    floor: float
    seconds: float
    peak: float


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--measure", choices=["dry-run", "libcst"], help=argparse.SUPPRESS)
    parser.add_argument("--changed", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure == "dry-run":
        print(json.dumps(dry_run(options.paths[0], options.changed)))
    elif options.measure == "libcst":
        print(json.dumps(read_and_print(options.paths)))
    elif options.paths:
        print(HEAD)
        for path in options.paths:
            shown(path.name, measured(path, options.runs))
    else:
        own_projects(options.runs)


def own_projects(runs: int) -> None:
    """Copies of the fixtures, then generated projects."""
    print(HEAD)
    with scratch() as folder:
        for copy in range(COPIES):
            for legacy in FIXTURES.glob("*/legacy.py"):
                shutil.copy(legacy, folder / f"{legacy.parent.name}_{copy}.py")
        shown("fixtures", measured(folder, runs))
    before: Row | None = None
    for size in SIZES:
        with scratch() as folder:
            generate(folder, size)
            row = measured(folder, runs)
        shown(f"generated, {size} files", row)
        if before is not None:
            growth = (row.seconds / before.seconds) / (row.lines / before.lines)
            print(f"{'':24} {growth:.2f} times linear from the size before")
        before = row


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that counts as the top of a project."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "pyproject.toml").write_text("")
        yield Path(name)


def shown(name: str, row: Row) -> None:
    """Prints a row."""
    ratio = f"{row.seconds / row.floor:6.1f}" if row.floor else f"{'-':>6}"
    allowed = 150 + 1.5 * row.lines / 1024
    print(
        f"{name:24} {row.files:6} {row.lines:7} {row.changed:7} {row.floor:6.2f} s "
        f"{row.seconds:6.2f} s {ratio} {row.peak:5.0f} MiB {allowed:5.0f} MiB",
        flush=True,
    )


def measured(path: Path, runs: int) -> Row:
    """The best of several runs, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "changed.json"
        every = [child("dry-run", "--changed", changed, path) for _ in range(runs)]
        names = json.loads(changed.read_text())
        floors = [child("libcst", *names) for _ in range(runs)] if names else [{"seconds": 0.0}]
    first = every[0]
    return Row(
        files=int(first["files"]),
        lines=int(first["lines"]),
        changed=len(names),
        floor=min(each["seconds"] for each in floors),
        seconds=min(each["seconds"] for each in every),
        peak=min(each["peak"] for each in every),
    )


def child(what: str, *arguments: object) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


# --- in that process -------------------------------------------------------------------------


def dry_run(path: Path, changed: Path) -> dict[str, float]:
    """Reads, migrates and checks a tree; notes which files change."""
    import libcst  # noqa: F401 - its import is no part of the work

    from linenify.migrate import migrate
    from linenify.project.load import load

    taken, (project, migration) = timed(lambda: (found := load([path]), migrate(found)))
    changed.write_text(json.dumps([str(change.path) for change in migration.changes]))
    return {
        "seconds": taken,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "files": migration.files + project.skipped,
        "lines": sum(source.text.count("\n") for source in project.sources),
    }


def read_and_print(paths: list[Path]) -> dict[str, float]:
    """What libcst alone needs for the files that change."""
    import libcst

    texts = [path.read_bytes() for path in paths]
    taken, _ = timed(lambda: [libcst.parse_module(text).code for text in texts])
    return {"seconds": taken}


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of some work, and what it gives."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
