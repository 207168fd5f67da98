"""Calls that initialise a module class, read off the source of a project."""

from __future__ import annotations

import ast
import contextlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linenify.checkpoint.request import Request

_BY_SHAPE = frozenset({"init_by_shape", "create_by_shape"})
_BY_ARRAYS = frozenset({"init", "init_with_output", "lazy_init", "create"})
_FILLED = frozenset({"ones", "zeros", "empty", "full", "ShapeDtypeStruct"})
_DRAWN = frozenset({"normal", "uniform"})  # after a key
_ALWAYS = frozenset({"jax", "jnp", "np"})
_NOT_INPUTS = frozenset({"method", "mutable", "name", "rngs", "capture_intermediates"})
_DTYPES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float64": "f64",
    "int": "i32",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "uint32": "u32",
    "bool_": "bool",
    "bool": "bool",
    "float": "f32",
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_TOO_DEEP = 8
_TOO_LARGE = 1 << 24


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


class _UnknownError(Exception):
    """Something that only a run would show; the message says what."""


@dataclass
class _File:
    path: Path
    tree: ast.Module
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    bound: dict[str, list[ast.expr]] = field(default_factory=dict)
    top: set[str] = field(default_factory=set)

    @staticmethod
    def read(path: Path) -> _File | None:
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return None
        file = _File(path, tree)
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    file.bound.setdefault(name, []).append(value)
                case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if (
                    len(names) == len(values)
                ):
                    for target, value in zip(names, values, strict=True):
                        if isinstance(target, ast.Name):
                            file.bound.setdefault(target.id, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    file.bound.setdefault(name, []).append(value)
        for node in tree.body:
            match node:
                case ast.ClassDef() if node.bases and _is_module(node):
                    file.classes[node.name] = node
                    file.top.add(node.name)
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    file.top.add(name)
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    file.top |= {a.asname or a.name.partition(".")[0] for a in aliases}
                case ast.Assign(targets=[ast.Name(id=name)]):
                    file.top.add(name)
        return file


def _is_module(node: ast.ClassDef) -> bool:
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return bool(methods & {"apply", "__call__", "setup"})


@dataclass
class _Owner:
    file: _File
    node: ast.ClassDef
    fields: dict[str, tuple[ast.expr, _File]]
    method: str = ""


@dataclass
class Sources:
    """The files of a project."""

    files: Sequence[_File]

    @staticmethod
    def read(paths: Iterable[Path]) -> Sources:
        """The files that can be parsed."""
        return Sources([file for path in paths if (file := _File.read(path)) is not None])

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

    def _owner(self, node: ast.expr, file: _File, depth: int) -> _Owner | None:
        if depth > _TOO_DEEP:
            return None
        match node:
            case ast.Name(id=name) if name in file.classes:
                return _Owner(file, file.classes[name], {})
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

    def _class(self, name: str, file: _File) -> _Owner | None:
        """A class that an import brings; of several of one name, the only other one."""
        name = _imported_as(file.tree).get(name, name)
        homes = [other for other in self.files if name in other.classes and other is not file]
        return _Owner(homes[0], homes[0].classes[name], {}) if len(homes) == 1 else None

    def _with(self, owner: _Owner | None, node: ast.Call, file: _File) -> _Owner | None:
        if owner is not None:
            for keyword in node.keywords:
                owner.fields[keyword.arg or "**"] = (keyword.value, file)
        return owner

    # --- with what -----------------------------------------------------------------------

    def _call(
        self, node: ast.Call, function: ast.Attribute, owner: _Owner, file: _File
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
                inputs = self._shapes(arguments[0], file) if arguments else []
            else:
                inputs = [self._array(each, file, 0) for each in arguments]
            method = owner.method or self._method(keywords)
            settings: dict[str, Any] = {}
            named: dict[str, Any] = {}
            for name, (value, home) in {**owner.fields, **keywords}.items():
                if name in _NOT_INPUTS:
                    continue
                with contextlib.suppress(_UnknownError):
                    named[name] = self._array(value, home, 0)
                    continue
                settings[name] = self._setting(name, value, home, owner.file)
        except _UnknownError as problem:
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

    def _method(self, keywords: Mapping[str, tuple[ast.expr, _File]]) -> str:
        match keywords.get("method"):
            case (ast.Constant(value=str(name)), _) | (ast.Attribute(attr=name), _):
                return name
        return ""

    def _shapes(self, node: ast.expr, file: _File) -> list[str]:
        """`[((1, 28, 28, 1), jnp.float32)]`, or plain shapes."""
        if isinstance(node, ast.Name) and len(file.bound.get(node.id, ())) == 1:
            node = file.bound[node.id][0]
        if not isinstance(node, ast.List | ast.Tuple):
            raise _UnknownError(f"`{ast.unparse(node)}` is known at run time only")
        notations = []
        for item in node.elts:
            match item:
                case ast.Tuple(elts=[shape, ast.Attribute(attr=kind) | ast.Name(id=kind)]) if (
                    kind in _DTYPES
                ):
                    notations.append(self._notation(shape, kind, file))
                case _:
                    notations.append(self._notation(item, "float32", file))
        return notations

    def _array(self, node: ast.expr, file: _File, depth: int) -> str:
        """The notation of an expression that makes an array."""
        match node:
            case ast.Name(id=name) if depth < _TOO_DEEP and len(file.bound.get(name, ())) == 1:
                return self._array(file.bound[name][0], file, depth + 1)
            case ast.Call(func=ast.Attribute(attr=maker) | ast.Name(id=maker), args=arguments):
                rest = {keyword.arg: keyword.value for keyword in node.keywords}
                if maker in _DRAWN:
                    arguments = arguments[1:]
                if maker in _FILLED | _DRAWN:
                    shape = arguments[0] if arguments else rest.get("shape")
                    place = 2 if maker == "full" else 1
                    kind = rest.get("dtype")
                    if kind is None and len(arguments) > place:
                        kind = arguments[place]
                    if shape is not None:
                        return self._notation(shape, _dtype(kind), file)
        raise _UnknownError(f"`{ast.unparse(node)}` is known at run time only")

    def _notation(self, shape: ast.expr, kind: str, file: _File) -> str:
        sizes = self._value(shape, file, 0)
        sizes = (sizes,) if isinstance(sizes, int) else sizes
        if not isinstance(sizes, tuple | list) or not all(
            isinstance(size, int) and not isinstance(size, bool) for size in sizes
        ):
            raise _UnknownError(f"the shape `{ast.unparse(shape)}` is known at run time only")
        return f"{_DTYPES[kind]}[{','.join(map(str, sizes))}]"

    def _setting(self, name: str, node: ast.expr, file: _File, home: _File) -> Any:
        """A value as a request has it: a literal, or an expression where the class is."""
        if name == "**":
            raise _UnknownError(f"`**{ast.unparse(node)}` is known at run time only")
        with contextlib.suppress(_UnknownError):
            return _as_setting(self._value(node, file, 0))
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        if names <= (home.top if file is home else home.top & file.top) | _ALWAYS:
            return f"={ast.unparse(node)}"
        raise _UnknownError(f"`{name}={ast.unparse(node)}` is known at run time only")

    def _value(self, node: ast.expr, file: _File, depth: int) -> Any:
        """The value of a literal, also one that a constant of the project names."""
        if depth > _TOO_DEEP:
            raise _UnknownError("too deep")
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=items):
                return tuple(self._value(item, file, depth + 1) for item in items)
            case ast.List(elts=items):
                return [self._value(item, file, depth + 1) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand, file, depth)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                one, other = self._value(left, file, depth + 1), self._value(right, file, depth + 1)
                if not (_small(one) and _small(other)):
                    raise _UnknownError("too large")
                try:
                    return _OPERATORS[type(op)](one, other)
                except (TypeError, ValueError, ArithmeticError) as error:
                    raise _UnknownError(str(error)) from None
            case ast.Name(id=name) if len(file.bound.get(name, ())) == 1:
                return self._value(file.bound[name][0], file, depth + 1)
            case ast.Name(id=name) if name not in file.bound:
                return self._imported(_imported_as(file.tree).get(name, ""), file, depth)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in file.top:
                return self._imported(
                    name, file, depth, _imported_as(file.tree).get(module, module)
                )
        raise _UnknownError(f"`{ast.unparse(node)}` is known at run time only")

    def _number(self, node: ast.expr, file: _File, depth: int) -> Any:
        value = self._value(node, file, depth + 1)
        if isinstance(value, int | float):
            return value
        raise _UnknownError(f"`{ast.unparse(node)}` is no number")

    def _imported(self, name: str, file: _File, depth: int, module: str = "") -> Any:
        """A constant of another file, which is called like the module that it comes from."""
        stem = (module or _modules(file.tree).get(name, "")).rpartition(".")[2]
        homes = [each for each in self.files if each.path.stem == stem and name in each.bound]
        if len(homes) == 1 and len(homes[0].bound[name]) == 1:
            return self._value(homes[0].bound[name][0], homes[0], depth + 1)
        raise _UnknownError(f"`{name}` is known at run time only")


def _small(value: Any) -> bool:
    return (isinstance(value, int | float) and abs(value) < _TOO_LARGE) or (
        isinstance(value, tuple | list) and len(value) < _TOO_DEEP
    )


def _as_setting(value: Any) -> Any:
    """What survives JSON and means itself; the rest as an expression."""
    if isinstance(value, bool | int | float) or (isinstance(value, str) and value[:1] != "="):
        return value
    return f"={value!r}"


def _dtype(node: ast.expr | None) -> str:
    match node:
        case None:
            return "float32"
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)) if (
            name in _DTYPES
        ):
            return name
    raise _UnknownError(f"the dtype `{ast.unparse(node)}` is known at run time only")


def _field_names(node: ast.ClassDef) -> list[str]:
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def _imported_as(tree: ast.Module) -> dict[str, str]:
    """Local names to the names that imports bring in."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _modules(tree: ast.Module) -> dict[str, str]:
    """Names that imports bring in to the modules that they come from."""
    return {
        alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
