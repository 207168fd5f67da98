"""Seams: where Models leave what is seen of a program, and where they may come back.

A Model that becomes params is rewritten wherever it is used.  That holds only
while every use of it is known.  What goes into code out of sight may be used
there, or come back at a place whose value is not known: such Models stay
objects, which answer as before wherever they turn up.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from linenify.facts.ask.arguments import in_module_code
from linenify.facts.ask.callers import Callers, innermost
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Api,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Model,
    Optimizer,
    Parameter,
    Partial,
    Transformed,
    Value,
    known,
    models,
)
from linenify.facts.flow.libraries import ITERATIONS, TRAVERSAL
from linenify.facts.flow.lookup import attribute
from linenify.facts.legacy.externals import transparent
from linenify.project.nodes import walk
from linenify.project.relevance import reachable
from linenify.project.scopes import FunctionNode, all_arguments

_TREE_MAKERS = frozenset({"tree_flatten", "tree_structure", "tree_unflatten", "ravel_pytree"})
_BUILTINS = frozenset(
    f"builtins.{name}"
    for name in (
        *("len", "print", "isinstance", "type", "list", "tuple", "dict", "set", "zip", "map"),
        *("enumerate", "filter", "sorted", "reversed", "iter", "next", "repr", "str", "id"),
        *("hash", "sum", "min", "max", "any", "all", "range", "bool", "float", "int", "super"),
    )
)
# What they give is no Model, whatever they are given.
_CONSUMERS = ("flax.", "jax.tree", "jax.", "numpy.", "optax.", "time.", "os.", "logging.")
_HANDS_OVER = frozenset({"functools.partial", "functools.reduce", "functools.wraps"})
_BY_NAME = frozenset(f"builtins.{name}" for name in ("getattr", "vars", "globals", "locals"))
_READ = frozenset({"__getitem__", "__iter__", "__next__", "__enter__", "__call__", "__init__"})
_UNSEEN = (Api, Class, Instance)  # an attribute of these is one that nobody is seen to set
_RUNS = (Function, Bound, Partial, Transformed)


@dataclass(frozen=True, slots=True)
class Escape:
    """Something that goes out of sight, and why it may come back."""

    value: Value  # what is handed over itself; `Seams.carried` has what it leads to
    why: str
    call: ast.Call | None = None  # that hands it over
    spelt: bool = True  # whether it is an argument of its own


class Seams:
    """The places of a project where values get out of sight, and where unknown ones are used."""

    def __init__(self, plan: Plan, callers: Callers) -> None:
        self._plan = plan
        self._callers = callers
        self._unknown: dict[str, ast.Call] | None = None
        self._stores: dict[ast.AST, dict[str, list[ast.expr]]] = {}
        self._reached: dict[Atom, Value] = {}
        self._carried: dict[Value, Value] = {}

    # --- out of sight ------------------------------------------------------------------

    @cached_property
    def escapes(self) -> list[Escape]:
        """What is handed to functions that are not known, with what can be reached from it."""
        return [*self._handed_over()] if self._leading else []

    @cached_property
    def _leading(self) -> frozenset[Atom]:
        """All from which a Model or an optimizer can be reached."""
        before: dict[Atom, list[Atom]] = defaultdict(list)
        every = dict.fromkeys(a for v in self._plan.flow.values.values() for a in v)
        every |= dict.fromkeys(a for v in self._plan.flow.returns.values() for a in v)
        waiting = [*every]
        while waiting:
            atom = waiting.pop()
            for reached in self._step(atom):
                before[reached].append(atom)
                if reached not in every:
                    every[reached] = None
                    waiting.append(reached)
        legacy = [atom for atom in every if _holds_legacy(frozenset({atom}))]
        return reachable(legacy, lambda atom: before.get(atom, ()))

    def leads(self, value: Value) -> bool:
        """Whether a Model or an optimizer can be reached from a value."""
        return not self._leading.isdisjoint(value)

    def _handed_over(self) -> Iterator[Escape]:
        """What goes into a function that is not known may come back to be called."""
        for call in self._plan.flow.where:
            assert isinstance(call, ast.Call)
            callee = self._plan.flow.values.get(call.func, frozenset())
            given: list[ast.expr] = [*call.args, *(k.value for k in call.keywords)]
            if self._loses(call, callee):
                given += [call.func.value] if isinstance(call.func, ast.Attribute) else []
            elif not self.is_stranger(call, callee):
                continue
            why = f"`{ast.unparse(call.func)}` may hand it back to be called"
            spread = [k.value for k in call.keywords if k.arg is None]
            for argument in given:
                node = argument.value if isinstance(argument, ast.Starred) else argument
                value = self._plan.flow.values.get(node, frozenset())
                if value:
                    told = node is argument and node not in spread
                    yield Escape(value, why, call, told)

    def unclaimed(self) -> Iterator[tuple[FunctionNode, Escape]]:
        """What functions return that nobody is seen to call."""
        for function in self._plan.flow.code:
            given = self._plan.flow.returns.get(function, frozenset())
            if not given or isinstance(function, ast.Lambda) or self._callers.of(function):
                continue
            if self.leads(given) and not self._is_read(function):
                yield function, Escape(given, f"`{function.name}` is called out of sight")

    def _is_read(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether the analysis knows where a function runs that is never called by name."""
        return function.name in _READ or self._plan.flow.is_property(function)

    def carried(self, value: Value) -> Value:
        """A value with all that code which gets hold of it can reach."""
        if value not in self._carried:
            self._carried[value] = self._all_reached(value)
        return self._carried[value]

    def _all_reached(self, value: Value) -> Value:
        found: set[Atom] = set(value)
        pending: list[Atom] = [*value]
        while pending:
            new = self._step(pending.pop()) - found
            pending += new
            found |= new
        return frozenset(found)

    def _step(self, atom: Atom) -> Value:
        if atom not in self._reached:
            self._reached[atom] = self._reaches(atom)
        return self._reached[atom]

    def _reaches(self, atom: Atom) -> Value:
        """What code which gets hold of an atom can reach by one step."""
        flow = self._plan.flow
        match atom:
            case Optimizer(created=created):
                return flow.items.get((created, "target"), frozenset())
            case Function() | Bound() | Partial() | Transformed():
                function = innermost(atom)
                return flow.returns.get(function, frozenset()) if function else frozenset()
            case Container():
                return flow.iterate(frozenset({atom}))
            case Instance(node=node):
                return self._of_object(node)
        return frozenset()

    def _of_object(self, node: ast.ClassDef) -> Value:
        """What the attributes of an object hold."""
        flow = self._plan.flow
        held = [
            flow.attributes.get((line, name), frozenset())
            for line in flow.hierarchy.mro(node)
            for name in flow.names.get(line, ())
        ]
        return frozenset[Atom]().union(*held)

    def _loses(self, call: ast.Call, callee: Value) -> bool:
        """Whether the analysis cannot say what a call gives, and it is used."""
        if self._plan.flow.values.get(call, frozenset()):
            return False
        if isinstance(self._plan.parents.get(call), ast.Expr):
            return False
        for atom in callee:
            match atom:
                case External(path=path) if not path.startswith(_CONSUMERS):
                    return True
                case Api(receiver=Container() | Instance()):
                    return True
        return False

    def is_stranger(self, call: ast.Call, callee: Value) -> bool:
        """Whether nobody knows what a callee does with a pytree."""
        found = known(callee)
        if not found or any(isinstance(a, Api) and a.name == "send" for a in found):
            return True
        lost = not self._plan.flow.values.get(call, frozenset())
        if lost and any(isinstance(a, Api) and isinstance(a.receiver, Instance) for a in found):
            return True  # a method of a base that is not seen
        paths = [a.path for a in found if isinstance(a, External)]
        if any(not keeps_trees(path) for path in paths):
            return True
        # Whatever else calls functions of the project may call them with the tree.
        calls = [p for p in paths if transparent(p) is None and not p.startswith("builtins.")]
        calls = [
            p for p in calls if p not in _HANDS_OVER and not p.endswith(f".{TRAVERSAL}.update")
        ]
        return bool(calls) and any(
            isinstance(atom, _RUNS)
            for argument in call.args
            for value in [self._plan.flow.values.get(argument, frozenset())]
            for atom in value | self._plan.flow.iterate(value)
        )

    @cached_property
    def optimizer_at_large(self) -> bool:
        """Whether an unknown value may be an optimizer."""
        loose = [each.value for each in self.escapes if self.leads(each.value)]
        loose += [each.value for function, each in self.unclaimed() if self.builder_calls(function)]
        return any(isinstance(atom, Optimizer) for v in loose for atom in self.carried(v))

    # --- back again --------------------------------------------------------------------

    def lost_calls(self) -> list[ast.Call]:
        """Calls in training code of which nobody knows what is called."""
        found = [c for c in self._plan.flow.where if isinstance(c, ast.Call) and self._is_lost(c)]
        return sorted(found, key=lambda each: (each.lineno, each.col_offset))

    def builder_calls(self, function: FunctionNode) -> ast.Call | None:
        """A call that may be of a function which nobody is seen to call."""
        if self._unknown is None:
            self._unknown = {}
            for call in self._plan.flow.where:
                assert isinstance(call, ast.Call)
                if call not in self._plan.parents or self._is_known(call):
                    continue
                name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
                self._unknown.setdefault(name, call)
        named = self._unknown.get(getattr(function, "name", ""))
        return named or self._unknown.get("")

    def _is_known(self, call: ast.Call) -> bool:
        if seen(self._plan.flow.values.get(call.func, frozenset())):
            return True
        return in_module_code(self._plan, call) or self._is_made(call.func)

    def _is_made(self, func: ast.expr) -> bool:
        """Whether what is called was made by another library, out of nothing of ours."""
        makers: list[ast.expr] = [func] if isinstance(func, ast.Call) else []
        if isinstance(func, ast.Name):
            code = self._plan.code(func)
            home: ast.AST = code.node if code is not None else self._plan.source(func).tree
            makers = self._assigned(home).get(func.id, [])
        return bool(makers) and all(
            isinstance(each, ast.Call) and self._is_decorating(each) for each in makers
        )

    def _assigned(self, home: ast.AST) -> dict[str, list[ast.expr]]:
        """What is assigned to the variables of a function or file, by name."""
        if home not in self._stores:
            table = self._stores[home] = defaultdict(list)
            for node in walk(home):
                match node:
                    case ast.Assign(targets=targets, value=value):
                        for part in (p for target in targets for p in walk(target)):
                            if isinstance(part, ast.Name):
                                table[part.id].append(value)
                    case ast.arg(arg=name):
                        table[name].append(ast.Constant(None))
        return self._stores[home]

    def merges(self) -> Iterator[tuple[ast.expr, Value]]:
        """Unknown values with what else stands in the same variable, container or argument."""
        for node, value in self._plan.flow.values.items():
            if seen(value) or not isinstance(node, ast.expr) or _is_none(node):
                continue
            beside = self._beside(node)
            if models(beside):
                yield node, beside

    def _beside(self, node: ast.expr) -> Value:
        flow = self._plan.flow
        parent = self._plan.parents.get(node)
        match parent:
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return flow.iterate(flow.values.get(parent, frozenset()))
            case ast.IfExp() | ast.BoolOp() | ast.NamedExpr():
                return flow.values.get(parent, frozenset())
            case ast.Return():
                code = self._plan.code(node)
                return flow.returns.get(code.node, frozenset()) if code is not None else frozenset()
            case ast.Assign(targets=targets):
                return frozenset[Atom]().union(*map(self._held, targets))
            case ast.Call():
                return self._taken(parent, node)
        return frozenset()

    def _held(self, target: ast.expr) -> Value:
        """What is ever assigned to a variable, an attribute or an element."""
        flow = self._plan.flow
        match target:
            case ast.Name(id=name):
                code = self._plan.code(target)
                source = self._plan.source(target)
                scope = code.scope if code is not None else flow.scopes[source.name].module
                home = scope.lookup(name) or scope
                return flow.env.get((home, name), frozenset())
            case ast.Attribute(value=owner, attr=name):
                return attribute(flow, flow.values.get(owner, frozenset()), name)
            case ast.Subscript(value=owner):
                return flow.iterate(flow.values.get(owner, frozenset()))
        return frozenset()

    def _taken(self, call: ast.Call, node: ast.expr) -> Value:
        """What a function takes in the place of one argument, or a list that it is added to."""
        flow = self._plan.flow
        found: set[Atom] = set()
        for atom in flow.values.get(call.func, frozenset()):
            match atom:
                case Api(receiver=Container() as receiver):
                    found |= flow.iterate(frozenset({receiver}))
                case Function(node=function) | Bound(node=function) if node in call.args:
                    names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
                    names = names[int(isinstance(atom, Bound) and atom.drops_first) :]
                    place = call.args.index(node)
                    if place < len(names):
                        scope = flow.code[function].scope
                        found |= flow.env.get((scope, names[place]), frozenset())
        return frozenset(found)

    def _is_lost(self, call: ast.Call) -> bool:
        func = call.func
        value = seen(self._plan.flow.values.get(func, frozenset()))
        if any(not isinstance(atom, Array) for atom in value) or not call.args:
            return False  # arrays cannot be called: unseen code was taken to pass some
        if call not in self._plan.parents or in_module_code(self._plan, call):
            return False
        if isinstance(func, ast.Attribute):
            return func.attr in self._held_names and not self._is_foreign(func.value)
        if self._is_made(func):
            return False
        return isinstance(func, ast.Name | ast.Subscript | ast.Call)

    @cached_property
    def _held_names(self) -> set[str]:
        """What Models are called anywhere: variables, attributes, and their methods."""
        flow = self._plan.flow
        named = [(name, value) for (_, name), value in flow.env.items()]
        named += [(name, value) for (_, name), value in flow.attributes.items()]
        found = {name for name, value in named if models(value)}
        for info in flow.hierarchy.infos.values():
            if flow.hierarchy.is_module(info.node):
                found |= {n for n in info.methods if flow.hierarchy.is_module_method(info.node, n)}
        for node, value in flow.values.items():
            if isinstance(node, ast.Attribute) and models(value):
                found.add(node.attr)
        return found

    def _is_foreign(self, owner: ast.expr) -> bool:
        """Whether an object is known to be one of another library."""
        root = owner
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
        value = seen(self._plan.flow.values.get(root, frozenset()))
        return bool(value) and not any(isinstance(a, Instance) for a in value)

    def _is_decorating(self, made: ast.Call) -> bool:
        """`transform(...)(f)`: what is called makes functions, out of nothing that may be ours."""
        callee = self._plan.flow.values.get(made.func, frozenset())
        paths = [a.path for a in callee if isinstance(a, External)]
        return bool(paths) and not any(
            path in _BY_NAME or models(self.carried(self._plan.flow.values.get(a, frozenset())))
            for path in paths
            for a in made.args
        )


