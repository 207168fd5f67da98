"""Writes migrated files: each one whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from linenify.outcome import Change
from linenify.project.load import BOM
from linenify.project.source import Source


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A file that was left as it was, and why."""

    path: Path
    message: str
    remedy: str


def write(changes: Iterable[Change], sources: Iterable[Source]) -> tuple[Unwritten, ...]:
    """Writes every change; returns the files that could not be written.

    Args:
        changes: the new texts.
        sources: the files they were made from; encoding and byte order mark
            are taken over.
    """
    by_path = {source.path: source for source in sources}
    outcomes = (write_one(change, by_path[change.path]) for change in changes)
    return tuple(outcome for outcome in outcomes if outcome is not None)


def write_one(change: Change, source: Source) -> Unwritten | None:
    """Replaces one file on disk, unless it is no longer what was read."""
    try:
        after = encoded(change.after, source)
    except UnicodeEncodeError as problem:
        return Unwritten(
            change.path,
            f"{problem.object[problem.start]!r} cannot be written in {source.encoding}",
            "save the file as UTF-8 and run linenify again",
        )
    target = Path(os.path.realpath(change.path))  # a link stays a link
    try:
        if target.read_bytes() != encoded(change.before, source):
            return Unwritten(
                change.path, "the file changed since it was read", "run linenify again"
            )
        _replace(target, after)
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        return Unwritten(
            change.path,
            f"it cannot be replaced: {reason}",
            f"make the file and its folder {target.parent} writable",
        )
    return None


def encoded(text: str, source: Source) -> bytes:
    """Encodes a text as its file on disk is encoded."""
    return (BOM if source.bom else b"") + text.encode(source.encoding)


def _replace(target: Path, content: bytes) -> None:
    """Puts `content` in the place of `target` in one step.

    A crash at any moment leaves either the whole old file or the whole new
    one.  Mode and owner stay.
    """
    if not os.access(target, os.W_OK):
        raise PermissionError(13, "permission denied")
    descriptor, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=".linenify"
    )
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(target, name)
        with contextlib.suppress(OSError, AttributeError):  # only root may give files away
            owner = target.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
