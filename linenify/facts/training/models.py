"""What every legacy Model becomes: params, or one object that can be called.

Models that meet in one variable share their fate.  They become params where a
module can be named at every place that calls one of them; where that fails,
the project gets a small pytree class that carries both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from linenify.facts.deciding.plan import Plan, Settled
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import (
    Atom,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Module,
    Self,
    Value,
    models,
    rivals,
)
from linenify.facts.legacy.externals import transparent
from linenify.facts.legacy.snippets import OBJECT
from linenify.facts.sites import Stem, Unclear
from linenify.facts.training.callees import Callees
from linenify.facts.training.seams import Escape, Seams, may_be_called, taken
from linenify.project.source import Source

_PLAIN = frozenset({"params", "replace", "module"})


@dataclass(eq=False, slots=True)
class Group:
    """Models that may stand in one variable."""

    origins: set[ast.Call]
    why: str | None = None  # why they cannot be params
    legacy: bool = False  # whether they stay as they were
    runs: int = 0  # that have been rewritten
    failed: str | None = None  # why one of them was not
    stem: Stem | None = None  # what that stems from

    @property
    def as_params(self) -> bool:
        """Whether they become params."""
        return self.why is None


@dataclass(eq=False)
class Models:
    """The Models of a project."""

    plan: Plan
    callees: Callees
    seams: Seams
    at_large: bool = False  # whether an unknown value may be one of them
    lost: list[ast.Call] = field(default_factory=list)  # calls of what may be one of them
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
        for origin, group in self._groups.items():
            if origin in self.plan.settled:
                settled = self.plan.settled[origin]
                group.why, group.legacy, group.stem = settled.why, settled.legacy, settled.stem

    # --- all or nothing ----------------------------------------------------------------

    def ran(self, value: Value) -> None:
        """A run of the Models in a value has been rewritten."""
        group = self.group(value)
        if group is not None:
            group.runs += 1

    def fail(self, call: ast.Call, value: Value, why: str, stem: Stem) -> None:
        """A run of the Models in a value stays as it was."""
        group = self.group(value)
        if group is not None and group.failed is None:
            group.failed = f"its run in line {call.lineno} stays: {why}"
            group.stem = stem

    def unsettled(self) -> dict[ast.Call, Settled]:
        """Models that were to become params, and one of whose runs stays as it was.

        They have to be decided again: they stay objects, so that the run that is
        left has its Model, or they stay as they were where no run was rewritten.
        """
        return {
            origin: Settled(group.failed, group.runs == 0 and not self._trained(group), group.stem)
            for origin, group in self._groups.items()
            if group.as_params and group.failed is not None and group.stem is not None
        }

    def _trained(self, group: Group) -> bool:
        """Whether Models are the target of an optimizer."""
        return any(
            model.origin in group.origins
            for (_, key), value in self.plan.flow.items.items()
            if key == "target"
            for model in models(value)
        )

    def _object_to_strangers(self) -> None:
        """What gets out of sight may come back where it is not known to be a Model."""
        objected = [e for e in self.seams.escapes if self._object_to(e)]
        self.lost = self.seams.lost_calls()
        for function, each in self.seams.unclaimed():
            found = self.seams.builder_calls(function)
            first = found if found is not None or not self.lost else self.lost[0]
            if first is not None:
                call = f"`{ast.unparse(first.func)}` in line {first.lineno} may be it"
                objected += [each] if self._object_to(each, f", and {call}") else []
        self.at_large |= bool(objected)
        if self.at_large:
            for node, value in self.seams.merges():
                self._object(value, f"`{ast.unparse(node)}` beside it may be another one")
            # Callbacks may be given what has got out of sight beside what is seen.
            for each in self.seams.escapes:
                self._object(taken(self.plan, self.seams.carried(each.value)), each.why)
        if all(group.as_params for group in self._groups.values()):
            self.lost = []

    def _object_to(self, escape: Escape, more: str = "") -> bool:
        """The Models that can be reached from what gets out of sight stay objects."""
        value = self.seams.carried(escape.value) if self.seams.leads(escape.value) else frozenset()
        return self._object(value, f"{escape.why}{more}")

    def _object(self, value: Value, why: str) -> bool:
        """The Models in a value stay objects; gives whether there are any."""
        found = [m for m in models(value) if not m.gradient]
        for model in found:
            group = self.group(frozenset({model}))
            if group is not None and group.as_params:
                group.why = why
        return bool(found)

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

    def needs_object(self, source: Source, call: ast.Call, value: Value) -> None:
        """The file gets the class that carries a module with its params."""
        group = self.group(value)
        if group is not None and group.legacy:
            why = f"this Model stays as it is: {group.why}"
            raise Unclear("LN690", why, because=group.stem)
        why = group.why if group is not None and group.why is not None else "it travels"
        self.plan.notice(source, call, "LN807", f"this Model stays one object: {why}")
        require(self.plan, source, [OBJECT], "LN690")

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
        for value in dict.fromkeys(self.plan.flow.values.values()):
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
                called = isinstance(grand, ast.Call) and grand.func is parent
                if name not in _PLAIN or (name == "replace" and not called):
                    return f"`{ast.unparse(parent)}` needs a Model"
                if name == "module":
                    return f"`{ast.unparse(parent)}` takes the module from a Model"
            case ast.Assign(value=stored) if stored is node:
                why = self._store_objection(parent)
                self.at_large |= why is not None
                return why
            case ast.Call(args=[first, *_]) if first is node and self._replaces(parent):
                return f"`{ast.unparse(parent)}` replaces a part of a Model"
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
        if self.called_rivals(value):
            return f"`{ast.unparse(node)}` is not always a Model"
        if self.callees.of(call, node, value) is None:
            return f"no module for `{ast.unparse(node)}` can be named in line {call.lineno}"
        return None

    def called_rivals(self, value: Value) -> list[Atom]:
        """What a call may be of, besides a Model."""
        return [atom for atom in rivals(value) if may_be_called(self.plan, atom)]

    def _asks_type(self, call: ast.Call) -> bool:
        callee = self.plan.flow.values.get(call.func, frozenset())
        return External("builtins.isinstance") in callee or External("builtins.type") in callee

    def _replaces(self, call: ast.Call) -> bool:
        callee = self.plan.flow.values.get(call.func, frozenset())
        return External("dataclasses.replace") in callee

    def hands_over(self, call: ast.Call) -> bool:
        """Whether a Model is handed over to be called."""
        callee = self.plan.flow.values.get(call.func, frozenset())
        kinds = {transparent(a.path) for a in callee if isinstance(a, External)}
        return bool(kinds - {None, "tree_map"})
