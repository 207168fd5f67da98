"""Recurrent cells: Linen wants the hidden size that legacy took from the carry."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Sequence

from linenify.facts.ask.arguments import Filled, text
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.flow.conditions import assignments
from linenify.facts.flow.kinds import External, Module, ModuleApi, Parameter
from linenify.facts.legacy import catalogue
from linenify.facts.sites import Added, Argument, Reshaped, Unclear
from linenify.project.nodes import walk
from linenify.project.scopes import all_arguments
from linenify.project.source import Source


def with_features(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    construct: list[Argument],
) -> list[Argument]:
    """Constructor arguments with `features=` in front."""
    if "features" in module.bound or (module.origin is not None and _size_at_bind(plan, module)):
        return construct
    carry = next((f for f in filled if f.name == "carry"), None)
    if carry is None:
        raise Unclear("LN397", f"the carry of `{text(call.func)}` is not spelled out")
    code = "{%d}.shape[-1]" if layer.name == "GRUCell" else "{%d}[0].shape[-1]"
    given = [call.args[carry.index]] if carry.index < len(call.args) else []
    size, elsewhere = _from_carries(plan, given, lambda run: run is call)
    if not elsewhere:
        size = size or hidden_size(plan, call)
    return [Added("features", size or code % carry.index), *construct]


def shared_features(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    arguments: list[Argument],
) -> list[Argument]:
    """The same for a shared cell, which has no carry where it is made."""
    del module
    sizes, elsewhere = _from_carries(
        plan, _carries(plan, call), lambda run: _is_run(plan, run, call)
    )
    if not elsewhere:
        sizes = sizes or _sizes(plan, call)
    sizes = sizes or _from_input(plan, call, layer) or _from_zeros(plan, call)
    if sizes is None:
        raise Unclear("LN397", f"the hidden size of `{text(call.func)}` is not known here")
    return [Added("features", sizes), *arguments]


def _from_carries(
    plan: Plan, carries: Sequence[ast.expr], is_run: Callable[[ast.Call], bool]
) -> tuple[str | None, bool]:
    """The one size of the carries that reach the runs of a cell, and whether another may."""
    sizes: dict[str, ast.expr] = {}
    for carry in carries:
        if not isinstance(carry, ast.Name):
            continue
        for binding in _bindings(plan, carry):
            statement = plan.parents.get(binding)
            while isinstance(statement, ast.Tuple | ast.List):
                statement = plan.parents.get(statement)
            if not isinstance(statement, ast.Assign):
                continue  # what a caller gives, or an iterable
            value = statement.value
            if isinstance(value, ast.Call) and is_run(value):
                continue  # what the cell gives is as large as what it was given
            made = [_carry_size(plan, n) for n in walk(value) if isinstance(n, ast.Call)]
            found = [size for size in made if size is not None]
            if not found and isinstance(value, ast.Call):
                return None, True
            sizes |= {ast.dump(size): size for size in found}
    return _only(plan, sizes.values()), len(sizes) > 1


def _bindings(plan: Plan, name: ast.Name) -> list[ast.AST]:
    """What binds a variable as it is read at one place."""
    reaching = plan.flow.order.reaching.get(name)
    if reaching is not None:
        return sorted(assignments(reaching), key=lambda node: getattr(node, "lineno", 0))
    home = plan.code(name)
    return [
        node
        for node in (walk(home.node) if home is not None else ())
        if isinstance(node, ast.Name) and node.id == name.id and isinstance(node.ctx, ast.Store)
    ]


def _carries(plan: Plan, cell: ast.Call) -> list[ast.expr]:
    """The carries of the calls that run a shared cell, or hand it to a scan."""
    runs = [c for c in plan.flow.where if isinstance(c, ast.Call) and _is_run(plan, c, cell)]
    given = [(c, 0 if _is_cell(plan, c.func, cell) else 1) for c in runs]
    return [call.args[index] for call, index in given if len(call.args) > index]


def _is_run(plan: Plan, call: ast.Call, cell: ast.Call) -> bool:
    return _is_cell(plan, call.func, cell) or (
        len(call.args) > 1 and _is_cell(plan, call.args[0], cell)
    )


def _is_cell(plan: Plan, node: ast.expr, cell: ast.Call) -> bool:
    found = plan.flow.values.get(node, frozenset())
    return any(isinstance(atom, Module) and atom.origin is cell for atom in found)


def _from_input(plan: Plan, call: ast.Call, layer: catalogue.Layer) -> str | None:
    """The size of the one input of the method that comes in as the carry."""
    names = set()
    home = plan.code(call)
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        callee = plan.flow.values.get(other.func, frozenset())
        if not any(isinstance(a, Module) and a.origin is call for a in callee) or not other.args:
            continue
        for atom in plan.flow.values.get(other.args[0], frozenset()):
            if home is None or not isinstance(atom, Parameter) or atom.part or atom.mixed:
                continue
            if atom.function is home.node:
                names.add(atom.name)
    if len(names) != 1:
        return None
    name = names.pop()
    return f"{name}.shape[-1]" if layer.name == "GRUCell" else f"{name}[0].shape[-1]"


def _from_zeros(plan: Plan, call: ast.Call) -> str | None:
    """The last axis of the zeros that a shared cell starts from."""
    home = plan.code(call)
    if home is None or isinstance(home.node, ast.Lambda):
        return None
    starts: set[str] = set()
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        callee = plan.flow.values.get(other.func, frozenset())
        if any(isinstance(a, Module) and a.origin is call for a in callee) and other.args:
            starts |= {n.id for n in walk(other.args[0]) if isinstance(n, ast.Name)}
    given = {a.arg for a in all_arguments(home.node.args)}
    sizes: dict[str, ast.expr | None] = {}
    for node in walk(home.node):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in starts:
                for made in walk(value):
                    match made:
                        case ast.Call(args=[ast.Tuple(elts=[*_, last]), *_]) if _zeros(plan, made):
                            names = {n.id for n in walk(last) if isinstance(n, ast.Name)}
                            sizes[ast.dump(last)] = last if names <= given else None
    return _only(plan, sizes.values())


def _zeros(plan: Plan, call: ast.Call) -> bool:
    callee = plan.flow.values.get(call.func, frozenset())
    return bool(callee & {External("jax.numpy.zeros"), External("numpy.zeros")})


def _size_at_bind(plan: Plan, module: Module) -> bool:
    del plan
    return module.shared


def _function_of(plan: Plan, node: ast.AST) -> ast.AST | None:
    """The outermost function around `node`: carries are often made there."""
    found = None
    for ancestor in plan.ancestors(node):
        if isinstance(ancestor, ast.FunctionDef):
            found = ancestor
        if isinstance(ancestor, ast.ClassDef) and found is not None:
            break
    return found


def _sizes(plan: Plan, node: ast.AST) -> str | None:
    """The one size that carries are made with in the function around `node`."""
    function = _function_of(plan, node)
    if function is None:
        return None
    found = {
        ast.dump(size): size
        for call in walk(function)
        if isinstance(call, ast.Call) and (size := _carry_size(plan, call)) is not None
    }
    return _only(plan, found.values())


def _only(plan: Plan, sizes: Collection[ast.expr | None]) -> str | None:
    """The one size that there is, as it reads after migration."""
    size = next(iter(sizes)) if len(sizes) == 1 else None
    return _repeated(plan, size) if size is not None else None


def _carry_size(plan: Plan, call: ast.Call) -> ast.expr | None:
    """The size argument of `Cell.initialize_carry(...)`."""
    callee = plan.flow.values.get(call.func, frozenset())
    if not any(isinstance(a, ModuleApi) and a.name == "initialize_carry" for a in callee):
        return None
    return _argument(call, 2, "size")


def hidden_size(plan: Plan, call: ast.Call) -> str | None:
    """The size that carries are made with around `call`, when it is one only."""
    return _sizes(plan, call)


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if place < len(call.args):
        return call.args[place]
    return next((k.value for k in call.keywords if k.arg == name), None)


# --- carries ---------------------------------------------------------------------------------


def emit_carry(plan: Plan, source: Source, call: ast.Call, module: Module) -> None:
    """`Cell.initialize_carry(rng, batch_dims, size, init_fn)`."""
    layer = catalogue.layer(module.definition) if isinstance(module.definition, str) else None
    if layer is None or not isinstance(call.func, ast.Attribute):
        raise Unclear("LN397", f"`{text(call.func)}` is not a known cell")
    places: dict[str, int] = {}
    for index, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or index > 3:
            raise Unclear("LN390", f"`{text(call.func)}` is called with a splat")
        places[("rng", "batch_dims", "size", "init_fn")[index]] = index
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is None:
            raise Unclear("LN390", f"`{text(call.func)}` is called with a splat")
        places[keyword.arg] = index
    if not {"rng", "batch_dims", "size"} <= set(places):
        raise Unclear("LN397", f"the arguments of `{text(call.func)}` are not spelled out")
    extra = ", carry_init={%d}" % places["init_fn"] if "init_fn" in places else ""
    if layer.derived:
        dims = _joined(plan, call, places)
        template = "{owner}({%d}%s, parent=None).initialize_carry({%d}, %s)" % (
            places["size"],
            extra,
            places["rng"],
            dims,
        )
    else:
        size = _argument(call, places["size"], "size")
        if isinstance(size, ast.Tuple) and not any(isinstance(e, ast.Starred) for e in size.elts):
            kernel = "(%s,)" % ", ".join(["1"] * (len(size.elts) - 1))
        else:
            kernel = "(1,) * (len({%d}) - 1)" % places["size"]
        template = "{owner}({%d}[-1], %s%s, parent=None).initialize_carry({%d}, (*{%d}, *{%d}))" % (
            places["size"],
            kernel,
            extra,
            places["rng"],
            places["batch_dims"],
            places["size"],
        )
    plan.at(source, call, Reshaped(template, "LN307"))


def _repeated(plan: Plan, node: ast.expr) -> str:
    return repeated_or_unclear(plan, plan.source(node), node, "LN397")


def _joined(plan: Plan, call: ast.Call, places: dict[str, int]) -> str:
    dims = _argument(call, places["batch_dims"], "batch_dims")
    if isinstance(dims, ast.Tuple) and not any(isinstance(e, ast.Starred) for e in dims.elts):
        spelt = "".join(f"{_repeated(plan, e)}, " for e in dims.elts)
        return "(%s{%d})" % (spelt, places["size"])
    return "(*{%d}, {%d})" % (places["batch_dims"], places["size"])


# --- scans -----------------------------------------------------------------------------------


def scanned_features(plan: Plan, call: ast.Call, module: Module, init: int) -> str:
    """The `features=` of a cell that a scan constructs, with its other argument bound."""
    layer = catalogue.layer(module.definition) if isinstance(module.definition, str) else None
    if layer is None or not layer.derived:
        return ""
    size = _sizes(plan, call)
    carry = "{%d}.shape[-1]" if layer.name == "GRUCell" else "{%d}[0].shape[-1]"
    return f"features={size or carry % init}"
