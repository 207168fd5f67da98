"""Copies of the user's files to run and to migrate: the originals are never touched."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from linenify.errors import UsageError
from linenify.verify.run import Job
from linenify.verify.target import Target

_LARGE = 64 << 20  # bytes; larger files are linked, not copied
_SKIPPED = {"__pycache__", "node_modules", "venv", "site-packages"}


@dataclass(frozen=True, slots=True)
class Touched:
    """Legacy lines that rules have rewritten: `path` is relative to the side's folder."""

    path: str
    line: int
    end_line: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Migrated:
    """What linenify did to a copy.

    Attributes:
        touched: the lines that it rewrote.
        refused: sites that it refused, as `a.py:3 LN123 why`.
        noticed: sites where what only a faulty program shows may differ, written alike.
    """

    touched: tuple[Touched, ...] = ()
    refused: tuple[str, ...] = ()
    noticed: tuple[str, ...] = ()


Migrate = Callable[[Path], Migrated]
"""Migrates the files below a folder, or one file, in place."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Where the two sides of a target lie in the workspace."""

    job: Job
    legacy: Path
    linen: Path
    migrated: Migrated | None
    """What linenify did to make the Linen side; `None` if it did not make it."""

    def digest(self) -> str:
        """A hash of all that the verdict depends on in the user's files and the case."""
        total = hashlib.sha256()
        for path in (Path(self.job.case), self.legacy, self.linen):
            for file in sorted(_files(path)):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                total.update(f"{file.relative_to(path.parent)} {content}\n".encode())
        return total.hexdigest()


def prepare(target: Target, scratch: Path, migrate: Migrate, *, flax: str = "") -> Sides:
    """Copies both sides below `scratch`; the Linen side is migrated if there is none yet.

    Raises:
        UsageError: a side does not exist.
    """
    legacy = _copied(target.legacy, scratch / "legacy")
    migrated = None
    if target.linen is None:
        linen = _copied(target.legacy, scratch / "linen")
        _take_options(target.legacy, scratch / "linen")
        migrated = migrate(linen)
    else:
        linen = _copied(_counterpart(target), scratch / "linen")
    case = scratch / "case.toml"
    case.write_text(target.case)
    root = target.root if target.root != "." else ""
    old, new = str(_below(legacy, root)), str(_below(linen, root))
    job = Job(str(case), old, new, flax, str(target.base))
    return Sides(job, legacy, linen, migrated)


def _take_options(legacy: Path, folder: Path) -> None:
    """Copies the configuration of linenify from above the copied files."""
    for above in legacy.resolve().parents:
        options = above / "pyproject.toml"
        if options.is_file() and "[tool.linenify" in options.read_text(errors="replace"):
            shutil.copyfile(options, folder / "pyproject.toml")
            return


def _below(side: Path, root: str) -> Path:
    return side / root if root and (side / root).is_dir() else side


def _counterpart(target: Target) -> Path:
    assert target.linen is not None
    if not target.linen.exists():
        raise UsageError(f"{target.linen} does not exist")
    if target.legacy.is_file() and target.linen.is_dir():
        same = target.linen / target.legacy.name
        others = list(target.linen.glob("*.py"))
        if same.is_file():
            return same
        if len(others) == 1:
            return others[0]
        raise UsageError(f"{target.linen} holds no {target.legacy.name}; name the file")
    return target.linen


def _copied(path: Path, into: Path) -> Path:
    """Copies a folder, or a file with what it may import; returns where the copy is."""
    into.mkdir(parents=True)
    path = path.resolve()
    if path.is_dir():
        home = into / path.name
        for file in _files(path):
            _copy(file, home / file.relative_to(path))
        return home
    for neighbour in _neighbours(path):
        for file in _files(neighbour):
            _copy(file, into / file.relative_to(path.parent))
    _copy(path, into / path.name)
    return into / path.name


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.stat().st_size > _LARGE:
        place.symlink_to(file)
    else:
        shutil.copyfile(file, place)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        for name in files:
            file = Path(folder) / name
            if not name.startswith(".") and not name.endswith(".pyc") and file.is_file():
                yield file


def _neighbours(file: Path) -> list[Path]:
    """Files and folders beside a file that it imports, directly or through others."""
    found: list[Path] = []
    waiting = [file]
    while waiting:
        for name in _imported(waiting.pop()):
            for place in (file.parent / f"{name}.py", file.parent / name):
                if place.exists() and place != file and place not in found:
                    found.append(place)
                    waiting += [place] if place.is_file() else []
    return found


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            match node:
                case ast.Import():
                    names |= {alias.name.partition(".")[0] for alias in node.names}
                case ast.ImportFrom(module=str(module)):
                    names.add(module.partition(".")[0])
                case ast.ImportFrom():
                    names |= {alias.name for alias in node.names}
    return names
