"""Kills `--write` of a large project at random moments, and looks at what is left.

    python benchmarks/interrupted_writes.py [--files 500] [--kills 200] [--seed 0]

The project is migrated once; then the write, in a process of its own, is ended
with SIGKILL, SIGTERM or SIGINT after a random part of its time.  After each the
next run or `linenify undo` has to leave all files old or all new, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from linenify import cli
from linenify.errors import UsageError
from linenify.migrate import migrate
from linenify.outcome import Change
from linenify.project.load import load
from linenify.project.source import Project
from linenify.write import write
from linenify.writing import store as stores
from linenify.writing.recovery import settle, undo

REPLACING = 0.00005  # seconds that one file takes, at most
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

TEXT = '''\
"""Block number {number}."""

from flax import nn


class Block{number}(nn.Module):

  def apply(self, x, features):
    return nn.relu(nn.Dense(x, features, bias=False))
'''

Texts = dict[Path, bytes]


def main() -> None:
    """Runs all of it and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        project = generated(Path(folder), options.files)
        changes = migrate(project).changes
        old = {change.path: change.before.encode() for change in changes}
        new = {change.path: change.after.encode() for change in changes}
        took = timed(changes, project)
        undo(Path(folder))
        print(f"{len(changes)} files change; the write takes {took:.2f} s uninterrupted")
        found: Counter[str] = Counter()
        for number in range(options.kills):
            found.update(one(Path(folder), changes, project, (old, new), took, chance, number))
        for what, count in sorted(found.items()):
            print(f"{count:5} {what}")
        if found["WRONG"]:
            sys.exit(1)


def generated(folder: Path, count: int) -> Project:
    """A project of so many files that all change."""
    for number in range(count):
        file = folder / f"package_{number % 20}" / f"block_{number}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(TEXT.format(number=number))
    return load([folder])


def timed(changes: tuple[Change, ...], project: Project) -> float:
    """How long a whole write takes, in a process of its own."""
    start = time.monotonic()
    os.waitpid(begin(changes, project), 0)
    return time.monotonic() - start


def begin(changes: tuple[Change, ...], project: Project) -> int:
    """Starts a write in a process of its own."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line does
        try:
            write(changes, project.sources)
        except KeyboardInterrupt:
            os._exit(130)
        os._exit(0)
    return child


def until_replacing(folder: Path, child: int) -> None:
    """Waits until the journal says that files are being replaced."""
    store = stores.Store(folder / stores.NAME)
    while not any(t.state is stores.State.PENDING for t in store.transactions()):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.0002)


def one(
    folder: Path,
    changes: tuple[Change, ...],
    project: Project,
    sides: tuple[Texts, Texts],
    took: float,
    chance: random.Random,
    number: int,
) -> list[str]:
    """Kills one write, puts it right, and says what was found."""
    old, new = sides
    kind = SIGNALS[number % len(SIGNALS)]
    child = begin(changes, project)
    if number % 4 < 2:  # anywhere
        time.sleep(chance.uniform(0, took * 1.05))
    else:  # while files are replaced, which is short
        until_replacing(folder, child)
        time.sleep(chance.uniform(0, REPLACING * len(changes)))
    os.kill(child, kind)
    os.waitpid(child, 0)
    found = [f"ended by {kind.name}"]
    states = [t.state.value for t in stores.Store(folder / stores.NAME).transactions()]
    found.append(f"left the store {' '.join(states) or 'empty'}")
    mixed = sum(path.read_bytes() == new[path] for path in new)
    if 0 < mixed < len(new):
        found.append("left some files old and some new")
    by_undo = number % 2 == 1
    said = ""
    try:
        if not by_undo:
            said = "; ".join(settle([folder]).said)
        elif number % 10 == 1:  # the real command, now and then
            said = "command" if cli.main(["undo", str(folder)]) in (0, 2) else "failed"
        else:
            said = undo(folder)
    except UsageError as nothing:
        said = str(nothing)
    now = {path: path.read_bytes() for path in old}
    stray = list(folder.rglob(".*linenify-new"))
    side = "old" if now == old else "new" if now == new else "WRONG"
    if side == "WRONG" or stray or (by_undo and side != "old"):
        print(f"WRONG after kill {number} by {kind.name}: {said}; stray {stray}")
        found.append("WRONG")
    found.append(f"all {side} after {'undo' if by_undo else 'the next run'}")
    if side == "new":
        undo(folder)
    return found


if __name__ == "__main__":
    main()
