"""How long a dry run takes, against what libcst needs to read and print the same files.

    python benchmarks/migrate.py [PATH...]

Prints seconds of one process and their ratio, both measured in this run; without
a path it takes the legacy halves of the fixtures, ten times over.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import libcst

from linenify.migrate import migrate
from linenify.project.load import load

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
COPIES = 10


def main(paths: list[str]) -> None:
    """Runs on `paths`, or on copies of the fixtures."""
    if paths:
        report([Path(path) for path in paths])
        return
    with tempfile.TemporaryDirectory() as folder:
        for copy in range(COPIES):
            for legacy in FIXTURES.glob("*/legacy.py"):
                shutil.copy(legacy, Path(folder) / f"{legacy.parent.name}_{copy}.py")
        report([Path(folder)])


def report(paths: list[Path]) -> None:
    """Measures both on the files below `paths`."""
    project = load(paths)
    texts = [source.text for source in project.sources]
    lines = sum(text.count("\n") for text in texts)
    floor = seconds(lambda: [libcst.parse_module(text).code for text in texts])
    whole = seconds(lambda: migrate(project))
    changed = len(migrate(project).changes)
    print(f"{len(texts)} files, {lines} lines, {changed} of them change")
    print(f"libcst reads and prints them in {floor:.2f} s")
    print(f"linenify migrates and checks them in {whole:.2f} s: {whole / floor:.1f} times that")


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(sys.argv[1:])
