"""Which files lie under a path: `.gitignore` honoured, links told and not followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
PYTHON = (".py",)
OTHERS = (".ipynb", ".gin", ".yaml", ".yml", ".json", ".toml", ".ini", ".cfg")  # may name classes

Unlisted = Callable[[Path, OSError], object]
Linked = Callable[[Path], object]


def python_files(
    folder: Path, exclude: Sequence[str] = (), linked: Linked = lambda _link: None
) -> Iterator[Path]:
    """Yields every `.py` file under `folder` that is not ignored, in sorted order.

    See `project_files`.
    """
    yield from project_files(folder, exclude, PYTHON, linked=linked)


def project_files(
    folder: Path,
    exclude: Sequence[str] = (),
    endings: tuple[str, ...] = PYTHON + OTHERS,
    unlisted: Unlisted = lambda _folder, _problem: None,
    linked: Linked = lambda _link: None,
) -> Iterator[Path]:
    """Yields every file under `folder` that is not ignored, in sorted order.

    Hidden folders, virtual environments and caches are left out, and so is
    what a `.gitignore` names: those in the folder, those below it, and those
    above it up to the top of the git work tree.  Links are not followed, so
    nothing outside `folder` is reached and no file is met twice.

    Args:
        folder: where to start; always entered, even when it is ignored itself.
        exclude: more patterns in the syntax of `.gitignore`, relative to `folder`.
        endings: how the names of the wanted files end.
        unlisted: is told of each folder that may not be listed.
        linked: is told of each link to a folder or a Python file.
    """
    above = tuple(_ignores_above(folder))
    if _ignored(folder, is_folder=True, ignores=above):
        above = ()
    if exclude:
        above = (*above, Ignore.of(folder, exclude))
    yield from _walk(folder, above, endings, unlisted, linked)


@dataclass(frozen=True, slots=True)
class Ignore:
    """The patterns of one `.gitignore` and the folder that they are relative to."""

    base: str
    spec: GitIgnoreSpec

    @staticmethod
    def of(folder: Path, lines: Iterable[str]) -> Ignore:
        """Compiles `lines`, which are relative to `folder`."""
        from pathspec import GitIgnoreSpec  # slow to import, and often not needed

        return Ignore(f"{folder.absolute()}{os.sep}", GitIgnoreSpec.from_lines(lines))

    def verdict(self, absolute: str) -> bool | None:
        """Tells whether a path is ignored; None when no pattern speaks of it."""
        if not absolute.startswith(self.base):
            return None
        return self.spec.check_file(absolute[len(self.base) :].replace(os.sep, "/")).include


def _walk(
    folder: Path,
    ignores: tuple[Ignore, ...],
    endings: tuple[str, ...],
    unlisted: Unlisted,
    linked: Linked,
) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as problem:
        unlisted(folder, problem)
        return
    if any(entry.name == ".gitignore" for entry in entries):
        ignores = (*ignores, *_read_ignore(folder))
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            if not _skipped(path) and not _ignored(path, is_folder=True, ignores=ignores):
                yield from _walk(path, ignores, endings, unlisted, linked)
        elif entry.is_symlink():
            to_folder = os.path.isdir(path)  # noqa: PTH112 - it says no of links in a circle
            wanted = not _skipped(path) if to_folder else entry.name.endswith(PYTHON)
            if wanted and not _ignored(path, is_folder=to_folder, ignores=ignores):
                linked(path)
        elif (
            entry.name.endswith(endings)
            and entry.is_file(follow_symlinks=False)
            and not _ignored(path, is_folder=False, ignores=ignores)
        ):
            yield path


def _skipped(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name in SKIPPED_FOLDERS
        or os.path.exists(folder / "pyvenv.cfg")  # noqa: PTH110 - it says no of what may not be read
    )


def _ignored(path: Path, *, is_folder: bool, ignores: tuple[Ignore, ...]) -> bool:
    """Tells whether the nearest `.gitignore` that speaks of `path` ignores it."""
    if not ignores:
        return False
    absolute = f"{path.absolute()}{os.sep if is_folder else ''}"
    verdicts = (ignore.verdict(absolute) for ignore in reversed(ignores))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _ignores_above(folder: Path) -> Iterator[Ignore]:
    """Yields the `.gitignore` files between the top of the work tree and `folder`."""
    parents = list(folder.absolute().parents)
    tops = [i for i, parent in enumerate(parents) if (parent / ".git").exists()]
    if tops and not (folder / ".git").exists():
        for parent in reversed(parents[: tops[0] + 1]):
            yield from _read_ignore(parent)


def _read_ignore(folder: Path) -> tuple[Ignore, ...]:
    try:
        text = (folder / ".gitignore").read_text("utf-8", errors="surrogateescape")
    except OSError:
        return ()
    return (Ignore.of(folder, text.splitlines()),)
