"""Values of expressions, as far as the source of a project shows them without being run.

Literals, constants of this and of other files, arithmetic on them, parameters of
functions that are always called with the same; and shapes of arrays made from these.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

_FILLED = frozenset({"ones", "zeros", "empty", "full", "ShapeDtypeStruct"})
_DRAWN = frozenset({"normal", "uniform", "standard_normal", "random"})  # after a key
_INTEGERS = frozenset({"randint", "integers"})
_BY_SIZES = frozenset({"randn", "rand"})
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
TOO_DEEP = 12
_TOO_LARGE = 1 << 24

_Read = TypeVar("_Read")


class UnknownError(Exception):
    """Something that only a run would show; the message says what."""


@dataclass
class SourceFile:
    """One file: its classes, what its names are bound to, whose parameters they are."""

    path: Path
    tree: ast.Module
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    bound: dict[str, list[ast.expr]] = field(default_factory=dict)
    top: set[str] = field(default_factory=set)
    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    parameters: dict[ast.Name, ast.FunctionDef] = field(default_factory=dict)
    """Names that are parameters, and whose."""

    @staticmethod
    def read(path: Path) -> SourceFile | None:
        """The file; None where it cannot be parsed."""
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            return None
        file = SourceFile(path, tree)
        file.note_parameters(tree, ())
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name):
                    file.functions.setdefault(name, []).append(node)
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

    def note_parameters(self, node: ast.AST, around: tuple[ast.FunctionDef, ...]) -> None:
        """Looks for names that are parameters of a function around them."""
        if isinstance(node, ast.FunctionDef):
            around = (node, *around)
        elif isinstance(node, ast.Name):
            owner = next((f for f in around if node.id in _parameters(f)), None)
            if owner is not None:
                self.parameters[node] = owner
        for child in ast.iter_child_nodes(node):
            self.note_parameters(child, around)

    def calls_of(self, name: str) -> Iterator[ast.Call]:
        """Calls of a function of a name."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if (
                    called == name
                ):
                    yield node


def _default(node: ast.FunctionDef, name: str) -> ast.expr | None:
    """The default of a parameter."""
    row = [*node.args.posonlyargs, *node.args.args]
    pairs = list(zip(reversed(row), reversed(node.args.defaults), strict=False))
    pairs += [
        (each, value)
        for each, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if value is not None
    ]
    return next((value for each, value in pairs if each.arg == name), None)


