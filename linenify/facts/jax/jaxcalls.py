"""Calls of JAX and NumPy functions that are gone."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import text
from linenify.facts.ask.ranks import rank
from linenify.facts.ask.spelt import spelt
from linenify.facts.deciding.plan import Plan
from linenify.facts.jax.jaxarguments import listness
from linenify.facts.jax.jaxarrays import is_jax_array
from linenify.facts.jax.jaxforms import FORMS, INDEX, ROWS, SHUFFLE, UPDATES, Form
from linenify.facts.sites import Reshaped, Unclear
from linenify.project.source import Source

_MAKERS = {"list": "array", "maybe": "asarray"}


def is_gone(path: str) -> bool:
    """Whether `emit` has something to say about a function."""
    return path in FORMS


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """`index_update(x, jax.ops.index[i], y)` becomes `x.at[i].set(y)`; `tie_in(x, y)`, `y`.

    Only where the function is spelt out: what is called by another name may be another
    function as well, and `jaxvalues` has put one into its place that means the same.
    """
    if spelt(plan, call.func) != path:
        return
    form = FORMS[path]
    places = _places(call, form)
    if path == SHUFFLE and places is not None:
        form = _shuffled(plan, source, call, places)
    if places is None:
        if not form.snippet:
            raise Unclear("LN191", f"the arguments of `{text(call.func)}` are not spelled out")
        return  # the function that stands for it as a value takes them as they are
    known = {name: "{%d}" % place for name, place in places.items()}
    arguments = [*call.args, *(k.value for k in call.keywords)]
    if path.rpartition(".")[2] in UPDATES:
        known["x"] = _as_array(plan, arguments[places["x"]], known["x"])
        known["idx"] = _index(plan, arguments[places["idx"]], places["idx"])
    elif path.startswith("jax."):
        for name in form.arrays:
            maker = _MAKERS.get(listness(plan, arguments[places[name]]))
            known[name] = f"{{jnp}}.{maker}({known[name]})" if maker else known[name]
    optional = [n for n in form.parameters[form.required :] if n in places]
    rest = "".join(f", {name}={known[name]}" for name in optional)
    template = form.call.replace("{...}", rest)
    for name, value in known.items():
        template = template.replace(f"{{{name}}}", value)
    plan.at(source, call, Reshaped(in_namespace(template, call.func, path), "LN104"))


def _shuffled(plan: Plan, source: Source, call: ast.Call, places: dict[str, int]) -> Form:
    """`shuffle` moved the entries of each column on their own; of a vector that is the same."""
    node = [*call.args, *(k.value for k in call.keywords)][places["x"]]
    if plan.exact and rank(plan, node) != 1:
        return FORMS[SHUFFLE]
    if rank(plan, node) != 1:
        plan.notice(source, call, "LN813")
    return ROWS


def in_namespace(template: str, function: ast.expr, path: str) -> str:
    """A template with the namespace of a function as the file spells it."""
    home = path.rpartition(".")[0]
    return template.replace(
        "{ns}", "{owner}" if isinstance(function, ast.Attribute) else f"{{spell:{home}}}"
    )


def _places(call: ast.Call, form: Form) -> dict[str, int] | None:
    """Which argument of a call is which; None where that is not spelt out."""
    if any(isinstance(a, ast.Starred) for a in call.args) or len(call.args) > len(form.parameters):
        return None
    places = dict(zip(form.parameters, range(len(call.args)), strict=False))
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg not in form.parameters or keyword.arg in places:
            return None
        places[keyword.arg] = index
    return places if set(form.parameters[: form.required]) <= set(places) else None


def _as_array(plan: Plan, node: ast.expr, hole: str) -> str:
    """NumPy arrays and lists have no `.at`, and these functions took them, too."""
    return hole if is_jax_array(plan, node) else f"{{jnp}}.asarray({hole})"


def _index(plan: Plan, node: ast.expr, place: int) -> str:
    """What stands between the brackets of `jax.ops.index[...]`, or the index itself."""
    match node:
        case ast.Subscript(value=value) if spelt(plan, value) == INDEX:
            plan.dissolved.add(value)
            return f"{{{place}_index}}"
        case ast.List(elts=elements) if not any(isinstance(e, ast.Slice) for e in elements):
            return f"{{jnp}}.array({{{place}}})"
    return f"{{{place}}}"
