"""Calls: what runs, with which values, and what comes back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts import arrays, binding, catalogue, higher, lookup, operators, optimizing
from linenify.facts.classes import ClassInfo
from linenify.facts.externals import LEGACY, handed_back, transparent
from linenify.facts.kinds import (
    ARRAY,
    KEY,
    NOTHING,
    Api,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    OptimizerDef,
    Parameter,
    Params,
    Partial,
    SelfApi,
    Static,
    Super,
    SuperMethod,
    Transformed,
    Value,
    changed,
    static,
)
from linenify.project.scopes import FunctionNode, Scope

if TYPE_CHECKING:
    from linenify.facts.interpret import Code, Interpreter

_TREES = (Model, Optimizer, Container, Instance, Legacy, Params)
NAMESPACES = frozenset({"types.SimpleNamespace", "argparse.Namespace", "ml_collections.ConfigDict"})
ITERATIONS = frozenset(
    {
        *("builtins.zip", "builtins.enumerate", "builtins.reversed", "builtins.sorted"),
        *("builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset"),
        *("builtins.iter", "builtins.next", "builtins.filter", "builtins.map"),
        *("functools.reduce", "itertools.chain", "itertools.product", "itertools.cycle"),
        *("itertools.islice", "itertools.zip_longest", "itertools.starmap", "collections.deque"),
        *("itertools.combinations", "itertools.permutations"),
    }
)


def call_expression(flow: Interpreter, node: ast.Call, scope: Scope) -> Value:
    """Evaluates a call and everything in it."""
    callee = flow.eval(node.func, scope)
    positional = [flow.eval(argument, scope) for argument in node.args]
    keywords = [(k.arg, flow.eval(k.value, scope)) for k in node.keywords]
    if len(positional) > 1 or keywords:
        flow.note(callee, "callable")
    flow.note(callee, "callable")
    result: set[Atom] = set()
    for atom in callee:
        result |= apply(flow, atom, node, positional, keywords, scope)
    return frozenset(result)


def apply(
    flow: Interpreter,
    atom: Atom,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    scope: Scope,
) -> Value:
    """What calling one atom gives."""
    match atom:
        case External(path=path):
            return call_external(flow, path, node, positional, keywords, scope)
        case Function(node=function):
            return call_function(flow, function, node, positional, keywords, skip=0)
        case Bound(node=function, drops_first=drops):
            return call_function(flow, function, node, positional, keywords, skip=int(drops))
        case Partial(function=inner, positional=count):
            return apply(flow, inner, node, [NOTHING] * count + positional, keywords, scope)
        case Transformed():
            return higher.apply(flow, atom, node, positional, keywords, scope)
        case Module():
            return binding.call_module(flow, atom, node, positional, keywords)
        case ModuleApi(module=module, name=name):
            return binding.call_module_api(flow, module, name, node, positional, keywords)
        case Model(module=module, method=method):
            binding.actuals(
                flow, atom, changed(module, method=method), "instance", node, positional, keywords
            )
            return flow.returned(changed(module, method=method))
        case SuperMethod(owner=owner, name=name):
            found = flow.hierarchy.find_after(owner, name)
            if found is None:
                layer = flow.hierarchy.layer(owner)
                if layer is not None and name == "apply":
                    binding.actuals(
                        flow, Module(layer), Module(layer), "super", node, positional, keywords
                    )
                return ARRAY
            base = Module(found[0])
            binding.actuals(flow, base, base, "super", node, positional, keywords)
            _hand_back(flow, base, positional, keywords)
            return flow.returned(base)
        case SelfApi(name=name):
            return call_self(flow, name, positional, keywords)
        case Class(node=class_):
            found = flow.hierarchy.find(class_, "__init__")
            made: Atom = Instance(class_)
            if flow.hierarchy.is_optimizer(class_):
                made = OptimizerDef(node, class_.name, own=True)
            if found is not None:
                call_function(flow, found[1], node, positional, keywords, skip=1)
                return frozenset({made})
            for value, field_ in zip(positional, lookup.fields(class_), strict=False):
                flow.join(flow.attributes, (class_, field_), value)
            for keyword, value in keywords:
                if keyword is not None:
                    flow.join(flow.attributes, (class_, keyword), value)
            return frozenset({made})
        case Instance(node=class_):
            found = flow.hierarchy.find(class_, "__call__")
            if found is not None:
                return call_function(flow, found[1], node, positional, keywords, skip=1)
            return NOTHING
        case Api(receiver=receiver, name=name):
            return call_api(flow, receiver, name, node, positional, keywords)
        case Parameter():
            for value in positional:
                flow.note(value, "passed")
            inside = _parts(flow, node, atom)
            return inside or frozenset({Parameter(atom.function, atom.name, "item", True)})
    return NOTHING


def _hand_back(
    flow: Interpreter,
    base: Module,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> None:
    """Module classes that a base is given may be given to its subclass as well.

    So an argument which is only handed on is called in the way that the base calls it,
    though nobody in the project calls the subclass.
    """
    function = flow.function_of(base)
    if function is None:
        return
    names: list[str | None] = [*flow.positional_names(base)]
    for name, value in [*zip(names, positional, strict=False), *keywords]:
        known = flow.env.get((flow.code[function].scope, name), NOTHING) if name else NOTHING
        passed = frozenset(a for a in known if isinstance(a, Module))
        for atom in value if passed else NOTHING:
            if isinstance(atom, Parameter) and not atom.mixed and not atom.part:
                flow.assign(flow.code[atom.function].scope, atom.name, passed)


def _parts(flow: Interpreter, node: ast.Call, found: Parameter) -> Value:
    """`mapping.items()` or `mapping.values()`, where the mapping is an argument."""
    if found.part != "attribute" or node.args or not isinstance(node.func, ast.Attribute):
        return NOTHING
    values: Value = frozenset({found})
    match node.func.attr:
        case "values":
            return operators.make(flow, node, "list", [values])
        case "items":
            pair = operators.make(flow, node.func, "tuple", [static("str"), values])
            flow.join(flow.items, (node, "*"), pair)
            return frozenset({Container(node, "list")})
    return NOTHING


def call_function(
    flow: Interpreter,
    function: FunctionNode,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    skip: int,
) -> Value:
    """Hands arguments to a plain function of the project."""
    code = flow.code[function]
    code.callers.add(flow.running)
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]][skip:]
    rest = 0
    for index, value in enumerate(positional):
        if index < len(node.args) and isinstance(node.args[index], ast.Starred):
            for name in names[index:]:
                flow.assign(code.scope, name, flow.iterate(value))
            if arguments.vararg is not None:
                flow.join(flow.items, (arguments.vararg, "*"), flow.iterate(value))
            break
        if index < len(names):
            flow.assign(code.scope, names[index], value)
        elif arguments.vararg is not None:
            flow.join(flow.items, (arguments.vararg, rest), value)
            rest += 1
    known = {a.arg for a in [*arguments.args, *arguments.kwonlyargs]}
    for keyword, value in keywords:
        if keyword is None:
            call_spread(flow, code, value, known)
        elif keyword in known:
            flow.assign(code.scope, keyword, value)
        elif arguments.kwarg is not None:
            flow.join(flow.items, (arguments, keyword), value)
    return flow.returns.get(function, NOTHING)


def call_spread(flow: Interpreter, code: Code, value: Value, known: set[str]) -> None:
    """Hands `**value` to a plain function."""
    for atom in value:
        if isinstance(atom, Container):
            for (owner, key), item in list(flow.items.items()):
                if owner is not atom.node:
                    continue
                if key in known:
                    assert isinstance(key, str)
                    flow.assign(code.scope, key, item)
                elif code.node.args.kwarg is not None:
                    flow.join(flow.items, (code.node.args, key), item)


def call_value(
    flow: Interpreter, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
) -> Value:
    """Calls a value with positional arguments, as a JAX transform would."""
    result: set[Atom] = set()
    bare = ast.Call(func=node.func, args=[], keywords=[])
    ast.copy_location(bare, node)
    for atom in function:
        if isinstance(atom, Module | ModuleApi):
            continue  # escapes: judged where it is passed
        result |= apply(flow, atom, bare, arguments, [], scope)
    return frozenset(result)


def call_self(
    flow: Interpreter, name: str, positional: list[Value], keywords: list[tuple[str | None, Value]]
) -> Value:
    """`self.param(...)` and other calls on the module."""
    table = dict(keywords)
    if name in {"param", "state"}:
        shape = positional[1] if len(positional) > 1 else table.get("shape", NOTHING)
        initializer = (
            positional[2]
            if len(positional) > 2
            else table.get("initializer", table.get("init_fn", NOTHING))
        )
        flow.note(positional[0] if positional else NOTHING, "static", "str")
        flow.note(shape, "static")
        for item in flow.iterate(shape):
            flow.note(frozenset({item}), "static", "int")
        flow.note(initializer, "initializer", "Callable[..., Any]")
        for atom in initializer:
            if isinstance(atom, Function):
                binding.initializer(flow, atom.node)
        return ARRAY if name == "param" else frozenset({Legacy("ModuleState")})
    if name == "get_param":
        return ARRAY
    return static("bool")


def call_external(
    flow: Interpreter,
    path: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    scope: Scope,
) -> Value:
    """A call of a function of another library."""
    if path.startswith(LEGACY + "."):
        return call_legacy(flow, path, node, positional, keywords)
    if path == "flax.traverse_util.ModelParamTraversal":
        return frozenset({External(path)})
    if path.startswith("flax.optim."):
        return call_optim(flow, path.removeprefix("flax.optim."), node, positional)
    if path == "builtins.super":
        owner = flow.code[flow.running].owner if flow.running in flow.code else None
        home = scope.function()
        while owner is None and home is not None and home.parent is not None:
            outer = home.parent.function()
            if outer is None or not isinstance(outer.node, ast.FunctionDef):
                break
            owner = flow.code[outer.node].owner
            home = outer
        if owner is not None and flow.hierarchy.is_module(owner.node):
            return frozenset({Super(owner.node)})
        return NOTHING
    if path == "builtins.type" and len(positional) == 1:
        return frozenset(kind for atom in positional[0] for kind in lookup.classes_of(flow, atom))
    if path in {"builtins.getattr", "builtins.setattr"} and len(positional) > 1:
        flow.note(positional[1], "static", "str")
    if path == "builtins.getattr" and len(positional) > 1:
        return picked(flow, positional[0], positional[1])
    if path in {"builtins.dict", "collections.OrderedDict"}:
        return operators.make_dict(flow, node, positional, keywords)
    if path == "importlib.import_module":
        match node.args:
            case [ast.Constant(value=str(name))] if not name.startswith("."):
                return flow.imported(name, scope.source)
    if path in NAMESPACES:
        operators.make_dict(flow, node, positional, keywords)
        return frozenset({Container(node, "namespace")})
    if path == "collections.defaultdict" and positional:
        made = call_each(flow, positional[0], [], node, scope)
        flow.join(flow.items, (node, "*"), made)
        return operators.make_dict(flow, node, positional[1:], keywords)
    if path in {"copy.copy", "copy.deepcopy"} and positional:
        return positional[0]
    if path == "dataclasses.replace" and positional:
        for atom in positional[0]:
            call_api(flow, atom, "replace", node, positional[1:], keywords)
        return positional[0]
    if path in {"dataclasses.field", "flax.struct.field"}:
        given = dict(keywords)
        factory = given.get("default_factory", NOTHING)
        return given.get("default", NOTHING) | call_each(flow, factory, [], node, scope)
    if path in {"builtins.max", "builtins.min", "builtins.sorted"} and positional:
        every = flow.iterate(positional[0]) if len(positional) == 1 else frozenset[Atom]()
        every = every.union(*positional[1:], positional[0] if len(positional) > 1 else NOTHING)
        call_each(flow, dict(keywords).get("key", NOTHING), [every], node, scope)
        # The one of several objects; of numbers and arrays, a number or an array.
        objects = frozenset(a for a in every if isinstance(a, Optimizer | Model | Instance))
        if path != "builtins.sorted" and objects:
            return objects
    if path in ITERATIONS:
        return iteration(flow, path.rpartition(".")[2], node, positional, scope)
    if path == "collections.namedtuple":
        return named_tuple(flow, node, scope)
    if path == "functools.partial" and positional:
        return functools_partial(flow, node, positional, keywords)
    back = handed_back(path)
    if back is not None:
        place, named = back
        tree = positional[place] if place < len(positional) else dict(keywords).get(named, NOTHING)
        if any(isinstance(a, _TREES) for a in tree):
            return tree
    wrapped = transparent(path)
    if wrapped is not None and positional:
        return higher.call(flow, wrapped, node, positional, keywords, scope)
    roles = arrays.signature(path)
    if roles is None:
        for value in [*positional, *(v for _, v in keywords)]:
            for atom in value:
                if isinstance(atom, Function | Bound | Partial):
                    call_value(flow, frozenset({atom}), [ARRAY] * 3, node, scope)
        return NOTHING
    return by_signature(flow, roles, positional, keywords, node, scope)


def iteration(
    flow: Interpreter, name: str, node: ast.Call, positional: list[Value], scope: Scope
) -> Value:
    """Builtins that hand on the elements of what they are given."""
    if not positional:
        return operators.make(flow, node, "list", [])
    match name:
        case "map" | "starmap":
            given = [flow.iterate(value) for value in positional[1:]]
            if name == "starmap":
                given = [flow.item(given[0], place) for place in range(3)] if given else []
            items = call_each(flow, positional[0], given, node, scope)
        case "reduce":
            element = flow.iterate(positional[1]) if len(positional) > 1 else NOTHING
            start = positional[2] if len(positional) > 2 else element
            return start | call_each(flow, positional[0], [start, element], node, scope)
        case "zip" | "product" | "zip_longest":
            made = [flow.iterate(value) for value in positional]
            items = operators.make(flow, node.func, "tuple", made)
        case "combinations" | "permutations":
            items = operators.make(flow, node.func, "tuple", [flow.iterate(positional[0])] * 3)
        case "enumerate":
            made = [static("int"), flow.iterate(positional[0])]
            items = operators.make(flow, node.func, "tuple", made)
        case "next":
            return flow.iterate(positional[0]) | frozenset().union(*positional[1:])
        case "filter":
            items = flow.iterate(positional[-1])
            call_each(flow, positional[0], [items], node, scope)
        case "chain":
            items = frozenset().union(*(flow.iterate(value) for value in positional))
        case _:
            items = flow.iterate(positional[0])
    flow.join(flow.items, (node, "*"), items)
    return frozenset({Container(node, "list")})


def call_each(
    flow: Interpreter, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
) -> Value:
    """What a function gives that an iteration calls; a module class gives arrays."""
    if any(isinstance(atom, Module) for atom in function):
        return ARRAY
    return call_value(flow, function, arguments, node, scope)


def named_tuple(flow: Interpreter, node: ast.Call, scope: Scope) -> Value:
    """`namedtuple('Spec', ['layer', 'width'])`, as if it were a class statement."""
    names: list[str] = []
    match node.args:
        case [_, ast.List(elts=elements) | ast.Tuple(elts=elements)]:
            names = [str(e.value) for e in elements if isinstance(e, ast.Constant)]
        case [_, ast.Constant(value=str(text))]:
            names = text.replace(",", " ").split()
    if not names:
        return NOTHING
    if node not in flow.records:
        body = "".join(f"\n    {name}: object" for name in names)
        (made,) = ast.parse(f"class Record:{body}").body
        assert isinstance(made, ast.ClassDef)
        inner = Scope(scope.source, made, "class", scope, "Record")
        flow.hierarchy.add(ClassInfo(made, scope.source, inner))
        flow.records[node] = made
    return frozenset({Class(flow.records[node])})


def picked(flow: Interpreter, owner: Value, name: Value) -> Value:
    """`getattr(owner, name)` where the strings that `name` may be are known."""
    result: Value = NOTHING
    for atom in name:
        if isinstance(atom, Static) and atom.type == "str" and atom.literal is not None:
            result |= lookup.attribute(flow, owner, ast.literal_eval(atom.literal))
    return result


def by_signature(
    flow: Interpreter,
    roles: arrays.Signature,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    node: ast.Call,
    scope: Scope,
) -> Value:
    """Weighs arguments by the roles that a signature gives them."""
    for index, value in enumerate(positional):
        role(flow, roles.at(index), value, node, scope)
    for keyword, value in keywords:
        if keyword is not None:
            role(flow, roles.named(keyword), value, node, scope)
    match roles.result:
        case "array" | "arrays" | "tree":
            return ARRAY
        case "key" | "keys":
            return KEY
        case "same":
            return same(flow, positional)
        case "initializer":
            return static("initializer")
        case "static":
            return static()
    return NOTHING


def same(flow: Interpreter, values: list[Value]) -> Value:
    """The result of a function that works on arrays and plain values alike."""
    result = NOTHING
    for value in values:
        whole = frozenset(a for a in value if not isinstance(a, Container))
        result = operators.mix(result, whole | flow.iterate(value))
    return result or static()


def role(flow: Interpreter, role: str, value: Value, node: ast.Call, scope: Scope) -> None:
    """Evidence from one argument of a known function."""
    inside = flow.iterate(frozenset(a for a in value if isinstance(a, Container)))
    match role:
        case "array" | "arrays":
            flow.note(value | inside, "array")
        case "key":
            flow.note(value, "array")
        case "number":
            flow.note(value | inside, "operand")
        case "static":
            flow.note(value | inside, "static")
            if isinstance(node.func, ast.Name) and node.func.id == "range":
                flow.note(value, "range", "int")
        case "function":
            call_value(flow, value, [ARRAY] * 3, node, scope)


def functools_partial(
    flow: Interpreter,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """`functools.partial` of a module class or a function."""
    result: set[Atom] = set()
    names = frozenset(k for k, _ in keywords if k is not None)
    for atom in positional[0]:
        match atom:
            case Module():
                for keyword, value in keywords:
                    if keyword is not None:
                        binding.actual(flow, atom, atom, keyword, value, "bind", node)
                result.add(
                    changed(
                        atom,
                        bound=atom.bound | (names - {"name"}),
                        named=atom.named or "name" in names,
                        origin=node,
                    )
                )
            case Function(node=function) | Bound(node=function):
                skip = int(isinstance(atom, Bound) and atom.drops_first)
                call_function(flow, function, node, positional[1:], keywords, skip)
                result.add(Partial(atom, len(positional) - 1, names))
            case External() | Parameter():
                result.add(Partial(atom, len(positional) - 1, names))
    return frozenset(result)


def call_optim(flow: Interpreter, name: str, node: ast.Call, positional: list[Value]) -> Value:
    """A definition of flax.optim is made; those it wraps are items of its call."""
    if name.rpartition(".")[2] == "DynamicScale":
        return frozenset({Legacy("DynamicScale")})
    if name.rpartition(".")[2] == "ModelParamTraversal":
        return frozenset({External(f"flax.optim.{name}")})
    for index, value in enumerate(positional):
        flow.join(flow.items, (node, index), value)
    return frozenset({OptimizerDef(node, name.rpartition(".")[2])})


def call_legacy(
    flow: Interpreter,
    path: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A call of a function of flax.nn."""
    entry = catalogue.function(path[len(LEGACY) + 1 :])
    if entry is None:
        return NOTHING
    for index, value in enumerate(positional):
        if index < len(entry.arguments):
            binding.evidence_of(flow, entry.arguments[index], value)
    for keyword, value in keywords:
        argument = entry.argument(keyword) if keyword is not None else None
        if argument is not None:
            binding.evidence_of(flow, argument, value)
    if entry.name == "Model":
        given = positional[0] if positional else dict(keywords).get("module", NOTHING)
        return frozenset(Model(a, origin=node) for a in given if isinstance(a, Module))
    if entry.name in {"Cache", "_CacheEntry", "Collection"}:
        return frozenset({Legacy(entry.name)})
    match entry.returns:
        case "array":
            return ARRAY
        case "key":
            return KEY
        case "collection" if entry.name == "capture_module_outputs":
            return frozenset({Legacy("Outputs")})
        case "static" if entry.value == "context":
            return frozenset({Legacy("context")})
        case "collection":
            return frozenset({Legacy("Collection")})
        case "initializer":
            return static("initializer")
        case "static":
            return static()
    return ARRAY if entry.value == "initializer" else NOTHING


