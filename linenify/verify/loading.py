"""The user's files, importable for a while.

Both sides of a case hold modules of the same names, and those may be the names
of modules that this process uses.  So a side owns its modules: they are in
`sys.modules`, and its folder on `sys.path`, only while it is active.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from linenify.verify.reaching import watched
from linenify.verify.verdict import Reached

_SHARED = sys.stdlib_module_names | {"flax", "jax", "jaxlib", "linenify", "numpy", "optax", "scipy"}


class UserFiles:
    """One file, or one folder of files, of user code."""

    def __init__(self, path: Path) -> None:
        self._path = path = path.resolve()
        self.folder = path if path.is_dir() else path.parent
        self._file = None if path.is_dir() else path
        self._package = _package(self.folder) if path.is_dir() else ""
        # A project may keep its packages in `src`, which imports do not name.
        below = self.folder / "src"
        self._below = below if below.is_dir() and not (below / "__init__.py").exists() else None
        self._modules: dict[str, types.ModuleType] = {}
        self._flags: dict[str, Any] = {}
        self._ran: dict[str, set[int]] = {}

    def fresh(self) -> UserFiles:
        """The same files, nothing of them imported yet."""
        return UserFiles(self._path)

    def load(self, file: str = "") -> types.ModuleType:
        """Imports a file of the folder (the file itself, if it is one) while active."""
        path = self._file or (self.folder / file)
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist")
        home = self.folder
        if self._below is not None and path.is_relative_to(self._below):
            home = self._below
        dotted = path.relative_to(home).with_suffix("").parts
        if dotted[-1] == "__init__":
            dotted = dotted[:-1]
        package = self._package if home == self.folder else ""
        return importlib.import_module(".".join((*filter(None, [package]), *dotted)))

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Makes the modules of this side importable, and nothing of the other side."""
        # Files of a package may import each other as if their folder were on the path, too.
        homes = [self.folder.parent if self._package else None, self.folder, self._below]
        entries = [str(home) for home in homes if home is not None]
        others = {name: sys.modules.pop(name) for name in list(sys.modules) if self._clashes(name)}
        foreign = set(sys.modules)
        sys.modules.update(self._modules)
        sys.path[:0] = entries
        importlib.invalidate_caches()
        with _own_flags(self._flags):
            try:
                yield
            finally:
                for entry in entries:
                    sys.path.remove(entry)
                fresh = [name for name in sys.modules if name not in foreign]
                owned = [name for name in fresh if self._owns(sys.modules[name])]
                self._modules = {name: sys.modules.pop(name) for name in owned}
                sys.modules.update(others)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Takes down which lines of this side run."""
        with watched(self.owns_file, self._ran):
            yield

    @property
    def reached(self) -> tuple[Reached, ...]:
        """The lines that ran while they were watched."""
        return tuple(
            Reached(str(Path(file).resolve().relative_to(self.folder)), tuple(sorted(lines)))
            for file, lines in sorted(self._ran.items())
        )

    def owns_file(self, filename: str) -> bool:
        """Whether a file belongs to this side."""
        # Code without a file, such as `<frozen importlib>`, is nobody's.
        return not filename.startswith("<") and Path(filename).resolve().is_relative_to(self.folder)

    def _owns(self, module: types.ModuleType) -> bool:
        # A namespace package has a path and no file.
        places = [getattr(module, "__file__", None) or "", *_search_path(module)]
        return any(self.owns_file(place) for place in places if place)

    def _clashes(self, name: str) -> bool:
        top = name.partition(".")[0]
        if self._package and top == self._package:
            return True
        homes = [self.folder, self._below]
        return top not in _SHARED and any(
            (home / f"{top}.py").is_file() or (home / top).is_dir()
            for home in homes
            if home is not None
        )


def _search_path(module: types.ModuleType) -> list[str]:
    if getattr(module, "__file__", None):
        return []
    try:
        return list(getattr(module, "__path__", ()))
    except Exception:  # noqa: BLE001 - a lazy module may raise anything
        return []


def _package(folder: Path) -> str:
    """The folder's own name, if its files import each other relative to it."""
    if (folder / "__init__.py").is_file():
        return folder.name
    for file in folder.glob("*.py"):
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(file.read_bytes())):
                if isinstance(node, ast.ImportFrom) and node.level:
                    return folder.name
    return ""


@contextlib.contextmanager
def _own_flags(owned: dict[str, Any]) -> Iterator[None]:
    """Lets both sides define the same absl flags, without a command line."""
    try:
        from absl import flags
    except ImportError:
        yield
        return
    registry = flags.FLAGS
    registry.mark_as_parsed()
    before = set(registry)
    for name, flag in owned.items():
        registry[name] = flag
    try:
        yield
    finally:
        for name in set(registry) - before:
            owned[name] = registry[name]
            delattr(registry, name)
