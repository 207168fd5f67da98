"""Fields that are made lists or dicts again, where code needs what it was given."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from linenify.facts.ask import mentions
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.modules.frozenkinds import Held, Holding, nested
from linenify.facts.modules.frozenvalues import Frozen
from linenify.facts.sites import AsTuple, Renamed, Reshaped, Wrapped
from linenify.project.scopes import FunctionNode, defaults_by_name

RULE = "LN209"
_WRAPPABLE = (ast.Subscript, ast.Call, ast.BoolOp, ast.BinOp, ast.IfExp, ast.Attribute)


@dataclass(slots=True)
class Conversions:
    """What is made again, and where.

    Attributes:
        reads: reads of fields that get something around them, as a template.
        variables: parameters that the function changes, and what makes them at its start.
    """

    reads: dict[ast.Name, str] = field(default_factory=dict)
    variables: dict[tuple[FunctionNode, str], str] = field(default_factory=dict)
    others: dict[ast.expr, Wrapped | Reshaped | AsTuple] = field(default_factory=dict)
    refused: list[tuple[ast.AST, str, str]] = field(default_factory=list)
    noticed: list[tuple[ast.AST, str, str]] = field(default_factory=list)

    def start(self, function: FunctionNode, name: str) -> str:
        """What is put around a field whose variable a function changes."""
        return self.variables.get((function, name), "")


class Thawing:
    """Decides where a value is made again, and what cannot be."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.values = Frozen(plan)
        self.found = Conversions()

    def _holding(self, node: ast.expr) -> Holding:
        return self.values.of(node)

    def _surely(self, node: ast.expr, type_: str) -> bool:
        held = self._holding(node)
        return bool(held) and all(h.type == type_ for h in held) and any(h.changes for h in held)

    def _thaw(self, name: ast.Name, type_: str) -> bool:
        """Has a variable start from a list or dict of its own."""
        first, stores = self.values.reaching(name)
        function = self.values.parameter(name) if first else None
        made: list[Callable[[], bool]] = []
        if function is not None and not self.values.is_field(function, name.id):
            passed = self.values.passed(function, name.id) or []
            for given in passed:
                if any(h.changes for h in self.values.of(given)):
                    if not self._surely(given, type_) or _is_alias(given):
                        return False
                    made.append(lambda given=given: self._make(given, type_))  # type: ignore[misc]
        elif function is not None:
            if not isinstance(function, ast.FunctionDef):
                return False
            held = self.values.field(function, name.id)
            if any(h.type != type_ for h in held) or not self._is_local(function, name.id):
                return False
            own = function.args.kwarg is not None and function.args.kwarg.arg == name.id
            if not own and self._sharing(function, name.id) is None:
                return False
            self.found.variables[function, name.id] = f"{self._maker(type_, held)}({{node}})"
        for store in stores:
            value = self.values.value_of(store)
            if value is None or not any(h.changes for h in self.values.of(value)):
                continue
            if {h.type for h in self.values.of(value)} != {type_} or _is_alias(value):
                return False
            made.append(lambda value=value: self._make(value, type_))  # type: ignore[misc]
        return all(make() for make in made)

    def _is_local(self, function: ast.FunctionDef, name: str) -> bool:
        return mentions.is_local(self.plan, function, name)

    def check_growth(self, class_plan: ClassPlan, method: ast.FunctionDef) -> None:
        """Refuses a class that changes what somebody else may read afterwards."""
        for name, decision in self.plan.decisions[method].items():
            if decision.role is not Role.FIELD or not mentions.changes(self.plan, method, name):
                continue
            shared = self._sharing(method, name)
            if shared is None or (method, name) not in self.found.variables:
                why = f"LN290 `{method.name}` changes its caller's `{name}` in place"
                self._leave(class_plan, why)
            elif shared:
                self.found.noticed.append((method, "LN815", f"`{name}` is changed in place"))

    def _sharing(self, method: ast.FunctionDef, name: str) -> bool | None:
        """Whether calls of a method get one object; None: somebody else may see it change."""
        shared = decisive = name in defaults_by_name(method.args)
        for actual in self.plan.decisions.actuals.get((method, name), []):
            given = self.values.argument(actual)
            match given:
                case ast.List() | ast.Dict() | ast.ListComp() | ast.DictComp():
                    pass
                case ast.Call(func=ast.Name(id="list" | "dict" | "sorted")):
                    pass
                case ast.Call(func=ast.Attribute(attr="copy")):
                    pass
                case _:
                    return None
            shared = shared or actual.how == "bind"
            decisive = True
        return shared if decisive else None

    def _leave(self, class_plan: ClassPlan, why: str) -> None:
        """Leaves a class as it is, and those that derive from it."""
        class_plan.refused = class_plan.refused or why
        if isinstance(class_plan.node, ast.ClassDef):
            for node in self.plan.flow.hierarchy.descendants(class_plan.node):
                below = self.plan.classes.get(node)
                if below is not None and below.refused is None:
                    base = class_plan.node.name
                    below.refused = f"LN290 the base class `{base}` was not migrated"
                    below.waits_for = class_plan.node

    # --- making them again -------------------------------------------------------------

    def _needs(
        self, node: ast.expr, type_: str, which: Callable[[Held], bool], *, deep: bool = False
    ) -> None:
        held = self._holding(node)
        if not any(which(h) and h.changes for h in held):
            return
        if not all(h.type == type_ for h in held) or not self._make(node, type_, deep=deep):
            self._refuse(node, type_, "is needed as it was given")

    def _maker(self, type_: str, held: Holding, *, deep: bool = False) -> str:
        deeper = type_ == "dict" and any(nested(h) or (deep and h.node is None) for h in held)
        return "{spell:flax.core.unfreeze}" if deeper else type_

    def _make(self, node: ast.expr, type_: str, *, deep: bool = False) -> bool:
        """Puts `list(...)` or `dict(...)` around a value."""
        maker = self._maker(type_, self.values.of(node), deep=deep)
        if isinstance(node, ast.Name):
            function = self.values.parameter(node)
            plain = isinstance(function, ast.FunctionDef) and not self._is_local(function, node.id)
            if function is not None and self.values.is_field(function, node.id) and plain:
                self.found.reads[node] = f"{maker}({{node}})"
                return True
        elif not isinstance(node, _WRAPPABLE):
            return False
        if self.plan.in_text(node) is not None:
            return False
        self.found.others[node] = Wrapped(f"{maker}({{node}})", RULE)
        return True

    def _refuse(self, node: ast.AST, type_: str, why: str) -> None:
        code = "LN282" if type_ == "dict" else "LN281"
        shown = ast.unparse(node)
        kind = "dict" if type_ == "dict" else "list"
        why = f"`{shown}` may be a {kind} that a field freezes; it {why}"
        self.found.refused.append((node, code, why))


def _is_alias(value: ast.expr) -> bool:
    """Whether an assignment gives one object a second name."""
    return isinstance(value, ast.Name | ast.Attribute)


def emit(plan: Plan, found: Conversions) -> None:
    """Puts the sites of what is not a read, and the refusals."""
    for node, site in found.others.items():
        source = plan.source(node)
        known = plan.site_at(source, node)
        if known is None:
            plan.at(source, node, site)
        elif isinstance(site, Wrapped) and isinstance(known, Renamed):
            plan.at(source, node, Wrapped(site.template.replace("{node}", known.target), RULE))
        else:
            why = f"`{ast.unparse(node)}` is rewritten, and needed as it was given"
            plan.refuse(source, node, "LN281", why)
    for where, code, why in found.refused:
        plan.refuse(plan.source(where), where, code, why)
    for where, code, why in found.noticed:
        plan.notice(plan.source(where), where, code, why)
