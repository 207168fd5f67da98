"""Optimizer classes of the project itself, where they are a rule for one parameter.

Such a class keeps its rule.  A support class in place of `optim.OptimizerDef`
makes an optax transformation of it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.classes import OPTIMIZER_BASES
from linenify.facts.flow.kinds import External
from linenify.facts.sites import Reshaped, Unclear
from linenify.project.source import Source

CODE = "LN691"
BASE = "PerParamOptimizer"  # the support class
_RULE = ("init_param_state", "apply_param_gradient")
# What legacy calls besides the rule, and names of the support class.
_RESERVED = frozenset(
    {
        "apply_gradient",
        "create",
        "init_state",
        "restore_state",
        "state_dict",
        "update_hyper_params",
        "changing",
        "init",
        "update",
        "with_hyperparams",
    }
)


def emit_base(plan: Plan, source: Source, node: ast.ClassDef) -> None:
    """Makes sure that a class can do with the support class as its base.

    Raises:
        Unclear: LN691, when it is more than a rule for one parameter.
    """
    why = objection(plan, node)
    if why is not None:
        raise Unclear(CODE, why)
    require(plan, source, [BASE], CODE)


def emit_definition(
    plan: Plan, source: Source, call: ast.Call, node: ast.ClassDef, per_step: Collection[str]
) -> None:
    """A definition is made from a class of the project.

    It stays as it is, unless steps override some of its hyper-parameters.

    Raises:
        Unclear: LN691, when the class is not migrated, or a step replaces them all.
    """
    why = objection(plan, node)
    if why is not None:
        raise Unclear(CODE, why)
    if not per_step:
        return
    if "hyper_params" in per_step:
        raise Unclear(CODE, f"the hyper-parameters of {node.name} are replaced at a step")
    if any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None for k in call.keywords
    ):
        raise Unclear(CODE, f"the arguments of `{text(call.func)}` are not spelled out")
    given = [f"{{{index}}}" for index in range(len(call.args))]
    given += [f"{k.arg}={{{index}}}" for index, k in enumerate(call.keywords, len(call.args))]
    names = ", ".join(f"'{name}'" for name in sorted(per_step))
    template = f"{{func}}({', '.join(given)}).with_hyperparams({names})"
    plan.at(source, call, Reshaped(template, "LN601"))


def objection(plan: Plan, node: ast.ClassDef) -> str | None:
    """Why an optimizer class is more than a rule for one parameter; None when it is not."""
    hierarchy = plan.flow.hierarchy
    for each in hierarchy.mro(node):
        info = hierarchy.infos[each]
        if len(each.bases) != 1 or each.keywords or each.decorator_list:
            return f"`{each.name}` is more than a subclass of OptimizerDef"
        foreign = [a for value in info.bases for a in value if isinstance(a, External)]
        if any(a.path not in OPTIMIZER_BASES for a in foreign):
            return f"`{each.name}` derives from `{text(each.bases[0])}`"
        reserved = sorted(_RESERVED & info.methods.keys())
        if reserved:
            return f"`{each.name}` defines `{reserved[0]}`, which no rule for one parameter needs"
    missing = [name for name in _RULE if hierarchy.find(node, name) is None]
    if missing and not hierarchy.descendants(node):
        return f"`{node.name}` has no `{missing[0]}`"
    return None
