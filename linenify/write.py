"""Writes migrated files: all of them or none, and so that it can be taken back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from linenify.outcome import Change
from linenify.project.lineends import restored
from linenify.project.load import BOM, common_root, top_of
from linenify.project.source import Source
from linenify.writing import store as stores
from linenify.writing.commit import Replacement, ReplacementError, commit
from linenify.writing.recovery import settle_locked
from linenify.writing.store import Store, discard


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A file that was left as it was, and why.

    Attributes:
        waits: nothing is wrong with it: it was left because of another one.
    """

    path: Path
    message: str
    remedy: str
    waits: bool = False


def write(
    changes: Iterable[Change], sources: Iterable[Source], *, undoable: bool = True
) -> tuple[Unwritten, ...]:
    """Writes all changes or, if one of them can't be, none; returns those not written.

    Args:
        changes: the new texts.
        sources: all files that were read for them: encoding and byte order
            mark are taken over, and none may have changed since.
        undoable: whether to keep the old contents for `linenify undo`.

    Raises:
        UsageError: an earlier write broke off and cannot be put right.
    """
    changes = tuple(changes)
    if not changes:
        return ()
    sources = tuple(sources)
    by_path = {source.path: source for source in sources}
    problems = [p for each in changes if (p := _hindrance(each, by_path[each.path])) is not None]
    if not problems:
        problems = _write_all(changes, sources, by_path, undoable=undoable)
    return (*problems, *_waiting(changes, problems))


def encoded(text: str, source: Source) -> bytes:
    """Encodes a text as its file on disk is encoded, with the line ends that are used there."""
    whole = restored(text, source.lines)
    return (BOM if source.bom else b"") + whole.encode(source.encoding)


def _write_all(
    changes: Sequence[Change],
    sources: Sequence[Source],
    by_path: dict[Path, Source],
    *,
    undoable: bool,
) -> list[Unwritten]:
    for store in _stores(changes):
        try:
            with store.locked(create=True):
                try:
                    settle_locked(store)
                    edited = [p for each in sources if (p := _edited(each)) is not None]
                    if not edited:
                        made = commit(store, [_replacement(c, by_path[c.path]) for c in changes])
                        if not undoable:
                            discard(made)
                    return edited
                finally:
                    store.prune()
        except ReplacementError as failed:
            path = next(
                (c.path for c in changes if _target(c.path) == failed.target), failed.target
            )
            return [_failure(path, failed.problem)]
        except OSError as problem:
            failure = _failure(store.folder, problem)
    return [failure]


def _stores(changes: Sequence[Change]) -> Iterator[Store]:
    """Where the journal may lie: at the top of the project, else further down."""
    inner = common_root([change.path.parent.resolve() for change in changes])
    top = top_of(inner)
    below_top = (folder for folder in reversed([inner, *inner.parents]) if folder != top)
    for folder in (top, *(each for each in below_top if each.is_relative_to(top))):
        yield Store(folder / stores.NAME)


def _hindrance(change: Change, source: Source) -> Unwritten | None:
    """What can be seen beforehand: a text that can't be encoded, a place that is read-only."""
    try:
        encoded(change.after, source)
    except UnicodeEncodeError as problem:
        return Unwritten(
            change.path,
            f"{problem.object[problem.start]!r} cannot be written in {source.encoding}",
            "save the file as UTF-8 and run linenify again",
        )
    target = _target(change.path)
    if not target.exists():
        return _failure(change.path, FileNotFoundError(errno.ENOENT, "no such file"))
    if not (os.access(target, os.W_OK) and os.access(target.parent, os.W_OK | os.X_OK)):
        return _failure(change.path, PermissionError(errno.EACCES, "permission denied"))
    return None


def _edited(source: Source) -> Unwritten | None:
    try:
        if source.path.read_bytes() == encoded(source.text, source):
            return None
    except OSError as problem:
        return _failure(source.path, problem)
    return Unwritten(source.path, "the file changed since it was read", "run linenify again")


def _replacement(change: Change, source: Source) -> Replacement:
    before, after = encoded(change.before, source), encoded(change.after, source)
    return Replacement(_target(change.path), before, after)


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))  # a link stays a link


def _failure(path: Path, problem: OSError) -> Unwritten:
    reason = (problem.strerror or str(problem)).lower()
    remedies = {
        errno.ENOSPC: "make room on the disk and run linenify again",
        errno.EDQUOT: "make room on the disk and run linenify again",
        errno.ENOENT: "run linenify again",
    }
    writable = f"make the file and its folder {_target(path).parent} writable"
    remedy = remedies.get(problem.errno or 0, writable)
    what = (
        "the journal of the write cannot be kept"
        if path.name == stores.NAME
        else ("it cannot be replaced")
    )
    return Unwritten(path, f"{what}: {reason}", remedy)


def _waiting(changes: Sequence[Change], problems: Sequence[Unwritten]) -> Iterator[Unwritten]:
    if problems:
        failed = {each.path for each in problems}
        because = f"all files are written or none, and {problems[0].path} cannot be"
        for change in changes:
            if change.path not in failed:
                yield Unwritten(change.path, because, problems[0].remedy, waits=True)