def call_api(
    flow: Interpreter,
    receiver: Atom,
    name: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A method of an array, a container or a legacy object."""
    match receiver, name:
        case Container(node=owner), "append" | "add" | "insert":
            flow.join(flow.items, (owner, "*"), positional[-1] if positional else NOTHING)
            return NOTHING
        case Container(node=owner), "setdefault":
            if len(positional) > 1:
                flow.join(flow.items, (owner, operators.literal(node.args[0])), positional[1])
            return flow.iterate(frozenset({receiver}))
        case Container(node=owner), "update":
            for value in positional:
                operators.spread(flow, owner, value)
            for keyword, value in keywords:
                if keyword is None:
                    operators.spread(flow, owner, value)
                else:
                    flow.join(flow.items, (owner, keyword), value)
            return NOTHING
        case Container(node=owner), "extend":
            value = positional[0] if positional else NOTHING
            flow.join(flow.items, (owner, "*"), flow.iterate(value))
            return NOTHING
        case Container(), "pop" | "values" | "copy" | "get":
            inner = frozenset({receiver})
            if name == "copy":
                return inner
            if name in {"get", "pop"} and node.args:
                found = flow.item(inner, operators.literal(node.args[0]))
                return found | (positional[1] if len(positional) > 1 else NOTHING)
            if name == "pop":
                return flow.iterate(inner)
            return operators.make(flow, node, "list", [flow.iterate(inner)])
        case Container(), "items":
            pair = operators.make(
                flow, node.func, "tuple", [static("str"), flow.iterate(frozenset({receiver}))]
            )
            flow.join(flow.items, (node, "*"), pair)
            return frozenset({Container(node, "list")})
        case Array(), _:
            for value in [*positional, *(v for _, v in keywords)]:
                if name in {"reshape", "transpose", "astype", "swapaxes", "mean", "sum", "max"}:
                    role(flow, "static", value, node, flow.where[node])
            return ARRAY
        case OptimizerDef(), "create":
            flow.join(flow.items, (node, "target"), positional[0] if positional else NOTHING)
            flow.join(flow.items, (node, "definition"), frozenset({receiver}))
            return frozenset({Optimizer(node)})
        case Model(), "replace":
            return frozenset({receiver})
        case Optimizer(created=created), _:
            return optimizing.call(flow, receiver, created, name, node, positional, keywords)
        case Legacy(type="DynamicScale"), "value_and_grad" | "grad" if positional:
            aux = dict(keywords).get("has_aux", NOTHING)
            scaled = "scaled" if name == "value_and_grad" else "scaled_grad"
            return frozenset(
                Transformed(a, scaled, 0, bool(aux))
                for a in positional[0]
                if isinstance(a, Function | Bound | Partial)
            )
        case Legacy(type="DynamicScale"), "replace":
            return frozenset({receiver})
        case Legacy(type="Collection" | "Outputs"), "as_dict":
            return frozenset({receiver})
        case Legacy(type="Collection"), "mutate":
            return frozenset({Legacy("context")})
        case Legacy(type="Cache"), _:
            return frozenset({Legacy("Cache")})
        case Instance(), "replace" | "_replace":
            for keyword, value in keywords:
                if keyword is None:
                    held = frozenset(a for a in value if isinstance(a, Container))
                    for field in lookup.fields(receiver.node):
                        flow.join(flow.attributes, (receiver.node, field), flow.item(held, field))
                else:
                    flow.join(flow.attributes, (receiver.node, keyword), value)
            return frozenset({receiver})
    return NOTHING
