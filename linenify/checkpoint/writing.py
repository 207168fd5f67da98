"""Writes a checkpoint whole or not at all, and goes on where an interrupted run stopped.

The bytes go into a hidden file beside the destination, which takes its place
in one step at the end.  Beside that file stands a journal: what was being
written, and how much of it has reached the disk.  A run that finds a journal of
the very same work continues behind those bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.leaf import Leaf, Slice
from linenify.checkpoint.packing import Piece

_SYNC = 256 << 20
# Through a buffer: leaves lie elsewhere in their pages than before, and where pages do not
# match, `copy_file_range` takes half as long again.
_BLOCK = 1 << 20

Progress = Callable[[int], None]
"""Called with the number of bytes written since the last call."""


def size_of(pieces: Iterable[Piece]) -> int:
    """The length of the file in bytes."""
    return sum(len(p) if isinstance(p, bytes) else p.nbytes for p in pieces)


def write_pieces(
    destination: Path, pieces: Sequence[Piece], advance: Progress = lambda _: None
) -> None:
    """Writes a file from its pieces.

    Bytes that stay the same are copied as they are.

    Raises:
        CheckpointError: a source became shorter.
        OSError: the file cannot be written.
    """
    partial = destination.with_name(f".{destination.name}.linenify")
    journal = _Journal(partial.with_name(f"{partial.name}.json"), _fingerprint(pieces))
    done = journal.durable(partial)
    with partial.open("r+b" if done else "wb") as file:
        file.truncate(done)
        file.seek(done)
        journal.note(done)
        advance(done)
        with contextlib.closing(_Sources()) as sources, _Syncing(file, journal) as syncing:
            for part in _rest(pieces, done):
                for count in _put(file, part, sources):
                    done += count
                    syncing.reached(done)
                    advance(count)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, destination)
    journal.path.unlink(missing_ok=True)
    sync_folder(destination.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename in a folder last, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass
class _Journal:
    path: Path
    fingerprint: str
    noted: int = 0

    def durable(self, partial: Path) -> int:
        """The bytes of an earlier run of the same work that can be kept."""
        try:
            found = json.loads(self.path.read_text())
            if found["work"] == self.fingerprint:
                return min(int(found["bytes"]), partial.stat().st_size)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0

    def note(self, done: int) -> None:
        """Writes down that so many bytes are on the disk."""
        self.noted = done
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_text(json.dumps({"work": self.fingerprint, "bytes": done}))
        os.replace(fresh, self.path)


class _Syncing:
    """Brings what is written to the disk now and then, while more is being written."""

    def __init__(self, file: BinaryIO, journal: _Journal) -> None:
        self._file = file
        self._journal = journal
        self._pool = ThreadPoolExecutor(1)
        self._asked = self._done = journal.noted
        self._current: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown()
        if kind is not None:  # interrupted: what there is can be kept
            with contextlib.suppress(OSError):
                self._file.flush()
                self._sync(self._done)
        elif self._current is not None:
            self._current.result()

    def reached(self, done: int) -> None:
        """So many bytes are written."""
        self._done = done
        idle = self._current is None or self._current.done()
        if idle and done - self._asked >= _SYNC:
            self._asked = done
            self._file.flush()
            self._current = self._pool.submit(self._sync, done)

    def _sync(self, done: int) -> None:
        os.fsync(self._file.fileno())
        self._journal.note(done)


@dataclass
class _Sources:
    """The files that bytes come from, open while they are needed, and a buffer for them."""

    open_files: dict[Path, int] = field(default_factory=dict)
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_BLOCK)))

    def handle(self, path: Path) -> int:
        """A file descriptor for reading."""
        if path not in self.open_files:
            self.open_files[path] = os.open(path, os.O_RDONLY)
        return self.open_files[path]

    def close(self) -> None:
        """Closes them all."""
        while self.open_files:
            os.close(self.open_files.popitem()[1])


def _fingerprint(pieces: Iterable[Piece]) -> str:
    """Names the work: every byte that is given, every place that bytes come from."""
    digest = hashlib.sha256()
    stamps: dict[Path, tuple[int, int]] = {}
    for piece in pieces:
        if isinstance(piece, bytes):
            digest.update(b"b%d:" % len(piece) + piece)
            continue
        for part in piece.parts:
            if isinstance(part, bytes):
                digest.update(b"p%d:" % len(part) + part)
                continue
            if part.path not in stamps:
                status = part.path.stat()
                stamps[part.path] = (status.st_size, status.st_mtime_ns)
            place = (str(part.path.resolve()), stamps[part.path], part.offset, part.length)
            digest.update(repr(place).encode())
        digest.update(repr((piece.shape, piece.steps)).encode())
    return digest.hexdigest()


def _rest(pieces: Iterable[Piece], done: int) -> Iterator[bytes | Slice]:
    """What is left to write after `done` bytes; leaves with steps become bytes."""
    for piece in pieces:
        length = len(piece) if isinstance(piece, bytes) else piece.nbytes
        if done >= length:
            done -= length
            continue
        parts: Iterable[bytes | Slice]
        if isinstance(piece, bytes):
            parts = [piece]
        elif piece.steps:
            parts = (bytes(block) for block in piece.blocks())
        else:
            parts = piece.parts
        for part in parts:
            size = part.length if isinstance(part, Slice) else len(part)
            if done >= size:
                done -= size
            elif isinstance(part, Slice):
                yield Slice(part.path, part.offset + done, size - done)
                done = 0
            else:
                yield part[done:]
                done = 0


def _put(file: BinaryIO, part: bytes | Slice, sources: _Sources) -> Iterator[int]:
    """Writes one part; yields counts of bytes as they arrive."""
    if isinstance(part, bytes):
        file.write(part)
        yield len(part)
        return
    file.flush()
    source, target = sources.handle(part.path), file.fileno()
    offset, left = part.offset, part.length
    while left:
        block = sources.buffer[: min(left, _BLOCK)]
        count = os.preadv(source, [block], offset)
        if not count:
            raise CheckpointError(f"{part.path} became shorter while it was read")
        written = 0
        while written < count:
            written += os.write(target, block[written:count])
        offset, left = offset + count, left - count
        yield count


def leaves_of(pieces: Iterable[Piece]) -> Iterator[Leaf]:
    """The leaves among the pieces."""
    return (piece for piece in pieces if isinstance(piece, Leaf))
