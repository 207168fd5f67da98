"""What an expression holds in legacy, and whether Linen has frozen it since.

A list that becomes a dataclass field is a tuple there, and a dict a FrozenDict.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from linenify.facts.ask.circles import Circles
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Array,
    Bound,
    Container,
    External,
    Function,
    Model,
    Module,
    ModuleApi,
    Parameter,
    Partial,
    Static,
    Value,
)
from linenify.facts.flow.machine import Actual
from linenify.facts.modules.forwarding import uses
from linenify.facts.modules.frozenkinds import (
    CONTAINERS,
    KEEPS,
    LIBRARIES,
    MADE_BY,
    NUMBERS,
    UNKNOWN,
    Held,
    Holding,
    argument_of,
    displayed,
    own_nodes,
    start,
)
from linenify.project.scopes import FunctionNode, Scope, all_arguments, defaults_by_name

Question = ast.AST | tuple[FunctionNode, str]  # an expression, or a field


class Frozen:
    """Answers what expressions hold; everything is asked once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._circles: Circles[Question, Holding] = Circles(frozenset())
        self._scopes: dict[ast.AST, Scope] = {}
        self._open: dict[FunctionNode, str] = {}
        self._keyed: dict[ast.expr, tuple[ast.FunctionDef, str]] = {}  # `kwargs['x']`, a field
        for class_plan in plan.classes.values():
            for function, name in class_plan.open.items():
                self._open[function] = name
            for method in class_plan.forwarded:
                for use in uses(plan, method):
                    if use is not None and use.key is not None:
                        self._keyed[use.place] = (method, use.key)
        fields = {
            (function, name)
            for function, decisions in plan.decisions.of.items()
            for name, decision in decisions.items()
            if decision.role is Role.FIELD
        }
        self._fed = plan.flow.origins.fed(fields | set(self._open.items()))
        self._stores: dict[tuple[Scope, str], list[ast.Name]] = defaultdict(list)
        self._calls: dict[FunctionNode, list[tuple[ast.Call, int]]] = defaultdict(list)
        for scopes in plan.flow.scopes.values():
            for mention, scope in scopes.mentions:
                self._scopes[mention] = scope
                if isinstance(mention, ast.Name) and isinstance(mention.ctx, ast.Store):
                    home = scope.lookup(mention.id)
                    if home is not None:
                        self._stores[home, mention.id].append(mention)
        for call in plan.flow.where:
            assert isinstance(call, ast.Call)
            for atom in plan.flow.values.get(call.func, frozenset()):
                match atom:
                    case Function(node=node):
                        self._calls[node].append((call, 0))
                    case Bound(node=node, drops_first=drops):
                        self._calls[node].append((call, int(drops)))
                    case Partial(function=Function(node=node)):
                        self._calls[node].append((call, -1))

    # --- where values come from --------------------------------------------------------

    def of_field(self, node: ast.AST) -> bool:
        """Whether an expression may hold what a field holds, or a part of it."""
        if node in self._keyed:
            return True
        value = self._plan.flow.values.get(node, frozenset())
        return any(self._from_field(atom) for atom in value if isinstance(atom, Parameter))

    def _from_field(self, parameter: Parameter) -> bool:
        """Whether a parameter may be given what a field holds, or is a field itself."""
        return not parameter.mixed and (parameter.function, parameter.name) in self._fed

    def home(self, name: ast.Name) -> Scope | None:
        """The scope that binds a name where it stands."""
        scope = self._scopes.get(name)
        return scope.lookup(name.id) if scope is not None else None

    def reaching(self, name: ast.Name) -> tuple[bool, list[ast.Name]]:
        """The bindings of a variable that a mention may see, and whether its first value is one.

        A plain assignment in the body of the function ends what was before it.
        """
        home = self.home(name)
        stores = self._stores.get((home, name.id), []) if home is not None else []
        scope = self._scopes.get(name)
        while scope is not None and scope is not home and scope.kind == "comprehension":
            scope = scope.parent
        body = getattr(home.node, "body", None) if home is not None else None
        if home is None or scope is not home or not isinstance(body, list):
            return True, stores
        places = {id(statement): index for index, statement in enumerate(body)}
        here = self._place(name, places)
        found = [(self._place(store, places), store) for store in stores]
        ends = [
            place
            for place, store in found
            if place < here
            and self.value_of(store) is not None
            and id(self._plan.parents.get(store)) in places
        ]
        last = max(ends, default=-1)
        around = list(self._plan.ancestors(name))
        looped = any(
            isinstance(each, ast.For | ast.While) for each in around[: around.index(home.node)]
        )
        seen = [
            store
            for place, store in found
            if last <= place <= here
            and (looped or (start(store) < start(name) and not self._is_beside(store, around)))
        ]
        return not ends, seen

    def _is_beside(self, store: ast.Name, around: list[ast.AST]) -> bool:
        """Whether a binding takes the value in which a mention stands."""
        parent = self._plan.parents.get(store)
        return parent in around and isinstance(parent, ast.Assign | ast.AnnAssign | ast.AugAssign)

    def _place(self, node: ast.AST, places: dict[int, int]) -> int:
        """The statement of a body that holds a node."""
        for each in (node, *self._plan.ancestors(node)):
            if id(each) in places:
                return places[id(each)]
        return -1

    def parameter(self, name: ast.Name) -> FunctionNode | None:
        """The function of which a name is a parameter."""
        home = self.home(name)
        node = home.node if home is not None else None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and any(
            a.arg == name.id for a in all_arguments(node.args)
        ):
            return node
        return None

    def is_field(self, function: FunctionNode, name: str) -> bool:
        """Whether a parameter became a field."""
        decision = self._plan.decisions.of.get(function, {}).get(name)
        if decision is None:
            return self._is_open(function, name)
        return decision.role is Role.FIELD and not decision.is_cache

    def _is_open(self, function: FunctionNode, name: str) -> bool:
        return self._open.get(function) == name

    def passed(self, function: FunctionNode, name: str) -> list[ast.expr] | None:
        """The arguments that all calls of a plain function give; None if some are not known."""
        found: list[ast.expr] = []
        for call, skip in self._calls.get(function, []):
            given = argument_of(call, function, name, skip)
            if given is None:
                return None
            found += given
        return found

    # --- what they are -----------------------------------------------------------------

    def of(self, node: ast.expr) -> Holding:
        """What an expression may hold."""
        return self._circles.ask(node, lambda: self._evaluate(node))

    def _evaluate(self, node: ast.expr) -> Holding:
        if node in self._keyed:
            method, key = self._keyed[node]
            given = self._plan.flow.items.get((method.args, key), frozenset())
            return frozenset(replace(h, frozen=True) for h in self._atoms(given))
        match node:
            case ast.Constant(value=None):
                return frozenset({Held("None", node=node)})
            case ast.Constant(value=str()) | ast.JoinedStr():
                return frozenset({Held("str", node=node)})
            case ast.Constant(value=int() | float()):
                return frozenset({Held("number", node=node)})
            case ast.List() | ast.ListComp():
                return frozenset({Held("list", node=node)})
            case ast.Tuple():
                return frozenset({Held("tuple", node=node)})
            case ast.Dict() | ast.DictComp():
                return frozenset({Held("dict", node=node)})
            case ast.Set() | ast.SetComp() | ast.GeneratorExp() | ast.Lambda():
                return frozenset({Held("other")})
            case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return frozenset({Held("number")})
            case ast.IfExp(body=body, orelse=orelse):
                return self.of(body) | self.of(orelse)
            case ast.BoolOp(op=op, values=values):
                *first, last = values
                skipped = "None" if isinstance(op, ast.Or) else ""
                early = (h for value in first for h in self.of(value) if h.type != skipped)
                return frozenset(early) | self.of(last)
            case ast.NamedExpr(value=value):
                return self.of(value)
            case ast.BinOp(left=left, op=op, right=right):
                return self._joined(self.of(left), op, self.of(right))
            case ast.Subscript(value=owner, slice=ast.Slice()):
                return frozenset(replace(h, node=None) for h in self.of(owner)) or UNKNOWN
            case ast.Subscript(value=owner, slice=index):
                return self.elements(node, self.of(owner), index)
            case ast.Call():
                return self._called(node)
            case ast.Name(ctx=ast.Load()):
                return self._named(node)
        return self._kinds(node)

    def elements(self, node: ast.expr, owner: Holding, index: ast.expr | None = None) -> Holding:
        """What an element of something holds; `node` is the expression that gives it."""
        found: set[Held] = set()
        for held in owner:
            if held.type in {"number", "None"}:
                continue  # has no elements: not here, in a correct program
            every = displayed(held.node, index)
            if held.type not in CONTAINERS or every is None:
                found |= self._kinds(node)
                continue
            for each in every:
                found |= {replace(h, frozen=h.frozen or held.frozen) for h in self.of(each)}
        return frozenset(found) or self._kinds(node)

    def _joined(self, left: Holding, op: ast.operator, right: Holding) -> Holding:
        found: set[Held] = set()
        for first in left:
            for second in right:
                types = {first.type, second.type}
                if isinstance(op, ast.Add) and "list" in types and types <= {"list", "unknown"}:
                    found.add(Held("list", first.frozen and second.frozen))
                elif isinstance(op, ast.Add) and types == {"tuple"}:
                    found.add(Held("tuple", first.frozen or second.frozen))
                elif isinstance(op, ast.Mult) and types & CONTAINERS and "number" in types:
                    held = first if first.type in CONTAINERS else second
                    found.add(Held(held.type, held.frozen))
                elif isinstance(op, ast.BitOr) and types == {"dict"}:
                    found.add(Held("dict"))
                elif isinstance(op, ast.Add | ast.Mod) and "str" in types:
                    found.add(Held("str"))
                elif types == {"number"} or "array" in types:
                    found.add(Held("array" if "array" in types else "number"))
                elif "unknown" in types:
                    found.add(Held("unknown", first.frozen or second.frozen))
        return frozenset(found)

    def _called(self, node: ast.Call) -> Holding:
        flow = self._plan.flow
        found: set[Held] = set()
        if isinstance(node.func, ast.Attribute):
            owner = self.of(node.func.value)
            match node.func.attr:
                case "copy" if not node.args and any(h.type in CONTAINERS for h in owner):
                    return frozenset(
                        Held(h.type, node=h.node) if h.type in {"list", "dict"} else h
                        for h in owner
                    )
                case "get" | "pop" | "setdefault" if any(h.type == "dict" for h in owner):
                    key = node.args[0] if node.args else None
                    found |= self.elements(node, owner, key)
                    return frozenset(found).union(*map(self.of, node.args[1:2]))
                case "unfreeze":
                    return frozenset({Held("dict")})
        callee = flow.values.get(node.func, frozenset())
        for atom in callee:
            match atom:
                case External(path=path) if path in MADE_BY:
                    found.add(Held(MADE_BY[path]))
                case External(path="builtins.sum") if len(node.args) == 2:
                    found |= self.elements(node, self.of(node.args[0]))
                case External(path=path) if path in KEEPS and len(node.args) > KEEPS[path]:
                    found |= self.of(node.args[KEEPS[path]])
                case Function(node=function) | Bound(node=function):
                    found |= self._returned(function)
                case Module() if (run := flow.function_of(atom)) is not None:
                    found |= self._returned(run)
                case Parameter():
                    continue
                case _:
                    found |= self._kinds(node)
        return frozenset(found) or self._kinds(node)

    def _returned(self, function: FunctionNode) -> Holding:
        if isinstance(function, ast.Lambda):
            return self.of(function.body)
        found: set[Held] = set()
        for node in own_nodes(function):
            if isinstance(node, ast.Return):
                found |= self.of(node.value) if node.value is not None else {Held("None")}
            elif isinstance(node, ast.Yield | ast.YieldFrom):
                return frozenset({Held("other")})
        return frozenset(found)

    def _named(self, name: ast.Name) -> Holding:
        home = self.home(name)
        if home is None:
            return frozenset({Held("other")})
        return self._bound(name) or self._kinds(name)

    def _bound(self, name: ast.Name, *, grown: bool = True) -> Holding:
        """What the bindings of a variable give it; `grown`: those by `+=`, too."""
        found: set[Held] = set()
        function = self.parameter(name)
        first, stores = self.reaching(name)
        if function is not None and first:
            found |= self._given(function, name.id, name)
        for store in stores:
            if grown or not isinstance(self._plan.parents.get(store), ast.AugAssign):
                found |= self.stored(store)
        return frozenset(found)

    def value_of(self, store: ast.Name) -> ast.expr | None:
        """The expression that a plain assignment binds a name to."""
        match self._plan.parents.get(store):
            case ast.Assign(targets=targets, value=value) if store in targets:
                return value
            case ast.AnnAssign(target=target, value=ast.expr() as value) if target is store:
                return value
            case ast.NamedExpr(target=target, value=value) if target is store:
                return value
        return None

    def stored(self, store: ast.Name) -> Holding:
        """What one binding of a variable gives it."""
        value = self.value_of(store)
        if value is not None:
            return self.of(value)
        match self._plan.parents.get(store):
            case ast.AugAssign(op=op, value=added):
                changed = self._joined(self._bound(store, grown=False), op, self.of(added))
                return frozenset(h for h in changed if h.type != "unknown")
            case (
                ast.For(target=target, iter=every) | ast.comprehension(target=target, iter=every)
            ) if target is store:
                return self.elements(store, self.of(every))
        return self._kinds(store)

    # --- parameters --------------------------------------------------------------------

    def _given(self, function: FunctionNode, name: str, mention: ast.Name) -> Holding:
        if self.is_field(function, name):
            return self.field(function, name)
        for special, type_ in ((function.args.vararg, "tuple"), (function.args.kwarg, "dict")):
            if special is not None and special.arg == name:
                return frozenset({Held(type_)})
        found: set[Held] = set()
        default = defaults_by_name(function.args).get(name)
        if default is not None:
            found |= self.of(default)
        if function in self._plan.decisions.of:
            for actual in self._plan.decisions.actuals.get((function, name), []):
                given = self.argument(actual)
                found |= self.of(given) if given is not None else self._atoms(actual.value)
            return frozenset(found) or UNKNOWN
        passed = self.passed(function, name)
        if passed is None or not self._calls.get(function):
            return frozenset(found) | self._kinds(mention)
        return frozenset(found).union(*map(self.of, passed))

    def field(self, function: FunctionNode, name: str) -> Holding:
        """All that flows into a field, frozen."""
        return self._circles.ask(
            (function, name),
            lambda: frozenset(
                replace(held, frozen=True)
                for each in self._methods(function, name)
                for held in self._flows_in(each, name)
            ),
        )

    def _methods(self, function: FunctionNode, name: str) -> list[FunctionNode]:
        """The methods of a class and its relatives whose parameters are one field."""
        code = self._plan.flow.code[function]
        if code.owner is None:
            return [function]
        hierarchy = self._plan.flow.hierarchy
        line = [*hierarchy.mro(code.owner.node), *hierarchy.descendants(code.owner.node)]
        every = [m for each in line for m in hierarchy.infos[each].methods.values()]
        return [m for m in every if m is function or self.is_field(m, name)]

    def _flows_in(self, function: FunctionNode, name: str) -> Iterator[Held]:
        if self._is_open(function, name):
            yield Held("dict")
            return
        default = defaults_by_name(function.args).get(name)
        if default is not None:
            yield from self.of(default)
        calls: set[ast.Call] = set()
        for actual in self._plan.decisions.actuals.get((function, name), []):
            calls.add(actual.node)
            given = self.argument(actual)
            if given is None:
                yield from self._atoms(actual.value)
            else:
                yield from self.of(given)
        if default is None and not calls:
            yield Held("unknown")

    def argument(self, actual: Actual) -> ast.expr | None:
        """The expression of an argument, if it is spelt out at its call."""
        call = actual.node
        for keyword in call.keywords:
            if keyword.arg == actual.parameter:
                return keyword.value
        callee = actual.callee.module if isinstance(actual.callee, Model) else actual.callee
        if isinstance(actual.callee, Model):
            callee = replace(callee, method=actual.callee.method)
        names = self._plan.flow.positional_names(callee)
        if actual.parameter not in names:
            return None
        api = any(
            isinstance(a, ModuleApi) for a in self._plan.flow.values.get(call.func, frozenset())
        )
        place = names.index(actual.parameter) + int(api)
        if any(isinstance(a, ast.Starred) for a in call.args[: place + 1]):
            return None
        return call.args[place] if place < len(call.args) else None

    # --- kinds -------------------------------------------------------------------------

    def _kinds(self, node: ast.expr) -> Holding:
        frozen = self.of_field(node)
        value = self._plan.flow.values.get(node, frozenset())
        return frozenset(replace(h, frozen=frozen) for h in self._atoms(value))

    def _atoms(self, value: Value) -> Holding:
        found: set[Held] = set()
        for atom in value:
            match atom:
                case Container(node=node, type=type_):
                    made = node if isinstance(node, ast.expr) else None
                    found.add(Held(self._container(node, type_), node=made))
                case Static(type=type_):
                    plain = "number" if type_ in NUMBERS else "other"
                    plain = {"None": "None", "str": "str", "Any": "unknown"}.get(type_, plain)
                    found.add(Held("tuple" if type_ == "shape" else plain))
                case Array():
                    found.add(Held("array"))
                case Parameter():
                    continue
                case External(path=path) if path.partition(".")[0] not in LIBRARIES:
                    found.add(Held("unknown"))
                case _:
                    found.add(Held("other"))
        return frozenset(found) or UNKNOWN

    def _container(self, node: ast.AST, type_: str) -> str:
        if isinstance(node, ast.Call):
            callee = self._plan.flow.values.get(node.func, frozenset())
            made = {MADE_BY.get(a.path, "other") for a in callee if isinstance(a, External)}
            return made.pop() if len(made) == 1 else "other"
        if isinstance(node, ast.GeneratorExp | ast.SetComp):
            return "other"
        return type_ if type_ in CONTAINERS else "other"
