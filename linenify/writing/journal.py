"""The journal of one write: which files it replaces, and how each side is known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from linenify.errors import UsageError

FILE = "journal.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that a write replaces.

    Attributes:
        target: the file, relative to the folder that holds the store, or absolute.
        before: digest of the old content.
        after: digest of the new content.
        backup: name of the old content in the folder of the transaction.
    """

    target: str
    before: str
    after: str
    backup: str

    def place(self, home: Path) -> Path:
        """Where the file lies."""
        return home / self.target

    def staged(self, home: Path) -> Path:
        """Where its new content waits: beside it, so that one rename puts it in place."""
        place = self.place(home)
        return place.with_name(f".{place.name}.linenify-new")


@dataclass(frozen=True, slots=True)
class Journal:
    """All files of one write, and when it was."""

    time: str
    entries: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        """The text on disk; a checksum tells whether it is whole."""
        body = {"time": self.time, "entries": [asdict(entry) for entry in self.entries]}
        document = {"version": _VERSION, "checksum": _checksum(body), **body}
        return json.dumps(document, indent=1).encode()


def digest(content: bytes) -> str:
    """Names a content."""
    return hashlib.sha256(content).hexdigest()


def read(folder: Path) -> Journal:
    """Reads the journal of a transaction.

    Raises:
        UsageError: it is not whole; nothing can be told from it.
    """
    file = folder / FILE
    try:
        document = json.loads(file.read_bytes())
        body = {"time": document["time"], "entries": document["entries"]}
        entries = tuple(Entry(**entry) for entry in body["entries"])
        whole = document["version"] == _VERSION and document["checksum"] == _checksum(body)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise _damaged(folder, reason) from problem
    if not whole:
        raise _damaged(folder, "its checksum does not fit")
    return Journal(body["time"], entries)


def _damaged(folder: Path, reason: str | None) -> UsageError:
    return UsageError(
        f"the journal {folder / FILE} cannot be read ({reason}), so linenify changes nothing; "
        "the texts from before that write lie beside it, as *.before: put back what you "
        f"need, then delete the folder {folder}"
    )


def _checksum(body: object) -> str:
    return digest(json.dumps(body, sort_keys=True).encode())
