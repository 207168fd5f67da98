"""An abstract interpreter over kinds: what flows where in the whole project."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from linenify.facts import calling, catalogue, lookup, operators
from linenify.facts.binding import Actual
from linenify.facts.classes import ClassInfo, Hierarchy
from linenify.facts.externals import GRADIENTS, LEGACY, canonical, transparent
from linenify.facts.kinds import (
    ARRAY,
    NOTHING,
    Api,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    File,
    Function,
    Instance,
    Legacy,
    Model,
    Module,
    Optimizer,
    Parameter,
    Partial,
    Self,
    Static,
    Transformed,
    Value,
    changed,
    static,
)
from linenify.facts.tables import Readers, Table
from linenify.project.resolve import Imports
from linenify.project.scopes import FunctionNode, Scope, Scopes, all_arguments, defaults_by_name
from linenify.project.source import Project, Source

# Every function body is run once a round, with everything that may flow into
# its parameters; rounds repeat until nothing new flows.  Assignments are not
# ordered: a variable is all that is ever assigned to it.

ROUNDS = 40
DEPTH = 7  # no library nests its names deeper
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
        self.keys: dict[ast.AST, list[Hashable]] = defaultdict(list)  # of `items`, by container
        self.returns: Table[ast.AST] = Table(read)
        self.attributes: Table[tuple[ast.ClassDef, str]] = Table(read)
        self.values: dict[ast.AST, Value] = {}
        self.evidence: dict[tuple[FunctionNode, str], set[tuple[str, str]]] = defaultdict(set)
        self.hints: dict[tuple[FunctionNode, str], set[str]] = defaultdict(set)
        self.actuals: dict[tuple[ast.Call, Module | Model, str], Actual] = {}
        self.decorators: dict[FunctionNode, Value] = {}
        self.applied: dict[ast.expr, ast.Call] = {}  # decorators, as calls
        self.records: dict[ast.Call, ast.ClassDef] = {}  # named tuples, as classes
        self.where: dict[ast.AST, Scope] = {}  # the scope in which a call stands
        self.running: FunctionNode | None = None
        for source in project.sources:
            self._enter(source)

    # --- set-up ----------------------------------------------------------------------

    def _enter(self, source: Source) -> None:
        scopes = self.scopes[source.name]
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

    def _run_all_again(self) -> None:
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
            self._return(code.node, self.eval(code.node.body, scope))
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

    def join(self, table: Table[K], key: K, value: Value) -> None:
        """Adds to a table, and asks for another round when that is news."""
        known = dict.get(table, key, NOTHING)
        if table is self.items and isinstance(key, tuple) and not dict.__contains__(table, key):
            self.keys[key[0]].append(key[1])
            table[key] = known
            self.readers.wrote(self.keys, key[0])
            self.readers.wrote(table, key)
        if not value <= known:
            table[key] = known | value
            self.readers.wrote(table, key)

    def _return(self, node: ast.AST, value: Value) -> None:
        self.join(self.returns, node, value)

    def note(self, value: Value, role: str, hint: str = "") -> None:
        """Evidence: whatever parameters `value` comes from are used as `role`."""
        for atom in value:
            if not isinstance(atom, Parameter):
                continue
            key = (atom.function, atom.name)
            how = "mixed" if atom.mixed else "part" if atom.part else "whole"
            self.evidence[key].add((role, how))
            if hint in {"", "Any"} or how == "mixed" or atom.part == "attribute":
                continue
            self.hints[key].add(f"Sequence[{hint}]" if atom.part == "item" else hint)

    # --- statements ----------------------------------------------------------------------

    def block(self, statements: Iterable[ast.stmt], scope: Scope) -> None:
        """Runs statements in their scope."""
        for statement in statements:
            self.statement(statement, scope)

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        """Runs one statement; the bodies of functions are run on their own."""
        match node:
            case ast.Import():
                for alias in node.names:
                    self._import(alias, scope)
            case ast.ImportFrom():
                self._import_from(node, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define_function(node, scope)
            case ast.ClassDef():
                self._define_class(node, scope)
            case ast.Return(value=value):
                if value is not None and self.running is not None:
                    self._return(self.running, self.eval(value, scope))
            case ast.Assign(targets=targets, value=value):
                result = self.eval(value, scope)
                for target in targets:
                    self.bind(target, result, scope)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.bind(target, self.eval(value, scope), scope)
            case ast.AugAssign(target=target, value=value):
                right = self.eval(value, scope)
                left = self.eval(target, scope)
                self.bind(target, operators.mix(left, right), scope)
            case ast.For() | ast.AsyncFor():
                self.bind(node.target, self.iterate(self.eval(node.iter, scope)), scope)
                self.block(node.body, scope)
                self.block(node.orelse, scope)
            case ast.While() | ast.If():
                self.test(node.test, scope)
                self.block(node.body, scope)
                self.block(node.orelse, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    context = self._enter_context(self.eval(item.context_expr, scope))
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, context, scope)
                self.block(node.body, scope)
            case ast.Try() | ast.TryStar():
                self.block(node.body, scope)
                for handler in node.handlers:
                    if handler.type is not None:
                        self.eval(handler.type, scope)
                    self.block(handler.body, scope)
                self.block(node.orelse, scope)
                self.block(node.finalbody, scope)
            case ast.Assert(test=test, msg=msg):
                self.test(test, scope)
                if msg is not None:
                    self.eval(msg, scope)
            case ast.Match():
                subject = self.eval(node.subject, scope)
                for case_ in node.cases:
                    self._pattern(case_.pattern, subject, scope)
                    if case_.guard is not None:
                        self.test(case_.guard, scope)
                    self.block(case_.body, scope)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.eval(child, scope)

    def _pattern(self, pattern: ast.pattern, subject: Value, scope: Scope) -> None:
        """Binds the names of a pattern: to the subject, or to what is inside it."""
        for node in ast.walk(pattern):
            match node:
                case ast.MatchAs(name=str(name)):
                    held = NOTHING if node is pattern else self.inside(subject)
                    self.assign(scope, name, subject | held)
                case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                    items = [self.iterate(subject)]
                    self.assign(scope, name, operators.make(self, node, "list", items))
                case ast.MatchValue(value=value):
                    types = [a.type for a in self.eval(value, scope) if isinstance(a, Static)]
                    if node is pattern or isinstance(pattern, ast.MatchOr):
                        self.note(subject, "static", types[0] if types else "")

    def _import(self, alias: ast.alias, scope: Scope) -> None:
        if alias.asname is not None:
            self.assign(scope, alias.asname, self.imported(alias.name, scope.source))
            return
        root = alias.name.split(".")[0]
        self.assign(scope, root, self.imported(root, scope.source))

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        home = self.imports.absolute(scope.source, node.module or "", node.level)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(home, scope)
                continue
            name = alias.asname or alias.name
            submodule = self.imports.find(
                f"{home}.{alias.name}" if home else alias.name, scope.source
            )
            origin = self.imports.find(home, scope.source)
            if origin is not None:
                value = self.env.get((self.scopes[origin].module, alias.name), NOTHING)
                self.assign(scope, name, value)
                if not value and submodule is not None:
                    self.assign(scope, name, frozenset({File(submodule)}))
            elif submodule is not None:
                self.assign(scope, name, frozenset({File(submodule)}))
            else:
                self.assign(scope, name, self.external(f"{home}.{alias.name}"))

    def _import_star(self, home: str, scope: Scope) -> None:
        origin = self.imports.find(home, scope.source)
        if origin is not None:
            module = self.scopes[origin].module
            for name in sorted(module.names):
                if not name.startswith("_"):
                    scope.names.add(name)
                    self.assign(scope, name, self.env.get((module, name), NOTHING))
        elif canonical(home).startswith(LEGACY):
            for path in catalogue.EXPORTED:
                scope.names.add(path)
                self.assign(scope, path, self.external(f"{home}.{path}"))

    def imported(self, name: str, importer: Source) -> Value:
        """What `import name` binds."""
        found = self.imports.find(name, importer)
        if found is not None:
            return frozenset({File(found)})
        return self.external(name)

    def external(self, path: str) -> Value:
        """The kind of a name outside the project."""
        path = canonical(path)
        if path.count(".") > DEPTH:  # `node = node.parent`, over and over
            return NOTHING
        if path.startswith(LEGACY + "."):
            entry = catalogue.resolve(path[len(LEGACY) + 1 :])
            if isinstance(entry, catalogue.Layer):
                return frozenset({Module(entry.name, bound=frozenset())})
            if entry is not None:
                return frozenset({External(f"{LEGACY}.{entry.paths[0]}")})
        return frozenset({External(path)})

    def _define_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for default in defaults_by_name(node.args).items():
            value = self.eval(default[1], scope)
            self.assign(self.code[node].scope, default[0], value)
        result: Value = frozenset({Function(node)})
        names: set[Atom] = set()
        for decorator in reversed(node.decorator_list):
            names |= self.eval(decorator, scope)
            result = self._decorate(decorator, result, node, scope)
        known = self.decorators.get(node, NOTHING)
        if not names <= known:
            self.decorators[node] = known | frozenset(names)
            self._run_all_again()
        owner = self.code[node].owner
        if owner is not None:
            owner.decorated[node.name] = self.decorators.get(node, NOTHING)
            return
        self.assign(scope, node.name, result)

    def _decorate(
        self, decorator: ast.expr, decorated: Value, node: ast.AST, scope: Scope
    ) -> Value:
        """What a decorator makes of a function or class."""
        made = NOTHING
        for atom in self.values[decorator]:
            if isinstance(atom, External) and atom.path == f"{LEGACY}.module":
                assert isinstance(node, ast.FunctionDef)
                return frozenset({Module(node)})
            if isinstance(atom, External) and transparent(atom.path) in GRADIENTS:
                return frozenset(Transformed(a, transparent(atom.path) or "") for a in decorated)
            if isinstance(atom, Function | Bound | Partial):
                bare = ast.copy_location(ast.Call(decorator, [], []), decorator)
                place = self.applied.setdefault(decorator, bare)
                made |= calling.apply(self, atom, place, [decorated], [], scope)
        if any(isinstance(a, Transformed) and a.transform in GRADIENTS for a in made):
            return made
        # A decorator that may give back what it got is taken to do just that.
        return decorated if decorated <= made else made | decorated

    def _base(self, base: ast.expr, scope: Scope) -> Value:
        found = operators.element(self, base, scope)
        if not found and isinstance(base, ast.Subscript):
            return self.eval(base.value, scope)  # Generic[T]
        return found

    def _define_class(self, node: ast.ClassDef, scope: Scope) -> None:
        info = self.hierarchy.infos[node]
        bases = [self._base(base, scope) for base in node.bases]
        if bases != info.bases:
            info.bases = bases
            self.hierarchy.changed()
            self._run_all_again()
        self.block(node.body, info.scope)
        kind: Atom = Module(node) if self.hierarchy.is_module(node) else Class(node)
        result: Value = frozenset({kind})
        for decorator in reversed(node.decorator_list):
            self.eval(decorator, scope)
            result = self._decorate(decorator, result, node, scope)
        self.assign(scope, node.name, result)

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assigns to a name, an attribute, an item or a pattern of them."""
        match target:
            case ast.Name(id=name):
                home = scope.lookup(name) or scope
                self.assign(home, name, value)
                self.values[target] = value
            case ast.Starred(value=inner):
                self.bind(inner, operators.make(self, target, "list", [self.iterate(value)]), scope)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                starred = [i for i, e in enumerate(elements) if isinstance(e, ast.Starred)]
                for index, element in enumerate(elements):
                    fixed = not starred or index < starred[0]
                    part = self.item(value, index) if fixed else self._from(value, starred[0])
                    if isinstance(element, ast.Starred):
                        rest = operators.make(self, element, "list", [part])
                        self.bind(element.value, rest, scope)
                        continue
                    self.bind(element, part, scope)
            case ast.Attribute(value=owner, attr=name):
                for atom in self.eval(owner, scope):
                    match atom:
                        case (
                            Self(owner=node)
                            | Instance(node=node)
                            | Class(node=node)
                            | Module(definition=ast.ClassDef() as node)
                        ):
                            self.join(self.attributes, (node, name), value)
                        case Function(node=ast.FunctionDef() as function):
                            self.join(self.items, (function, name), value)
                        case Container(node=made, type="namespace"):
                            self.join(self.items, (made, name), value)
            case ast.Subscript(value=owner, slice=index):
                self.eval(index, scope)
                for atom in self.eval(owner, scope):
                    if isinstance(atom, Container):
                        self.join(self.items, (atom.node, operators.literal(index)), value)

    def _from(self, value: Value, place: int) -> Value:
        """Any element of a tuple from a place on."""
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Container):
                self.readers.read((id(self.keys), atom.node))
                for key in self.keys[atom.node]:
                    if not isinstance(key, int) or key >= place:
                        result |= self.items[atom.node, key]
            else:
                result |= self.item(frozenset({atom}), "*")
        return frozenset(result)

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

    def _enter_context(self, value: Value) -> Value:
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Legacy | Api):
                own = isinstance(atom, Legacy) and atom.type in {"Cache", "Outputs"}
                result.add(atom if own else Legacy("Collection"))
            elif isinstance(atom, Container):  # what a @contextmanager yields
                result |= self.iterate(frozenset({atom}))
        return frozenset(result)

    # --- expressions -----------------------------------------------------------------------

    def eval(self, node: ast.expr, scope: Scope) -> Value:
        """What `node` may be; kept in `values`."""
        value = self._eval(node, scope)
        self.values[node] = value
        return value

    def _eval(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=constant):
                kind = type(constant).__name__.replace("NoneType", "None")
                return self.values.get(node) or static(kind, ast.unparse(node))
            case ast.JoinedStr(values=parts):
                for text in parts:
                    self.note(self.eval(text, scope), "static")
                return static("str")
            case ast.FormattedValue(value=inner):
                return self.eval(inner, scope)
            case ast.Name(id=name):
                return self.name(name, scope)
            case ast.Attribute(value=owner, attr=name):
                return lookup.attribute(self, self.eval(owner, scope), name)
            case ast.Call():
                self.where[node] = scope
                return calling.call_expression(self, node, scope)
            case ast.Subscript(value=owner, slice=index):
                return operators.subscript(self, self.eval(owner, scope), index, scope)
            case ast.BinOp(left=left, op=op, right=right):
                first, second = self.eval(left, scope), self.eval(right, scope)
                return operators.binary(self, first, op, second)
            case ast.UnaryOp(op=op, operand=operand):
                result = self.eval(operand, scope)
                if isinstance(op, ast.Not):
                    self.note(result, "test")
                    return static("bool")
                return result
            case ast.BoolOp(values=parts):
                return frozenset().union(*(self.eval(part, scope) for part in parts))
            case ast.Compare(left=left, comparators=others, ops=ops):
                values = [self.eval(left, scope), *(self.eval(other, scope) for other in others)]
                return operators.compare(self, ops, values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.test(test, scope)
                return self.eval(body, scope) | self.eval(orelse, scope)
            case ast.Lambda():
                for name, default in defaults_by_name(node.args).items():
                    self.assign(self.code[node].scope, name, self.eval(default, scope))
                return frozenset({Function(node)})
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                kind = type(node).__name__.lower()
                return operators.make(
                    self, node, kind, [operators.element(self, e, scope) for e in elements]
                )
            case ast.Dict(keys=keys, values=values_):
                for key, expression in zip(keys, values_, strict=True):
                    item = self.eval(expression, scope)
                    if key is None:
                        operators.spread(self, node, item)
                    else:
                        self.eval(key, scope)
                        self.join(self.items, (node, operators.literal(key)), item)
                return frozenset({Container(node, "dict")})
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return operators.comprehension(self, node, scope)
            case ast.Starred(value=inner):
                return self.eval(inner, scope)
            case ast.NamedExpr(target=target, value=inner):
                result = self.eval(inner, scope)
                self.bind(target, result, scope)
                return result
            case ast.Await(value=inner):
                return self.eval(inner, scope)
            case ast.Yield(value=ast.expr() as inner) if self.running is not None:
                made = operators.make(self, self.running, "list", [self.eval(inner, scope)])
                self._return(self.running, made)
                return NOTHING
            case ast.YieldFrom(value=inner) if self.running is not None:
                items = [self.iterate(self.eval(inner, scope))]
                self._return(self.running, operators.make(self, self.running, "list", items))
                return NOTHING
            case ast.Slice():
                for bound in (node.lower, node.upper, node.step):
                    if bound is not None:
                        self.note(self.eval(bound, scope), "static")
                return static("slice")
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.eval(child, scope)
                return NOTHING

    def name(self, name: str, scope: Scope) -> Value:
        """What a name may be where it is read."""
        home = scope.lookup(name)
        if home is None:
            return frozenset({External(f"builtins.{name}")})
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

    def iterate(self, value: Value) -> Value:
        """Any element of `value`."""
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Container):
                self.readers.read((id(self.keys), atom.node))
                for key in self.keys[atom.node]:
                    result |= self.items[atom.node, key]
            else:
                result |= self.item(frozenset({atom}), "*")
        return frozenset(result)

    def inside(self, value: Value) -> Value:
        """Anything that `value` holds: elements, their elements, attributes."""
        found = self.iterate(value)
        found |= self.iterate(found)
        for atom in value | found:
            if isinstance(atom, Instance):
                for (owner, _), attribute in list(self.attributes.items()):
                    if owner in self.hierarchy.mro(atom.node):
                        found |= attribute
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

    # --- other callees ---------------------------------------------------------------------------
