"""Hyper-parameters of optimizers that come in a dict: `optim.Adam(**options)`."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import splat_keys
from linenify.facts.ask.places import is_path
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.flow.kinds import External
from linenify.facts.legacy.optimizer_forms import Given
from linenify.facts.modules import splats
from linenify.project.source import Source


def spread_arguments(plan: Plan, source: Source, call: ast.Call) -> dict[str, Given] | None:
    """What `**splats` carry, each as it can be written out; None where that is not known."""
    found: dict[str, Given] = {}
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is not None:
            continue
        match keyword.value:
            case ast.Dict(keys=keys, values=values) if all(
                isinstance(k, ast.Constant) and isinstance(k.value, str) for k in keys
            ):
                pairs = {
                    str(k.value): v
                    for k, v in zip(keys, values, strict=True)
                    if isinstance(k, ast.Constant)
                }
            case ast.Call(args=[], keywords=given) if all(k.arg is not None for k in given) and (
                plan.flow.values.get(keyword.value.func) == frozenset({External("builtins.dict")})
            ):
                pairs = {str(k.arg): k.value for k in given}
            case _:
                carried = splat_keys(plan, keyword.value)
                if carried is None or not is_path(keyword.value):
                    return None
                for key in sorted(carried):
                    if not splats.given_by_splats(plan, [keyword], key):
                        return None
                    read = ast.Subscript(keyword.value, ast.Constant(key), ast.Load())
                    found[key] = Given(f"{{{index}}}['{key}']", read)
                continue
        for key, node in pairs.items():
            code = repeated_or_unclear(plan, source, node, "LN691")
            found[key] = Given(code, node)
    return found
