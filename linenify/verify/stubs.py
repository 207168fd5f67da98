"""Stand-ins for packages that cannot be installed, for code that only imports them.

`linenify verify --stub gin` lets `import gin`, `from gin.tf import x` and `@gin.configurable`
pass on both sides.  A stub decorates by giving back what it decorates, is no base class,
and gives itself for everything else: numbers that come from it prove nothing.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from typing import Any


@contextlib.contextmanager
def stubbed(names: Sequence[str]) -> Iterator[None]:
    """Inside, the named packages, and all modules in them, can be imported."""
    finder = _Finder(tuple(names))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, *_where: Any, **_more: Any
    ) -> importlib.machinery.ModuleSpec | None:
        """A stub for each module of the packages."""
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self._names):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """A module that has every name."""
        return _StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing is to be run."""


class _StubModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(f"{self.__name__}.{name}")


class Stub:
    """Anything of a stubbed package."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<stub of {self._name}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(f"{self._name}.{name}")

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:  # noqa: D102 - see above
        if len(arguments) == 1 and not keywords and callable(arguments[0]):
            return arguments[0]  # it decorates
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[()]:
        return ()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, key: object) -> Any:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass
