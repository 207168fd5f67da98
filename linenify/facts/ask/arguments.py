"""The arguments of a call, by the parameter that each of them fills."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import Container, Module, Parameter
from linenify.facts.sites import Added, Given, Reordered, Unclear
from linenify.project.relevance import reachable
from linenify.project.scopes import FunctionNode


@dataclass(frozen=True, slots=True)
class Filled:
    """One argument of a call: its place, the parameter it fills, its expression."""

    index: int
    name: str | None  # None: a splat
    node: ast.expr
    positional: bool
    splat: str = ""  # "*" or "**"


def fill(program: Program, call: ast.Call, module: Module) -> list[Filled]:
    """Which parameter each argument of `call` fills, in source order.

    Indices count positional arguments first, then keywords, as `ast` keeps them.
    """
    names = program.flow.positional_names(module)
    variadic = _variadic(program, module)
    entries: list[tuple[int, int, Filled]] = []
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred):
            entry = Filled(0, None, argument.value, True, "*")
        elif place < len(names):
            entry = Filled(0, names[place], argument, True)
        elif variadic is not None:
            entry = Filled(0, variadic, argument, True)
        else:
            raise Unclear("LN390", f"`{text(call.func)}` gets more arguments than it takes")
        entries.append((argument.lineno, argument.col_offset, entry))
    for keyword in call.keywords:
        entry = Filled(0, keyword.arg, keyword.value, False, "" if keyword.arg else "**")
        entries.append((keyword.lineno, keyword.col_offset, entry))
    indexed = [(line, column, replace(e, index=i)) for i, (line, column, e) in enumerate(entries)]
    return [entry for *_, entry in sorted(indexed, key=lambda e: e[:2])]


def _variadic(program: Program, module: Module) -> str | None:
    function = program.flow.function_of(module)
    if function is not None and function.args.vararg is not None:
        return function.args.vararg.arg
    return None


def splat_keys(program: Program, node: ast.expr) -> set[str] | None:
    """The keys that a splatted dict may carry; None when they are not known."""
    value = program.flow.values.get(node, frozenset())
    containers = [a for a in value if isinstance(a, Container)]
    # A parameter is what its callers pass, and these are among the atoms, too.
    others = [a for a in value if not isinstance(a, Container | Parameter)]
    if others or not containers:
        return None
    keys: set[str] = set()
    for container in containers:
        if (container.node, "*") in program.flow.items:
            return None
        if any(splat_keys(program, spread) is None for spread in _spread_into(container.node)):
            return None
        keys |= {k for k in program.flow.keys.get(container.node, ()) if isinstance(k, str)}
    return keys


def splat_length(program: Program, node: ast.expr) -> int | None:
    """How many values a splatted sequence holds at most; None when that is not known."""
    value = program.flow.values.get(node, frozenset())
    atoms = [a for a in value if not isinstance(a, Parameter)]
    lengths: list[int] = []
    for atom in atoms:
        made = atom.node if isinstance(atom, Container) else None
        if isinstance(made, ast.arg):  # `*inputs` of a function
            places = program.flow.keys.get(made, [])
            counts = [k for k in places if isinstance(k, int)]
            if len(counts) < len(places) or not _only_called(program, made):
                return None
            lengths.append(max(counts, default=-1) + 1)
            continue
        if not isinstance(made, ast.Tuple | ast.List):
            return None
        if any(isinstance(each, ast.Starred) for each in made.elts):
            return None
        lengths.append(len(made.elts))
    return max(lengths) if lengths else None


def _only_called(program: Program, parameter: ast.arg) -> bool:
    """Whether the function of a parameter does nothing but be called."""
    function = program.parents.get(program.parents.get(parameter))  # type: ignore[arg-type]
    if not isinstance(function, ast.FunctionDef):
        return False
    mentions = program.mentions(function)
    parents = [(node, program.parents.get(node)) for node in mentions]
    return bool(mentions) and all(
        isinstance(parent, ast.Call) and parent.func is node for node, parent in parents
    )


def _spread_into(node: ast.AST) -> list[ast.expr]:
    """What a dict is made from besides the keys that it spells out."""
    match node:
        case ast.Dict(keys=keys, values=values):
            return [value for key, value in zip(keys, values, strict=True) if key is None]
        case ast.Call(args=arguments, keywords=keywords):
            return [*arguments, *(k.value for k in keywords if k.arg is None)]
    return []


def repeated(program: Program, node: ast.AST) -> bool:
    """Whether `node` runs more than once in one call of its function."""
    for ancestor in program.ancestors(node):
        if isinstance(
            ancestor, ast.For | ast.While | ast.ListComp | ast.GeneratorExp | ast.DictComp
        ):
            return True
        if isinstance(ancestor, ast.FunctionDef):
            return False
    return False


def in_module_code(program: Program, node: ast.AST) -> bool:
    """Whether `node` runs inside a module: in a method, or in a function they call."""
    code = program.code(node)
    if program not in _IN_MODULES:
        _IN_MODULES[program] = _in_modules(program)
    return code is not None and code.node in _IN_MODULES[program]


_IN_MODULES: WeakKeyDictionary[Program, frozenset[FunctionNode]] = WeakKeyDictionary()


def _in_modules(program: Program) -> frozenset[FunctionNode]:
    """The methods of modules, the functions that they call, and those inside of these."""
    flow = program.flow
    within: dict[FunctionNode, list[FunctionNode]] = defaultdict(list)
    methods: set[FunctionNode] = set(program.decisions.of)
    for function, code in flow.code.items():
        if code.owner is not None and flow.hierarchy.runs_in_module(code.owner.node):
            methods.add(function)
        around = program.code(function)
        outer = [around.node] if around is not None else []
        for each in (*code.callers, *outer):
            if each is not None:
                within[each].append(function)
    return reachable(methods, lambda function: within.get(function, ()))


def text(node: ast.expr) -> str:
    """An expression as people would write it."""
    return ast.unparse(node)


def as_given(call: ast.Call) -> tuple[Given, ...]:
    """All arguments of `call`, as they are."""
    keywords = [k.arg for k in call.keywords]
    positional = [Given(i) for i in range(len(call.args))]
    named = [Given(i, keyword) for i, keyword in enumerate(keywords, len(call.args))]
    return (*positional, *named)


def fill_plain(call: ast.Call, keyword: str, code: str, rule: str) -> Reordered:
    """`call` with all its arguments as they are, and one more."""
    return Reordered((*as_given(call), Added(keyword, code)), rule)


def is_spelt(call: ast.Call) -> bool:
    """Whether a call spells its arguments out: none of them is a splat."""
    return not any(isinstance(a, ast.Starred) for a in call.args) and all(
        k.arg is not None for k in call.keywords
    )