def seen(value: Value) -> Value:
    """A value without what only says that something is handed on, or is an unknown attribute."""
    return frozenset(
        a for a in known(value) if not (isinstance(a, Api) and isinstance(a.receiver, _UNSEEN))
    )


def keeps_trees(path: str) -> bool:
    """Whether what a function does with pytrees is known to the analysis."""
    root, _, _ = path.partition(".")
    if path.rpartition(".")[2] in _TREE_MAKERS:
        return False
    return (
        root in {"jax", "flax", "numpy", "optax", "time", "os", "math", "logging", "absl"}
        or transparent(path) is not None
        or path in _BUILTINS
        or path in ITERATIONS
        or path in {"functools.partial", "functools.wraps", "functools.reduce"}
        or path in {"copy.copy", "copy.deepcopy", "dataclasses.replace"}
    )


def looks_inside(callee: Value) -> bool:
    """Whether code out of sight may ask a legacy object for what only that has.

    The standard library knows nothing of Flax: it stores and hands on.
    """
    found = known(callee)
    return not found or any(
        isinstance(a, Api)
        or (
            isinstance(a, External)
            and not keeps_trees(a.path)
            and a.path.partition(".")[0] not in {*sys.stdlib_module_names, "builtins"}
        )
        for a in found
    )


def taken(plan: Plan, value: Value) -> Value:
    """What the parameters of the functions hold that a value may be."""
    found: set[Atom] = set()
    for atom in value:
        function: FunctionNode | None = innermost(atom) if isinstance(atom, _RUNS) else None
        if function is not None:
            scope = plan.flow.code[function].scope
            for argument in all_arguments(function.args):
                found |= plan.flow.env.get((scope, argument.arg), frozenset())
    return frozenset(found)


def may_be_called(plan: Plan, atom: Atom) -> bool:
    """Whether a correct program can call such a value: not an object without `__call__`."""
    match atom:
        case Instance(node=node):
            hierarchy = plan.flow.hierarchy
            return not hierarchy.is_whole(node) or hierarchy.find(node, "__call__") is not None
        case Class() | Parameter() | Model():
            return True
    return True


def _is_none(node: ast.expr) -> bool:
    """Whether an expression is plainly no object: a constant, or a name that is only stored to."""
    return isinstance(node, ast.Constant) or not isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    )


def _holds_legacy(value: Value) -> bool:
    return any(isinstance(atom, Model | Optimizer) for atom in value)
