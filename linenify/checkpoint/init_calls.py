"""Calls that initialise a module class, read off the source of a project."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linenify.checkpoint.request import Request
from linenify.checkpoint.source_values import (
    TOO_DEEP,
    SourceFile,
    UnknownError,
    Values,
    imported_as,
)

_BY_SHAPE = frozenset({"init_by_shape", "create_by_shape"})
_BY_ARRAYS = frozenset({"init", "init_with_output", "lazy_init", "create"})
_ALWAYS = frozenset({"jax", "jnp", "np"})
_NOT_INPUTS = frozenset({"method", "mutable", "name", "rngs", "capture_intermediates"})


@dataclass(frozen=True)
class InitCall:
    """One class, and with what it is initialised somewhere.

    Attributes:
        module: `path/file.py:Class`.
        request: what to trace; None where something is known at run time only.
        missing: what that is.
    """

    module: str
    request: Request | None
    missing: str = ""


@dataclass
class _Owner:
    file: SourceFile
    node: ast.ClassDef
    fields: dict[str, tuple[ast.expr, SourceFile]]
    method: str = ""


@dataclass
class Sources(Values):
    """The files of a project."""

    @staticmethod
    def read(paths: Iterable[Path]) -> Sources:
        """The files that can be parsed."""
        return Sources([file for path in paths if (file := SourceFile.read(path)) is not None])

    def classes(self) -> Iterator[str]:
        """All module classes, as `file.py:Class`."""
        for file in self.files:
            for name in file.classes:
                yield f"{file.path}:{name}"

    def calls(self) -> Iterator[InitCall]:
        """All calls that initialise a class of the project."""
        for file in self.files:
            for node in ast.walk(file.tree):
                if isinstance(node, ast.Call) and (found := self._initialiser(node)) is not None:
                    owner = self._owner(found.value, file, 0)
                    if owner is not None:
                        yield self._call(node, found, owner, file)

    def _initialiser(self, node: ast.Call) -> ast.Attribute | None:
        """`X.init` of `X.init(...)`, `jax.jit(X.init)(...)`, `partial(X.init, a=1)(...)`."""
        function: ast.expr = node.func
        if isinstance(function, ast.Call) and function.args:
            function = function.args[0]
        if isinstance(function, ast.Attribute) and function.attr in _BY_SHAPE | _BY_ARRAYS:
            return function
        return None

    # --- whose ---------------------------------------------------------------------------

    def _owner(self, node: ast.expr, file: SourceFile, depth: int) -> _Owner | None:
        if depth > TOO_DEEP:
            return None
        match node:
            case ast.Name(id=name) if name in file.classes:
                return _Owner(file, file.classes[name], {})
            case ast.Name() if node in file.parameters:
                with contextlib.suppress(UnknownError):
                    return self.as_passed(node, file, depth, self._owner)
                return None
            case ast.Name(id=name) if len(file.bound.get(name, ())) == 1:
                return self._owner(file.bound[name][0], file, depth + 1)
            case ast.Name(id=name):
                return self._class(name, file)
            case ast.Call(func=ast.Attribute(value=inner, attr="partial"), args=[]):
                return self._with(self._owner(inner, file, depth + 1), node, file)
            case ast.Call(
                func=ast.Name(id="partial") | ast.Attribute(attr="partial"), args=[inner]
            ):
                return self._with(self._owner(inner, file, depth + 1), node, file)
            case ast.Call():
                owner = self._owner(node.func, file, depth + 1)
                if owner is not None:
                    names = _field_names(owner.node)
                    for name, value in zip(names, node.args, strict=False):
                        owner.fields[name] = (value, file)
                return self._with(owner, node, file)
            case ast.Attribute(value=ast.Name() as inner, attr=name):
                owner = self._class(name, file) if inner.id not in file.classes else None
                if owner is None and (owner := self._owner(inner, file, depth + 1)) is not None:
                    owner.method = name  # legacy's `Model.encode.init(...)`
                return owner
        return None

    def _class(self, name: str, file: SourceFile) -> _Owner | None:
        """A class that an import brings; of several of one name, the only other one."""
        name = imported_as(file.tree).get(name, name)
        homes = [other for other in self.files if name in other.classes and other is not file]
        return _Owner(homes[0], homes[0].classes[name], {}) if len(homes) == 1 else None

    def _with(self, owner: _Owner | None, node: ast.Call, file: SourceFile) -> _Owner | None:
        if owner is not None:
            for keyword in node.keywords:
                owner.fields[keyword.arg or "**"] = (keyword.value, file)
        return owner

    # --- with what -----------------------------------------------------------------------

    def _call(
        self, node: ast.Call, function: ast.Attribute, owner: _Owner, file: SourceFile
    ) -> InitCall:
        module = f"{owner.file.path}:{owner.node.name}"
        where = f"{file.path.name}:{node.lineno}"
        keywords = {k.arg or "**": (k.value, file) for k in node.keywords}
        if isinstance(node.func, ast.Call):
            keywords |= {k.arg: (k.value, file) for k in node.func.keywords if k.arg}
            keywords = {
                k: v for k, v in keywords.items() if not k.startswith(("static_", "donate"))
            }
        try:
            arguments = node.args[1:]
            if function.attr in _BY_SHAPE:
                inputs = self.shapes(arguments[0], file) if arguments else []
            else:
                inputs = [self.array(each, file, 0) for each in arguments]
            method = owner.method or self._method(keywords)
            settings: dict[str, Any] = {}
            named: dict[str, Any] = {}
            for name, (value, home) in {**owner.fields, **keywords}.items():
                if name in _NOT_INPUTS:
                    continue
                with contextlib.suppress(UnknownError):
                    named[name] = self.array(value, home, 0)
                    continue
                settings[name] = self._setting(name, value, home, owner.file)
        except UnknownError as problem:
            return InitCall(module, None, f"{problem} ({where})")
        request = Request(
            module=module,
            inputs=inputs,
            named=named,
            fields=settings,
            rngs=("dropout",),
            method=method,
        )
        return InitCall(module, request)

    def _method(self, keywords: Mapping[str, tuple[ast.expr, SourceFile]]) -> str:
        match keywords.get("method"):
            case (ast.Constant(value=str(name)), _) | (ast.Attribute(attr=name), _):
                return name
        return ""

    def _setting(self, name: str, node: ast.expr, file: SourceFile, home: SourceFile) -> Any:
        """A value as a request has it: a literal, or an expression where the class is."""
        if name == "**":
            raise UnknownError(f"`**{ast.unparse(node)}` is known at run time only")
        with contextlib.suppress(UnknownError):
            return _as_setting(self.value(node, file, 0))
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if names <= (home.top if file is home else home.top & file.top) | _ALWAYS:
            return f"={ast.unparse(node)}"
        raise UnknownError(f"`{name}={ast.unparse(node)}` is known at run time only")


def _as_setting(value: Any) -> Any:
    """What survives JSON and means itself; the rest as an expression."""
    if isinstance(value, bool | int | float) or (isinstance(value, str) and value[:1] != "="):
        return value
    return f"={value!r}"


def _field_names(node: ast.ClassDef) -> list[str]:
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
