"""Training code: the facts that its sites share, and what is decided before them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from linenify.facts.ask.callers import Callers
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow import optimizing
from linenify.facts.flow.kinds import (
    Api,
    Array,
    Container,
    External,
    Legacy,
    Model,
    Optimizer,
    Value,
    known,
    rivals,
)
from linenify.facts.legacy.externals import transparent
from linenify.facts.sites import (
    AttributeSite,
)
from linenify.facts.training import boundmethods, statepaths, statics
from linenify.facts.training.caches import Caches
from linenify.facts.training.callees import Callees
from linenify.facts.training.captures import Captures
from linenify.facts.training.contexts import Contexts
from linenify.facts.training.factories import Factories
from linenify.facts.training.models import Models
from linenify.facts.training.renames import Renames
from linenify.facts.training.replicas import Replicas
from linenify.facts.training.seams import Seams, looks_inside, seen
from linenify.project.nodes import walk

_OPTIMIZER_PARTS = frozenset({"target", "state", "optimizer_def"})
STEPS = frozenset({"apply_gradient", "optimize"})


class Training:
    """Models, contexts, optimizers and renamed variables of a project."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.renames = Renames(plan)
        self.callees = Callees(plan, self.renames)
        self.callers = Callers(plan)
        self.seams = Seams(plan, self.callers)
        self.models = Models(plan, self.callees, self.seams)
        self.contexts = Contexts(plan, self.callers)
        self.caches = Caches(plan)
        self.captures = Captures(plan)
        self.replicas = Replicas(plan, self.callers, STEPS | {"compute_gradient"})
        for part in (self.callees, self.models, self.contexts, self.caches, self.captures):
            plan.enter(part)
        self.per_step = self._hyperparameters()
        self.factories = Factories(plan, self.per_step)
        self._array_steps: bool | None = None

    def prepare(self) -> None:
        """Decides what holds for all sites, and everything that is no call."""
        self.models.decide()
        self.renames.decide(self._words)
        self.renames.emit()
        self._emit_attributes()
        boundmethods.emit(self.plan, self.counts_in_arrays)
        statics.emit(self.plan, self.callers)
        self._check_collections()
        statepaths.check(self.plan)
        self._check_unknown()
        self._check_seams()

    def counts_in_arrays(self) -> bool:
        """Whether the program relies on the step being an array, also before the first step.

        A fresh `TrainState` counts in Python numbers: they have no `astype`, and
        nothing can be divided by their zero.
        """
        if self._array_steps is None:
            self._array_steps = any(
                self._needs_array(node) for node in self.plan.flow.values
            ) or any(self._maps_state(call) for call in self.plan.flow.where)
        return self._array_steps

    def _needs_array(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Attribute) or node.attr != "step":
            return False
        if self._attribute(node, frozenset({Array()})) is None:
            return False
        parent = self.plan.parents.get(node)
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            name = parent.targets[0].id
            code = self.plan.code(node)
            body = code.node if code is not None else self.plan.source(node).tree
            return any(
                _is_array_use(self.plan.parents.get(n), n)
                for n in walk(body)
                if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
            )
        return _is_array_use(parent, node)

    def _maps_state(self, call: ast.AST) -> bool:
        assert isinstance(call, ast.Call)
        callee = self.plan.flow.values.get(call.func, frozenset())
        paths = [a.path for a in callee if isinstance(a, External)]
        if not any(transparent(path) == "tree_map" for path in paths):
            return False
        for tree in call.args[1:]:
            value = known(self.plan.flow.values.get(tree, frozenset()))
            if is_optimizer(value):
                return True
        return False

    def _words(self, value: Value) -> tuple[tuple[str, ...], str] | None:
        """What the name of a variable says, and what it should say."""
        held = known(value)
        if not held:
            return None
        if is_optimizer(held):
            return ("optimizer", "opt"), "state"
        if all(isinstance(a, Model) and not a.gradient for a in held):
            return (("model",), "params") if self.models.as_params(held) else None
        return None

    def _emit_attributes(self) -> None:
        for node, value in list(self.plan.flow.values.items()):
            if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store):
                continue
            del value
            owner = known(self.plan.flow.values.get(node.value, frozenset()))
            if any(isinstance(a, Optimizer) for a in owner) and node.attr in _OPTIMIZER_PARTS:
                self._check_optimizer(node, owner)
            site = self._attribute(node, owner)
            if site is None:
                continue
            source = self.plan.source(node)
            if self.plan.site_at(source, node) is None:
                self.plan.at(source, node, site)

    def _check_collections(self) -> None:
        """Flags what reads the flat keys of a legacy Collection."""
        for node in list(self.plan.flow.values):
            if not isinstance(node, ast.Subscript):
                continue
            owner = known(self.plan.flow.values.get(node.value, frozenset()))
            if owner and all(
                isinstance(a, Legacy) and a.type in {"Collection", "Cache"} for a in owner
            ):
                why = f"`{ast.unparse(node)}` names a module by its legacy path"
                self.plan.refuse(self.plan.source(node), node, "LN491", why)

    def _check_unknown(self) -> None:
        """Flags what only legacy objects answer to, on owners that the analysis has lost."""
        params = any(True for _ in self.models.params())
        created = any(True for _ in self._created())
        for node, _ in list(self.plan.flow.values.items()):
            if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store):
                continue
            owner = self.plan.flow.values.get(node.value, frozenset())
            if seen(owner):
                continue
            parent = self.plan.parents.get(node)
            stepped = isinstance(parent, ast.Attribute) and parent.attr == "step"
            lost = node.attr in {"apply_gradient", "compute_gradient"}
            lost |= node.attr == "state" and stepped and created
            lost |= node.attr == "target" and created
            lost |= node.attr == "params" and params
            lost &= not owner or self.seams.optimizer_at_large
            # Of a Model that stays an object it is an instance, which has no `call`.
            lost |= node.attr == "module" and self.models.at_large
            if lost:
                why = f"`{ast.unparse(node.value)}` may be a legacy object; it is not known here"
                self.plan.refuse(self.plan.source(node), node, "LN692", why)
        for call, scope in self.plan.flow.where.items():
            assert isinstance(call, ast.Call)
            callee = self.plan.flow.values.get(call.func, frozenset())
            if not callee & {External("flax.serialization.to_state_dict")} or not call.args:
                continue
            held = self.plan.flow.values.get(call.args[0], frozenset())
            if (is_optimizer(held) or self.models.as_params(held)) and self._is_indexed(call):
                why = f"`{ast.unparse(call)}` has other keys now"
                self.plan.refuse(scope.source, call, "LN692", why)

    def _check_seams(self) -> None:
        """Marks where a legacy object gets out of sight, and where one may come back."""
        plan = self.plan
        for call in self.models.lost:
            why = f"`{ast.unparse(call.func)}` may be a Model; it is not known here"
            plan.notice(plan.source(call), call, "LN819", why)
        for each in self.seams.escapes:
            if (
                each.call is None
                or not each.spelt
                or not self.seams.leads(each.value)
                or not any(isinstance(a, Optimizer) for a in self.seams.carried(each.value))
            ):
                continue
            if looks_inside(plan.flow.values.get(each.call.func, frozenset())):
                why = f"`{ast.unparse(each.call.func)}` is given a TrainState; it is not seen"
                plan.refuse(plan.source(each.call), each.call, "LN695", why)

    def _created(self) -> Iterator[Optimizer]:
        """The optimizers of the project."""
        for value in self.plan.flow.values.values():
            yield from (a for a in value if isinstance(a, Optimizer))

    def _is_indexed(self, call: ast.Call) -> bool:
        """Whether a key of the result is named, there or where it is assigned to."""
        parent = self.plan.parents.get(call)
        if isinstance(parent, ast.Subscript):
            return True
        if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
            return False
        code = self.plan.code(call)
        body = code.node if code is not None else self.plan.source(call).tree
        return any(
            isinstance(n, ast.Subscript)
            and isinstance(n.value, ast.Name)
            and n.value.id == parent.targets[0].id
            for n in walk(body)
        )

    def _check_optimizer(self, node: ast.Attribute, owner: Value) -> None:
        """Flags what is read of an optimizer and has no new name."""
        parent = self.plan.parents.get(node)
        stepped = isinstance(parent, ast.Attribute) and parent.attr == "step"
        if is_optimizer(owner) and (node.attr == "target" or (node.attr == "state" and stepped)):
            return
        if is_optimizer(owner) and self._creates(node):
            return
        why = f"`{ast.unparse(node)}` has no counterpart in a TrainState"
        about = None
        if not is_optimizer(owner):
            why = f"`{ast.unparse(node.value)}` is not always an optimizer"
            about = node.value
        self.plan.refuse(self.plan.source(node), node, "LN692", why, about=about)

    def _attribute(self, node: ast.Attribute, owner: Value) -> AttributeSite | None:
        if not owner:
            return None
        if not rivals(owner) and self.models.as_params(owner):
            return AttributeSite(1, None, "LN611") if node.attr == "params" else None
        if is_optimizer(owner) and node.attr == "target":
            return AttributeSite(1, "params", "LN603")
        if is_optimizer(owner) and self._creates(node):
            return AttributeSite(1, "tx", "LN603")
        if node.attr == "step" and isinstance(node.value, ast.Attribute):
            outer = known(self.plan.flow.values.get(node.value.value, frozenset()))
            if node.value.attr == "state" and is_optimizer(outer):
                return AttributeSite(2, "step", "LN603")
        return None

    def _creates(self, node: ast.Attribute) -> bool:
        """`optimizer.optimizer_def.create(...)`: another optimizer of the same definition."""
        parent = self.plan.parents.get(node)
        grand = self.plan.parents.get(parent) if parent is not None else None
        return (
            node.attr == "optimizer_def"
            and isinstance(parent, ast.Attribute)
            and parent.attr == "create"
            and isinstance(grand, ast.Call)
            and grand.func is parent
        )

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
                names = _passed(self.plan, call) - {"grads", "loss_fn"}
                for each in optimizing.definitions(self.plan.flow, atom.receiver):
                    table[each.node].append(names)
                    for inner in optimizing.inner(self.plan.flow, each):
                        table[inner.node].append(names)
        return table


def _passed(plan: Plan, call: ast.Call) -> frozenset[str | None]:
    """The names that a call gives arguments by; None for a dict that is not known."""
    found: set[str | None] = set()
    for keyword in call.keywords:
        keys = {keyword.arg} if keyword.arg else plan.splat_keys(keyword.value)
        found |= {None} if keys is None else keys
    return frozenset(found)


def training_of(plan: Plan) -> Training:
    """The training code of a project whose calls are being decided."""
    training = plan.part(Training)
    assert training is not None
    return training


def is_optimizer(value: Value) -> bool:
    """Whether a value can only be meant as an optimizer."""
    return any(isinstance(a, Optimizer) for a in value) and all(
        isinstance(a, Optimizer | Array | Container | Legacy | Model) for a in known(value)
    )


def _is_array_use(parent: ast.AST | None, node: ast.AST) -> bool:
    """Whether `node` is used in a way that a Python number does not allow."""
    match parent:
        case ast.Attribute() | ast.Subscript():
            return getattr(parent, "value", None) is node
        case ast.BinOp(op=ast.Div() | ast.FloorDiv() | ast.Mod() | ast.Pow()):
            return True
    return False
