"""What a module class still needs to become an instance where it stands."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module
from linenify.facts.legacy import catalogue
from linenify.facts.modules import recurrent
from linenify.facts.sites import Unclear


def missing(plan: Plan, call: ast.Call, module: Module) -> str:
    """What an instance needs besides what is bound, as text."""
    if isinstance(module.definition, str):
        layer = catalogue.layer(module.definition)
        assert layer is not None
        needed = {
            a.name
            for a in layer.arguments
            if a.slot is catalogue.Slot.FIELD and a.default is None and a.name not in module.bound
        }
        size = recurrent.hidden_size(plan, call) if layer.derived else None
        if needed or (layer.derived and (size is None or module.bound)):
            raise Unclear("LN690", f"`{text(call)}` gets its hyper-parameters elsewhere")
        return f"features={size}" if size is not None else ""
    known = plan.classes.get(module.definition)
    if known is None or known.refused is not None:
        why = f"`{text(call)}` is of a class that was not migrated"
        raise Unclear("LN398", why, because=plan.waits_for(module.definition))
    bound = {known.renamed.get(name, name) for name in module.bound}
    if any(name not in known.defaulted and name not in bound for name in known.order):
        raise Unclear("LN690", f"`{text(call)}` gets its hyper-parameters elsewhere")
    return ""
