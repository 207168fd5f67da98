"""What the interpreter knows of a project: its tables, and how they are read and written."""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from linenify.facts.flow.classes import ClassInfo, Hierarchy
from linenify.facts.flow.conditions import Narrowed, Version, assignments
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Atom,
    Container,
    External,
    Instance,
    Model,
    Module,
    Parameter,
    Value,
    set_places,
)
from linenify.facts.flow.managers import Managers
from linenify.facts.flow.origins import Origins, Slot
from linenify.facts.flow.tables import Readers, Table
from linenify.facts.flow.versions import Versions
from linenify.facts.flow.widening import CROWD, Widening
from linenify.facts.legacy import catalogue
from linenify.project.nodes import walk
from linenify.project.resolve import Imports
from linenify.project.scopes import FunctionNode, Scope, Scopes
from linenify.project.source import Project, Source

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Actual:
    """One argument of a call as the interpreter bound it."""

    callee: Module | Model
    parameter: str
    value: Value
    how: str  # "call" (class or partial), "instance" (shared or Model), "bind", "super"
    node: ast.Call


@dataclass(eq=False, slots=True)
class Code:
    """A function or lambda, with where it stands."""

    node: FunctionNode
    source: Source
    scope: Scope
    owner: ClassInfo | None = None  # the class it is a method of
    callers: set[FunctionNode | None] = field(default_factory=set)  # None: top level


