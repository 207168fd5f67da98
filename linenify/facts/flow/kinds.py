"""Kinds: what a value is, as far as a migration cares."""

from __future__ import annotations

import ast
from dataclasses import dataclass, fields, is_dataclass, replace

from linenify.project.scopes import FunctionNode

# A value is a set of atoms, "one of these"; the empty set is "unknown".  Atoms
# that stand for code (functions, classes, containers) are keyed by the node
# that makes them, so that there are finitely many and a fixpoint exists.


@dataclass(frozen=True, slots=True)
class Array:
    """An array, or a pytree of arrays."""

    key: bool = False  # a PRNG key


ANYWHERE = ("*",)  # a path into params of which nothing is known
_DEPTH = 8  # no params nest deeper


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Static:
    """A plain Python value known at trace time."""

    type: str = "Any"  # "int", "float", "bool", "str", "None", "dtype", "initializer", ...
    literal: str | None = None  # its source text, when it is a literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """Whatever is passed for one parameter of one function: carries evidence.

    `part` says that the value is an element or attribute of what was passed,
    `mixed` that it was computed from it together with other values.
    """

    function: FunctionNode
    name: str
    part: str = ""  # "", "item" or "attribute"
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """An instance of a legacy module class that code in Linen form has made."""

    module: Module


@dataclass(frozen=True, slots=True)
class Trained:
    """A TrainState: what a legacy optimizer becomes, in code that is in Linen already."""


@dataclass(frozen=True, slots=True)
class External:
    """A name of another library, by its canonical dotted path."""

    path: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of the project, as a module object."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda of the project."""

    node: FunctionNode


@dataclass(frozen=True, slots=True)
class Bound:
    """A plain method of a class, looked up on an instance or on the class."""

    node: FunctionNode
    owner: ast.ClassDef
    drops_first: bool  # whether the receiver is filled in already


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project that is not a module class."""

    node: ast.ClassDef


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of such a class."""

    node: ast.ClassDef


@dataclass(frozen=True, slots=True)
class Module:
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


@dataclass(frozen=True, slots=True)
class ModuleApi:
    """A class-level operation of the legacy protocol, such as `M.partial`."""

    module: Module
    name: str


@dataclass(frozen=True, slots=True)
class Self:
    """The receiver inside a method of a module class."""

    owner: ast.ClassDef


@dataclass(frozen=True, slots=True)
class SelfApi:
    """A method of `nn.Module` reached through the receiver, such as `self.param`."""

    owner: ast.ClassDef
    name: str


@dataclass(frozen=True, slots=True)
class Super:
    """What `super()` gives inside a method of a module class."""

    owner: ast.ClassDef


@dataclass(frozen=True, slots=True)
class SuperMethod:
    """`super().apply` and the like."""

    owner: ast.ClassDef
    name: str


@dataclass(frozen=True, slots=True)
class Model:
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


@dataclass(frozen=True, slots=True)
class OptimizerDef:
    """A legacy optimizer definition, by the call that makes it: `optim.Adam(...)`."""

    node: ast.Call
    name: str
    own: bool = False  # its class is one of the project's


@dataclass(frozen=True, slots=True)
class Optimizer:
    """A legacy optimizer, by the call of `create` that makes it.

    Its target and definition are items of that call: "target", "definition".
    """

    created: ast.Call
    replicated: bool = False  # by its own method, which also averages gradients


@dataclass(frozen=True, slots=True)
class Api:
    """A method of another legacy object: `optimizer.create`, `model.replace`."""

    receiver: Atom
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """`functools.partial` of a plain function."""

    function: Atom
    positional: int
    keywords: frozenset[str]


@dataclass(frozen=True, slots=True)
class Transformed:
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


@dataclass(frozen=True, slots=True)
class Container:
    """A tuple, list, set or dict, by the expression that makes it."""

    node: ast.AST
    type: str


@dataclass(frozen=True, slots=True)
class Legacy:
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


def models(value: Value) -> tuple[Model, ...]:
    """The Models that a value may be, in a stable order."""
    found = [atom for atom in value if isinstance(atom, Model)]
    return tuple(sorted(found, key=lambda m: (*repr_key(m.module), m.method, _place(m.origin))))


def _place(call: ast.Call | None) -> tuple[int, int]:
    return (call.lineno, call.col_offset) if call is not None else (0, 0)


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
