"""Optimizer classes that travel as values, in a table, say, or as an argument.

Each becomes a function of what the calls of it give, which makes the transformation;
the calls stay as they are.  All classes that one call may be of change together, or none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import (
    Api,
    Bound,
    Class,
    Container,
    External,
    Function,
    Parameter,
    Value,
    known,
)
from linenify.facts.legacy.optimnames import OPTIM
from linenify.facts.sites import Unclear, Wrapped
from linenify.facts.training import optimizers
from linenify.syntax.imports import bound_by_imports

_CLASSES = frozenset(optimizers.OPTIMIZERS) - {"WeightNorm", "MultiOptimizer"}
_KEEPERS = frozenset(  # what these are given comes out of them as it was
    External(path)
    for path in (
        *(f"builtins.{name}" for name in ("dict", "list", "tuple", "enumerate", "zip", "iter")),
        "builtins.reversed",
        "collections.OrderedDict",
        "types.SimpleNamespace",
        "types.MappingProxyType",
    )
)


@dataclass(frozen=True, slots=True)
class _Family:
    """Classes that the same calls may be of."""

    classes: frozenset[str]
    calls: tuple[ast.Call, ...]


class Factories:
    """The classes of `flax.optim` that functions take the place of."""

    def __init__(
        self, plan: Plan, per_step: Mapping[ast.Call, Sequence[frozenset[str | None]]]
    ) -> None:
        self._plan = plan
        self._per_step = per_step
        self._made: dict[ast.expr, Wrapped] | None = None
        self._calls: set[ast.Call] = set()

    def of(self, value: ast.expr) -> Wrapped | None:
        """What takes the place of a class where it is a value."""
        return self._sites().get(value)

    def makes(self, call: ast.Call) -> bool:
        """Whether a call is of such a function, and stays as it is."""
        self._sites()
        return call in self._calls

    def _sites(self) -> dict[ast.expr, Wrapped]:
        if self._made is None:
            self._made = {}
            families = self._families()
            values = self._values() if families else []
            for family in families:
                try:
                    found = dict(self._decided(family, values))
                except Unclear:
                    continue  # said where the class is called
                self._made |= found
                self._calls |= set(family.calls)
        return self._made

    # --- what belongs together -------------------------------------------------------------

    def _families(self) -> list[_Family]:
        found: list[_Family] = []
        for call in self._plan.flow.where:
            assert isinstance(call, ast.Call)
            value = known(self._plan.flow.values.get(call.func, frozenset()))
            classes = _classes(value)
            if not classes or self._is_spelt(call.func):
                continue
            joined = [each for each in found if each.classes & classes]
            calls = [c for each in joined for c in each.calls]
            classes = classes.union(*(each.classes for each in joined))
            found = [each for each in found if each not in joined]
            found.append(_Family(classes, (*calls, call)))
        return found

    def _values(self) -> list[tuple[frozenset[str], ast.expr]]:
        """Where classes are read, other than to be called."""
        found: list[tuple[frozenset[str], ast.expr]] = []
        for node, value in self._plan.flow.values.items():
            if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
                classes = _classes(value)
                parent = self._plan.parents.get(node)
                called = isinstance(parent, ast.Call) and parent.func is node
                if classes and parent is not None and not called:
                    found.append((classes, node))
        return found

    def _is_spelt(self, node: ast.expr) -> bool:
        """Whether an expression names a class by way of imports alone."""
        match node:
            case ast.Attribute(value=owner):
                value = self._plan.flow.values.get(owner, frozenset())
                return any(isinstance(a, External) and OPTIM.startswith(a.path) for a in value) or (
                    any(isinstance(a, External) and a.path.startswith(OPTIM) for a in value)
                )
            case ast.Name(id=name):
                return name in bound_by_imports(self._plan.source(node).tree)
        return False

    # --- what they become ------------------------------------------------------------------

    def _decided(
        self, family: _Family, values: Sequence[tuple[frozenset[str], ast.expr]]
    ) -> Iterator[tuple[ast.expr, Wrapped]]:
        for call in family.calls:
            self._check_callee(call)
        reads = [(classes, node) for classes, node in values if classes & family.classes]
        for _, node in reads:
            self._check_place(node)
        for name in sorted(family.classes):
            template, made = self._template(name, family)
            for node in (n for classes, n in reads if classes == {name} and self._is_spelt(n)):
                written = template
                parent = self._plan.parents[node]
                if isinstance(parent, ast.Assign) and isinstance(
                    self._plan.parents.get(parent), ast.ClassDef
                ):
                    written = f"staticmethod({template})"  # a class was no method
                require(self._plan, self._plan.source(node), made.support, "LN691")
                yield node, Wrapped(written, "LN601", tuple(made.imports))

    def _check_callee(self, call: ast.Call) -> None:
        value = known(self._plan.flow.values.get(call.func, frozenset()))
        others = [a for a in value if not isinstance(a, Parameter)]
        if len(others) != len(_classes(value)):
            raise Unclear("LN691", "something else may be called here")
        if any(isinstance(a, ast.Starred) for a in call.args):
            raise Unclear("LN691", "the arguments are not spelled out")

    def _check_place(self, node: ast.expr) -> None:
        """A class may stand in containers, be assigned, returned, or given to the project."""
        parent = self._plan.parents[node]
        held = False  # by a container, of which anything may be asked
        while isinstance(parent, ast.keyword | ast.Dict | ast.List | ast.Tuple | ast.IfExp):
            held |= isinstance(parent, ast.Dict | ast.List | ast.Tuple)
            parent = self._plan.parents[parent]
        match parent:
            case ast.Call(func=func):
                callee = known(self._plan.flow.values.get(func, frozenset()))
                if callee and callee <= _KEEPERS:
                    return
                if callee and all(isinstance(a, Function | Bound | Class) for a in callee):
                    return
                if callee and all(
                    isinstance(a, Api) and isinstance(a.receiver, Container) for a in callee
                ):
                    return  # `table.get(name, optim.Adam)`
            case ast.Assign() | ast.AnnAssign() | ast.Return() | ast.arguments() | ast.BoolOp():
                return
            case ast.Subscript() | ast.Lambda():
                return
            case ast.Attribute() | ast.For() | ast.comprehension() if held:
                return
        raise Unclear("LN691", "a class is asked for something else than an optimizer")

    def _template(self, name: str, family: _Family) -> tuple[str, optimizers.Definition]:
        table = optimizers.OPTIMIZERS[name]
        names = [each.name for each in table]
        given = [self._given(call, names) for call in family.calls]
        wanted = [each for each in table if any(each.name in keys for keys in given)]
        always = {each.name for each in wanted if all(each.name in keys for keys in given)}
        call = ast.Call(
            ast.Name(name, ast.Load()),
            [],
            [ast.keyword(each.name, ast.Name(each.name, ast.Load())) for each in wanted],
        )
        passed = {
            step
            for made in family.calls
            for steps in self._per_step.get(made, ())
            for step in steps
            if step is not None
        }
        made = optimizers.definition(name, ast.fix_missing_locations(call), passed)
        text = made.template
        for index, each in enumerate(wanted):
            text = text.replace(f"{{{index}}}", each.name)
        required = [each.name for each in wanted if each.name in always]
        optional = [f"{each.name}={each.default}" for each in wanted if each.name not in always]
        if required != names[: len(required)] and any(c.args for c in family.calls):
            raise Unclear("LN691", "the arguments come by position at times")
        return f"lambda {', '.join([*required, *optional])}: {text}", made

    def _given(self, call: ast.Call, names: Sequence[str]) -> set[str]:
        found = set(names[: len(call.args)])
        for keyword in call.keywords:
            keys = {keyword.arg} if keyword.arg else self._plan.splat_keys(keyword.value)
            if keys is None:
                raise Unclear("LN691", "the arguments are not spelled out")
            found |= {str(key) for key in keys}
        if not found <= set(names):
            raise Unclear("LN691", "the classes take other arguments")
        return found


def _classes(value: Value) -> frozenset[str]:
    paths = [a.path for a in value if isinstance(a, External) and a.path.startswith(f"{OPTIM}.")]
    return frozenset(name for path in paths if (name := path.rpartition(".")[2]) in _CLASSES)
