"""Where a value that may be several things was put together.

Many places may wait for one: a parameter that one caller gives a Model and another
one params spoils all that is done with it.  The joint is that parameter, followed
back from wherever somebody asks, through names, attributes and results of functions.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from linenify.facts.ask.arguments import fill
from linenify.facts.ask.callers import Callers, innermost
from linenify.facts.ask.described import described, made_at
from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Class,
    File,
    Function,
    Instance,
    Model,
    Partial,
    Self,
    Transformed,
    known,
)
from linenify.facts.sites import Unclear
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode, Scope, all_arguments, defaults_by_name
from linenify.syntax.imports import bound_by_imports

_SHOWN = 4  # things that one place is said to bind
_FAR = 20  # steps back; more are not worth a reader's while


@dataclass(frozen=True, slots=True)
class Joint:
    """A place that binds several things.

    Attributes:
        place: the parameter, variable, attribute or expression.
        name: what it is called.
        sources: what is bound there, each with the expression that it comes from.
    """

    place: ast.AST
    name: str
    sources: tuple[tuple[str, ast.AST], ...]


class Joints:
    """The bindings of a project, followed backwards."""

    def __init__(self, program: Program, callers: Callers) -> None:
        self._program = program
        self._callers = callers
        self._names: dict[tuple[Scope, str], list[ast.expr]] | None = None
        self._given: dict[tuple[FunctionNode, str], list[ast.expr]] | None = None
        self._made: dict[FunctionNode, list[ast.Call]] | None = None
        self._objects: dict[ast.ClassDef, list[ast.Call]] | None = None
        self._attributes: dict[tuple[ast.AST, str], list[ast.expr]] = {}

    def of(self, node: ast.expr) -> Joint | None:
        """Where the kinds of `node` meet; None where it is only one thing, or nobody knows."""
        place: ast.AST = node
        current = node
        seen: set[ast.AST] = set()
        trail: list[tuple[ast.AST, ast.expr]] = []
        while current not in seen and len(seen) < _FAR:
            seen.add(current)
            trail.append((place, current))
            found = self._sources(current) if len(self._kinds(current)) > 1 else None
            if found is None and isinstance(current, ast.Attribute) and self._is_member(current):
                current = current.value  # whose method or attribute it is
                continue
            if found is None:
                break
            place, sources = found
            told = {source: self._kinds(source) for source in sources}
            told = {source: kinds for source, kinds in told.items() if kinds}
            whole = [source for source, kinds in told.items() if kinds >= self._kinds(current)]
            if len({frozenset(kinds) for kinds in told.values()}) > 1 or not whole:
                made = self._joint(place, current, told)
                if made is None:
                    break
                return made
            current = whole[0]
        found_at = (self._of_origins(place, each) for place, each in reversed(trail))
        return next((joint for joint in found_at if joint is not None), None)

    def is_known(self, node: ast.expr) -> bool:
        """Whether something is known of all that may come to `node`, from wherever it comes."""
        seen: set[ast.AST] = set()
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            if not self._program.flow.values.get(current, frozenset()):
                return False
            found = self._sources(current)
            if found is not None:
                waiting += found[1]
                continue
            match current:
                case ast.Dict(keys=keys, values=values):
                    waiting += [v for k, v in zip(keys, values, strict=True) if k is None]
                case ast.Call(args=args, keywords=keywords, func=func):
                    waiting += [*args, *(k.value for k in keywords if k.arg is None)]
                    waiting += [func.value] if isinstance(func, ast.Attribute) else []
                case ast.Subscript(value=owner):
                    waiting.append(owner)
                case ast.Name() | ast.Attribute() if not self._is_taken(current):
                    return False  # nobody is seen to bind it
        return True

    def _is_taken(self, node: ast.expr) -> bool:
        """Whether a name is that of something in another file."""
        match node:
            case ast.Name(id=name):
                return name in bound_by_imports(self._program.source(node).tree)
            case ast.Attribute(value=owner):
                value = self._program.flow.values.get(owner, frozenset())
                return bool(value) and all(isinstance(a, File) for a in value)
        return False

    def _is_member(self, node: ast.Attribute) -> bool:
        """Whether several things are asked for a member, and that is what differs."""
        return len(self._kinds(node)) < 2 or len(self._kinds(node.value)) > 1

    def _of_origins(self, place: ast.AST, node: ast.expr) -> Joint | None:
        """Where the ways of values are not seen: the place, and where each of them was made."""
        told: dict[tuple[str, ast.AST], ast.AST] = {}
        for atom in known(self._program.flow.values.get(node, frozenset())):
            word, home = described(atom), made_at(atom)
            if word and home in self._program.parents:
                assert home is not None
                told[word, home] = home
        first: dict[str, ast.AST] = {}
        for (word, _), home in sorted(told.items(), key=lambda each: self._order(each[1])):
            first.setdefault(word, home)
        if len(first) < 2:
            ordered = sorted(told.items(), key=lambda each: self._order(each[1]))
            sources = tuple((word, home) for (word, _), home in ordered)
        else:
            sources = tuple(first.items())
        if len(sources) < 2:
            return None
        bound = self._sources(node)
        place = bound[0] if bound is not None else place
        name = place.arg if isinstance(place, ast.arg) else ast.unparse(node)
        return Joint(place, name, sources[:_SHOWN])

    def _joint(
        self, place: ast.AST, node: ast.expr, told: dict[ast.expr, set[str]]
    ) -> Joint | None:
        """The sources of a joint, the first one for each thing that is bound there."""
        chosen: dict[str, ast.AST] = {}
        for source, kinds in sorted(told.items(), key=lambda each: self._order(each[0])):
            chosen.setdefault(" or ".join(sorted(kinds)), source)
        if len(chosen) < 2:
            return None
        name = place.arg if isinstance(place, ast.arg) else ast.unparse(node)
        return Joint(place, name, tuple(chosen.items()))

    def _order(self, node: ast.AST) -> tuple[str, int, int]:
        place = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return self._program.source(node).name, *place

    def _kinds(self, node: ast.AST) -> set[str]:
        value = self._program.flow.values.get(node, frozenset())
        return {word for atom in known(value) if (word := described(atom))}

    # --- backwards ---------------------------------------------------------------------

    def _sources(self, node: ast.expr) -> tuple[ast.AST, list[ast.expr]] | None:
        """What a node takes its value from, and where that is bound; None where it makes it."""
        match node:
            case ast.Name(id=name):
                scope = self._scope(node)
                home = scope.lookup(name)
                return self._bound(home, name) if home is not None else None
            case ast.IfExp(body=body, orelse=orelse):
                return node, [body, orelse]
            case ast.BoolOp(values=values):
                return node, [*values]
            case ast.NamedExpr(value=value):
                return node, [value]
            case ast.Attribute(value=owner, attr=attribute):
                return self._kept(owner, attribute)
            case ast.Call(func=func):
                return self._given_back(func)
        return None

    def _bound(self, home: Scope, name: str) -> tuple[ast.AST, list[ast.expr]] | None:
        sources = [*self._assigned().get((home, name), ())]
        place: ast.AST | None = None
        if isinstance(home.node, FunctionNode):
            arguments = {a.arg: a for a in all_arguments(home.node.args)}
            if name in arguments:
                place = arguments[name]
                sources += self._passed(home.node, name)
                default = defaults_by_name(home.node.args).get(name)
                sources += [default] if default is not None else []
        if not sources:
            return None
        return (place if place is not None else sources[0]), sources

    def _passed(self, function: FunctionNode, name: str) -> Iterator[ast.expr]:
        """What the calls of a function give for one of its parameters, where that is spelt out."""
        yield from self._module_calls().get((function, name), ())
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
        for call in [*self._callers.of(function), *self._constructions().get(function, ())]:
            skipped = self._filled(call.func, function)
            if skipped is None:
                continue
            by_name = [k.value for k in call.keywords if k.arg == name]
            place = names.index(name) - skipped if name in names else -1
            if by_name:
                yield by_name[0]
            elif 0 <= place < len(call.args) and not any(
                isinstance(a, ast.Starred) for a in call.args[: place + 1]
            ):
                yield call.args[place]

    def _module_calls(self) -> dict[tuple[FunctionNode, str], list[ast.expr]]:
        """What calls and partials of module classes give for the parameters of methods."""
        if self._given is None:
            self._given = defaultdict(list)
            for (call, callee, name), actual in self._program.flow.actuals.items():
                if actual.how == "init":
                    continue  # its arguments stand behind a key
                module = callee.module if isinstance(callee, Model) else callee
                function = self._program.flow.function_of(module)
                if function is None:
                    continue
                try:
                    filled = fill(self._program, call, module)
                except Unclear:
                    continue
                self._given[function, name] += [e.node for e in filled if e.name == name]
        return self._given

    def _constructions(self) -> dict[FunctionNode, list[ast.Call]]:
        """The calls that make objects of the project, or call them, by the method that runs."""
        if self._made is None:
            self._made = defaultdict(list)
            find = self._program.flow.hierarchy.find
            for call in self._program.flow.where:
                assert isinstance(call, ast.Call)
                for atom in self._program.flow.values.get(call.func, frozenset()):
                    if isinstance(atom, Class | Instance):
                        special = "__init__" if isinstance(atom, Class) else "__call__"
                        found = find(atom.node, special)
                        if found is not None:
                            self._made[found[1]].append(call)
        return self._made

    def _filled(self, func: ast.expr, function: FunctionNode) -> int | None:
        """How many parameters of `function` are filled in before a call of `func`."""

        def count(atom: Atom) -> int | None:
            match atom:
                case Function(node=node):
                    return 0 if node is function else None
                case Bound(node=node, drops_first=drops):
                    return int(drops) if node is function else None
                case Transformed(function=inner):
                    return count(inner)
                case Partial(function=inner, positional=more):
                    found = count(inner)
                    return found + more if found is not None else None
                case Class(node=node) | Instance(node=node):
                    special = "__init__" if isinstance(atom, Class) else "__call__"
                    method = self._program.flow.hierarchy.find(node, special)
                    return 1 if method is not None and method[1] is function else None
            return None

        value = self._program.flow.values.get(func, frozenset())
        return next((c for c in map(count, value) if c is not None), None)

    def _kept(self, owner: ast.expr, attribute: str) -> tuple[ast.AST, list[ast.expr]] | None:
        """What an attribute of an object of the project was given."""
        self._assigned()
        sources: list[ast.expr] = []
        for atom in self._program.flow.values.get(owner, frozenset()):
            if isinstance(atom, Instance | Class):
                for line in self._program.flow.hierarchy.mro(atom.node):
                    sources += self._attributes.get((line, attribute), ())
                if not sources:
                    sources += self._filled_fields(atom.node, attribute)
            elif isinstance(atom, Self):
                for line in self._program.flow.hierarchy.mro(atom.owner):
                    sources += self._attributes.get((line, attribute), ())
        return (sources[0], sources) if sources else None

    def _filled_fields(self, node: ast.ClassDef, name: str) -> Iterator[ast.expr]:
        """What the calls of a class without `__init__` give for one of its fields."""
        annotated = [s.target for s in node.body if isinstance(s, ast.AnnAssign)]
        fields = [target.id for target in annotated if isinstance(target, ast.Name)]
        for call in self._constructed().get(node, ()):
            by_name = [k.value for k in call.keywords if k.arg == name]
            place = fields.index(name) if name in fields else len(call.args)
            if by_name or place < len(call.args):
                yield by_name[0] if by_name else call.args[place]

    def _constructed(self) -> dict[ast.ClassDef, list[ast.Call]]:
        if self._objects is None:
            self._objects = defaultdict(list)
            for call in self._program.flow.where:
                assert isinstance(call, ast.Call)
                for atom in self._program.flow.values.get(call.func, frozenset()):
                    if isinstance(atom, Class):
                        self._objects[atom.node].append(call)
        return self._objects

    def _given_back(self, func: ast.expr) -> tuple[ast.AST, list[ast.expr]] | None:
        """What the functions of the project that a call runs return."""
        sources: list[ast.expr] = []
        place: ast.AST | None = None
        for atom in self._program.flow.values.get(func, frozenset()):
            function = innermost(atom)
            if isinstance(function, ast.Lambda):
                sources.append(function.body)
            elif function is not None:
                sources += [
                    n.value
                    for n in walk(function)
                    if isinstance(n, ast.Return) and n.value is not None
                ]
            place = place or function
        return (place, sources) if place is not None and sources else None

    # --- the index ---------------------------------------------------------------------

    def _assigned(self) -> dict[tuple[Scope, str], list[ast.expr]]:
        """All assignments of the project, by variable; those of attributes on the side."""
        if self._names is None:
            self._names = defaultdict(list)
            for source in self._program.project.sources:
                for node in walk(source.tree):
                    for target, value in _assignments(node):
                        self._enter(target, value)
        return self._names

    def _enter(self, target: ast.expr, value: ast.expr) -> None:
        assert self._names is not None
        match target:
            case ast.Name(id=name):
                home = self._scope(target).lookup(name)
                if home is not None:
                    self._names[home, name].append(value)
            case ast.Attribute(value=owner, attr=attribute):
                for atom in self._program.flow.values.get(owner, frozenset()):
                    if isinstance(atom, Instance | Self):
                        node = atom.node if isinstance(atom, Instance) else atom.owner
                        self._attributes.setdefault((node, attribute), []).append(value)

    def _scope(self, node: ast.AST) -> Scope:
        scopes = self._program.flow.scopes[self._program.source(node).name]
        inner: ast.AST = node
        for ancestor in self._program.ancestors(node):
            if ancestor in scopes.by_node and not _stands_outside(ancestor, inner):
                return scopes.by_node[ancestor]
            inner = ancestor
        return scopes.module


def _stands_outside(node: ast.AST, part: ast.AST) -> bool:
    """Whether a part of a definition belongs to the scope around it."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return part not in node.body and part is not node.args
        case ast.ClassDef():
            return part not in node.body
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            return False
    return False


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _parts(target, value)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
        ):
            yield target, value
        case (
            ast.For(target=target, iter=ast.Tuple(elts=values) | ast.List(elts=values))
            | ast.comprehension(target=target, iter=ast.Tuple(elts=values) | ast.List(elts=values))
        ):
            for value in values:
                yield from _parts(target, value)


def _parts(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    match target, value:
        case ast.Tuple(elts=targets) | ast.List(elts=targets), ast.Tuple(elts=values) | ast.List(
            elts=values
        ) if len(targets) == len(values):
            for one, other in zip(targets, values, strict=True):
                yield from _parts(one, other)
        case ast.Name() | ast.Attribute(), _:
            yield target, value
