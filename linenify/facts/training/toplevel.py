"""Initialising and running module classes outside of modules."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.ask.arguments import text
from linenify.facts.ask.effects import RUNS, Effects, effects, joined
from linenify.facts.ask.places import can_go_before, is_read
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.flow.kinds import (
    Array,
    Module,
    Static,
)
from linenify.facts.legacy.snippets import OBJECT
from linenify.facts.modules.completing import missing
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import (
    Added,
    Argument,
    AttributeSite,
    Given,
    ModuleCall,
    StatementSite,
    Unclear,
)
from linenify.facts.training import caches, captures
from linenify.facts.training.caches import CACHE, Caches, Recording
from linenify.facts.training.captures import Captures
from linenify.facts.training.contexts import Contexts
from linenify.facts.training.models import Models
from linenify.facts.training.specs import agreed, by_shape_of, reduced, shifted
from linenify.facts.training.stated import context_key, handed_out, opened_with, parted, splits
from linenify.facts.training.withitems import Around
from linenify.project.nodes import walk
from linenify.project.source import Source

PARAMS = "params"  # of what `init` gives, nothing else is wanted
PAIR = "pair"  # what `init` gives goes somewhere as it is


# --- init and call ---------------------------------------------------------------------------


def emit(plan: Plan, source: Source, call: ast.Call, found: Sequence[Module], name: str) -> None:
    """`M.init(...)`, `M.init_by_shape(...)`, `M.create(...)` and `M.call(...)`."""
    if name not in RUNS or any(m.shared for m in found):
        why = f"`{text(call.func)}(...)` belongs to training code"
        raise Unclear("LN690", why, about=call.func)
    inside = reachable_receiver(plan, call) is not None
    touched = joined([effects(plan, module) for module in found])
    if inside and (touched.keys or touched.collections):
        raise Unclear("LN690", f"`{text(call.func)}` keeps state or draws keys")
    if not call.args or any(isinstance(a, ast.Starred) for a in call.args[:1]):
        raise Unclear("LN690", f"`{text(call.func)}` is called without its first argument")
    if any(k.arg == "name" for k in call.keywords):
        raise Unclear("LN690", f"`{text(call.func)}` names the outermost module")
    by_shape = name.endswith("_by_shape")
    made = not inside and all(map(plan.is_instance, found))
    if made:
        found = [replace(m, shared=True) for m in found]
    if by_shape:
        construct, inputs = by_shape_of(plan, source, call, found)
    else:
        site = agreed(plan, source, reduced(plan, call, call.args[1:], call.keywords), found)
        construct = tuple(shifted(a, 1) for a in site.construct or ())
        inputs = tuple(shifted(a, 1) for a in site.call)
    if inside:
        construct = (*construct, Added("parent", "None"))
    contexts, known_caches = plan.part(Contexts), plan.part(Caches)
    around = contexts.around(call) if contexts is not None else Around()
    recording = known_caches.recording(call) if known_caches is not None else None
    key = context_key(plan, source, around) if touched.keys else None
    if name == "call":
        parts = None if made else construct
        _emit_apply(plan, source, call, parts, inputs, around, touched, key)
        return
    captures_around = plan.part(Captures)
    if captures_around is not None:
        captures_around.of(source, call)  # refuses what initialises inside of them
    if around.state is None and touched.asks:
        plan.notice(source, call, "LN817")
    given: Argument = Given(0)
    if key is not None:
        given = Added(None, "{'params': {0}, 'dropout': %s}" % key)
    captured = None
    if around.state is not None and around.state.mutable:
        captured = around.state.captured
    if name.startswith("create"):
        method, after = _emit_created(plan, source, call, found, captured, recording)
    else:
        method, after = emit_targets(plan, source, call, captured, recording), None
    popped: tuple[str, ...] = ()
    if method == PAIR:
        method = "init_with_output"
        popped, after = _paired(plan, call, captured, after or "{params}")
    if method == PARAMS:
        method, after = "init", "{result}['params']"
        if captured is not None and is_read(plan, call, captured):
            popped, after = _popped(plan, call, captured)
    before = (*splits(around), *popped) if key is not None else popped
    built = _method(None if made else construct, (given, *inputs), method)
    if made and recording is not None:
        built = replace(built, callee="{owner}.clone(%s=True).%s" % (recording.field, method))
    finished = replace(built, after=after, before=before)
    names = _traced(plan, call, inputs)
    if by_shape and not inside and names is not None:
        option = f", static_argnames={names if len(names) > 1 else names[0]!r}" if names else ""
        finished = replace(finished, wrap="{spell:jax.jit}({func}%s)" % option)
    plan.at(source, call, finished)


def _paired(
    plan: Plan, call: ast.Call, captured: str | None, made: str
) -> tuple[tuple[str, ...], str]:
    """Statements that run a module, and the pair that stands in its place then.

    The pair is that of legacy, wherever it goes: what the module gives, and its params
    as `made` says.
    """
    if not can_go_before(plan, call):
        raise Unclear("LN690", f"the result of `{text(call.func)}` is not taken apart here")
    outputs = free_name(plan, call, ("outputs", "init_outputs", "first_outputs"))
    variables = free_name(plan, call, ("variables", "init_variables", "first_variables"))
    lines: tuple[str, ...] = (f"{outputs}, {variables} = {{result}}",)
    params = f"{variables}['params']"
    if captured is not None and is_read(plan, call, captured):
        params = free_name(plan, call, ("params", "init_params", "first_params"))
        popped = f"{{spell:flax.core.pop}}({variables}, 'params')"
        lines = (*lines, f"{captured}, {params} = {popped}")
    return lines, f"({outputs}, {made.replace('{params}', params)})"


def _popped(plan: Plan, call: ast.Call, captured: str) -> tuple[tuple[str, ...], str]:
    """Statements that part the params from the other collections, and what is left."""
    if not can_go_before(plan, call):
        raise Unclear("LN590", f"the new state of `{text(call.func)}` cannot be taken here")
    variables = free_name(plan, call, ("variables", "init_variables"))
    params = free_name(plan, call, ("params", "init_params"))
    parted = f"{captured}, {params} = {{spell:flax.core.pop}}({variables}, 'params')"
    return (f"{variables} = {{result}}", parted), params


def _traced(plan: Plan, call: ast.Call, inputs: Sequence[Argument]) -> list[str] | None:
    """The keywords that `jit` must not trace; None where an argument could be either."""
    static: list[str] = []
    values = {k.arg: k.value for k in call.keywords}
    for argument in inputs:
        if argument.keyword is None:
            if isinstance(argument, Given):
                given = plan.flow.values.get(call.args[argument.index], frozenset())
                if not given or not all(isinstance(a, Array) for a in given):
                    return None
            continue
        if isinstance(argument, Added):  # a plain value that a partial had bound
            static.append(argument.keyword)
            continue
        node = values.get(argument.keyword)
        value = plan.flow.values.get(node, frozenset()) if node is not None else frozenset()
        if isinstance(node, ast.Constant) or (value and all(isinstance(a, Static) for a in value)):
            static.append(argument.keyword)
        elif not any(isinstance(a, Array) for a in value):
            return None
    return static


def _emit_apply(
    plan: Plan,
    source: Source,
    call: ast.Call,
    construct: Sequence[Argument] | None,
    inputs: Sequence[Argument],
    around: Around,
    touched: Effects,
    key: str | None,
) -> None:
    """`M.call(params, x)` is `M().apply({'params': params}, x)`."""
    state = around.state
    spread = ""
    if state is not None and state.argument is not None:
        spread = f", **{opened_with(plan, source, state)}"
    known_caches, known_captures = plan.part(Caches), plan.part(Captures)
    decoding = known_caches.decoding(source, call) if known_caches is not None else None
    if decoding is not None:
        spread = f", 'cache': {decoding.cache}{spread}"
    variables = Added(None, "{'params': {0}%s}" % spread)
    extra: list[Argument] = []
    if key is not None:
        extra.append(Added("rngs", "{'dropout': %s}" % key))
    kept = touched.alone() if state is None else touched.collections
    mutable = bool(kept) if state is None else state.mutable
    names = [*(kept if mutable else ()), *([CACHE] if decoding is not None else ())]
    outputs = known_captures.of(source, call) if known_captures is not None else None
    if outputs is not None:
        if names:
            raise Unclear("LN491", "a run whose outputs are captured keeps state, too")
        names = [captures.COLLECTION]
        extra.append(Added("capture_intermediates", "True"))
    if names or mutable:
        extra.append(Added("mutable", repr(names)))
    made = _method(construct, (variables, *inputs, *extra), "apply")
    if construct is None and decoding is not None:
        made = replace(made, callee=f"{decoding.instance('{owner}')}.apply")
    if key is not None:
        made = replace(made, before=splits(around))
    captured = state.captured if state is not None and mutable else None
    if decoding is not None:
        made = caches.handed_out(plan, source, call, made, decoding, captured)
    elif outputs is not None:
        made = parted(plan, source, call, made, captures.lines(outputs), "LN491")
    elif mutable:
        made = handed_out(plan, source, call, made, captured)
    plan.at(source, call, made)


def _method(
    construct: Sequence[Argument] | None, inputs: Sequence[Argument], method: str
) -> ModuleCall:
    """A method of an instance, which is constructed there unless it exists."""
    if construct is None:
        return ModuleCall(None, tuple(inputs), callee=f"{{owner}}.{method}", rule="LN310")
    return ModuleCall(tuple(construct), tuple(inputs), rule="LN310", method=method)


def emit_targets(
    plan: Plan,
    source: Source,
    call: ast.Call,
    captured: str | None,
    recording: Recording | None = None,
) -> str:
    """What the pair of output and params is assigned to; gives the method to call.

    With a captured state, the other collections go to that variable; a recorded
    cache goes to its own.
    """
    statement = plan.parents.get(call)
    cache = recording.name if recording is not None else None
    if recording is not None and captured is not None:
        raise Unclear("LN490", f"`{text(call.func)}` makes a state beside a cache")
    if cache is not None and not isinstance(statement, ast.Assign):
        raise Unclear("LN490", f"the cache of `{text(call.func)}` cannot be taken here")
    match statement:
        case ast.Subscript(value=value, slice=ast.Constant(value=1)) if value is call:
            plan.at(source, statement, AttributeSite(1, None, "LN310"))
            return PARAMS
        case ast.Subscript(value=value, slice=ast.Constant(value=0)) if (
            value is call
            and cache is None
            and (captured is None or not is_read(plan, call, captured))
        ):
            return "init_with_output"
        case ast.Expr() if captured is None or not is_read(plan, call, captured):
            return "init"
        case ast.Assign(
            targets=[ast.Tuple(elts=[outputs, ast.Name() | ast.Attribute() as params])]
        ) if in_block(plan, statement):
            pass
        case ast.Return() if captured is None and in_block(plan, statement):
            lines: tuple[str, ...] = (
                "outputs, variables = {value}",
                "return outputs, variables['params']",
            )
            plan.files[source.name].statements[statement.lineno] = StatementSite(
                "LN310", lines=lines
            )
            return "init_with_output"
        case _ if cache is None and not isinstance(statement, ast.Expr):
            return PAIR
        case _:
            raise Unclear("LN690", f"the result of `{text(call.func)}` is not taken apart here")
    named = [n for n in walk(outputs) if isinstance(n, ast.Name)]
    needed = not isinstance(outputs, ast.Name) or any(_is_read(plan, n) for n in named)
    if captured is not None and not is_read(plan, call, captured):
        captured = None
    held = not isinstance(params, ast.Name) or _is_read(plan, params)
    if not held and captured is None and cache is None:
        return "init_with_output"
    given = rendered(plan, source, params)
    name = "variables" if _is_free(plan, call, "variables") else f"{given}_variables"
    name = name.replace(".", "_")
    if captured is not None:
        taken = f"{captured}, {given} = {{spell:flax.core.pop}}({name}, 'params')"
    elif cache is not None:
        taken = f"{given}, {cache} = {name}['params'], {name}['{CACHE}']"
    else:
        taken = f"{given} = {name}['params']"
    if needed:
        lines = (f"{ast.unparse(outputs)}, {name} = {{value}}", taken)
    elif captured is not None or cache is not None:
        lines = (f"{name} = {{value}}", taken)
    else:
        lines = (f"{given} = {{value}}['params']",)
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN310", lines=lines)
    return "init_with_output" if needed else "init"


def _emit_created(
    plan: Plan,
    source: Source,
    call: ast.Call,
    found: Sequence[Module],
    captured: str | None,
    recording: Recording | None,
) -> tuple[str, str | None]:
    """`_, model = M.create(rng, x)`: the Model is params, or an object around them."""
    known = plan.part(Models)
    statement = plan.parents.get(call)
    made = plan.flow.values.get(call, frozenset())
    value = plan.flow.item(made, 1)
    if known is None or known.group(value) is None:
        raise Unclear("LN690", f"`{text(call.func)}` belongs to training code")
    if known.as_params(value):
        return emit_targets(plan, source, call, captured, recording), None
    cache = recording.name if recording is not None else None
    match statement:
        case ast.Assign(
            targets=[ast.Tuple(elts=[outputs, ast.Name() | ast.Attribute() as target])]
        ) if in_block(plan, statement):
            model = rendered(plan, source, target)
        case _ if cache is None and not isinstance(statement, ast.Expr):
            model = ""
        case _:
            raise Unclear("LN690", f"the result of `{text(call.func)}` is not taken apart here")
    assert isinstance(call.func, ast.Attribute)
    if isinstance(call.func.value, ast.Call):
        raise Unclear("LN690", f"the module of `{text(call.func)}` has no name")
    owner = rendered(plan, source, call.func.value)
    if not found[0].shared:
        owner = f"{owner}({missing(plan, call, found[0])})"
    around = f"{OBJECT}(%s, %s['params'])"
    known.needs_object(source, call, value)
    if not model:
        return PAIR, f"{OBJECT}({owner}, {{params}})"
    needed = any(_is_read(plan, n) for n in walk(outputs) if isinstance(n, ast.Name))
    if captured is not None and not is_read(plan, call, captured):
        captured = None
    if cache is not None and captured is not None:
        raise Unclear("LN490", f"`{text(call.func)}` makes a state beside a cache")
    if needed or cache is not None or captured is not None:
        name = "variables" if _is_free(plan, call, "variables") else f"{model}_variables"
        name = name.replace(".", "_")
        targets = f"{ast.unparse(outputs)}, {name}" if needed else name
        lines: tuple[str, ...] = (
            f"{targets} = {{value}}",
            f"{model} = {around % (owner, name)}",
        )
        if cache is not None:
            lines = (*lines, f"{cache} = {name}['{CACHE}']")
        if captured is not None:
            params = free_name(plan, call, ("params", "init_params", "model_params"))
            lines = (
                lines[0],
                f"{captured}, {params} = {{spell:flax.core.pop}}({name}, 'params')",
                f"{model} = {OBJECT}({owner}, {params})",
            )
        method = "init_with_output" if needed else "init"
    else:
        lines = (f"{model} = {around % (owner, '{value}')}",)
        method = "init"
    line = plan.statement(call).lineno
    plan.files[source.name].statements[line] = StatementSite("LN310", lines=lines)
    return method, None


def _is_read(plan: Plan, target: ast.Name) -> bool:
    return is_read(plan, target, target.id)


def _is_free(plan: Plan, place: ast.AST, name: str) -> bool:
    code = plan.code(place)
    top: ast.AST = code.node if code is not None else next(reversed([*plan.ancestors(place)]))
    return not any(isinstance(n, ast.Name) and n.id == name for n in walk(top))


# --- instances ------------------------------------------------------------------------------
