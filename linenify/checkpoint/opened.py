"""Which files a run has read: what its answer depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import site
import sys
import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from linenify.verify.wheels import cache_home


class Opened:
    """Notes files of the user that are opened for reading; imports are among them."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        self._active = False

    def __enter__(self) -> Self:
        self._active = True
        sys.addaudithook(self._noted)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._active = False  # a hook cannot be taken off again

    def taken(self) -> list[str]:
        """The files since the last call, in the order in which they were opened."""
        self._active = False
        own = [*map(os.path.realpath, _others())]
        found: dict[str, None] = {}
        for name in self._seen:
            path = os.path.realpath(_source(name))
            if not any(path.startswith(f"{folder}{os.sep}") for folder in own):
                found[path] = None
        self._seen.clear()
        self._active = True
        return [path for path in found if os.path.isfile(path)]  # noqa: PTH113 - names are texts here

    def _noted(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not self._active:
            return
        name, mode, *_ = arguments
        if isinstance(name, str | os.PathLike) and not (isinstance(mode, str) and "w" in mode):
            self._seen[os.fsdecode(name)] = None


def _source(name: str) -> str:
    """The source of a compiled file; other files as they are."""
    if not name.endswith(".pyc"):
        return name
    try:
        return importlib.util.source_from_cache(name)
    except ValueError:
        return name


def _others() -> list[str]:
    """Folders of what is installed; versions speak for it."""
    installed = {
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    installed |= {*site.getsitepackages(), site.getusersitepackages()}
    linenify = str(Path(__file__).parents[1])
    return [*installed, linenify, str(cache_home()), "/proc", "/sys", "/dev"]


def digest(path: Path) -> str:
    """A hash of a file, or of all Python files below a folder; empty where there is none."""
    from linenify.project.walk import python_files

    total = hashlib.sha256()
    try:
        if path.is_file():
            total.update(path.read_bytes())
        else:
            for file in python_files(path):
                total.update(f"{file.relative_to(path)} {digest(file)}\n".encode())
    except OSError:
        return ""
    return total.hexdigest()
