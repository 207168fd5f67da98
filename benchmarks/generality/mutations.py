"""Ways to write a program otherwise that change nothing of what it computes.

Each takes a program and changes it in one place; it answers whether there was one.
What a call of a module is named in legacy depends on the order of calls, so none of
them changes an order.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from generality.code import (
    Function,
    Program,
    free_names,
    has_shadows,
    is_movable,
    local_names,
    name,
    parsed,
)

Mutation = Callable[[Program], bool]
MUTATIONS: dict[str, Mutation] = {}


def _mutation(function: Mutation) -> Mutation:
    MUTATIONS[function.__name__] = function
    return function


# --- values ------------------------------------------------------------------------------


def _rewrite_value(program: Program, make: Callable[[ast.expr, Function], ast.expr | None]) -> bool:
    found = program.pick(program.values())
    if found is None:
        return False
    statement, function = found
    made = make(statement.value, function)
    if made is None:
        return False
    statement.value = made
    return True


@_mutation
def through_a_dict(program: Program) -> bool:
    """`x = e` becomes `x = {'held': e}['held']`."""
    return _rewrite_value(
        program,
        lambda value, _: ast.Subscript(
            ast.Dict([ast.Constant("held")], [value]), ast.Constant("held"), ast.Load()
        ),
    )


@_mutation
def through_a_tuple(program: Program) -> bool:
    """`x = e` becomes `x = (e, None)[0]`."""
    return _rewrite_value(
        program,
        lambda value, _: ast.Subscript(
            ast.Tuple([value, ast.Constant(None)], ast.Load()), ast.Constant(0), ast.Load()
        ),
    )


@_mutation
def through_a_variable_of_a_dict(program: Program) -> bool:
    """`x = e` becomes `held = dict(first=e)`, `x = held['first']`."""
    return _through_statement(program, "held", "dict(first=0)", "{0}['first']")


@_mutation
def through_a_list(program: Program) -> bool:
    """`x = e` becomes `held = [e]`, `x = held.pop()`."""
    return _through_statement(program, "held", "[0]", "{0}.pop()")


@_mutation
def through_a_namespace(program: Program) -> bool:
    """`x = e` becomes `box = types.SimpleNamespace(inner=e)`, `x = box.inner`."""
    done = _through_statement(program, "box", "types.SimpleNamespace(inner=0)", "{0}.inner")
    if done:
        program.need("import types")
    return done


@_mutation
def through_a_named_tuple(program: Program) -> bool:
    """`x = e` becomes `pair = Pair(e, 1)`, `x = pair.first`."""
    kind = program.fresh("Pair")
    places = _value_places(program)
    found = program.pick(places)
    if found is None:
        return False
    block, place, _ = found
    program.before_top(
        block[place], parsed(f"{kind} = collections.namedtuple('{kind}', ['first', 'second'])")
    )
    program.need("import collections")
    _split(program, block, place, "pair", f"{kind}(0, 1)", "{0}.first")
    return True


@_mutation
def through_an_object(program: Program) -> bool:
    """`x = e` becomes `box = Box(e)`, `x = box.inner`, with a class of our own."""
    kind = program.fresh("Box")
    found = program.pick(_value_places(program))
    if found is None:
        return False
    block, place, _ = found
    text = f"class {kind}:\n  def __init__(self, inner):\n    self.inner = inner\n"
    program.before_top(block[place], parsed(text))
    _split(program, block, place, "box", f"{kind}(0)", "{0}.inner")
    return True


@_mutation
def through_a_variable(program: Program) -> bool:
    """`x = e` becomes `made = e`, `x = made`."""
    return _through_statement(program, "made", "0", "{0}")


@_mutation
def unpacked(program: Program) -> bool:
    """`x = e` becomes `x, _ = e, None`."""
    found = program.pick(
        [
            block[place]
            for block, place, _ in _value_places(program)
            if isinstance(block[place], ast.Assign)
            and isinstance(block[place].targets[0], ast.Name)
            and len(block[place].targets) == 1
        ]
    )
    if found is None:
        return False
    spare = program.fresh("unused")
    found.targets = [ast.Tuple([found.targets[0], ast.Name(spare, ast.Store())], ast.Store())]
    found.value = ast.Tuple([found.value, ast.Constant(None)], ast.Load())
    return True


@_mutation
def in_a_lambda(program: Program) -> bool:
    """`x = e` becomes `x = (lambda: e)()`."""
    return _rewrite_value(program, lambda value, _: ast.Call(_lambda([], value), [], []))


@_mutation
def through_an_identity(program: Program) -> bool:
    """`x = e` becomes `x = same(e)`, with `def same(value): return value`."""
    helper = program.fresh("same")
    found = program.pick(program.values())
    if found is None:
        return False
    statement, _ = found
    program.before_top(statement, parsed(f"def {helper}(value):\n  return value"))
    statement.value = ast.Call(name(helper), [statement.value], [])
    return True


@_mutation
def chosen_by_a_flag(program: Program) -> bool:
    """`x = e` becomes `x = e if ACTIVE else None`."""
    flag = program.fresh("ACTIVE")
    found = program.pick(program.values())
    if found is None:
        return False
    statement, _ = found
    program.before_top(statement, parsed(f"{flag} = True"))
    statement.value = ast.IfExp(name(flag), statement.value, ast.Constant(None))
    return True


def _value_places(program: Program) -> list[tuple[list[ast.stmt], int, Function]]:
    return [
        (block, place, function)
        for block, place, function in program.statements(ast.Assign, ast.Return)
        if block[place].value is not None and is_movable(block[place].value)
    ]


def _through_statement(program: Program, stem: str, made: str, read: str) -> bool:
    found = program.pick(_value_places(program))
    if found is None:
        return False
    block, place, _ = found
    _split(program, block, place, stem, made, read)
    return True


def _split(
    program: Program, block: list[ast.stmt], place: int, stem: str, made: str, read: str
) -> None:
    """Two statements for one: `made`, where 0 stands for the value, then what reads it."""
    statement = block[place]
    variable = program.fresh(stem)
    template = ast.parse(made, mode="eval").body
    value = statement.value

    class Fill(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.expr:
            return value if node.value == 0 and node.value is not False else node

    statement.value = ast.parse(read.format(variable), mode="eval").body
    filled = Fill().visit(template)
    block.insert(place, ast.Assign([ast.Name(variable, ast.Store())], filled))


def _lambda(names: list[str], body: ast.expr) -> ast.Lambda:
    return ast.Lambda(_parameters(names), body)


def _parameters(names: list[str]) -> ast.arguments:
    return ast.arguments([], [ast.arg(each) for each in names], None, [], [], None, [])


# --- functions ---------------------------------------------------------------------------


@_mutation
def in_a_helper(program: Program) -> bool:
    """An expression becomes a function of the file, which gets the local names it reads."""
    places = [
        (statement, function)
        for statement, function in program.values()
        if not has_shadows(statement.value)
    ]
    found = program.pick(places)
    if found is None:
        return False
    statement, function = found
    taken = sorted(free_names(statement.value) & local_names(program.tree, function))
    helper = program.fresh("computed")
    body: list[ast.stmt] = [ast.Return(statement.value)]
    definition = ast.FunctionDef(helper, _parameters(taken), body, [], type_params=[])
    program.before_top(statement, definition)
    statement.value = ast.Call(name(helper), [name(each) for each in taken], [])
    return True


@_mutation
def in_a_closure(program: Program) -> bool:
    """`x = e` becomes `def inner(): return e`, `x = inner()`."""
    found = program.pick(_value_places(program))
    if found is None:
        return False
    block, place, _ = found
    statement = block[place]
    helper = program.fresh("inner")
    body: list[ast.stmt] = [ast.Return(statement.value)]
    definition = ast.FunctionDef(helper, _parameters([]), body, [], type_params=[])
    statement.value = ast.Call(name(helper), [], [])
    block.insert(place, definition)
    return True


@_mutation
def decorated(program: Program) -> bool:
    """A plain function gets a decorator that gives it back."""
    found = program.pick(_plain_functions(program))
    if found is None:
        return False
    helper = program.fresh("as_it_is")
    program.before_top(found, parsed(f"def {helper}(function):\n  return function"))
    found.decorator_list.append(name(helper))
    return True


@_mutation
def with_a_default_more(program: Program) -> bool:
    """A plain function takes an argument more, that nobody gives."""
    found = program.pick(_plain_functions(program))
    if found is None or found.args.vararg or found.args.kwonlyargs or found.args.kwarg:
        return False
    found.args.args.append(ast.arg(program.fresh("verbose")))
    found.args.defaults.append(ast.Constant(False))
    return True


@_mutation
def as_a_static_method(program: Program) -> bool:
    """A plain function moves into a class: `Tools.f`."""
    candidates = [
        f for f in _plain_functions(program) if not f.decorator_list and f.name not in program.kept
    ]
    found = program.pick(candidates)
    if found is None or _is_shadowed(program.tree, found.name):
        return False
    home = program.fresh("Tools")
    identifier = found.name
    place = program.tree.body.index(found)
    found.decorator_list.append(name("staticmethod"))
    program.tree.body[place] = ast.ClassDef(home, [], [], [found], [], type_params=[])

    class Reads(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id == identifier and isinstance(node.ctx, ast.Load):
                return ast.Attribute(name(home), identifier, ast.Load())
            return node

    Reads().visit(program.tree)
    return True


@_mutation
def renamed_function(program: Program) -> bool:
    """A function or class of the file is called otherwise."""
    candidates = [
        s
        for s in program.tree.body
        if isinstance(s, Function | ast.ClassDef)
        and s.name not in program.kept
        and not _is_shadowed(program.tree, s.name)
    ]
    found = program.pick(candidates)
    if found is None:
        return False
    old, new = found.name, program.fresh("Other" if isinstance(found, ast.ClassDef) else "other")
    found.name = new
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return True


@_mutation
def renamed_variable(program: Program) -> bool:
    """A local variable is called otherwise."""
    function = program.pick(program.functions())
    if function is None:
        return False
    parameters = {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
    stored = {
        n.id
        for n in ast.walk(function)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id not in parameters
    }
    fixed = {
        each
        for n in ast.walk(function)
        if isinstance(n, ast.Global | ast.Nonlocal)
        for each in n.names
    }
    fixed |= {
        n.id
        for n in ast.walk(program.tree)
        if isinstance(n, ast.Name) and not any(n is m for m in ast.walk(function))
    }
    old = program.pick(sorted(stored - fixed))
    if old is None:
        return False
    new = program.fresh("thing")
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return True


def _plain_functions(program: Program) -> list[Function]:
    return [s for s in program.tree.body if isinstance(s, Function) and not s.decorator_list]


def _is_shadowed(tree: ast.Module, identifier: str) -> bool:
    """Whether a name of the file is also something else somewhere."""
    others = [
        n
        for n in ast.walk(tree)
        if (isinstance(n, ast.Name) and n.id == identifier and not isinstance(n.ctx, ast.Load))
        or (isinstance(n, ast.arg) and n.arg == identifier)
        or (isinstance(n, ast.Constant) and n.value == identifier)
        or (isinstance(n, Function | ast.ClassDef) and n.name == identifier)
    ]
    return len(others) > 1


# --- calls -------------------------------------------------------------------------------


@_mutation
def keywords_from_a_dict(program: Program) -> bool:
    """`f(a, k=v)` becomes `f(a, **{'k': v})`."""
    call = program.pick(program.calls(lambda c: bool(c.keywords) and _all_named(c)))
    if call is None:
        return False
    keys: list[ast.expr | None] = [ast.Constant(k.arg) for k in call.keywords]
    call.keywords = [ast.keyword(None, ast.Dict(keys, [k.value for k in call.keywords]))]
    return True


@_mutation
def keywords_from_a_variable(program: Program) -> bool:
    """`f(a, k=1)` becomes `options = dict(k=1)`, `f(a, **options)`."""
    places = [
        (block, place, node)
        for block, place, _ in program.statements(ast.Assign, ast.Return, ast.Expr)
        for node in ast.walk(block[place])
        if isinstance(node, ast.Call)
        and node.keywords
        and _all_named(node)
        and all(isinstance(k.value, ast.Constant | ast.Name) for k in node.keywords)
        and not has_shadows(block[place])
    ]
    found = program.pick(places)
    if found is None:
        return False
    block, place, call = found
    options = program.fresh("options")
    made = ast.Call(name("dict"), [], call.keywords)
    call.keywords = [ast.keyword(None, name(options))]
    block.insert(place, ast.Assign([ast.Name(options, ast.Store())], made))
    return True


@_mutation
def arguments_from_a_tuple(program: Program) -> bool:
    """`f(a, b)` becomes `f(*(a, b))`."""
    call = program.pick(program.calls(lambda c: bool(c.args) and _all_named(c)))
    if call is None:
        return False
    call.args = [ast.Starred(ast.Tuple(call.args, ast.Load()), ast.Load())]
    return True


@_mutation
def positional_as_keywords(program: Program) -> bool:
    """`f(a, b)` of a plain function becomes `f(x=a, y=b)`."""
    functions = {f.name: f for f in _plain_functions(program)}

    def wanted(call: ast.Call) -> bool:
        known = functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
        return (
            known is not None
            and not (known.args.vararg or known.args.posonlyargs)
            and bool(call.args)
            and _all_named(call)
            and len(call.args) <= len(known.args.args)
        )

    call = program.pick(program.calls(wanted))
    if call is None or _is_shadowed(program.tree, call.func.id):
        return False
    parameters = functions[call.func.id].args.args
    given = [ast.keyword(p.arg, a) for p, a in zip(parameters, call.args, strict=False)]
    call.args, call.keywords = [], [*given, *call.keywords]
    return True


@_mutation
def bound_by_functools(program: Program) -> bool:
    """`f(a, k=v)` of a plain function becomes `functools.partial(f, k=v)(a)`."""
    functions = {f.name for f in _plain_functions(program)}
    call = program.pick(
        program.calls(
            lambda c: (
                isinstance(c.func, ast.Name)
                and c.func.id in functions
                and bool(c.args or c.keywords)
                and _all_named(c)
            )
        )
    )
    if call is None:
        return False
    program.need("import functools")
    bound = [name(call.func.id), *(call.args[:1] if not call.keywords else [])]
    partial = ast.Attribute(name("functools"), "partial", ast.Load())
    rest = call.args if call.keywords else call.args[1:]
    call.func, call.args, call.keywords = ast.Call(partial, bound, call.keywords), rest, []
    return True


@_mutation
def bound_by_partial(program: Program) -> bool:
    """`nn.Dense(x, features=3)` becomes `nn.Dense.partial(features=3)(x)`."""
    call = program.pick(
        program.calls(
            lambda c: (
                isinstance(c.func, ast.Attribute)
                and isinstance(c.func.value, ast.Name)
                and c.func.value.id == "nn"
                and c.func.attr[:1].isupper()
                and c.func.attr not in {"Model", "Module", "Collection"}
                and bool(c.args and c.keywords)
                and _all_named(c)
            )
        )
    )
    if call is None:
        return False
    bind = ast.Attribute(call.func, "partial", ast.Load())
    call.func, call.keywords = ast.Call(bind, [], call.keywords), []
    return True


@_mutation
def from_a_table(program: Program) -> bool:
    """`f(a)` of a plain function becomes `TABLE['f'](a)`."""
    functions = {
        f.name for f in _plain_functions(program) if not _is_shadowed(program.tree, f.name)
    }
    call = program.pick(
        program.calls(lambda c: isinstance(c.func, ast.Name) and c.func.id in functions)
    )
    if call is None:
        return False
    table, chosen = program.fresh("TABLE"), call.func.id
    definition = next(f for f in _plain_functions(program) if f.name == chosen)
    place = program.tree.body.index(definition)
    program.tree.body.insert(place + 1, parsed(f"{table} = {{'{chosen}': {chosen}}}"))
    call.func = ast.Subscript(name(table), ast.Constant(chosen), ast.Load())
    return True


@_mutation
def first_argument_before(program: Program) -> bool:
    """`y = f(g(x))` becomes `given = g(x)`, `y = f(given)`."""
    places = [
        (block, place, block[place].value)
        for block, place, _ in program.statements(ast.Assign, ast.Return)
        if isinstance(block[place].value, ast.Call)
        and block[place].value.args
        and isinstance(block[place].value.args[0], ast.Call)
        and is_movable(block[place].value.args[0])
        and _is_path(block[place].value.func)
    ]
    found = program.pick(places)
    if found is None:
        return False
    block, place, call = found
    variable = program.fresh("given")
    given, call.args[0] = call.args[0], name(variable)
    block.insert(place, ast.Assign([ast.Name(variable, ast.Store())], given))
    return True


def _all_named(call: ast.Call) -> bool:
    return not any(isinstance(a, ast.Starred) for a in call.args) and all(
        k.arg is not None for k in call.keywords
    )


def _is_path(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


# --- statements --------------------------------------------------------------------------


@_mutation
def in_a_live_branch(program: Program) -> bool:
    """A statement stands in a branch that is always taken."""
    flag = program.fresh("ACTIVE")
    found = program.pick(program.statements(ast.Assign, ast.Expr))
    if found is None:
        return False
    block, place, _ = found
    program.before_top(block[place], parsed(f"{flag} = True"))
    stop = parsed("raise ValueError('never')")
    block[place] = ast.If(name(flag), [block[place]], [stop])
    return True


@_mutation
def none_before(program: Program) -> bool:
    """`x = e` becomes `x = None`, `if x is None: x = e`."""
    places = [
        (block, place)
        for block, place, function in program.statements(ast.Assign)
        if isinstance(block[place].targets[0], ast.Name)
        and len(block[place].targets) == 1
        and block[place].targets[0].id not in free_names(block[place].value)
        and not _declares(function, block[place].targets[0].id)
    ]
    found = program.pick(places)
    if found is None:
        return False
    block, place = found
    variable = block[place].targets[0].id
    asked = ast.Compare(name(variable), [ast.Is()], [ast.Constant(None)])
    before = ast.Assign([ast.Name(variable, ast.Store())], ast.Constant(None))
    block[place : place + 1] = [before, ast.If(asked, [block[place]], [])]
    return True


@_mutation
def in_a_try(program: Program) -> bool:
    """A statement stands in a `try` with a `finally`."""
    found = program.pick(program.statements(ast.Assign, ast.Expr))
    if found is None:
        return False
    block, place, _ = found
    block[place] = ast.Try([block[place]], [], [], [ast.Pass()])
    return True


@_mutation
def in_a_null_context(program: Program) -> bool:
    """A statement stands in `with contextlib.nullcontext():`."""
    found = program.pick(program.statements(ast.Assign, ast.Expr))
    if found is None:
        return False
    block, place, _ = found
    program.need("import contextlib")
    opened = ast.parse("contextlib.nullcontext()", mode="eval").body
    block[place] = ast.With([ast.withitem(opened)], [block[place]])
    return True


@_mutation
def in_a_loop_of_one(program: Program) -> bool:
    """A statement stands in `for _ in range(1):`."""
    found = program.pick(program.statements(ast.Assign, ast.Expr))
    if found is None:
        return False
    block, place, _ = found
    turn = ast.Name(program.fresh("turn"), ast.Store())
    once = ast.parse("range(1)", mode="eval").body
    block[place] = ast.For(turn, once, [block[place]], [])
    return True


@_mutation
def unused_code(program: Program) -> bool:
    """Code that nobody runs stands beside what is run."""
    helper = program.fresh("unused_helper")
    text = (
        f"def {helper}(model, optimizer=None, state=(), **rest):\n  return model, optimizer, rest"
    )
    program.tree.body.append(parsed(text))
    return True


@_mutation
def loop_as_comprehension(program: Program) -> bool:
    """`for x in xs: ys.append(e)` becomes `ys.extend([e for x in xs])`."""
    places = []
    for block, place, _ in program.statements(ast.For):
        match block[place]:
            case ast.For(
                target=ast.Name(),
                body=[
                    ast.Expr(
                        value=ast.Call(
                            func=ast.Attribute(value=ast.Name(), attr="append"), args=[_]
                        )
                    )
                ],
                orelse=[],
            ):
                places.append((block, place))
    found = program.pick(places)
    if found is None:
        return False
    block, place = found
    loop = block[place]
    call = loop.body[0].value
    made = ast.ListComp(call.args[0], [ast.comprehension(loop.target, loop.iter, [], 0)])
    call.func.attr, call.args = "extend", [made]
    block[place] = loop.body[0]
    return True


@_mutation
def comprehension_as_loop(program: Program) -> bool:
    """`ys = [e for x in xs]` becomes a loop that appends."""
    places = [
        (block, place)
        for block, place, _ in program.statements(ast.Assign)
        if isinstance(block[place].value, ast.ListComp)
        and len(block[place].value.generators) == 1
        and not block[place].value.generators[0].ifs
        and isinstance(block[place].targets[0], ast.Name)
        and isinstance(block[place].value.generators[0].target, ast.Name)
    ]
    found = program.pick(places)
    if found is None:
        return False
    block, place = found
    statement = block[place]
    generator = statement.value.generators[0]
    gathered, item = program.fresh("gathered"), program.fresh("item")
    old = generator.target.id

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(item, node.ctx) if node.id == old else node

    element = Renamed().visit(statement.value.elt)
    append = ast.Attribute(name(gathered), "append", ast.Load())
    loop = ast.For(
        ast.Name(item, ast.Store()),
        generator.iter,
        [ast.Expr(ast.Call(append, [element], []))],
        [],
    )
    statement.value = name(gathered)
    block[place:place] = [parsed(f"{gathered} = []"), loop]
    return True


def _declares(function: Function, identifier: str) -> bool:
    return any(
        isinstance(n, ast.Global | ast.Nonlocal) and identifier in n.names
        for n in ast.walk(function)
    )


# --- imports -----------------------------------------------------------------------------


@_mutation
def import_by_another_name(program: Program) -> bool:
    """`from flax import nn` becomes `import flax.nn as layers`."""
    places = [
        (index, alias.asname or alias.name)
        for index, statement in enumerate(program.tree.body)
        if isinstance(statement, ast.ImportFrom) and statement.module == "flax"
        for alias in statement.names
        if alias.name in {"nn", "optim"} and len(statement.names) == 1
    ]
    found = program.pick(places)
    if found is None or _is_bound_twice(program.tree, found[1]):
        return False
    index, old = found
    module = program.tree.body[index].names[0].name
    new = program.fresh("layers" if module == "nn" else "optimizers")
    program.tree.body[index] = parsed(f"import flax.{module} as {new}")
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return True


@_mutation
def import_of_the_member(program: Program) -> bool:
    """`nn.Dense` becomes `LegacyDense`, of `from flax.nn import Dense as LegacyDense`."""
    if not any(
        isinstance(s, ast.ImportFrom)
        and s.module == "flax"
        and any(a.name == "nn" and a.asname is None for a in s.names)
        for s in program.tree.body
    ) or _is_bound_twice(program.tree, "nn"):
        return False
    members = {
        n.attr
        for n in ast.walk(program.tree)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "nn"
    }
    member = program.pick(sorted(members))
    if member is None:
        return False
    local = program.fresh(f"Legacy{member}" if member[:1].isupper() else f"legacy_{member}")

    class Reads(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            self.generic_visit(node)
            if isinstance(node.value, ast.Name) and node.value.id == "nn" and node.attr == member:
                return name(local)
            return node

    Reads().visit(program.tree)
    program.need(f"from flax.nn import {member} as {local}")
    return True


def _is_bound_twice(tree: ast.Module, identifier: str) -> bool:
    stored = [
        n
        for n in ast.walk(tree)
        if (isinstance(n, ast.Name) and n.id == identifier and not isinstance(n.ctx, ast.Load))
        or (isinstance(n, ast.arg) and n.arg == identifier)
        or (isinstance(n, Function | ast.ClassDef) and n.name == identifier)
    ]
    return bool(stored)
