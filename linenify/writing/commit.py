"""Replaces many files as one: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from linenify.writing import journal
from linenify.writing.recovery import abandon_safely
from linenify.writing.signals import undisturbed
from linenify.writing.store import State, Store, Transaction, sync_folder


@dataclass(frozen=True, slots=True)
class Replacement:
    """A file (no link), what it holds, and what it is to hold."""

    target: Path
    before: bytes
    after: bytes


class ReplacementError(Exception):
    """One file could not be replaced; so none was."""

    def __init__(self, target: Path, problem: OSError) -> None:
        super().__init__(f"{target}: {problem}")
        self.target = target
        self.problem = problem


def commit(store: Store, replacements: Sequence[Replacement]) -> Transaction:
    """Replaces all files; whoever calls holds the lock of the store.

    Broken off by whatever can be caught, it takes everything back before it
    raises; what can't be caught leaves a journal for the next run.

    Raises:
        ReplacementError: a file could not be replaced.
    """
    transaction = store.begin()
    current = store.folder
    try:
        entries = tuple(_entry(index, each, store.home) for index, each in enumerate(replacements))
        written = journal.Journal(datetime.now(UTC).isoformat(timespec="seconds"), entries)
        write_synced(transaction.folder / journal.FILE, written.to_bytes())
        for entry, each in zip(entries, replacements, strict=True):
            current = each.target
            _stage(transaction, entry, each, store.home)
        current = store.folder
        sync_folder(transaction.folder)
        transaction = transaction.become(State.PENDING)
        for entry, each in zip(entries, replacements, strict=True):
            current = each.target
            os.replace(entry.staged(store.home), each.target)
        for folder in {each.target.parent for each in replacements}:
            sync_folder(folder)
        return transaction.become(State.WRITTEN)
    except BaseException as problem:
        with undisturbed():
            abandon_safely(store, transaction.number)
        written_all = Transaction(transaction.number, State.WRITTEN, store.folder)
        if isinstance(problem, OSError):
            if written_all.folder.exists():  # only the last stroke failed
                return written_all
            raise ReplacementError(current, problem) from problem
        raise


def write_synced(file: Path, content: bytes) -> None:
    """Writes a new file and waits until the disk has it."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _entry(index: int, each: Replacement, home: Path) -> journal.Entry:
    target = os.path.relpath(each.target, home) if each.target.is_relative_to(home) else each.target
    before, after = journal.digest(each.before), journal.digest(each.after)
    return journal.Entry(str(target), before, after, f"{index:05d}-{each.target.name}.before")


def _stage(transaction: Transaction, entry: journal.Entry, each: Replacement, home: Path) -> None:
    backup = transaction.folder / entry.backup
    write_synced(backup, each.before)
    staged = entry.staged(home)
    write_synced(staged, each.after)
    owner = each.target.stat()
    for file in (backup, staged):
        with contextlib.suppress(OSError, AttributeError):  # only root may give files away
            os.chown(file, owner.st_uid, owner.st_gid)
    shutil.copystat(each.target, backup)
    shutil.copymode(each.target, staged)
