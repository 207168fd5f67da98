"""Training code: the facts that its sites share, and what is decided before them."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from linenify.facts import optimizing
from linenify.facts.contexts import Contexts
from linenify.facts.kinds import Api, Array, Container, Model, Optimizer, Value
from linenify.facts.models import Models, known, rivals
from linenify.facts.renames import Renames
from linenify.facts.sites import AttributeSite
from linenify.facts.support import require

if TYPE_CHECKING:
    from linenify.facts.plan import Plan
    from linenify.project.source import Source

OBJECT = "BoundModel"  # the support class that carries a module together with its params
STEPS = frozenset({"apply_gradient", "optimize"})


class Training:
    """Models, contexts, optimizers and renamed variables of a project."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.renames = Renames(plan)
        self.models = Models(plan, self.renames)
        self.contexts = Contexts(plan)
        self.per_step = self._hyperparameters()

    def prepare(self) -> None:
        """Decides what holds for all sites, and everything that is no call."""
        self.models.decide()
        self.renames.decide(self._words)
        self.renames.emit()
        self._emit_attributes()

    def needs_object(self, source: Source, call: ast.Call, value: Value) -> None:
        """The file gets the class that carries a module with its params."""
        group = self.models.group(value)
        why = group.why if group is not None and group.why is not None else "it travels"
        self.plan.notice(source, call, "LN807", f"this Model stays one object: {why}")
        require(self.plan, source, [OBJECT], "LN690")

    def _words(self, value: Value) -> tuple[str, str] | None:
        """What the name of a variable says, and what it should say."""
        held = known(value)
        if not held:
            return None
        if is_optimizer(held):
            return "optimizer", "state"
        if all(isinstance(a, Model) and not a.gradient for a in held):
            return ("model", "params") if self.models.as_params(held) else None
        return None

    def _emit_attributes(self) -> None:
        for node, value in list(self.plan.flow.values.items()):
            if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store):
                continue
            del value
            owner = known(self.plan.flow.values.get(node.value, frozenset()))
            site = self._attribute(node, owner)
            if site is None:
                continue
            source = self.plan.source(node)
            if self.plan.site_at(source, node) is None:
                self.plan.at(source, node, site)

    def _attribute(self, node: ast.Attribute, owner: Value) -> AttributeSite | None:
        if not owner:
            return None
        if not rivals(owner) and self.models.as_params(owner):
            return AttributeSite(1, None, "LN611") if node.attr == "params" else None
        if is_optimizer(owner) and node.attr == "target":
            return AttributeSite(1, "params", "LN603")
        if node.attr == "step" and isinstance(node.value, ast.Attribute):
            outer = known(self.plan.flow.values.get(node.value.value, frozenset()))
            if node.value.attr == "state" and is_optimizer(outer):
                return AttributeSite(2, "step", "LN603")
        return None

    def _hyperparameters(self) -> dict[ast.Call, list[frozenset[str | None]]]:
        """The hyper-parameters that each step passes, by optimizer definition."""
        table: dict[ast.Call, list[frozenset[str | None]]] = defaultdict(list)
        for call in self.plan.flow.where:
            assert isinstance(call, ast.Call)
            for atom in self.plan.flow.values.get(call.func, frozenset()):
                if not isinstance(atom, Api) or atom.name not in STEPS:
                    continue
                if not isinstance(atom.receiver, Optimizer):
                    continue
                names = frozenset(k.arg for k in call.keywords) - {"grads", "loss_fn"}
                for each in optimizing.definitions(self.plan.flow, atom.receiver):
                    table[each.node].append(names)
        return table


def is_optimizer(value: Value) -> bool:
    """Whether a value can only be meant as an optimizer."""
    return any(isinstance(a, Optimizer) for a in value) and all(
        isinstance(a, Optimizer | Array | Container) for a in known(value)
    )
