"""Calls of JAX and NumPy functions that are gone, or take other arguments today."""

from __future__ import annotations

import ast

from linenify.facts.arguments import Unclear, as_given, text
from linenify.facts.jaxarrays import is_jax_array
from linenify.facts.jaxforms import FORMS, INDEX, MOVED, ROWS, SHUFFLE, UPDATES, Form, Moved
from linenify.facts.kinds import External, Parameter, Value
from linenify.facts.plan import Plan
from linenify.facts.ranks import rank
from linenify.facts.sites import Given, Reordered, Reshaped
from linenify.facts.spelt import certain, spelt
from linenify.project.source import Source


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
    elif "ar1" in known and isinstance(arguments[places["ar1"]], ast.List | ast.Tuple):
        known["ar1"] = f"{{ns}}.array({known['ar1']})"
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


# --- functions that are still there -----------------------------------------------------------


def emit_moved(plan: Plan, source: Source, call: ast.Call, callee: Value) -> None:
    """`jnp.clip(x, a_max=1)` is `jnp.clip(x, max=1)`; also inside `functools.partial`.

    Raises:
        Unclear: the callee may be something else, or an argument says what is gone.
    """
    function, given = called(plan, call)
    paths = sorted(a.path for a in _members(plan, call, callee) if isinstance(a, External))
    skip = 0 if function is call.func else 1
    changed = [p for p in paths if p in MOVED and _is_changed(call, skip, MOVED[p])]
    if not changed:
        return
    if certain(plan, function) != changed[0] or len(changed) > 1:
        others = any(isinstance(a, Parameter) or a != External(changed[0]) for a in given)
        why = "may be something else" if others else "is not known for sure"
        raise Unclear(
            "LN196",
            f"`{text(function)}` may be `{changed[0]}`, which takes its arguments otherwise "
            f"today, and {why}",
        )
    plan.at(source, call, Reordered(_arranged(call, skip, changed[0]), "LN111"))


def called(plan: Plan, call: ast.Call) -> tuple[ast.expr, Value]:
    """The function that a call hands its arguments to: of `partial(f, x)`, `f`."""
    function = call.func
    if certain(plan, function) == "functools.partial" and call.args:
        function = call.args[0]
    return function, plan.flow.values.get(function, frozenset())


def _members(plan: Plan, call: ast.Call, callee: Value) -> Value:
    function, given = called(plan, call)
    return callee if function is call.func else given


def _is_changed(call: ast.Call, skip: int, moved: Moved) -> bool:
    if any(keyword.arg in moved.renamed for keyword in call.keywords):
        return True
    count = len(call.args) - skip
    return count > moved.positional and not any(isinstance(a, ast.Starred) for a in call.args)


def _arranged(call: ast.Call, skip: int, path: str) -> tuple[Given, ...]:
    """The arguments of a call as they are given today."""
    moved = MOVED[path]
    first = [given for given in as_given(call) if given.index < skip + moved.positional]
    first = [given for given in first if given.index < len(call.args)]
    rest: list[Given] = []
    for given in as_given(call)[len(first) :]:
        place = given.index - skip
        if given.keyword is not None:
            name = given.keyword
        elif given.index >= len(call.args):  # `**options`
            rest.append(given)
            continue
        elif place < len(moved.parameters):
            name = moved.parameters[place]
        else:
            raise Unclear("LN196", f"`{path}` takes fewer arguments today")
        today = moved.renamed.get(name, name)
        if today:
            rest.append(Given(given.index, today))
        elif today is not None:
            first.insert(skip, Given(given.index))
        elif not _says_nothing(call, given.index):
            raise Unclear("LN196", f"`{name}=` of `{path}` is gone")
    return (*first, *rest)


def _says_nothing(call: ast.Call, index: int) -> bool:
    """Whether an argument that is gone was the default anyway."""
    node = [*call.args, *(k.value for k in call.keywords)][index]
    return isinstance(node, ast.Constant) and node.value in {None, "quicksort", "stable"}