def _parameters(node: ast.FunctionDef) -> list[str]:
    return [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _is_module(node: ast.ClassDef) -> bool:
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return bool(methods & {"apply", "__call__", "setup"})


@dataclass
class Values:
    """What the files of a project show."""

    files: Sequence[SourceFile]

    def shapes(self, node: ast.expr, file: SourceFile) -> list[str]:
        """`[((1, 28, 28, 1), jnp.float32)]`, or plain shapes."""
        if isinstance(node, ast.Name) and node in file.parameters:
            return self.as_passed(node, file, 0, lambda each, home, _: self.shapes(each, home))
        if isinstance(node, ast.Name) and len(file.bound.get(node.id, ())) == 1:
            node = file.bound[node.id][0]
        if not isinstance(node, ast.List | ast.Tuple):
            raise UnknownError(f"`{ast.unparse(node)}` is known at run time only")
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

    def array(self, node: ast.expr, file: SourceFile, depth: int) -> str:
        """The notation of an expression that makes an array."""
        kind, sizes = self._made(node, file, depth)
        return f"{_DTYPES[kind]}[{','.join(map(str, sizes))}]"

    def _made(self, node: ast.expr, file: SourceFile, depth: int) -> tuple[str, tuple[int, ...]]:
        """The dtype and the shape of an expression that makes an array."""
        if depth > TOO_DEEP:
            raise UnknownError("too deep")
        match node:
            case ast.Name() if node in file.parameters:
                return self.as_passed(node, file, depth, self._made)
            case ast.Name(id=name) if len(file.bound.get(name, ())) == 1:
                return self._made(file.bound[name][0], file, depth + 1)
            case ast.Call(func=ast.Attribute(value=inner, attr="astype"), args=[kind]):
                return _dtype(kind), self._made(inner, file, depth + 1)[1]
            case ast.Call(func=ast.Attribute(value=inner, attr="reshape"), args=[*sizes]) if sizes:
                shape = sizes[0] if len(sizes) == 1 else ast.Tuple(sizes)
                made = self._sizes(shape, file)
                if -1 not in made:
                    return self._made(inner, file, depth + 1)[0], made
            case ast.Subscript(value=inner, slice=ast.Slice(lower=None, upper=ast.expr() as end)):
                kind_, sizes_ = self._made(inner, file, depth + 1)
                count = self.value(end, file, depth + 1)
                if sizes_ and isinstance(count, int) and 0 < count <= sizes_[0]:
                    return kind_, (count, *sizes_[1:])
            case ast.Call(func=ast.Attribute(attr=maker) | ast.Name(id=maker)):
                found = self._maker(maker, node, file)
                if found is not None:
                    return found
        raise UnknownError(f"`{ast.unparse(node)}` is known at run time only")

    def _maker(
        self, name: str, node: ast.Call, file: SourceFile
    ) -> tuple[str, tuple[int, ...]] | None:
        """What `jnp.ones((1, 8))`, `random.normal(key, (1, 8))`, `rng.randn(1, 8)` make."""
        arguments = list(node.args)
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in _BY_SIZES and arguments and not named:
            return "float32", self._sizes(ast.Tuple(arguments), file)
        if name == "arange" and len(arguments) == 1:
            return "int32", self._sizes(arguments[0], file)
        if name == "linspace" and len(arguments) == 3:
            return "float32", self._sizes(arguments[2], file)
        if "size" in named and name in _DRAWN | _INTEGERS:  # a generator of NumPy
            kind = "int32" if name in _INTEGERS else "float32"
            return kind, self._sizes(named["size"], file)
        if name in _DRAWN | _INTEGERS:
            arguments = arguments[1:]
        elif name not in _FILLED:
            return None
        shape = arguments[0] if arguments else named.get("shape")
        place = 2 if name == "full" else 1
        dtype = named.get("dtype")
        if dtype is None and len(arguments) > place and name not in _INTEGERS:
            dtype = arguments[place]
        usual = "int32" if name in _INTEGERS else "float32"
        return None if shape is None else (_dtype(dtype, usual), self._sizes(shape, file))

    def _notation(self, shape: ast.expr, kind: str, file: SourceFile) -> str:
        return f"{_DTYPES[kind]}[{','.join(map(str, self._sizes(shape, file)))}]"

    def _sizes(self, shape: ast.expr, file: SourceFile) -> tuple[int, ...]:
        sizes = self.value(shape, file, 0)
        sizes = (sizes,) if isinstance(sizes, int) else sizes
        if not isinstance(sizes, tuple | list) or not all(
            isinstance(size, int) and not isinstance(size, bool) for size in sizes
        ):
            raise UnknownError(f"the shape `{ast.unparse(shape)}` is known at run time only")
        return tuple(sizes)

    def value(self, node: ast.expr, file: SourceFile, depth: int) -> Any:
        """The value of a literal, also one that a constant of the project names."""
        if depth > TOO_DEEP:
            raise UnknownError("too deep")
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=items):
                return tuple(self.value(item, file, depth + 1) for item in items)
            case ast.List(elts=items):
                return [self.value(item, file, depth + 1) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand, file, depth)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                one, other = self.value(left, file, depth + 1), self.value(right, file, depth + 1)
                if not (_small(one) and _small(other)):
                    raise UnknownError("too large")
                try:
                    return _OPERATORS[type(op)](one, other)
                except (TypeError, ValueError, ArithmeticError) as error:
                    raise UnknownError(str(error)) from None
            case ast.Name() if node in file.parameters:
                return self.as_passed(node, file, depth, self.value)
            case ast.Name(id=name) if len(file.bound.get(name, ())) == 1:
                return self.value(file.bound[name][0], file, depth + 1)
            case ast.Name(id=name) if name not in file.bound:
                return self._imported(imported_as(file.tree).get(name, name), file, depth)
            case ast.Attribute(value=inner, attr="shape"):
                return self._made(inner, file, depth + 1)[1]
            case ast.Subscript(value=inner, slice=place):
                return self._item(self.value(inner, file, depth + 1), place, file, depth)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in file.top:
                return self._imported(name, file, depth, imported_as(file.tree).get(module, module))
        raise UnknownError(f"`{ast.unparse(node)}` is known at run time only")

    def _item(self, whole: Any, place: ast.expr, file: SourceFile, depth: int) -> Any:
        """An element, or a slice, of a tuple."""
        try:
            if isinstance(place, ast.Slice) and place.step is None:
                ends = [place.lower, place.upper]
                low, high = (None if e is None else self.value(e, file, depth + 1) for e in ends)
                return whole[low:high]
            return whole[self.value(place, file, depth + 1)]
        except (TypeError, LookupError) as error:
            raise UnknownError(str(error)) from None

    def _number(self, node: ast.expr, file: SourceFile, depth: int) -> Any:
        value = self.value(node, file, depth + 1)
        if isinstance(value, int | float):
            return value
        raise UnknownError(f"`{ast.unparse(node)}` is no number")

    def _imported(self, name: str, file: SourceFile, depth: int, module: str = "") -> Any:
        """A constant of another file, which is called like the module that it comes from."""
        stem = (module or _modules(file.tree).get(name, "")).rpartition(".")[2]
        homes = [each for each in self.files if each.path.stem == stem and name in each.bound]
        if len(homes) == 1 and len(homes[0].bound[name]) == 1:
            return self.value(homes[0].bound[name][0], homes[0], depth + 1)
        raise UnknownError(f"`{name}` is known at run time only")

    def as_passed(
        self,
        node: ast.Name,
        file: SourceFile,
        depth: int,
        read: Callable[[ast.expr, SourceFile, int], _Read],
    ) -> _Read:
        """What a parameter stands for, where all calls of its function say the same.

        Raises:
            UnknownError: they do not, or there are none.
        """
        function = file.parameters[node]
        if depth < TOO_DEEP:
            places = list(self._passed(function, node.id))
            if not places and (default := _default(function, node.id)) is not None:
                places = [(default, file)]
            read_ones = [read(value, home, depth + 1) for value, home in places]
            if read_ones and all(each == read_ones[0] for each in read_ones):
                return read_ones[0]
        raise UnknownError(f"`{node.id}` is known at run time only")

    def _passed(
        self, function: ast.FunctionDef, name: str
    ) -> Iterator[tuple[ast.expr, SourceFile]]:
        """The arguments for a parameter in all calls; its default where it is left out."""
        index = _parameters(function).index(name)
        home = next(f for f in self.files if function in f.functions.get(function.name, ()))
        for file in self.files:
            for call in file.calls_of(function.name):
                named = [k.value for k in call.keywords if k.arg == name]
                starred = any(isinstance(a, ast.Starred) for a in call.args[: index + 1])
                if named:
                    yield named[0], file
                elif index < len(call.args) and not starred:
                    yield call.args[index], file
                elif (default := _default(function, name)) is not None:
                    yield default, home


def _small(value: Any) -> bool:
    return (isinstance(value, int | float) and abs(value) < _TOO_LARGE) or (
        isinstance(value, tuple | list) and len(value) < TOO_DEEP
    )


def _dtype(node: ast.expr | None, usual: str = "float32") -> str:
    match node:
        case None:
            return usual
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)) if (
            name in _DTYPES
        ):
            return name
    raise UnknownError(f"the dtype `{ast.unparse(node)}` is known at run time only")


def imported_as(tree: ast.Module) -> dict[str, str]:
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