class Machine(ABC):
    """The tables of a project, and the questions that they answer."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.scopes = {source.name: Scopes(source) for source in project.sources}
        self.imports = Imports(project)
        self.hierarchy = Hierarchy()
        self.code: dict[FunctionNode, Code] = {}
        self.readers = Readers()
        read = self.readers.read
        self.env: Table[tuple[Scope, str]] = Table(read)  # all that a variable ever is
        self.versions: Table[tuple[ast.AST, str]] = Table(read)  # by what binds it
        self.items: Table[tuple[ast.AST, Hashable]] = Table(read)
        self.keys: dict[ast.AST, list[Any]] = defaultdict(list)  # of `items`, by container
        self.returns: Table[ast.AST] = Table(read)
        self.attributes: Table[tuple[ast.ClassDef, str]] = Table(read)
        self.names: dict[ast.AST, list[Any]] = defaultdict(list)  # of `attributes`, by class
        self.values: dict[ast.AST, Value] = {}
        self.origins = Origins()
        self._absorbed: dict[Hashable, Value] = {}  # by place: what something else stands for
        self.widening = Widening(lambda node: node in self._near)
        self._near: set[ast.AST] = set()  # what is defined in files that name flax
        self.crowded: dict[ast.AST, None] = {}  # containers that the crowd stands for
        self.evidence: Mapping[Slot, set[tuple[str, str]]] = {}
        self.hints: Mapping[Slot, set[str]] = {}
        self.actuals: dict[tuple[ast.Call, Module | Model, str], Actual] = {}
        self.decorators: dict[FunctionNode, Value] = {}
        self.applied: dict[ast.expr, ast.Call] = {}  # decorators, as calls
        self.records: dict[ast.Call, ast.ClassDef] = {}  # named tuples, as classes
        self.made: set[ast.Call] = set()  # calls whose result is run or initialised on the spot
        self.where: dict[ast.AST, Scope] = {}  # the scope in which a call stands
        self.running: FunctionNode | None = None
        self.order = Versions()
        self._answered = False
        self._asking: set[Hashable] = set()  # who has met a test for a class that was not known
        self.unknown: set[tuple[ast.AST, str]] = set()  # assignments of which nothing is known
        passing = Managers(self.scopes, self.imports)
        for source in project.sources:
            self._enter(source)
            self.order.add(self.scopes[source.name], passing.let_through)

    # --- set-up ----------------------------------------------------------------------

    def _enter(self, source: Source) -> None:
        scopes = self.scopes[source.name]
        set_places(walk(source.tree), source.name)
        if "flax" in source.text:
            self._near |= scopes.by_node.keys()
        for node, scope in scopes.by_node.items():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                self.code[node] = Code(node, source, scope)
            elif isinstance(node, ast.ClassDef):
                self.hierarchy.add(ClassInfo(node, source, scope))
        for info in self.hierarchy.infos.values():
            for method in info.methods.values():
                if method in self.code:
                    self.code[method].owner = info

    def run_all_again(self) -> None:
        """After news that no table holds: a class has another base or decorator."""
        self.readers.pending = {*self.project.sources, *self.code.values()}

    def receiver(self, code: Code) -> str:
        """How a method gets its first parameter: "instance", "class" or "static"."""
        for atom in self.decorators.get(code.node, NOTHING):
            match atom:
                case External(path="builtins.staticmethod"):
                    return "static"
                case External(path="builtins.classmethod"):
                    return "class"
        return "instance"

    def is_property(self, method: FunctionNode) -> bool:
        """Whether reading a method runs it."""
        paths = {a.path for a in self.decorators.get(method, NOTHING) if isinstance(a, External)}
        return bool(paths & {"builtins.property", "functools.cached_property"})

    # --- tables ------------------------------------------------------------------------

    def assign(self, scope: Scope, name: str, value: Value, version: ast.AST | None = None) -> None:
        """`name` in `scope` may be `value`, too: where `version` binds it, or as it is passed."""
        home = scope.lookup(name) if name in scope.redirected else scope
        home = home or scope
        self.join(self.env, (home, name), value)
        if name in self.order.tracked.get(home, ()):
            self.join(self.versions, (version or home.node, name), value)

    def hand(self, function: FunctionNode, name: str, value: Value) -> None:
        """A call gives `value` to a parameter; which parameters it came from is kept aside."""
        passed = self.origins.hand((function, name), value)
        self.assign(self.code[function].scope, name, passed)

    def join(self, table: Table[K], key: K, value: Value) -> None:
        """Adds to a table, and asks for another round when that is news."""
        known = dict.get(table, key, NOTHING)
        if (table is self.items or table is self.attributes) and not dict.__contains__(table, key):
            assert isinstance(key, tuple)
            index = self.keys if table is self.items else self.names
            index[key[0]].append(key[1])
            table[key] = known
            self.readers.wrote(index, key[0])
            self.readers.wrote(table, key)
        if value <= known:
            return
        place = (id(table), key)
        if value - known <= self._absorbed.get(place, NOTHING):
            return  # what came before stands for it
        joined = self.origins.bounded(place, self.widening(place, known | value))
        gone = (known | value) - joined
        if gone:
            self._absorbed[place] = self._absorbed.get(place, NOTHING) | gone
        if CROWD in joined:
            self._crowd([a.node for a in gone | value if isinstance(a, Container)])
        if joined == known:
            return
        table[key] = joined
        self.readers.wrote(table, key)
        if table is self.items and isinstance(key, tuple):
            self._share(key[0], value)

    def _crowd(self, containers: Iterable[ast.AST]) -> None:
        """Containers that are not told apart any more hold what any of them holds."""
        for node in [each for each in containers if each not in self.crowded]:
            self.crowded[node] = None
            for _, item in self.held(node):
                self.join(self.items, (CROWD.node, "*"), item)

    def _share(self, container: ast.AST, value: Value) -> None:
        if container is CROWD.node:
            for node in [each for each in self.crowded if each is not container]:
                self.join(self.items, (node, "*"), value)
        elif container in self.crowded:
            self.join(self.items, (CROWD.node, "*"), value)

    def note(self, value: Value, role: str, hint: str = "") -> None:
        """Evidence: whatever parameters `value` comes from are used as `role`."""
        for atom in value:
            if isinstance(atom, Parameter):
                self.origins.note(atom, role, hint)

    def name(self, name: str, scope: Scope) -> Value:
        """What a name may be where it is read."""
        home = scope.lookup(name)
        if home is None:
            made = hasattr(builtins, name)  # else something like `globals()[...] = ...`
            return frozenset({External(f"builtins.{name}")}) if made else NOTHING
        return self.env.get((home, name), NOTHING)

    def read(self, node: ast.Name, scope: Scope) -> Value:
        """What a variable may be at one place in the text."""
        reaching = self.order.reaching.get(node)
        if reaching is None:
            return self.name(node.id, scope)
        home = scope.lookup(node.id)
        assert home is not None
        return self._of_versions(reaching, (home, node.id), frozenset())

    def _of_versions(
        self, versions: Iterable[Version], variable: tuple[Scope, str], met: frozenset[Narrowed]
    ) -> Value:
        found: set[Atom] = set()
        for version in versions:
            if not isinstance(version, Narrowed):
                key = (version, variable[1])
                found |= self.versions.get(key, NOTHING)
                if key in self.unknown:
                    found |= self.env.get(variable, NOTHING)
            elif version not in met:
                came = self._of_versions(version.of, variable, met | {version})
                found |= self.passing(came, version, variable[0])
        return frozenset(found)

    def is_answered(self) -> bool:
        """Whether what is not known by now stays unknown; asked while a test is judged.

        Until then a test for a class that is not known yet lets nothing through.
        """
        if not self._answered and self.readers.current is not None:
            self._asking.add(self.readers.current)
        return self._answered

    def answer(self) -> None:
        """Takes the classes that are not known by now for any class."""
        self._answered = True
        self.readers.pending |= self._asking

    def doubt(self) -> None:
        """Takes assignments of which nothing is known for any of the variable's values."""
        for read, reaching in self.order.reaching.items():
            for version in assignments(reaching):
                key = (version, read.id)
                if isinstance(version, ast.ExceptHandler) or dict.get(self.versions, key, NOTHING):
                    continue
                if key not in self.unknown:
                    self.unknown.add(key)
                    self.readers.wrote(self.versions, key)

    def held(self, container: ast.AST) -> list[tuple[Hashable, Value]]:
        """What a container holds, by key; whoever asks runs again when a key is added."""
        self.readers.read((id(self.keys), container))
        return [(key, self.items[container, key]) for key in self.keys.get(container, ())]

    def iterate(self, value: Value) -> Value:
        """Any element of `value`."""
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Container):
                for _, item in self.held(atom.node):
                    result |= item
            else:
                result |= self.item(frozenset({atom}), "*")
        return frozenset(result)

    def inside(self, value: Value) -> Value:
        """Anything that `value` holds: elements, their elements, attributes."""
        found = self.iterate(value)
        found |= self.iterate(found)
        for atom in value | found:
            if isinstance(atom, Instance):
                for owner in self.hierarchy.mro(atom.node):
                    self.readers.read((id(self.names), owner))
                    for name in self.names.get(owner, ()):
                        found |= self.attributes[owner, name]
        return found

    # --- modules ---------------------------------------------------------------------------

    def signature(
        self, module: Module
    ) -> ast.arguments | catalogue.Layer | catalogue.Method | None:
        """The parameters that a call of `module` is bound to."""
        definition = module.definition
        if isinstance(definition, str):
            layer = catalogue.layer(definition)
            if layer is not None and module.method != "apply":
                return next((m for m in layer.methods if m.name == module.method), None)
            return layer
        function = self.function_of(module)
        if function is not None:
            return function.args
        layer_name = (
            self.hierarchy.layer(definition) if isinstance(definition, ast.ClassDef) else None
        )
        return catalogue.layer(layer_name) if layer_name else None

    def function_of(self, module: Module) -> ast.FunctionDef | None:
        """The project function that a call of `module` runs."""
        definition = module.definition
        if isinstance(definition, ast.FunctionDef):
            return definition
        if isinstance(definition, ast.ClassDef):
            found = self.hierarchy.find(definition, module.method)
            return found[1] if found else None
        return None

    def returned(self, module: Module) -> Value:
        """What running `module` gives."""
        function = self.function_of(module)
        if function is not None:
            return self.returns.get(function, NOTHING) or ARRAY
        return ARRAY

    def positional_names(self, module: Module) -> list[str]:
        """Parameter names by position, receiver left out."""
        parameters = self.signature(module)
        if isinstance(parameters, ast.arguments):
            names = [a.arg for a in [*parameters.posonlyargs, *parameters.args]]
            return names if isinstance(module.definition, ast.FunctionDef) else names[1:]
        if parameters is not None:
            return [argument.name for argument in parameters.arguments]
        return []

    # --- what the interpreter adds -------------------------------------------------------

    @abstractmethod
    def block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Runs statements in their scope."""

    @abstractmethod
    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assigns to a name, an attribute, an item or a pattern of them."""

    @abstractmethod
    def passing(self, value: Value, version: Narrowed, home: Scope) -> Value:
        """The part of a value that a test lets through."""

    @abstractmethod
    def test(self, node: ast.expr, scope: Scope) -> None:
        """Evaluates a condition: what it needs must be known when it is traced."""

    @abstractmethod
    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """What `node` may be; kept in `values`."""

    @abstractmethod
    def apply(
        self,
        atom: Atom,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        scope: Scope,
    ) -> Value:
        """What calling one atom gives."""

    @abstractmethod
    def call_value(
        self, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
    ) -> Value:
        """Calls a value with positional arguments, as a JAX transform would."""

    @abstractmethod
    def item(self, value: Value, key: Hashable) -> Value:
        """The element at `key` (an index, a literal, or "*" for any)."""
