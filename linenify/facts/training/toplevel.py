"""Initialising and running module classes outside of modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.ask.arguments import text
from linenify.facts.ask.effects import RUNS, Effects, effects, joined
from linenify.facts.ask.places import can_go_before, is_read
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered, repeated_or_unclear
from linenify.facts.flow.kinds import Array, Atom, Container, External, Module, Static, Value, known
from linenify.facts.legacy import arrays
from linenify.facts.legacy.snippets import OBJECT
from linenify.facts.modules.completing import missing
from linenify.facts.modules.modulecalls import split
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
from linenify.facts.training.stated import context_key, handed_out, opened_with, parted, splits
from linenify.facts.training.withitems import Around
from linenify.project.nodes import walk
from linenify.project.source import Source

_HOLE = re.compile(r"\{(\d+)\}")
PARAMS = "params"  # of what `init` gives, nothing else is wanted


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
        construct, inputs = _by_shape(plan, source, call, found)
    else:
        site = _agreed(plan, source, _reduced(plan, call, call.args[1:], call.keywords), found)
        construct = tuple(_shifted(a, 1) for a in site.construct or ())
        inputs = tuple(_shifted(a, 1) for a in site.call)
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
        method, after = _emit_targets(plan, source, call, captured, recording), None
    popped: tuple[str, ...] = ()
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


def _reduced(
    plan: Plan, call: ast.Call, args: list[ast.expr], keywords: list[ast.keyword]
) -> ast.Call:
    """The call of the module that `init` and `call` make, in the place of `call`."""
    made = ast.copy_location(ast.Call(call.func, args, keywords), call)
    plan.parents[made] = plan.parents[call]
    return made


def _shifted(argument: Argument, by: int) -> Argument:
    if isinstance(argument, Given):
        return replace(argument, index=argument.index + by)
    moved = _HOLE.sub(lambda match: "{%d}" % (int(match[1]) + by), argument.code)
    return replace(argument, code=moved)


def _by_shape(
    plan: Plan, source: Source, call: ast.Call, found: Sequence[Module]
) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    given = {k.arg: k for k in call.keywords}
    named = given.get("input_specs")
    if len(call.args) + (named is not None) != 2:
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    specs = named.value if named is not None else call.args[1]
    rest = [k for k in call.keywords if k is not named]
    if named is not None and call.keywords[0] is not named:
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    if isinstance(specs, ast.List | ast.Tuple):
        ones = [_ones(plan, source, spec) for spec in specs.elts]
    else:
        ones = [_ones_of_all(plan, source, specs)]
    site = _agreed(plan, source, _reduced(plan, call, [], rest), found)
    construct = tuple(_shifted(a, 2) for a in site.construct or ())
    inputs = tuple(_shifted(a, 2) for a in site.call)
    return construct, (*(Added(None, each) for each in ones), *inputs)


def _agreed(plan: Plan, source: Source, call: ast.Call, found: Sequence[Module]) -> ModuleCall:
    """What a call becomes, when all module classes that it may be of agree."""
    sites = {split(plan, source, call, module) for module in found}
    if len(sites) != 1:
        why = f"`{text(call.func)}` may be classes with different arguments"
        raise Unclear("LN390", why, about=call.func)
    return sites.pop()


def _ones(plan: Plan, source: Source, spec: ast.expr) -> str:
    """An array for one spec: `(shape, dtype)`, or a bare shape."""
    match spec:
        case ast.Tuple(elts=[shape, dtype]) if isinstance(shape, ast.Tuple) or _is_dtype(
            plan, dtype
        ):
            written = _repeated(plan, source, shape), _repeated(plan, source, dtype)
            return "{jnp}.ones(%s, %s)" % written
        case ast.Tuple(elts=elements) if len(elements) != 2 or any(
            _is_size(plan, e) for e in elements
        ):
            return "{jnp}.ones(%s)" % _repeated(plan, source, spec)
    value = known(plan.flow.values.get(spec, frozenset()))
    shaped = isinstance(spec, ast.Attribute) and spec.attr == "shape"
    if shaped or _is_shape(plan, value):
        return "{jnp}.ones(%s)" % _repeated(plan, source, spec)
    if _is_pair(plan, value):
        return "{jnp}.ones(*%s)" % _repeated(plan, source, spec)
    raise Unclear("LN690", "a spec of `init_by_shape` is not spelled out")


def _ones_of_all(plan: Plan, source: Source, specs: ast.expr) -> str:
    value = plan.flow.values.get(specs, frozenset())
    items = known(plan.flow.iterate(frozenset(a for a in value if isinstance(a, Container))))
    if _is_pair(plan, items):
        return "*({jnp}.ones(*spec) for spec in %s)" % _repeated(plan, source, specs)
    if _is_shape(plan, items):
        return "*({jnp}.ones(shape) for shape in %s)" % _repeated(plan, source, specs)
    raise Unclear("LN690", f"the specs `{text(specs)}` are not spelled out")


def _repeated(plan: Plan, source: Source, node: ast.expr) -> str:
    return repeated_or_unclear(plan, source, node, "LN690")


def _is_shape(plan: Plan, value: Value) -> bool:
    """Whether a value can only be the lengths of the axes."""

    def holds_lengths(atom: Atom) -> bool:
        if isinstance(atom, Static):
            return atom.type == "shape"
        if not isinstance(atom, Container):
            return False
        if isinstance(atom.node, ast.Tuple) and _is_no_pair(atom.node):
            return True
        items = known(plan.flow.iterate(frozenset({atom})))
        return bool(items) and all(isinstance(i, Static) and i.type == "int" for i in items)

    return bool(value) and all(map(holds_lengths, value))


def _is_no_pair(display: ast.Tuple) -> bool:
    """Whether a tuple has another length than one of shape and dtype has."""
    splat = any(isinstance(each, ast.Starred) for each in display.elts)
    return not splat and len(display.elts) != 2


def _is_pair(plan: Plan, value: Value) -> bool:
    """Whether a value can only be a pair of shape and dtype."""
    held = [a for a in value if isinstance(a, Container)]
    if not held or len(held) < len(value):
        return False
    return all(_dtypes(plan.flow.item(frozenset({each}), 1)) for each in held)


def _is_size(plan: Plan, node: ast.expr) -> bool:
    """Whether an element of a spec is the length of an axis."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    value = plan.flow.values.get(node, frozenset())
    return bool(value) and all(isinstance(a, Static) and a.type == "int" for a in value)


def _is_dtype(plan: Plan, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "dtype":
        return True
    return _dtypes(plan.flow.values.get(node, frozenset()))


def _dtypes(value: Value) -> bool:
    return any(
        (isinstance(a, External) and arrays.constant(a.path) == "dtype")
        or (isinstance(a, Static) and a.type == "dtype")
        for a in value
    )


def _emit_targets(
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
        return _emit_targets(plan, source, call, captured, recording), None
    cache = recording.name if recording is not None else None
    match statement:
        case ast.Assign(
            targets=[ast.Tuple(elts=[outputs, ast.Name() | ast.Attribute() as target])]
        ) if in_block(plan, statement):
            model = rendered(plan, source, target)
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
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN310", lines=lines)
    return method, None


def _is_read(plan: Plan, target: ast.Name) -> bool:
    return is_read(plan, target, target.id)


def _is_free(plan: Plan, place: ast.AST, name: str) -> bool:
    code = plan.code(place)
    top: ast.AST = code.node if code is not None else next(reversed([*plan.ancestors(place)]))
    return not any(isinstance(n, ast.Name) and n.id == name for n in walk(top))


# --- instances ------------------------------------------------------------------------------
