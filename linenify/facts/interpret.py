"""An abstract interpreter over kinds: what flows where in the whole project."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from linenify.facts import arrays, catalogue
from linenify.facts.classes import ClassInfo, Hierarchy
from linenify.facts.externals import LEGACY, canonical, transparent
from linenify.facts.kinds import (
    ARRAY,
    KEY,
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
    ModuleApi,
    Optimizer,
    Parameter,
    Partial,
    Self,
    SelfApi,
    Static,
    Super,
    SuperMethod,
    Transformed,
    Value,
    static,
)
from linenify.project.resolve import Imports
from linenify.project.scopes import FunctionNode, Scope, Scopes, all_arguments, defaults_by_name
from linenify.project.source import Project, Source

# Every function body is run once a round, with everything that may flow into
# its parameters; rounds repeat until nothing new flows.  Assignments are not
# ordered: a variable is all that is ever assigned to it.

ROUNDS = 40
K = TypeVar("K")
MODULE_API = frozenset(
    ["partial", "shared", "init", "init_by_shape", "create", "create_by_shape", "call", "apply", "new"]
)
# What only legacy collections and caches understand.
CACHE_API = frozenset({"retrieve", "store", "mutate", "initialize_cache"})
SELF_API = frozenset(
    ["param", "get_param", "state", "is_initializing", "is_stateful", "get_state", "name", "params", "module"]
)


@dataclass(eq=False, slots=True)
class Code:
    """A function or lambda, with where it stands."""

    node: FunctionNode
    source: Source
    scope: Scope
    owner: ClassInfo | None = None  # the class it is a method of
    callers: set[FunctionNode | None] = field(default_factory=set)  # None: top level


@dataclass(frozen=True, slots=True)
class Actual:
    """One argument of a call as the interpreter bound it."""

    callee: Module | Model
    parameter: str
    value: Value
    how: str  # "call" (class or partial), "instance" (shared or Model), "bind", "super"
    node: ast.Call


class Interpreter:
    """Runs the project to a fixpoint; afterwards the tables are complete."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.scopes = {source.name: Scopes(source) for source in project.sources}
        self.imports = Imports(project)
        self.hierarchy = Hierarchy()
        self.code: dict[FunctionNode, Code] = {}
        self.env: dict[tuple[Scope, str], Value] = {}
        self.items: dict[tuple[ast.AST, object], Value] = {}
        self.returns: dict[ast.AST, Value] = {}
        self.attributes: dict[tuple[ast.ClassDef, str], Value] = {}
        self.targets: dict[ast.AST, Value] = {}  # optimizer -> what it optimises
        self.values: dict[ast.AST, Value] = {}
        self.evidence: dict[tuple[FunctionNode, str], set[tuple[str, str]]] = defaultdict(set)
        self.hints: dict[tuple[FunctionNode, str], set[str]] = defaultdict(set)
        self.actuals: dict[tuple[ast.Call, Module | Model, str], Actual] = {}
        self.decorators: dict[FunctionNode, Value] = {}
        self.where: dict[ast.AST, Scope] = {}  # the scope in which a call stands
        self._changed = False
        self._function: FunctionNode | None = None
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
        """Repeats rounds until nothing changes."""
        for _ in range(ROUNDS):
            self._changed = False
            for source in self.project.sources:
                scope = self.scopes[source.name].module
                self._function = None
                self.block(source.tree.body, scope)
            for code in self.code.values():
                self._run_function(code)
            if not self._changed:
                return

    def _run_function(self, code: Code) -> None:
        self._function = code.node
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
                receiver = frozenset(
                    {Class(owner.node) if kind == "class" else Instance(owner.node)}
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
        self._join(self.env, (scope, name), value)

    def _join(self, table: dict[K, Value], key: K, value: Value) -> None:
        known = table.get(key, NOTHING)
        if not value <= known:
            table[key] = known | value
            self._changed = True

    def _return(self, node: ast.AST, value: Value) -> None:
        self._join(self.returns, node, value)

    def note(self, value: Value, role: str, hint: str = "") -> None:
        """Evidence: whatever parameters `value` comes from are used as `role`."""
        for atom in value:
            if not isinstance(atom, Parameter):
                continue
            key = (atom.function, atom.name)
            how = "mixed" if atom.mixed else "part" if atom.part else "whole"
            if (role, how) not in self.evidence[key]:
                self.evidence[key].add((role, how))
                self._changed = True
            if hint and hint != "Any" and how == "whole" and hint not in self.hints[key]:
                self.hints[key].add(hint)

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
                if value is not None and self._function is not None:
                    self._return(self._function, self.eval(value, scope))
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
                self.bind(target, self._mix(left, right), scope)
            case ast.For() | ast.AsyncFor():
                self.bind(node.target, self.iterate(self.eval(node.iter, scope)), scope)
                self.block(node.body, scope)
                self.block(node.orelse, scope)
            case ast.While() | ast.If():
                self._test(node.test, scope)
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
                self._test(test, scope)
                if msg is not None:
                    self.eval(msg, scope)
            case ast.Match():
                self.eval(node.subject, scope)
                for case_ in node.cases:
                    self.block(case_.body, scope)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.eval(child, scope)

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
            kind = self.eval(decorator, scope)
            names |= kind
            result = self._decorate(kind, result, node)
        known = self.decorators.get(node, NOTHING)
        if not names <= known:
            self.decorators[node] = known | frozenset(names)
            self._changed = True
        owner = self.code[node].owner
        if owner is not None:
            owner.decorated[node.name] = self.decorators.get(node, NOTHING)
            return
        self.assign(scope, node.name, result)

    def _decorate(self, decorator: Value, decorated: Value, node: ast.AST) -> Value:
        for atom in decorator:
            if isinstance(atom, External) and atom.path == f"{LEGACY}.module":
                assert isinstance(node, ast.FunctionDef)
                return frozenset({Module(node)})
        return decorated

    def _define_class(self, node: ast.ClassDef, scope: Scope) -> None:
        info = self.hierarchy.infos[node]
        bases = [self.eval(base, scope) for base in node.bases]
        if bases != info.bases:
            info.bases = bases
            self.hierarchy.changed()
            self._changed = True
        for decorator in node.decorator_list:
            self.eval(decorator, scope)
        self.block(node.body, info.scope)
        kind: Atom = Module(node) if self.hierarchy.is_module(node) else Class(node)
        self.assign(scope, node.name, frozenset({kind}))

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Assigns to a name, an attribute, an item or a pattern of them."""
        match target:
            case ast.Name(id=name):
                home = scope.lookup(name) or scope
                self.assign(home, name, value)
                self.values[target] = value
            case ast.Starred(value=inner):
                self.bind(inner, self._make(target, "list", [self.iterate(value)]), scope)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                starred = any(isinstance(element, ast.Starred) for element in elements)
                for index, element in enumerate(elements):
                    part = self.iterate(value) if starred else self.item(value, index)
                    self.bind(element, part, scope)
            case ast.Attribute(value=owner, attr=name):
                for atom in self.eval(owner, scope):
                    match atom:
                        case Self(owner=node) | Instance(node=node) | Class(node=node):
                            self._join(self.attributes, (node, name), value)
            case ast.Subscript(value=owner, slice=index):
                self.eval(index, scope)
                for atom in self.eval(owner, scope):
                    if isinstance(atom, Container):
                        self._join(self.items, (atom.node, _literal(index)), value)

    def _test(self, node: ast.expr, scope: Scope) -> None:
        value = self.eval(node, scope)
        match node:
            case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
                return
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._test(operand, scope)
            case ast.BoolOp(values=values):
                for part in values:
                    self._test(part, scope)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                self.note(value, "test")
            case _:
                self.note(value, "static")

    def _enter_context(self, value: Value) -> Value:
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Legacy | Api):
                result.add(Legacy("Collection"))
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
                return static(
                    type(constant).__name__.replace("NoneType", "None"), ast.unparse(node)
                )
            case ast.JoinedStr(values=parts):
                for text in parts:
                    self.note(self.eval(text, scope), "static")
                return static("str")
            case ast.FormattedValue(value=inner):
                return self.eval(inner, scope)
            case ast.Name(id=name):
                return self.name(name, scope)
            case ast.Attribute(value=owner, attr=name):
                return self.attribute(self.eval(owner, scope), name)
            case ast.Call():
                self.where[node] = scope
                return self._call(node, scope)
            case ast.Subscript(value=owner, slice=index):
                return self._subscript(self.eval(owner, scope), index, scope)
            case ast.BinOp(left=left, op=op, right=right):
                first, second = self.eval(left, scope), self.eval(right, scope)
                return self._binary(first, op, second)
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
                return self._compare(ops, values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._test(test, scope)
                return self.eval(body, scope) | self.eval(orelse, scope)
            case ast.Lambda():
                for name, default in defaults_by_name(node.args).items():
                    self.assign(self.code[node].scope, name, self.eval(default, scope))
                return frozenset({Function(node)})
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                kind = type(node).__name__.lower()
                return self._make(node, kind, [self._element(e, scope) for e in elements])
            case ast.Dict(keys=keys, values=values_):
                for key, expression in zip(keys, values_, strict=True):
                    item = self.eval(expression, scope)
                    if key is None:
                        self._spread(node, item)
                    else:
                        self.eval(key, scope)
                        self._join(self.items, (node, _literal(key)), item)
                return frozenset({Container(node, "dict")})
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.Starred(value=inner):
                return self.eval(inner, scope)
            case ast.NamedExpr(target=target, value=inner):
                result = self.eval(inner, scope)
                self.bind(target, result, scope)
                return result
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

    def _element(self, node: ast.expr, scope: Scope) -> Value:
        value = self.eval(node, scope)
        return self.iterate(value) if isinstance(node, ast.Starred) else value

    def _make(self, node: ast.AST, kind: str, elements: list[Value]) -> Value:
        for index, element in enumerate(elements):
            self._join(self.items, (node, index), element)
        return frozenset({Container(node, kind)})

    def _make_dict(
        self, node: ast.Call, positional: list[Value], keywords: list[tuple[str | None, Value]]
    ) -> Value:
        for value in positional:
            self._spread(node, value)
        for keyword, value in keywords:
            if keyword is None:
                self._spread(node, value)
            else:
                self._join(self.items, (node, keyword), value)
        return frozenset({Container(node, "dict")})

    def _spread(self, node: ast.AST, value: Value) -> None:
        for atom in value:
            if isinstance(atom, Container):
                for (owner, key), item in list(self.items.items()):
                    if owner is atom.node:
                        self._join(self.items, (node, key), item)
            else:
                self._join(self.items, (node, "*"), frozenset())

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> Value:
        inner = self.scopes[scope.source.name][node]
        for index, generator in enumerate(node.generators):
            iterated = self.eval(generator.iter, inner if index else scope)
            self.bind(generator.target, self.iterate(iterated), inner)
            for condition in generator.ifs:
                self._test(condition, inner)
        if isinstance(node, ast.DictComp):
            self.eval(node.key, inner)
            self._join(self.items, (node, "*"), self.eval(node.value, inner))
            return frozenset({Container(node, "dict")})
        self._join(self.items, (node, "*"), self.eval(node.elt, inner))
        return frozenset({Container(node, "list")})

    def item(self, value: Value, key: object) -> Value:
        """The element at `key` (an index, a literal, or "*" for any)."""
        result: set[Atom] = set()
        for atom in value:
            match atom:
                case Container(node=node):
                    found = self.items.get((node, key))
                    if found is None or key == "*":
                        result |= self.iterate(frozenset({atom}))
                    else:
                        result |= found | self.items.get((node, "*"), NOTHING)
                case Array():
                    result.add(atom)
                case Parameter():
                    result.add(Parameter(atom.function, atom.name, True, atom.mixed))
                case Static(type="shape"):
                    result.add(Static("int"))
                case Static():
                    result.add(Static())
                case Model() | Module() | Optimizer() | Legacy():
                    pass
        return frozenset(result)

    def iterate(self, value: Value) -> Value:
        """Any element of `value`."""
        result: set[Atom] = set()
        for atom in value:
            if isinstance(atom, Container):
                for (owner, _), item in list(self.items.items()):
                    if owner is atom.node:
                        result |= item
            else:
                result |= self.item(frozenset({atom}), "*")
        return frozenset(result)

    def _subscript(self, owner: Value, index: ast.expr, scope: Scope) -> Value:
        subscript = self.eval(index, scope)
        if _sliced(index) and not any(isinstance(a, Container | Static) for a in owner):
            self.note(owner, "array" if _fancy(index) else "sliced")
        if any(isinstance(atom, Array) for atom in owner):
            return self.item(owner, "*") | ARRAY
        if isinstance(index, ast.Slice):
            return owner
        del subscript
        return self.item(owner, _literal(index))

    def _binary(self, left: Value, op: ast.operator, right: Value) -> Value:
        if isinstance(op, ast.MatMult):
            self.note(left, "array")
            self.note(right, "array")
            return ARRAY
        if isinstance(op, ast.Mod) and any(isinstance(a, Static) and a.type == "str" for a in left):
            return static("str")
        if any(isinstance(a, Array) for a in left):
            self.note(right, "operand")
        if any(isinstance(a, Array) for a in right):
            self.note(left, "operand")
        return self._mix(left, right)

    def _mix(self, left: Value, right: Value) -> Value:
        result: set[Atom] = set()
        alone = not any(isinstance(a, Parameter | Array) for a in left) or not any(
            isinstance(a, Parameter | Array) for a in right
        )
        for atom in left | right:
            match atom:
                case Parameter():
                    result.add(
                        Parameter(atom.function, atom.name, atom.part, atom.mixed or not alone)
                    )
                case Array():
                    result.add(Array())
                case Static():
                    result.add(Static(atom.type))
                case Container() | Model():
                    result.add(atom)
        if any(isinstance(atom, Array) for atom in result):
            return frozenset(a for a in result if not isinstance(a, Static))
        return frozenset(result)

    def _compare(self, ops: list[ast.cmpop], values: list[Value]) -> Value:
        if any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
            return static("bool")
        for index, value in enumerate(values):
            others = [other for place, other in enumerate(values) if place != index]
            if any(isinstance(a, Static) and a.type == "str" for other in others for a in other):
                self.note(value, "static", "str")
        if any(isinstance(op, ast.In | ast.NotIn) for op in ops):
            return static("bool")
        result = values[0]
        for value in values[1:]:
            result = self._mix(result, value)
        return frozenset(Static("bool") if isinstance(a, Static) else a for a in result)

    # --- attributes --------------------------------------------------------------------------

    def attribute(self, owner: Value, name: str) -> Value:
        """What `owner.name` may be."""
        result: set[Atom] = set()
        for atom in owner:
            result |= self._attribute(atom, name)
        return frozenset(result)

    def _attribute(self, atom: Atom, name: str) -> Value:
        match atom:
            case External(path=path):
                return self.external(f"{path}.{name}")
            case File(name=file):
                return self._file_attribute(file, name)
            case Parameter():
                return self._array_attribute(atom, name)
            case Array():
                return self._array_attribute(atom, name)
            case Self(owner=node):
                return self._self_attribute(node, name)
            case Super(owner=node):
                found = self.hierarchy.find_after(node, name)
                if found is not None and name != "apply":
                    return frozenset({Bound(found[1], found[0], drops_first=True)})
                return frozenset({SuperMethod(node, name)})
            case Module():
                return self._module_attribute(atom, name)
            case Model(module=module):
                return self._model_attribute(atom, module, name)
            case Optimizer(target=target):
                if name == "target":
                    return target
                return frozenset({Api(atom, name)})
            case Class(node=node) | Instance(node=node):
                return self._object_attribute(atom, node, name)
            case Container() | Legacy() | ModuleApi() | Api() | Transformed():
                return frozenset({Api(atom, name)})
            case Static(type="slice" | "str" | "shape" | "dtype" | "Any"):
                return static()
        return NOTHING

    def _file_attribute(self, file: str, name: str) -> Value:
        value = self.env.get((self.scopes[file].module, name), NOTHING)
        if value:
            return value
        submodule = self.imports.by_name.get(f"{file}.{name}" if file else name)
        return frozenset({File(submodule)}) if submodule else NOTHING

    def _array_attribute(self, atom: Array | Parameter, name: str) -> Value:
        known = arrays.ARRAY_ATTRIBUTES.get(name)
        if isinstance(atom, Parameter):
            if name in CACHE_API and not atom.mixed:
                self.note(frozenset({atom}), "collection")
            if known is None:
                return frozenset({Parameter(atom.function, atom.name, True, atom.mixed)})
            if known.telling:
                self.note(frozenset({atom}), "array")
            elif known.method:
                return frozenset({Parameter(atom.function, atom.name, True, atom.mixed)})
        if known is None:
            return ARRAY
        if known.method:
            return frozenset({Api(Array(), name)})
        if known.result == "static":
            return static("shape" if name == "shape" else "dtype" if name == "dtype" else "int")
        return ARRAY

    def _self_attribute(self, node: ast.ClassDef, name: str) -> Value:
        result: set[Atom] = set()
        for line in [node, *self.hierarchy.descendants(node)]:
            found = self.hierarchy.find(line, name)
            if found is not None:
                owner, method = found
                if self.hierarchy.is_module_method(line, name):
                    result.add(Module(line, method=name, receiver="self"))
                elif self.receiver(self.code[method]) == "class":
                    result.add(Bound(method, owner, drops_first=True))
                else:
                    drops = self.receiver(self.code[method]) != "static"
                    result.add(Bound(method, owner, drops_first=drops))
            for ancestor in self.hierarchy.mro(line):
                result |= self.attributes.get((ancestor, name), NOTHING)
                result |= self.env.get((self.hierarchy.infos[ancestor].scope, name), NOTHING)
        result = {a for a in result if not isinstance(a, Function)}
        if not result and name in SELF_API:
            result.add(SelfApi(node, name))
        return frozenset(result)

    def _module_attribute(self, module: Module, name: str) -> Value:
        if isinstance(module.definition, ast.ClassDef):
            found = self.hierarchy.find(module.definition, name)
            if found is not None and name != "apply":
                owner, method = found
                if self.hierarchy.is_module_method(module.definition, name):
                    via = "shared" if module.shared else module.receiver
                    return frozenset({_with(module, method=name, receiver=via)})
                drops = self.receiver(self.code[method]) == "class"
                return frozenset({Bound(method, owner, drops_first=drops)})
            for ancestor in self.hierarchy.mro(module.definition):
                value = self.env.get((self.hierarchy.infos[ancestor].scope, name), NOTHING)
                if value and name not in MODULE_API:
                    return value
        if isinstance(module.definition, str):
            layer = catalogue.layer(module.definition)
            if layer and any(method.name == name for method in layer.methods):
                via = "shared" if module.shared else module.receiver
                return frozenset({_with(module, method=name, receiver=via)})
        return frozenset({ModuleApi(module, name)})

    def _model_attribute(self, model: Model, module: Module, name: str) -> Value:
        if name == "module":
            return frozenset({module})
        if name == "params":
            return frozenset({Array()})
        found = self._module_attribute(module, name)
        for atom in found:
            if isinstance(atom, Module) and atom.method == name:
                return frozenset({Model(module, method=name)})
        return frozenset({Api(model, name)})

    def _object_attribute(self, atom: Class | Instance, node: ast.ClassDef, name: str) -> Value:
        found = self.hierarchy.find(node, name)
        if found is not None:
            owner, method = found
            kind = self.receiver(self.code[method])
            instance = isinstance(atom, Instance)
            drops = kind == "class" or (instance and kind == "instance")
            return frozenset({Bound(method, owner, drops_first=drops)})
        result: set[Atom] = set()
        for line in self.hierarchy.mro(node):
            result |= self.attributes.get((line, name), NOTHING)
            result |= self.env.get((self.hierarchy.infos[line].scope, name), NOTHING)
        return frozenset(result) or frozenset({Api(atom, name)})

    # --- calls -----------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        callee = self.eval(node.func, scope)
        positional = [self.eval(argument, scope) for argument in node.args]
        keywords = [(k.arg, self.eval(k.value, scope)) for k in node.keywords]
        if len(positional) > 1 or keywords:
            self.note(callee, "callable")
        self.note(callee, "callable")
        result: set[Atom] = set()
        for atom in callee:
            result |= self._apply(atom, node, positional, keywords, scope)
        return frozenset(result)

    def _apply(
        self,
        atom: Atom,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        scope: Scope,
    ) -> Value:
        match atom:
            case External(path=path):
                return self._call_external(path, node, positional, keywords, scope)
            case Function(node=function):
                return self._call_function(function, node, positional, keywords, skip=0)
            case Bound(node=function, drops_first=drops):
                return self._call_function(function, node, positional, keywords, skip=int(drops))
            case Partial(function=inner, positional=count):
                return self._apply(inner, node, [NOTHING] * count + positional, keywords, scope)
            case Transformed(function=inner):
                return self._apply(inner, node, positional, keywords, scope)
            case Module():
                return self._call_module(atom, node, positional, keywords)
            case ModuleApi(module=module, name=name):
                return self._call_module_api(module, name, node, positional, keywords)
            case Model(module=module, method=method):
                self._actuals(
                    atom, _with(module, method=method), "instance", node, positional, keywords
                )
                return self.returned(_with(module, method=method))
            case SuperMethod(owner=owner, name=name):
                found = self.hierarchy.find_after(owner, name)
                if found is None:
                    layer = self.hierarchy.layer(owner)
                    if layer is not None and name == "apply":
                        self._actuals(
                            Module(layer), Module(layer), "super", node, positional, keywords
                        )
                    return ARRAY
                base = Module(found[0])
                self._actuals(base, base, "super", node, positional, keywords)
                return self.returned(base)
            case SelfApi(name=name):
                return self._call_self(name, positional, keywords)
            case Class(node=class_):
                for (argument, value), field_ in zip(
                    [*enumerate(positional)], _fields(class_), strict=False
                ):
                    del argument
                    self._join(self.attributes, (class_, field_), value)
                for keyword, value in keywords:
                    if keyword is not None:
                        self._join(self.attributes, (class_, keyword), value)
                found = self.hierarchy.find(class_, "__init__")
                if found is not None:
                    self._call_function(found[1], node, positional, keywords, skip=1)
                return frozenset({Instance(class_)})
            case Instance(node=class_):
                found = self.hierarchy.find(class_, "__call__")
                if found is not None:
                    return self._call_function(found[1], node, positional, keywords, skip=1)
                return NOTHING
            case Api(receiver=receiver, name=name):
                return self._call_api(receiver, name, node, positional, keywords)
            case Parameter():
                for value in positional:
                    self.note(value, "passed")
                return frozenset({Parameter(atom.function, atom.name, True, True)})
        return NOTHING

    def _call_function(
        self,
        function: FunctionNode,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        skip: int,
    ) -> Value:
        code = self.code[function]
        code.callers.add(self._function)
        arguments = function.args
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]][skip:]
        rest = 0
        for index, value in enumerate(positional):
            if index < len(node.args) and isinstance(node.args[index], ast.Starred):
                for name in names[index:]:
                    self.assign(code.scope, name, self.iterate(value))
                if arguments.vararg is not None:
                    self._join(self.items, (arguments.vararg, "*"), self.iterate(value))
                break
            if index < len(names):
                self.assign(code.scope, names[index], value)
            elif arguments.vararg is not None:
                self._join(self.items, (arguments.vararg, rest), value)
                rest += 1
        known = {a.arg for a in [*arguments.args, *arguments.kwonlyargs]}
        for keyword, value in keywords:
            if keyword is None:
                self._call_spread(code, value, known)
            elif keyword in known:
                self.assign(code.scope, keyword, value)
            elif arguments.kwarg is not None:
                self._join(self.items, (arguments, keyword), value)
        return self.returns.get(function, NOTHING)

    def _call_spread(self, code: Code, value: Value, known: set[str]) -> None:
        for atom in value:
            if isinstance(atom, Container):
                for (owner, key), item in list(self.items.items()):
                    if owner is not atom.node:
                        continue
                    if key in known:
                        assert isinstance(key, str)
                        self.assign(code.scope, key, item)
                    elif code.node.args.kwarg is not None:
                        self._join(self.items, (code.node.args, key), item)

    def call(self, function: Value, arguments: list[Value], node: ast.Call, scope: Scope) -> Value:
        """Calls a value with positional arguments, as a JAX transform would."""
        result: set[Atom] = set()
        bare = ast.Call(func=node.func, args=[], keywords=[])
        ast.copy_location(bare, node)
        for atom in function:
            if isinstance(atom, Module | ModuleApi):
                continue  # escapes: judged where it is passed
            result |= self._apply(atom, bare, arguments, [], scope)
        return frozenset(result)

    # --- modules -----------------------------------------------------------------------------------

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

    def _call_module(
        self,
        module: Module,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
    ) -> Value:
        how = "instance" if module.shared else "call"
        self._actuals(module, module, how, node, positional, keywords)
        return self.returned(module)

    def _actuals(
        self,
        callee: Module | Model,
        module: Module,
        how: str,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
    ) -> None:
        function = self.function_of(module)
        if function is not None:
            self.code[function].callers.add(self._function)
        names = self.positional_names(module)
        for index, value in enumerate(positional):
            if index < len(node.args) and isinstance(node.args[index], ast.Starred):
                spread = self.iterate(value)
                for name in names[index:]:
                    self._actual(callee, module, name, spread, "splat", node)
                if function is not None and function.args.vararg is not None:
                    self._join(self.items, (function.args.vararg, "*"), spread)
                break
            if index < len(names):
                self._actual(callee, module, names[index], value, how, node)
            elif function is not None and function.args.vararg is not None:
                self._join(self.items, (function.args.vararg, index - len(names)), value)
        for keyword, value in keywords:
            if keyword is not None:
                self._actual(callee, module, keyword, value, how, node)
            else:
                for atom in value:
                    if isinstance(atom, Container):
                        for (owner, key), item in list(self.items.items()):
                            if owner is atom.node and isinstance(key, str) and key != "*":
                                self._actual(callee, module, key, item, how, node)

    def positional_names(self, module: Module) -> list[str]:
        """Parameter names by position, receiver left out."""
        parameters = self.signature(module)
        if isinstance(parameters, ast.arguments):
            names = [a.arg for a in [*parameters.posonlyargs, *parameters.args]]
            return names if isinstance(module.definition, ast.FunctionDef) else names[1:]
        if parameters is not None:
            return [argument.name for argument in parameters.arguments]
        return []

    def _actual(
        self,
        callee: Module | Model,
        module: Module,
        name: str,
        value: Value,
        how: str,
        node: ast.Call,
    ) -> None:
        if name == "name":
            self.note(value, "static", "str")
            return
        actual = Actual(callee, name, value, how, node)
        self.actuals[(node, callee, name)] = actual
        parameters = self.signature(module)
        if isinstance(parameters, ast.arguments):
            function = self.function_of(module)
            assert function is not None
            known = {
                a.arg for a in [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
            }
            if name in known:
                self.assign(self.code[function].scope, name, value)
            elif parameters.kwarg is not None:
                self._join(self.items, (parameters, name), value)
            return
        if parameters is None:
            return
        arguments = {argument.name: argument for argument in parameters.arguments}
        if isinstance(parameters, catalogue.Layer):
            found = parameters.argument(name)
        else:
            found = arguments.get(name)
        if found is not None:
            self._evidence_of(found, value)

    def _evidence_of(self, argument: catalogue.Argument, value: Value) -> None:
        role = argument.role
        if role == "key":
            role = "array"
        if role == "initializer":
            for atom in value:
                if isinstance(atom, Function):
                    self._initializer(atom.node)
        self.note(value, role if role != "flag" else "flag", argument.type)

    def _initializer(self, node: FunctionNode) -> None:
        scope = self.code[node].scope
        names = [a.arg for a in node.args.args]
        for name, value in zip(names, (KEY, static("shape"), static("dtype")), strict=False):
            self.assign(scope, name, value)

    def _call_module_api(
        self,
        module: Module,
        name: str,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
    ) -> Value:
        match name:
            case "partial" | "shared":
                bound = {keyword for keyword, _ in keywords if keyword is not None}
                for keyword, value in keywords:
                    if keyword is None:
                        bound |= self._keys(value)
                for keyword, value in keywords:
                    if keyword is not None:
                        self._actual(module, module, keyword, value, "bind", node)
                    else:
                        for atom in value:
                            if isinstance(atom, Container):
                                for key in self._keys(frozenset({atom})):
                                    self._actual(
                                        module, module, key, self.item(value, key), "bind", node
                                    )
                return frozenset(
                    {
                        _with(
                            module,
                            bound=module.bound | frozenset(bound - {"name"}),
                            shared=module.shared or name == "shared",
                            named=module.named or "name" in bound,
                            origin=node,
                        )
                    }
                )
            case "init" | "create":
                self._actuals(module, module, "init", node, positional[1:], keywords)
                result = Model(module) if name == "create" else Array()
                return self._make(node, "tuple", [self.returned(module), frozenset({result})])
            case "init_by_shape" | "create_by_shape":
                names = self.positional_names(module)
                specs = self._specs(positional, keywords)
                for index in range(specs):
                    if index < len(names):
                        self._actual(module, module, names[index], ARRAY, "init", node)
                for keyword, value in keywords:
                    if keyword not in {None, "input_specs"}:
                        assert keyword is not None
                        self._actual(module, module, keyword, value, "init", node)
                outcome = Model(module) if name.startswith("create") else Array()
                return self._make(node, "tuple", [self.returned(module), frozenset({outcome})])
            case "call":
                self._actuals(module, module, "instance", node, positional[1:], keywords)
                return self.returned(module)
        return NOTHING

    def _keys(self, value: Value) -> set[str]:
        found: set[str] = set()
        for atom in value:
            if isinstance(atom, Container):
                found |= {
                    k
                    for (owner, k) in list(self.items)
                    if owner is atom.node and isinstance(k, str)
                }
        return found - {"*"}

    def _specs(self, positional: list[Value], keywords: list[tuple[str | None, Value]]) -> int:
        spec = positional[1] if len(positional) > 1 else dict(keywords).get("input_specs", NOTHING)
        count = 0
        for atom in spec:
            if isinstance(atom, Container):
                keys = [k for (owner, k) in list(self.items) if owner is atom.node]
                count = max(count, len([k for k in keys if isinstance(k, int)]))
        return count

    # --- other callees ---------------------------------------------------------------------------

    def _call_self(
        self, name: str, positional: list[Value], keywords: list[tuple[str | None, Value]]
    ) -> Value:
        table = dict(keywords)
        if name in {"param", "state"}:
            shape = positional[1] if len(positional) > 1 else table.get("shape", NOTHING)
            initializer = (
                positional[2]
                if len(positional) > 2
                else table.get("initializer", table.get("init_fn", NOTHING))
            )
            self.note(positional[0] if positional else NOTHING, "static", "str")
            self.note(shape, "static")
            for item in self.iterate(shape):
                self.note(frozenset({item}), "static", "int")
            self.note(initializer, "initializer", "Callable[..., Any]")
            for atom in initializer:
                if isinstance(atom, Function):
                    self._initializer(atom.node)
            return ARRAY if name == "param" else frozenset({Legacy("ModuleState")})
        if name == "get_param":
            return ARRAY
        return static("bool")

    def _call_external(
        self,
        path: str,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        scope: Scope,
    ) -> Value:
        if path.startswith(LEGACY + "."):
            return self._call_legacy(path, positional, keywords, node)
        if path.startswith("flax.optim."):
            return frozenset({Api(External(path), "<definition>")})
        if path == "builtins.super":
            owner = self.code[self._function].owner if self._function in self.code else None
            home = scope.function()
            while owner is None and home is not None and home.parent is not None:
                outer = home.parent.function()
                if outer is None or not isinstance(outer.node, ast.FunctionDef):
                    break
                owner = self.code[outer.node].owner
                home = outer
            if owner is not None and self.hierarchy.is_module(owner.node):
                return frozenset({Super(owner.node)})
            return NOTHING
        if path == "builtins.dict":
            return self._make_dict(node, positional, keywords)
        if path == "functools.partial" and positional:
            return self._functools_partial(node, positional, keywords)
        wrapped = transparent(path)
        if wrapped is not None and positional:
            if wrapped == "scan":
                init = positional[1] if len(positional) > 1 else dict(keywords).get("init", NOTHING)
                xs = positional[2] if len(positional) > 2 else dict(keywords).get("xs", NOTHING)
                return (
                    self.call(positional[0], [init, self.iterate(xs) | ARRAY], node, scope) | ARRAY
                )
            if wrapped == "map":
                self.call(positional[0], [self.iterate(v) for v in positional[1:]], node, scope)
                return ARRAY
            if wrapped == "fori":
                self.call(positional[-2], [static("int"), positional[-1]], node, scope)
                return ARRAY
            callers = frozenset(
                Transformed(a, wrapped)
                for a in positional[0]
                if isinstance(a, Function | Bound | Partial | Transformed | Module | Parameter)
            )
            return callers
        roles = arrays.signature(path)
        if roles is None:
            for value in [*positional, *(v for _, v in keywords)]:
                for atom in value:
                    if isinstance(atom, Function | Bound | Partial):
                        self.call(frozenset({atom}), [ARRAY] * 3, node, scope)
            return NOTHING
        return self._roles(roles, positional, keywords, node, scope)

    def _roles(
        self,
        roles: arrays.Signature,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        node: ast.Call,
        scope: Scope,
    ) -> Value:
        for index, value in enumerate(positional):
            self._role(roles.at(index), value, node, scope)
        for keyword, value in keywords:
            if keyword is not None:
                self._role(roles.named(keyword), value, node, scope)
        match roles.result:
            case "array" | "arrays" | "tree":
                return ARRAY
            case "key" | "keys":
                return KEY
            case "same":
                return self._same(positional)
            case "initializer":
                return static("initializer")
            case "static":
                return static()
        return NOTHING

    def _same(self, values: list[Value]) -> Value:
        result = NOTHING
        for value in values:
            result = self._mix(result, value | self.iterate(value))
        return result or static()

    def _role(self, role: str, value: Value, node: ast.Call, scope: Scope) -> None:
        inside = self.iterate(frozenset(a for a in value if isinstance(a, Container)))
        match role:
            case "array" | "arrays":
                self.note(value | inside, "array")
            case "key":
                self.note(value, "array")
            case "number":
                self.note(value | inside, "operand")
            case "static":
                self.note(value | inside, "static")
                if isinstance(node.func, ast.Name) and node.func.id == "range":
                    self.note(value, "range")
            case "function":
                self.call(value, [ARRAY] * 3, node, scope)

    def _functools_partial(
        self, node: ast.Call, positional: list[Value], keywords: list[tuple[str | None, Value]]
    ) -> Value:
        result: set[Atom] = set()
        names = frozenset(k for k, _ in keywords if k is not None)
        for atom in positional[0]:
            match atom:
                case Module():
                    for keyword, value in keywords:
                        if keyword is not None:
                            self._actual(atom, atom, keyword, value, "bind", node)
                    result.add(
                        _with(
                            atom,
                            bound=atom.bound | (names - {"name"}),
                            named=atom.named or "name" in names,
                            origin=node,
                        )
                    )
                case Function(node=function) | Bound(node=function):
                    skip = int(isinstance(atom, Bound) and atom.drops_first)
                    self._call_function(function, node, positional[1:], keywords, skip)
                    result.add(Partial(atom, len(positional) - 1, names))
                case External() | Parameter():
                    result.add(Partial(atom, len(positional) - 1, names))
        return frozenset(result)

    def _call_legacy(
        self,
        path: str,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
        node: ast.Call,
    ) -> Value:
        entry = catalogue.function(path[len(LEGACY) + 1 :])
        if entry is None:
            return NOTHING
        for index, value in enumerate(positional):
            if index < len(entry.arguments):
                self._evidence_of(entry.arguments[index], value)
        for keyword, value in keywords:
            argument = entry.argument(keyword) if keyword is not None else None
            if argument is not None:
                self._evidence_of(argument, value)
        if entry.name == "Model" and positional:
            return frozenset(Model(a) for a in positional[0] if isinstance(a, Module))
        if entry.name in {"Cache", "_CacheEntry", "Collection"}:
            return frozenset({Legacy(entry.name)})
        match entry.returns:
            case "array":
                return ARRAY
            case "key":
                return KEY
            case "static" if entry.value == "context":
                return frozenset({Legacy("context")})
            case "collection":
                return frozenset({Legacy("Collection")})
            case "initializer":
                return static("initializer")
            case "static":
                return static()
        return ARRAY if entry.value == "initializer" else NOTHING

    def _call_api(
        self,
        receiver: Atom,
        name: str,
        node: ast.Call,
        positional: list[Value],
        keywords: list[tuple[str | None, Value]],
    ) -> Value:
        match receiver, name:
            case Container(node=owner), "append" | "add" | "insert":
                self._join(self.items, (owner, "*"), positional[-1] if positional else NOTHING)
                return NOTHING
            case Container(node=owner), "extend":
                value = positional[0] if positional else NOTHING
                self._join(self.items, (owner, "*"), self.iterate(value))
                return NOTHING
            case Container(), "pop" | "values" | "copy" | "get":
                inner = frozenset({receiver})
                if name == "copy":
                    return inner
                if name in {"get", "pop"} and node.args:
                    found = self.item(inner, _literal(node.args[0]))
                    return found | (positional[1] if len(positional) > 1 else NOTHING)
                if name == "pop":
                    return self.iterate(inner)
                return self._make(node, "list", [self.iterate(inner)])
            case Container(), "items":
                pair = self._make(
                    node.func, "tuple", [static("str"), self.iterate(frozenset({receiver}))]
                )
                self._join(self.items, (node, "*"), pair)
                return frozenset({Container(node, "list")})
            case Array(), _:
                for value in [*positional, *(v for _, v in keywords)]:
                    if name in {"reshape", "transpose", "astype", "swapaxes", "mean", "sum", "max"}:
                        self._role("static", value, node, self.where[node])
                return ARRAY
            case Api(), "create":
                target = frozenset(
                    a for a in (positional[0] if positional else NOTHING) if isinstance(a, Model)
                )
                return frozenset({Optimizer(target)})
            case External(), "<definition>":
                return NOTHING
            case Model(), "replace":
                return frozenset({receiver})
            case Optimizer(), "apply_gradient" | "replace" | "replicate" | "unreplicate":
                return frozenset({receiver})
            case Legacy(type="Cache"), _:
                return frozenset({Legacy("Cache")})
            case Instance(), "replace":
                for keyword, value in keywords:
                    if keyword is not None:
                        self._join(self.attributes, (receiver.node, keyword), value)
                return frozenset({receiver})
        return NOTHING


def _with(module: Module, **changes: object) -> Module:
    from dataclasses import replace

    return replace(module, **changes)  # type: ignore[arg-type]


def _literal(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            return "*"
    return "*"


def _sliced(index: ast.expr) -> bool:
    return _fancy(index) or isinstance(index, ast.Slice)


def _fancy(index: ast.expr) -> bool:
    if isinstance(index, ast.Tuple):
        return any(
            isinstance(e, ast.Slice) or (isinstance(e, ast.Constant) and e.value in (None, ...))
            for e in index.elts
        )
    return isinstance(index, ast.Constant) and index.value is ...


def _fields(node: ast.ClassDef) -> list[str]:
    return [
        s.target.id
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    ]
