"""What every legacy Model becomes: params, or one object that can be called.

Models that meet in one variable share their fate.  They become params where a
module can be named at every place that calls one of them; where that fails,
the project gets a small pytree class that carries both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from linenify.facts.callees import Callees
from linenify.facts.externals import transparent
from linenify.facts.kinds import (
    Api,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Module,
    Partial,
    Self,
    Transformed,
    Value,
    known,
    models,
    rivals,
)
from linenify.facts.libraries import ITERATIONS
from linenify.facts.plan import Plan

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
_PLAIN = frozenset({"params", "replace", "module"})


@dataclass(eq=False, slots=True)
class Group:
    """Models that may stand in one variable."""

    origins: set[ast.Call]
    why: str | None = None  # why they cannot be params

    @property
    def as_params(self) -> bool:
        """Whether they become params."""
        return self.why is None


@dataclass(eq=False)
class Models:
    """The Models of a project."""

    plan: Plan
    callees: Callees
    _groups: dict[ast.Call, Group] = field(default_factory=dict)

    def decide(self) -> None:
        """Groups Models and decides what each group becomes."""
        self._unite()
        for node, value in self.plan.flow.values.items():
            found = models(value)
            group = self.group(value)
            if not found or group is None or not isinstance(node, ast.expr):
                continue
            if group.as_params:
                group.why = self._objection(node, value)
        self._object_to_strangers()

    def _object_to_strangers(self) -> None:
        """What goes into a function that is not known may come back to be called."""
        for call in self.plan.flow.where:
            assert isinstance(call, ast.Call)
            callee = self.plan.flow.values.get(call.func, frozenset())
            given = [*call.args, *(k.value for k in call.keywords)]
            if self._loses(call, callee):
                given += [call.func.value] if isinstance(call.func, ast.Attribute) else []
            elif not self._is_stranger(call, callee):
                continue
            for argument in given:
                value = self.plan.flow.values.get(argument, frozenset())
                for model in models(value | self.plan.flow.inside(value)):
                    group = self.group(frozenset({model}))
                    if group is not None and group.as_params and not model.gradient:
                        group.why = f"`{ast.unparse(call.func)}` may hand it back to be called"

    def _loses(self, call: ast.Call, callee: Value) -> bool:
        """Whether the analysis cannot say what a call gives, and it is used."""
        if self.plan.flow.values.get(call, frozenset()):
            return False
        if isinstance(self.plan.parents.get(call), ast.Expr):
            return False
        for atom in callee:
            match atom:
                case External(path=path) if not path.startswith(_CONSUMERS):
                    return True
                case Api(receiver=Container() | Instance()):
                    return True
        return False

    def _is_stranger(self, call: ast.Call, callee: Value) -> bool:
        """Whether nobody knows what a callee does with a pytree."""
        found = known(callee)
        if not found or any(isinstance(a, Api) and a.name == "send" for a in found):
            return True
        paths = [a.path for a in found if isinstance(a, External)]
        if any(not keeps_trees(path) for path in paths):
            return True
        # Whatever else calls functions of the project may call them with the tree.
        calls = [p for p in paths if transparent(p) is None and not p.startswith("builtins.")]
        return any(p not in _HANDS_OVER for p in calls) and any(
            isinstance(atom, Function | Bound | Partial | Transformed)
            for argument in call.args
            for value in [self.plan.flow.values.get(argument, frozenset())]
            for atom in value | self.plan.flow.iterate(value)
        )

    def group(self, value: Value) -> Group | None:
        """The group that the Models of a value belong to."""
        return next(
            (
                self._groups[m.origin]
                for m in models(value)
                if m.origin is not None and m.origin in self._groups
            ),
            None,
        )

    def as_params(self, value: Value) -> bool:
        """Whether a value holds nothing but Models that become params."""
        group = self.group(value)
        return group is not None and group.as_params

    def params(self) -> Iterator[Group]:
        """The groups that become params."""
        return (group for group in self._groups.values() if group.as_params)

    def objects(self) -> Iterator[Group]:
        """The groups that stay objects."""
        seen: set[int] = set()
        for group in self._groups.values():
            if not group.as_params and id(group) not in seen:
                seen.add(id(group))
                yield group

    # --- groups ------------------------------------------------------------------------

    def _unite(self) -> None:
        for value in self.plan.flow.values.values():
            origins = {m.origin for m in models(value) if m.origin is not None}
            origins = {o for o in origins if not self._is_local(o)}
            if not origins:
                continue
            united = Group(set(origins))
            for origin in origins:
                if origin in self._groups:
                    united.origins |= self._groups[origin].origins
            for origin in united.origins:
                self._groups[origin] = united

    def _is_local(self, origin: ast.Call) -> bool:
        """Whether a rule for Models that never travel has it already."""
        return self.plan.site_at(self.plan.flow.where[origin].source, origin) is not None

    # --- whether params will do --------------------------------------------------------

    def _objection(self, node: ast.expr, value: Value) -> str | None:
        parent = self.plan.parents.get(node)
        grand = self.plan.parents.get(parent) if parent is not None else None
        match parent:
            case ast.Call(func=func) if func is node:
                return self._call_objection(parent, node, value)
            case ast.Attribute(attr=name) if parent.value is node:
                if rivals(value):
                    return f"`{ast.unparse(node)}` is not always a Model"
                reached = models(self.plan.flow.values.get(parent, frozenset()))
                if any(m.method == name for m in reached):
                    if isinstance(grand, ast.Call) and grand.func is parent:
                        return self._call_objection(grand, node, value)
                    return f"`{ast.unparse(parent)}` travels as a value"
                if name not in _PLAIN:
                    return f"`{ast.unparse(parent)}` needs a Model"
                if name == "module":
                    return f"`{ast.unparse(parent)}` takes the module from a Model"
            case ast.Assign(value=stored) if stored is node:
                return self._store_objection(parent)
            case ast.Call(args=[first, *_]) if first is not node and self._asks_type(parent):
                return f"`{ast.unparse(parent)}` asks for the type of a Model"
            case ast.Call() if self._asks_type(parent):
                return f"`{ast.unparse(parent)}` asks for the type of a Model"
            case ast.Call(args=[first, *_]) if first is node and self.hands_over(parent):
                return self._call_objection(parent, node, value)
        return None

    def _store_objection(self, statement: ast.Assign) -> str | None:
        """A Model that is stored where it cannot be followed may come back to be called."""
        held = (Self, Instance, Class, Module, Function, Container, Legacy)
        for target in statement.targets:
            if not isinstance(target, ast.Attribute | ast.Subscript):
                continue
            owner = self.plan.flow.values.get(target.value, frozenset())
            if not any(isinstance(a, held) for a in owner):
                return f"`{ast.unparse(target)}` is out of sight"
        return None

    def _call_objection(self, call: ast.Call, node: ast.expr, value: Value) -> str | None:
        if rivals(value):
            return f"`{ast.unparse(node)}` is not always a Model"
        if self.callees.of(call, node, value) is None:
            return f"no module for `{ast.unparse(node)}` can be named in line {call.lineno}"
        return None

    def _asks_type(self, call: ast.Call) -> bool:
        callee = self.plan.flow.values.get(call.func, frozenset())
        return External("builtins.isinstance") in callee or External("builtins.type") in callee

    def hands_over(self, call: ast.Call) -> bool:
        """Whether a Model is handed over to be called."""
        callee = self.plan.flow.values.get(call.func, frozenset())
        kinds = {transparent(a.path) for a in callee if isinstance(a, External)}
        return bool(kinds - {None, "tree_map"})


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
