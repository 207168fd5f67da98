"""What a project says about the inputs of its module classes, by its facts.

`init_by_shape`, `create_by_shape`, `init` and `create` name a class, its
hyper-parameters and the shapes of its inputs.  Whatever of that is a constant,
in the same file or in another one, is read here; nothing is run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import Container, External, Module, ModuleApi, Static
from linenify.project.scopes import Scope
from linenify.project.source import Project, Source
from linenify.verify.notation import DTYPES
from linenify.verify.request import Request

Definition = ast.ClassDef | ast.FunctionDef

_BY_SHAPE = ("init_by_shape", "create_by_shape")
_BY_VALUE = ("init", "create")
_FILLED = {"ones", "zeros", "empty"}
_DRAWN = {"jax.random.normal", "jax.random.uniform"}
_SHORT = {name: short for short, name in DTYPES.items()} | {"bool_": "bool"}
_KNOWN_EVERYWHERE = {"jax.numpy": "jnp", "jax": "jax", "numpy": "np"}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_TOO_DEEP = 8


class _UnknownError(Exception):
    """Known when the program runs, not before."""


@dataclass(frozen=True)
class ModuleClass:
    """A module class, or `@nn.module` function, at the top of a file.

    Attributes:
        source: its file.
        node: its definition.
        apply: its method, perhaps inherited; the function itself.
        owner: what `apply` was defined in.
    """

    source: Source
    node: Definition
    apply: ast.FunctionDef
    owner: Definition


class Shapes:
    """The module classes of a project, and how it initialises them."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._flow = Interpreter(project)
        self._flow.run()
        self._requests: dict[Definition, Request] = {}
        for call, scope in self._flow.where.items():
            if isinstance(call, ast.Call):
                for definition, request in self._initialised(call, scope):
                    self._requests.setdefault(definition, request)

    def classes(self) -> Iterator[ModuleClass]:
        """All of them, file by file."""
        hierarchy = self._flow.hierarchy
        for source in self._project.sources:
            for node in source.tree.body:
                if isinstance(node, ast.FunctionDef) and self._is_module_function(node, source):
                    yield ModuleClass(source, node, node, node)
                elif isinstance(node, ast.ClassDef) and hierarchy.is_module(node):
                    for owner in hierarchy.mro(node):
                        if apply := hierarchy.infos[owner].methods.get("apply"):
                            yield ModuleClass(source, node, apply, owner)
                            break

    def _is_module_function(self, node: ast.FunctionDef, source: Source) -> bool:
        value = self._flow.env.get((self._flow.scopes[source.name].module, node.name), frozenset())
        return any(isinstance(atom, Module) and atom.definition is node for atom in value)

    def request(self, node: Definition) -> Request | None:
        """How the project itself initialises a class, as far as that is constant."""
        return self._requests.get(node)

    def used_by(self, node: Definition) -> set[Definition]:
        """The classes of the project that a class calls, directly or through others."""
        found: set[Definition] = set()
        waiting = [node]
        while waiting:
            body = ast.Module(waiting.pop().body, [])  # a base class is no part
            for inner in ast.walk(body):
                for atom in self._flow.values.get(inner, frozenset()):
                    definition = atom.definition if isinstance(atom, Module) else ""
                    if not isinstance(definition, str) and definition not in found:
                        found.add(definition)
                        waiting.append(definition)
        return found - {node}

    def _initialised(self, call: ast.Call, scope: Scope) -> Iterator[tuple[Definition, Request]]:
        if not isinstance(call.func, ast.Attribute):
            return
        apis = [
            atom
            for atom in self._flow.values.get(call.func, frozenset())
            if isinstance(atom, ModuleApi) and atom.name in (*_BY_SHAPE, *_BY_VALUE)
        ]
        # A name that is bound again holds what it was before, too: the fullest one is meant.
        apis.sort(key=lambda atom: -len(atom.module.bound))
        for api in apis:
            definition = api.module.definition
            if isinstance(definition, str) or api.module.method != "apply":
                continue
            try:
                inputs = self._inputs(api.name, call.args[1:], scope)
                given = [*self._bound(api.module), *call.keywords]
                named, settings = self._keywords(given, definition, scope)
            except _UnknownError:
                continue
            yield definition, Request(inputs=[*inputs, *named], settings=settings)

    # --- inputs -----------------------------------------------------------------------

    def _inputs(self, api: str, arguments: list[ast.expr], scope: Scope) -> list[str]:
        if api in _BY_VALUE:
            return [self._array(each, scope) for each in arguments]
        if len(arguments) != 1:
            raise _UnknownError
        return [self._spec(each, scope) for each in self._elements(arguments[0])]

    def _spec(self, node: ast.expr, scope: Scope) -> str:
        """`(shape, dtype)`, or a shape alone."""
        display = self._display(node)
        parts = display.elts if isinstance(display, ast.Tuple) else []
        if len(parts) == 2 and (dtype := self._dtype(parts[1])):
            return self._notation(parts[0], dtype, scope)
        return self._notation(node, "f32", scope)

    def _array(self, node: ast.expr, scope: Scope) -> str:
        """`jnp.ones(shape, dtype)` and its likes."""
        node = self._assigned(node, scope)
        if not isinstance(node, ast.Call):
            raise _UnknownError
        keywords = {each.arg: each.value for each in node.keywords}
        path = self._external(node.func)
        if path in _DRAWN:
            shape = keywords.get("shape") or next(iter(node.args[1:2]), None)
            kind = keywords.get("dtype") or next(iter(node.args[2:3]), None)
        elif path.rpartition(".")[0] in ("jax.numpy", "numpy") and path.split(".")[-1] in _FILLED:
            shape = keywords.get("shape") or next(iter(node.args[:1]), None)
            kind = keywords.get("dtype") or next(iter(node.args[1:2]), None)
        else:
            raise _UnknownError
        dtype = "f32" if kind is None else self._dtype(kind)
        if shape is None or not dtype or (path in _DRAWN and len(node.args) > 3):
            raise _UnknownError
        return self._notation(shape, dtype, scope)

    def _notation(self, shape: ast.expr, dtype: str, scope: Scope) -> str:
        sizes = self._constant(shape, scope)
        if isinstance(sizes, int):
            sizes = (sizes,)
        if not isinstance(sizes, tuple) or not all(type(size) is int for size in sizes):
            raise _UnknownError
        return f"{dtype}[{','.join(map(str, sizes))}]"

    def _dtype(self, node: ast.expr) -> str:
        name = self._external(node).rpartition(".")[2]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
        short = _SHORT.get(name, "")
        return "f32" if short == "f64" else short  # JAX makes it single

    # --- hyper-parameters -------------------------------------------------------------

    def _bound(self, module: Module, depth: int = 0) -> list[ast.keyword]:
        """What `.partial` and `.shared` have bound, the innermost first."""
        origin = module.origin
        if origin is None:
            return []
        if depth > _TOO_DEEP:
            raise _UnknownError
        if isinstance(origin.func, ast.Attribute) and not origin.args:
            inner: ast.expr = origin.func.value
        elif self._external(origin.func) == "functools.partial" and len(origin.args) == 1:
            inner = origin.args[0]
        else:
            raise _UnknownError
        wanted = module.bound - {each.arg for each in origin.keywords}
        for atom in self._flow.values.get(inner, frozenset()):
            if (
                isinstance(atom, Module)
                and atom.definition is module.definition
                and wanted <= atom.bound
                and atom.origin is not origin
            ):
                return [*self._bound(atom, depth + 1), *origin.keywords]
        raise _UnknownError

    def _keywords(
        self, given: list[ast.keyword], definition: Definition, scope: Scope
    ) -> tuple[list[str], list[str]]:
        """Inputs by name, and settings as `--set` has them."""
        inputs: dict[str, str] = {}
        settings: dict[str, str] = {}
        for each in given:
            if each.arg is None:
                raise _UnknownError
            if each.arg == "name":
                continue
            try:
                settings[each.arg] = f"{each.arg}={self._constant(each.value, scope)!r}"
            except _UnknownError:
                if text := self._expression(each.value, definition):
                    settings[each.arg] = f"{each.arg}=={text}"
                else:
                    inputs[each.arg] = f"{each.arg}={self._array(each.value, scope)}"
        return list(inputs.values()), list(settings.values())

    def _expression(self, node: ast.expr, definition: Definition) -> str:
        """An expression as the file of the class would write it; "" if it cannot."""
        home = next(s for s in self._project.sources if definition in s.tree.body)
        if path := self._external(node):
            for length in range(path.count(".") + 1, 0, -1):
                owner = ".".join(path.split(".")[:length])
                rest = path.removeprefix(owner)
                if alias := self._alias(owner, home) or _KNOWN_EVERYWHERE.get(owner):
                    return alias + rest
            return ""
        here = any(inner is node for inner in ast.walk(home.tree))
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        module = self._flow.scopes[home.name].module
        known = {name for scope, name in self._flow.env if scope is module}
        inner_names = isinstance(node, ast.Lambda)
        return ast.unparse(node) if here and names <= known and not inner_names else ""

    def _alias(self, path: str, home: Source) -> str:
        module = self._flow.scopes[home.name].module
        for (scope, name), value in self._flow.env.items():
            if scope is module and value == frozenset({External(path)}):
                return name
        return ""

    # --- constants --------------------------------------------------------------------

    def _external(self, node: ast.expr) -> str:
        """The dotted path of another library's name; "" if it is none."""
        value = self._flow.values.get(node, frozenset())
        if len(value) == 1:
            [atom] = value
            if isinstance(atom, External):
                return atom.path
        return ""

    def _elements(self, node: ast.expr) -> list[ast.expr]:
        node = self._display(node)
        if not isinstance(node, ast.Tuple | ast.List):
            raise _UnknownError
        if any(isinstance(each, ast.Starred) for each in node.elts):
            raise _UnknownError
        return node.elts

    def _display(self, node: ast.expr) -> ast.expr:
        """The tuple or list that a name stands for."""
        value = self._flow.values.get(node, frozenset())
        if not isinstance(node, ast.Tuple | ast.List) and len(value) == 1:
            [atom] = value
            if isinstance(atom, Container) and isinstance(atom.node, ast.Tuple | ast.List):
                return atom.node
        return node

    def _constant(self, node: ast.expr, scope: Scope) -> Any:
        node = self._display(node)
        match node:
            case ast.Constant(value=value) if not isinstance(value, bytes):
                return value
            case ast.Tuple(elts=items):
                return tuple(self._constant(item, scope) for item in items)
            case ast.List(elts=items):
                return [self._constant(item, scope) for item in items]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._constant(operand, scope)
            case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _OPERATORS:
                try:
                    first, second = self._constant(left, scope), self._constant(right, scope)
                    return _OPERATORS[type(kind)](first, second)
                except (TypeError, ArithmeticError) as error:
                    raise _UnknownError from error
        literals = {
            atom.literal
            for atom in self._flow.values.get(node, frozenset())
            if isinstance(atom, Static)
        }
        if len(literals) != 1 or None in literals:
            raise _UnknownError
        return ast.literal_eval(str(literals.pop()))

    def _assigned(self, node: ast.expr, scope: Scope) -> ast.expr:
        """What was assigned to a local or global name, if that happened once."""
        if not isinstance(node, ast.Name):
            return node
        home = scope.lookup(node.id)
        codes = [each.node for each in self._flow.code.values() if each.scope is home]
        trees = [s.tree for s in self._project.sources if self._flow.scopes[s.name].module is home]
        values = [
            each.value
            for tree in (*codes, *trees)
            for each in ast.walk(tree)
            if isinstance(each, ast.Assign)
            and [ast.unparse(target) for target in each.targets] == [node.id]
        ]
        if len(values) != 1:
            raise _UnknownError
        return values[0]
