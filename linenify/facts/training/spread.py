"""Hyper-parameters of optimizers that come in a dict: `optim.Adam(**options)`."""

from __future__ import annotations

import ast

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
        carried = _carried(plan, source, keyword.value, f"{{{index}}}")
        if carried is None:
            return None
        found |= carried
    return found


def _carried(plan: Plan, source: Source, node: ast.expr, code: str) -> dict[str, Given] | None:
    """What a dict holds by key; `code` is how the rewritten code names the dict."""
    match node:
        case ast.Dict(keys=keys, values=values):
            pairs = list(zip(keys, values, strict=True))
        case ast.Call(args=args, keywords=given) if len(args) < 2 and (
            plan.flow.values.get(node.func) == frozenset({External("builtins.dict")})
        ):
            pairs = [(None, each) for each in args]
            pairs += [(ast.Constant(k.arg) if k.arg else None, k.value) for k in given]
        case _:
            return _held(plan, node, code)
    found: dict[str, Given] = {}
    for key, value in pairs:
        text = repeated_or_unclear(plan, source, value, "LN691")
        match key:
            case None:
                inner = _carried(plan, source, value, text)
                if inner is None:
                    return None
                found |= inner
            case ast.Constant(value=str(name)):
                found[name] = Given(text, value)
            case _:
                return None
    return found


def _held(plan: Plan, node: ast.expr, code: str) -> dict[str, Given] | None:
    """What a dict that has a name holds: it is read key by key."""
    keys = plan.splat_keys(node)
    if keys is None or not is_path(node):
        return None
    found: dict[str, Given] = {}
    for key in sorted(keys):
        if not splats.given_by_splats(plan, [ast.keyword(None, node)], key):
            return None
        read = ast.Subscript(node, ast.Constant(key), ast.Load())
        found[key] = Given(f"{code}['{key}']", read)
    return found
