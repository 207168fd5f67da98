"""Kinds: what a value is, as far as a migration cares."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, lru_cache
from typing import TypeVar, dataclass_transform
from zlib import crc32

from linenify.project.scopes import FunctionNode

T = TypeVar("T")
_OFTEN = 4096  # values that are asked about again and again
_PLACE = "_place"  # an attribute of nodes
_MAKERS = (  # what atoms are told apart by
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Call, ast.arguments),
    *(ast.arg, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp),
    *(ast.GeneratorExp, ast.BinOp, ast.Starred, ast.Subscript),
)

# A value is a set of atoms, "one of these"; the empty set is "unknown".  Atoms
# that stand for code (functions, classes, containers) are keyed by the node
# that makes them, so that there are finitely many and a fixpoint exists.
#
# Atoms hash by what stands in the source, not by addresses or a salt: sets of them are gone
# through in one order in every run, and what is found, or widened, first is always the same.


class _Hashed:
    """Keeps the hash of an atom, which may stand for a chain of others."""

    __slots__ = ("_known",)
    _known: int


@dataclass_transform(frozen_default=True)
def _atom(kind: type[T]) -> type[T]:
    """A frozen dataclass of which sets have the same order in every run."""
    made = dataclass(frozen=True, slots=True)(kind)
    names = tuple(each.name for each in fields(made))  # type: ignore[arg-type]
    seed = _checksum(made.__name__)

    def known_hash(self: _Hashed) -> int:
        try:
            return self._known
        except AttributeError:
            known = hash((seed, *[_number(getattr(self, name)) for name in names]))
            object.__setattr__(self, "_known", known)
            return known

    made.__hash__ = known_hash  # type: ignore[assignment,method-assign]
    return made


def _number(part: object) -> int:
    """A hash that is the same in every run."""
    kind = part.__class__
    if kind is str:
        return _checksum(part)
    if part is None:
        return 0
    if issubclass(kind, ast.AST):
        known = part.__dict__.get(_PLACE)
        return known if known is not None else _place_number(part, "")  # type: ignore[arg-type]
    if kind is tuple:
        return hash(tuple([_number(each) for each in part]))  # type: ignore[attr-defined]
    if kind is frozenset:
        return hash(frozenset([_number(each) for each in part]))  # type: ignore[attr-defined]
    return hash(part)


def set_places(nodes: Iterable[ast.AST], file: str) -> None:
    """Tells nodes where they stand; those of copies of a file would else hash alike."""
    for node in nodes:
        if isinstance(node, _MAKERS):
            node.__dict__[_PLACE] = _place_number(node, file)


def _place_number(node: ast.AST, file: str) -> int:
    placed = node.kwarg or node.vararg if isinstance(node, ast.arguments) else node
    line, column = getattr(placed, "lineno", 0), getattr(placed, "col_offset", 0)
    return hash((_checksum(type(node).__name__), _checksum(file), line, column))


@cache
def _checksum(text: str) -> int:
    return crc32(text.encode(errors="surrogatepass"))


@_atom
class Array(_Hashed):
    """An array, or a pytree of arrays."""

    key: bool = False  # a PRNG key


ANYWHERE = ("*",)  # a path into params of which nothing is known
_DEPTH = 8  # no params nest deeper


@_atom
class Params(Array):
    """The params of a module, or what is found in them under a path of names."""

    module: Module | None = None
    path: tuple[str, ...] = ()

    def below(self, key: str) -> Params:
        """What stands under a key; below a layer there is nothing that has a number."""
        if self.path == ANYWHERE or len(self.path) == _DEPTH:
            return self.somewhere()
        if self.module is not None and isinstance(self.module.definition, str):
            return self.somewhere()
        return replace(self, path=(*self.path, key))

    def somewhere(self) -> Params:
        """The same, when it is no longer told apart which part of the params it is."""
        return replace(self, path=ANYWHERE)


@_atom
class Static(_Hashed):
    """A plain Python value known at trace time."""

    type: str = "Any"  # "int", "float", "bool", "str", "None", "dtype", "initializer", ...
    literal: str | None = None  # its source text, when it is a literal


@_atom
class Parameter(_Hashed):
    """Whatever is passed for one parameter of one function: carries evidence.

    `part` says that the value is an element or attribute of what was passed,
    `mixed` that it was computed from it together with other values.
    """

    function: FunctionNode
    name: str
    part: str = ""  # "", "item" or "attribute"
    mixed: bool = False


@_atom
class Made(_Hashed):
    """An instance of a legacy module class that code in Linen form has made."""

    module: Module


@_atom
class Trained(_Hashed):
    """A TrainState: what a legacy optimizer becomes, in code that is in Linen already."""


@_atom
class External(_Hashed):
    """A name of another library, by its canonical dotted path."""

    path: str


@_atom
class File(_Hashed):
    """A file of the project, as a module object."""

    name: str


@_atom
class Function(_Hashed):
    """A function or lambda of the project."""

    node: FunctionNode


@_atom
class Bound(_Hashed):
    """A plain method of a class, looked up on an instance or on the class."""

    node: FunctionNode
    owner: ast.ClassDef
    drops_first: bool  # whether the receiver is filled in already


@_atom
class Class(_Hashed):
    """A class of the project that is not a module class."""

    node: ast.ClassDef


@_atom
class Instance(_Hashed):
    """An object of such a class."""

    node: ast.ClassDef


@_atom
class Module(_Hashed):
    """A module class, perhaps with arguments bound, perhaps shared.

    Attributes:
        definition: the class or `@nn.module` function of the project, or the
            legacy name of a layer.
        method: the method that a call runs.
        bound: names of the arguments that `.partial` or `.shared` bound.
        shared: whether calls reuse one set of parameters (one instance).
        named: whether a name is bound.
        origin: the innermost `.partial`/`.shared`/`functools.partial` call.
        receiver: how it was reached when through an instance: "self", "shared" or, as the
            module of a Model, "model".
    """

    definition: ast.ClassDef | ast.FunctionDef | str
    method: str = "apply"
    bound: frozenset[str] = frozenset()
    shared: bool = False
    named: bool = False
    origin: ast.Call | None = None
    receiver: str = ""


@_atom
class ModuleApi(_Hashed):
    """A class-level operation of the legacy protocol, such as `M.partial`."""

    module: Module
    name: str


@_atom
class Self(_Hashed):
    """The receiver inside a method of a module class."""

    owner: ast.ClassDef


@_atom
class SelfApi(_Hashed):
    """A method of `nn.Module` reached through the receiver, such as `self.param`."""

    owner: ast.ClassDef
    name: str


@_atom
class Super(_Hashed):
    """What `super()` gives inside a method of a module class."""

    owner: ast.ClassDef


@_atom
class SuperMethod(_Hashed):
    """`super().apply` and the like."""

    owner: ast.ClassDef
    name: str


@_atom
class Model(_Hashed):
    """A legacy `nn.Model`: a module class together with parameters.

    Attributes:
        module: its module class.
        method: the method that a call runs.
        origin: the expression that makes it, e.g. `nn.Model(M, params)`.
        gradient: whether it holds the gradient of a Model.
    """

    module: Module
    method: str = "apply"
    origin: ast.Call | None = None
    gradient: bool = False


@_atom
class OptimizerDef(_Hashed):
    """A legacy optimizer definition, by the call that makes it: `optim.Adam(...)`."""

    node: ast.Call
    name: str
    own: bool = False  # its class is one of the project's


@_atom
class Optimizer(_Hashed):
    """A legacy optimizer, by the call of `create` that makes it.

    Its target and definition are items of that call: "target", "definition".
    """

    created: ast.Call
    replicated: bool = False  # by its own method, which also averages gradients


@_atom
class Api(_Hashed):
    """A method of another legacy object: `optimizer.create`, `model.replace`."""

    receiver: Atom
    name: str


@_atom
class Partial(_Hashed):
    """`functools.partial` of a plain function."""

    function: Atom
    positional: int
    keywords: frozenset[str]


@_atom
class Transformed(_Hashed):
    """A function under a JAX transform such as `jax.vmap`.

    Attributes:
        function: what is transformed.
        transform: e.g. "jit", "grad", "value_and_grad".
        argnums: by which argument a gradient is taken; a tuple for several.
        aux: whether the function gives more than what is differentiated.
    """

    function: Atom
    transform: str
    argnums: int | tuple[int, ...] = 0
    aux: bool = False


@_atom
class Container(_Hashed):
    """A tuple, list, set or dict, by the expression that makes it."""

    node: ast.AST
    type: str


@_atom
class Legacy(_Hashed):
    """An instance of another legacy class: a state scope, a variable, a cache."""

    type: str  # "Collection", "ModuleState", "Cache", "CacheEntry", ...


Atom = (
    Array
    | Static
    | Parameter
    | External
    | File
    | Function
    | Bound
    | Class
    | Instance
    | Module
    | ModuleApi
    | Self
    | SelfApi
    | Super
    | SuperMethod
    | Model
    | OptimizerDef
    | Optimizer
    | Api
    | Partial
    | Transformed
    | Container
    | Legacy
    | Made
    | Trained
)
Value = frozenset[Atom]

NOTHING: Value = frozenset()
ARRAY: Value = frozenset({Array()})
KEY: Value = frozenset({Array(key=True)})


def static(type_: str = "Any", literal: str | None = None) -> Value:
    """The value that is one static of `type_`."""
    return frozenset({Static(type_, literal)})


def changed(module: Module, **changes: object) -> Module:
    """`module` with some of its attributes replaced."""
    return replace(module, **changes)  # type: ignore[arg-type]


def changed_model(model: Model, **changes: object) -> Model:
    """`model` with some of its attributes replaced."""
    return replace(model, **changes)  # type: ignore[arg-type]


@lru_cache(_OFTEN)
def models(value: Value) -> tuple[Model, ...]:
    """The Models that a value may be, in a stable order."""
    found = [atom for atom in value if isinstance(atom, Model)]
    return tuple(sorted(found, key=lambda m: (*repr_key(m.module), m.method, _place(m.origin))))


def _place(call: ast.Call | None) -> tuple[int, int]:
    return (call.lineno, call.col_offset) if call is not None else (0, 0)


@lru_cache(_OFTEN)
def modules(value: Value) -> tuple[Module, ...]:
    """The module classes that a value may be, in a stable order."""
    found = [atom for atom in value if isinstance(atom, Module)]
    return tuple(sorted(found, key=repr_key))


def repr_key(module: Module) -> tuple[str, int, int, str, tuple[str, ...], bool]:
    """A deterministic sort key for module kinds."""
    definition = module.definition
    if isinstance(definition, str):
        return (definition, 0, 0, module.method, tuple(sorted(module.bound)), module.shared)
    return (
        definition.name,
        definition.lineno,
        definition.col_offset,
        module.method,
        tuple(sorted(module.bound)),
        module.shared,
    )


def order_key(part: object) -> tuple[str, ...]:
    """A key that sorts atoms alike in every run; sets have no order of their own."""
    if isinstance(part, ast.AST):
        place = f"{getattr(part, 'lineno', 0):06}:{getattr(part, 'col_offset', 0):04}"
        return (type(part).__name__, str(getattr(part, "name", "")), place)
    if is_dataclass(part):
        inner = (order_key(getattr(part, each.name)) for each in fields(part))
        return (type(part).__name__, *(word for key in inner for word in key))
    if isinstance(part, frozenset):
        return tuple(sorted(map(str, part)))
    return (str(part),)


def known(value: Value) -> Value:
    """A value without what only says that a parameter is passed on."""
    kept = (a for a in value if not isinstance(a, Parameter))
    return frozenset(a for a in kept if not (isinstance(a, Static) and a.type == "None"))


def rivals(value: Value) -> list[Atom]:
    """What, besides a Model, could be called here or asked for params.

    Arrays and containers cannot: where they flow in, only the analysis is
    coarser than the program.
    """
    inert = (Model, Array, Static, Container, Optimizer, Parameter)
    return [a for a in value if not isinstance(a, inert)]
