"""Takes writes back: those that broke off, and the last one when asked to."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from linenify.errors import UsageError
from linenify.writing import journal
from linenify.writing.journal import Entry, Journal
from linenify.writing.signals import undisturbed
from linenify.writing.store import (
    State,
    Store,
    Transaction,
    around,
    below,
    discard,
    sync_folder,
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was put right before a run.

    Attributes:
        said: one sentence for each write that had broken off.
        moved: whether files may have changed meanwhile, be it by another run.
    """

    said: tuple[str, ...] = ()
    moved: bool = False


def settle(paths: Iterable[Path]) -> Settled:
    """Finishes or takes back what earlier runs broke off around `paths`.

    Raises:
        UsageError: it cannot be done; the message says what to do.
    """
    said: list[str] = []
    moved = False
    for store in around(paths):
        if store.unfinished():
            moved = True
            said += _settle(store)
    return Settled(tuple(said), moved)


def _settle(store: Store) -> list[str]:
    try:
        with store.locked():
            return settle_locked(store)
    except FileNotFoundError:
        return []  # another run was faster
    except OSError as problem:
        raise UsageError(_stuck(store, problem)) from problem


def settle_locked(store: Store) -> list[str]:
    """The same for one store, by whoever holds its lock."""
    said = [abandon(store, each.number) for each in store.unfinished()]
    return [each for each in said if each]


def abandon(store: Store, number: int) -> str:
    """Finishes a transaction that is complete, and takes any other back."""
    transaction = next((t for t in store.transactions() if t.number == number), None)
    said = ""
    if transaction is None or transaction.state is State.WRITTEN:
        return said
    if transaction.state is State.STAGING:
        _drop_staged(transaction, store.home)
        said = f"a write in {store.home} broke off before it changed anything"
    elif transaction.state is not State.TRASH:
        entries = journal.read(transaction.folder)
        found = _compare(transaction, entries, store.home)
        count = f"{len(entries.entries)} file{'' if len(entries.entries) == 1 else 's'}"
        if transaction.state is State.PENDING and len(found.new) == len(entries.entries):
            transaction.become(State.WRITTEN)
            return f"a write in {store.home} that broke off was complete: {count} written"
        if found.other:
            raise UsageError(_edited_meanwhile(transaction, found))
        _put_back(transaction, found, store.home)
        _drop_staged(transaction, store.home)
        said = f"a write in {store.home} that broke off was taken back: {count} as before"
    discard(transaction)
    store.prune()
    return said


def abandon_safely(store: Store, number: int) -> str:
    """The same; what can't be put right now is said, and waits for the next run."""
    try:
        return abandon(store, number)
    except OSError as problem:
        raise UsageError(_stuck(store, problem)) from problem


def _stuck(store: Store, problem: OSError) -> str:
    return (
        f"a write in {store.home} broke off and cannot be put right: "
        f"{problem.filename or store.folder}: {(problem.strerror or str(problem)).lower()}; "
        "mend that and run linenify again"
    )


def undo(path: Path) -> str:
    """Takes back the last write of the project at `path`.

    Raises:
        UsageError: there is none, or its files were edited since.
    """
    stores = {*around([path]), *(below(path) if path.is_dir() else ())}
    settled = settle([store.home for store in sorted(stores)])
    if settled.said and "complete" not in settled.said[-1]:
        return "; ".join(settled.said)
    last = [
        (journal.read(t.folder).time, t)
        for store in sorted(stores)
        for t in store.transactions()[-1:]
    ]
    if not last:
        raise UsageError(f"there is no write to take back in {path.absolute()}")
    transaction = max(last)[1]
    store = Store(transaction.store)
    try:
        with store.locked():
            return _undo(store, transaction)
    except OSError as problem:
        raise UsageError(
            f"the write in {store.home} cannot be taken back: {problem.filename or store.folder}: "
            f"{(problem.strerror or str(problem)).lower()}; make the file and its folder "
            f"writable and run `linenify undo` again"
        ) from problem


def _undo(store: Store, transaction: Transaction) -> str:
    if transaction not in store.transactions():
        raise UsageError("another run has changed the project meanwhile; run this again")
    entries = journal.read(transaction.folder)
    found = _compare(transaction, entries, store.home)
    if found.other:
        listed = "".join(f"\n  {place}" for place in found.other)
        raise UsageError(
            "nothing was taken back, because these files were edited since that write:"
            f"{listed}\n"
            "put the edits aside (`git stash`), or take the old texts by hand: they lie in "
            f"{transaction.folder}"
        )
    for _, place in found.new:
        for each in (place, place.parent):
            if not os.access(each, os.W_OK):
                raise PermissionError(errno.EACCES, "permission denied", str(each))
    transaction = transaction.become(State.UNDOING)
    with undisturbed():
        _put_back(transaction, found, store.home)
        discard(transaction)
        store.prune()
    count = len(entries.entries)
    return f"took back the write of {entries.time}: {count} file{'s' if count != 1 else ''}"


# Comparing and putting back


@dataclass(frozen=True, slots=True)
class _Found:
    """Files that hold the new content, and those that hold neither."""

    new: tuple[tuple[Entry, Path], ...]
    other: tuple[Path, ...]


def _compare(transaction: Transaction, entries: Journal, home: Path) -> _Found:
    new: list[tuple[Entry, Path]] = []
    other: list[Path] = []
    for entry in entries.entries:
        place = entry.place(home)
        content = _digest(place)
        if content == entry.before:
            continue
        if content == entry.after:
            new.append((entry, place))
        else:
            other.append(place)
    for entry, _ in new:
        if _digest(transaction.folder / entry.backup) != entry.before:
            raise UsageError(
                f"{transaction.folder / entry.backup} is damaged, so linenify changes nothing; "
                f"take {entry.target} from your version control, then delete the folder "
                f"{transaction.folder}"
            )
    return _Found(tuple(new), tuple(other))


def _digest(file: Path) -> str | None:
    try:
        return journal.digest(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _put_back(transaction: Transaction, found: _Found, home: Path) -> None:
    """Renames the old contents into place, with their modes and times."""
    for entry, place in found.new:
        backup = transaction.folder / entry.backup
        try:
            os.replace(backup, place)
        except OSError as problem:
            if problem.errno != errno.EXDEV:
                raise
            staged = entry.staged(home)
            shutil.copy2(backup, staged)
            os.replace(staged, place)
    for folder in {place.parent for _, place in found.new}:
        sync_folder(folder)


def _drop_staged(transaction: Transaction, home: Path) -> None:
    """Deletes new contents that never came into place."""
    with contextlib.suppress(UsageError):  # without a journal none was made
        for entry in journal.read(transaction.folder).entries:
            entry.staged(home).unlink(missing_ok=True)


def _edited_meanwhile(transaction: Transaction, found: _Found) -> str:
    listed = "".join(f"\n  {place}" for place in found.other)
    return (
        "a write broke off, and these of its files were edited before it was put right, so "
        f"linenify changes nothing:{listed}\n"
        f"the old texts lie in {transaction.folder}: put those of these files back and run "
        "linenify again; or delete that folder to keep all files as they are now"
    )
