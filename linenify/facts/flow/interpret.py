"""An abstract interpreter over kinds: what flows where in the whole project."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from linenify.facts.flow import calling, expressions, lookup, statements
from linenify.facts.flow.binding import Actual
from linenify.facts.flow.classes import ClassInfo, Hierarchy
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Array,
    Atom,
    Class,
    Container,
    External,
    Instance,
    Legacy,
    Model,
    Module,
    Optimizer,
    Parameter,
    Self,
    Static,
    Value,
    changed,
)
from linenify.facts.flow.origins import Origins, Slot
from linenify.facts.flow.tables import Readers, Table
from linenify.facts.flow.widening import CROWD, Widening
from linenify.facts.legacy import catalogue
from linenify.project.resolve import Imports
from linenify.project.scopes import FunctionNode, Scope, Scopes, all_arguments
from linenify.project.source import Project, Source

# Every function body is run once a round, with everything that may flow into
# its parameters; rounds repeat until nothing new flows.  Assignments are not
# ordered: a variable is all that is ever assigned to it.

ROUNDS = 40
K = TypeVar("K", bound=Hashable)


@dataclass(eq=False, slots=True)
class Code:
    """A function or lambda, with where it stands."""

    node: FunctionNode
    source: Source
    scope: Scope
    owner: ClassInfo | None = None  # the class it is a method of
    callers: set[FunctionNode | None] = field(default_factory=set)  # None: top level


class Interpreter:
    """Runs the project to a fixpoint; afterwards the tables are complete."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.scopes = {source.name: Scopes(source) for source in project.sources}
        self.imports = Imports(project)
        self.hierarchy = Hierarchy()
        self.code: dict[FunctionNode, Code] = {}
        self.readers = Readers()
        read = self.readers.read
        self.env: Table[tuple[Scope, str]] = Table(read)
        self.items: Table[tuple[ast.AST, Hashable]] = Table(read)
        self.keys: dict[ast.AST, list[Any]] = defaultdict(list)  # of `items`, by container
        self.returns: Table[ast.AST] = Table(read)
        self.attributes: Table[tuple[ast.ClassDef, str]] = Table(read)
        self.names: dict[ast.AST, list[Any]] = defaultdict(list)  # of `attributes`, by class
        self.values: dict[ast.AST, Value] = {}
        self.origins = Origins()
        self.widening = Widening(lambda node: node in self._near)
        self._near: set[ast.AST] = set()  # what is defined in files that name flax
        self.crowded: set[ast.AST] = set()  # containers that the crowd stands for
        self.evidence: Mapping[Slot, set[tuple[str, str]]] = {}
        self.hints: Mapping[Slot, set[str]] = {}
        self.actuals: dict[tuple[ast.Call, Module | Model, str], Actual] = {}
        self.decorators: dict[FunctionNode, Value] = {}
        self.applied: dict[ast.expr, ast.Call] = {}  # decorators, as calls
        self.records: dict[ast.Call, ast.ClassDef] = {}  # named tuples, as classes
        self.made: set[ast.Call] = set()  # calls whose result is run or initialised on the spot
        self.where: dict[ast.AST, Scope] = {}  # the scope in which a call stands
        self.running: FunctionNode | None = None
        for source in project.sources:
            self._enter(source)

    # --- set-up ----------------------------------------------------------------------

    def _enter(self, source: Source) -> None:
        scopes = self.scopes[source.name]
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

    def run(self) -> None:
        """Runs files and functions until none has read anything that changed since."""
        units: list[Source | Code] = [*self.project.sources, *self.code.values()]
        self.readers.pending = set(units)
        for _ in range(ROUNDS):
            due = [unit for unit in units if unit in self.readers.pending]
            if not due:
                break
            for unit in due:
                self.readers.pending.discard(unit)
                self._run_unit(unit)
        self._forget_stale()
        self.evidence, self.hints = self.origins.evidence()

    def _forget_stale(self) -> None:
        """Drops partials that were seen before all keys of their `**splat` were known."""
        every = {a for value in self.values.values() for a in value if isinstance(a, Module)}
        stale = {
            atom
            for atom in every
            if atom.origin is not None
            and any(keyword.arg is None for keyword in atom.origin.keywords)
            and any(changed(atom, bound=b.bound) == b and atom.bound < b.bound for b in every)
        }
        if not stale:
            return
        tables: list[dict[Any, Value]] = [self.values, self.env, self.items]
        for table in [*tables, self.attributes, self.returns]:
            for key, value in list(table.items()):
                kept = frozenset(a for a in value if getattr(a, "module", a) not in stale)
                if len(kept) < len(value):
                    table[key] = kept

    def _run_unit(self, unit: Source | Code) -> None:
        self.readers.current = unit
        if isinstance(unit, Source):
            self.running = None
            self.block(unit.tree.body, self.scopes[unit.name].module)
        else:
            self._run_function(unit)

    def run_all_again(self) -> None:
        """After news that no table holds: a class has another base or decorator."""
        self.readers.pending = {*self.project.sources, *self.code.values()}

    def _run_function(self, code: Code) -> None:
        self.running = code.node
        scope = code.scope
        for name in self._tracked(code):
            self.assign(scope, name, frozenset({Parameter(code.node, name)}))
        arguments = code.node.args
        if arguments.kwarg is not None:
            self.assign(scope, arguments.kwarg.arg, frozenset({Container(arguments, "dict")}))
        if arguments.vararg is not None:
            self.assign(
                scope, arguments.vararg.arg, frozenset({Container(arguments.vararg, "tuple")})
            )
        owner = code.owner
        positional = [*arguments.posonlyargs, *arguments.args]
        kind = self.receiver(code)
        if owner is not None and positional and kind != "static":
            receiver: Value
            if self.hierarchy.is_module(owner.node):
                lines = [owner.node, *self.hierarchy.descendants(owner.node)]
                if kind == "class":
                    receiver = frozenset(Module(node) for node in lines)
                else:
                    receiver = frozenset({Self(owner.node)})
            else:
                lines = [owner.node, *self.hierarchy.descendants(owner.node)]
                mixed, own = (Module, Class) if kind == "class" else (Self, Instance)
                receiver = frozenset(
                    (mixed if self.hierarchy.is_module(node) else own)(node) for node in lines
                )
            self.assign(scope, positional[0].arg, receiver)
        if isinstance(code.node, ast.Lambda):
            self.join(self.returns, code.node, self.eval(code.node.body, scope))
        else:
            self.block(code.node.body, scope)

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

    def _tracked(self, code: Code) -> Iterable[str]:
        names = [argument.arg for argument in all_arguments(code.node.args)]
        if code.owner is not None and self.receiver(code) != "static":
            names = names[1:]
        for special in (code.node.args.vararg, code.node.args.kwarg):
            if special is not None and special.arg in names:
                names.remove(special.arg)
        return names

    # --- tables ------------------------------------------------------------------------

    def assign(self, scope: Scope, name: str, value: Value) -> None:
        """`name` in `scope` may be `value`, too."""
        home = scope.lookup(name) if name in scope.redirected else scope
        self.join(self.env, (home or scope, name), value)

    def hand(self, function: FunctionNode, name: str, value: Value) -> None:
        """A call gives `value` to a parameter; which parameters it came from is kept aside."""
        passed = self.origins.hand((function, name), value)
        self.assign(self.code[function].scope, name, passed)

    def join(self, table: Table[K], key: K, value: Value) -> None:
        """Adds to a table, and asks for another round when that is news."""
        known = dict.get(table, key, NOTHING)
        if isinstance(key, tuple) and table is not self.env and not dict.__contains__(table, key):
            index = self.keys if table is self.items else self.names
            index[key[0]].append(key[1])
            table[key] = known
            self.readers.wrote(index, key[0])
            self.readers.wrote(table, key)
        if value <= known:
            return
        place = (id(table), key)
        joined = self.origins.bounded(place, self.widening(place, known | value))
        if CROWD in joined:
            self._crowd({a.node for a in value if isinstance(a, Container)})
        if joined == known:
            return
        table[key] = joined
        self.readers.wrote(table, key)
        if table is self.items and isinstance(key, tuple):
            self._share(key[0], value)

    def _crowd(self, containers: set[ast.AST]) -> None:
        """Containers that are not told apart any more hold what any of them holds."""
        for node in containers - self.crowded:
            self.crowded.add(node)
            for _, item in self.held(node):
                self.join(self.items, (CROWD.node, "*"), item)

    def _share(self, container: ast.AST, value: Value) -> None:
        if container is CROWD.node:
            for node in self.crowded - {container}:
                self.join(self.items, (node, "*"), value)
        elif container in self.crowded:
            self.join(self.items, (CROWD.node, "*"), value)

    def note(self, value: Value, role: str, hint: str = "") -> None:
        """Evidence: whatever parameters `value` comes from are used as `role`."""
        for atom in value:
            if isinstance(atom, Parameter):
                self.origins.note(atom, role, hint)

    # --- statements ----------------------------------------------------------------------

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Runs statements in their scope."""
        for statement in body:
            statements.run(self, statement, scope)

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assigns to a name, an attribute, an item or a pattern of them."""
        statements.bind(self, target, value, scope)

    def test(self, node: ast.expr, scope: Scope) -> None:
        """Evaluates a condition: what it needs must be known when it is traced."""
        value = self.eval(node, scope)
        match node:
            case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
                return
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.test(operand, scope)
            case ast.BoolOp(values=values):
                for part in values:
                    self.test(part, scope)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self.note(value, "test")
            case _:
                self.note(value, "static")

    # --- expressions -----------------------------------------------------------------------

    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """What `node` may be; kept in `values`."""
        value = expressions.evaluate(self, node, scope)
        self.values[node] = value
        return value

    def apply(
        self,
        atom: Atom,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        scope: Scope,
    ) -> Value:
        """What calling one atom gives."""
        return calling.apply(self, atom, node, positional, keywords, scope)

    def call_value(
        self, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
    ) -> Value:
        """Calls a value with positional arguments, as a JAX transform would."""
        return calling.call_value(self, function, arguments, node, scope)

    def name(self, name: str, scope: Scope) -> Value:
        """What a name may be where it is read."""
        home = scope.lookup(name)
        if home is None:
            made = hasattr(builtins, name)  # else something like `globals()[...] = ...`
            return frozenset({External(f"builtins.{name}")}) if made else NOTHING
        return self.env.get((home, name), NOTHING)

    def item(self, value: Value, key: Hashable) -> Value:
        """The element at `key` (an index, a literal, or "*" for any)."""
        result: set[Atom] = set()
        for atom in value:
            match atom:
                case Container(node=node):
                    if key == "*" or (node, key) not in self.items:
                        result |= self.iterate(frozenset({atom}))
                    else:
                        result |= self.items[node, key] | self.items.get((node, "*"), NOTHING)
                case Array():
                    result.add(atom)
                case Parameter():
                    keyed = atom.part != "" or (isinstance(key, str) and key != "*")
                    part = "attribute" if keyed else "item"
                    result.add(Parameter(atom.function, atom.name, part, atom.mixed))
                case Static(type="shape"):
                    result.add(Static("int"))
                case Static():
                    result.add(Static())
                case Instance(node=record) if self._protocol(record):
                    result |= self._protocol(record)
                case Instance(node=record):  # a named tuple
                    names = lookup.fields(record)
                    if isinstance(key, int) and 0 <= key < len(names):
                        names = [names[key]]
                    for name in names:
                        result |= lookup.object_attribute(self, atom, record, name)
                case Model() | Module() | Optimizer() | Legacy():
                    pass
        return frozenset(result)

    def _protocol(self, node: ast.ClassDef) -> Value:
        """What an object of the project gives when it is indexed or iterated over."""
        result = NOTHING
        for name in ("__getitem__", "__iter__", "__next__"):
            found = self.hierarchy.find(node, name)
            if found is not None:
                given = self.returns.get(found[1], NOTHING)
                if name == "__iter__":  # which may be the object itself
                    given = self.iterate(frozenset(a for a in given if isinstance(a, Container)))
                result |= given
        return result

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
