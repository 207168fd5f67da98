"""Where journals and old contents are kept: `.linenify` at the top of a project.

A transaction is a folder whose name says its number and state, so that one
rename moves it from one state to the next:

    staging -> pending -> written -> undoing -> trash
    (nothing   (being    (undo can   (being
    replaced)  replaced)  take back) taken back)
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from linenify.errors import UsageError
from linenify.project.walk import SKIPPED_FOLDERS

NAME = ".linenify"
KEPT = 10  # writes that can be taken back, one after the other
_PATIENCE = 60.0  # seconds that a run waits for another one


class State(enum.StrEnum):
    """How far a transaction has come."""

    STAGING = "staging"
    PENDING = "pending"
    WRITTEN = "written"
    UNDOING = "undoing"
    TRASH = "trash"


_STATES = frozenset(state.value for state in State)


@dataclass(frozen=True, slots=True, order=True)
class Transaction:
    """One write of a store."""

    number: int
    state: State
    store: Path

    @property
    def folder(self) -> Path:
        """Where its journal and the old contents lie."""
        return self.store / f"{self.number:06d}.{self.state}"

    def become(self, state: State) -> Transaction:
        """Moves on to another state, in one step that survives a crash."""
        later = Transaction(self.number, state, self.store)
        self.folder.rename(later.folder)
        sync_folder(self.store)
        return later


@dataclass(frozen=True, slots=True, order=True)
class Store:
    """The transactions of one project."""

    folder: Path

    @property
    def home(self) -> Path:
        """The folder that it belongs to."""
        return self.folder.parent

    def transactions(self) -> list[Transaction]:
        """All transactions, the oldest first."""
        try:
            names = [each.name for each in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            number, _, state = name.partition(".")
            if number.isdigit() and state in _STATES:
                found.append(Transaction(int(number), State(state), self.folder))
        return sorted(found)

    def unfinished(self) -> list[Transaction]:
        """Those that a run is at work on, or broke off."""
        return [each for each in self.transactions() if each.state is not State.WRITTEN]

    def begin(self) -> Transaction:
        """Makes the folder of a new transaction."""
        number = max((each.number for each in self.transactions()), default=0) + 1
        begun = Transaction(number, State.STAGING, self.folder)
        begun.folder.mkdir()
        sync_folder(self.folder)
        return begun

    def prune(self) -> None:
        """Forgets writes that are long past; a store of nothing goes as a whole.

        Only whoever holds the lock may call this.
        """
        written = [each for each in self.transactions() if each.state is State.WRITTEN]
        for each in written[:-KEPT]:
            discard(each)
        if not self.transactions():
            with contextlib.suppress(OSError):
                (self.folder / ".gitignore").unlink(missing_ok=True)
                (self.folder / "lock").unlink(missing_ok=True)
                self.folder.rmdir()

    @contextmanager
    def locked(self, *, create: bool = False) -> Iterator[None]:
        """Keeps other runs out; waits for one that is at work.

        Raises:
            UsageError: the other one does not come to an end.
        """
        descriptor = self._acquire(create=create)
        try:
            yield
        finally:
            os.close(descriptor)  # lets go of the lock, as any end of the process does

    def _acquire(self, *, create: bool) -> int:
        deadline = time.monotonic() + _PATIENCE
        file = self.folder / "lock"
        while True:
            try:
                if create:
                    self.folder.mkdir(exist_ok=True)
                    ignore = self.folder / ".gitignore"
                    if not ignore.exists():
                        ignore.write_text("*\n")
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:
                if create and self.home.is_dir():
                    continue  # another run has just taken the empty store away
                raise
            if _lock(descriptor) and _still_there(descriptor, file):
                return descriptor
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another linenify is writing in {self.home}; run this again when it is done"
                )
            time.sleep(0.05)


def discard(transaction: Transaction) -> None:
    """Deletes what a transaction kept; broken off, the next run goes on with it."""
    if transaction.state is not State.TRASH:
        transaction = transaction.become(State.TRASH)
    shutil.rmtree(transaction.folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder last, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def around(paths: Iterable[Path]) -> list[Store]:
    """Stores of the folders that hold `paths`, however far up."""
    folders: set[Path] = set()
    for given in {each for path in paths for each in (path, path.parent)}:
        path = given.resolve()
        for folder in (path, *path.parents):
            if folder in folders:
                break
            folders.add(folder)
    found = (Store(folder / NAME) for folder in folders)
    return sorted(store for store in found if store.folder.is_dir())


def below(folder: Path) -> list[Store]:
    """Stores anywhere under a folder."""
    found = []
    for path, names, _ in os.walk(folder.resolve()):
        if NAME in names:
            found.append(Store(Path(path) / NAME))
        names[:] = [n for n in names if not n.startswith(".") and n not in SKIPPED_FOLDERS]
    return sorted(found)


def _still_there(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


try:
    import fcntl
except ImportError:  # Windows
    import msvcrt  # type: ignore[import-not-found, unused-ignore]

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
else:

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
