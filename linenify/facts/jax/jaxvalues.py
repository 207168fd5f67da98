"""Functions of JAX that are gone, as values: bound, chosen, stored, handed on.

A function that means the same takes their place where they are named.  So whoever
calls the value later gets what was chosen, and that call stays as it is.
"""

from __future__ import annotations

import ast
from collections import defaultdict

from linenify.facts.ask.arguments import text
from linenify.facts.ask.spelt import bindings, is_guarded, spelt
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import External, File
from linenify.facts.jax.jaxcalls import in_namespace, is_gone
from linenify.facts.jax.jaxforms import FORMS, Form
from linenify.facts.sites import ImportedName, Renamed, Reshaped, Unclear, Wrapped
from linenify.project.nodes import walk
from linenify.project.source import Source

_BARE = ast.Call | ast.keyword | ast.Assign | ast.Tuple | ast.List | ast.Dict | ast.arguments


def emit_values(plan: Plan) -> None:
    """Decides every place that names such a function and does not call it."""
    exported = _exported(plan)
    for source in plan.project.sources:
        for name, path in sorted(exported[source.name]):
            _export(plan, source, name, path)
        for node in walk(source.tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                value = [*plan.flow.values.get(node, ())]
                path = value[0].path if len(value) == 1 and isinstance(value[0], External) else ""
                if not is_gone(path) or _is_rewritten(plan, node):
                    continue
                if spelt(plan, node) == path:
                    _emit(plan, source, node, path)
                elif FORMS[path].snippet:
                    plan.dissolved.add(node)  # it has what was put where it comes from


def _is_rewritten(plan: Plan, node: ast.expr) -> bool:
    """Whether the name goes with its call."""
    parent = plan.parents[node]
    if not isinstance(parent, ast.Call) or parent.func is not node:
        return False
    return isinstance(plan.site_at(plan.source(node), parent), Reshaped)


def _emit(plan: Plan, source: Source, node: ast.Name | ast.Attribute, path: str) -> None:
    form = FORMS[path]
    parent = plan.parents[node]
    if isinstance(parent, ast.Call) and parent.func is node and not form.snippet:
        return  # refused where it was called
    if plan.in_text(node) is not None:
        plan.refuse(source, node, "LN195", f"`{text(node)}` inside an f-string")
        return
    try:
        if form.snippet:
            require(plan, source, [form.snippet], "LN195", _aliases(source, path))
            if text(node) != form.snippet:
                plan.at(source, node, Renamed(form.snippet, "LN110"))
            plan.dissolved.add(node)
            return
    except Unclear as unclear:
        plan.decline(source, node, unclear)
        return
    template = in_namespace(form.value, ast.Name("", ast.Load()), path)
    if template.startswith("lambda") and not isinstance(parent, _BARE):
        template = f"({template})"
    plan.at(source, node, Wrapped(template, "LN110"))


def _aliases(source: Source, path: str) -> frozenset[ast.alias]:
    """The imports of a function, which go."""
    home, _, name = path.rpartition(".")
    return frozenset(
        alias
        for node in walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == home and not node.level
        for alias in node.names
        if alias.name == name and alias.asname is None
    )


def imported(plan: Plan, node: ast.ImportFrom, index: int) -> ImportedName | None:
    """What becomes of `from jax.ops import index_add`: it cannot work, so it goes."""
    if is_guarded(plan, node):
        return None
    alias = node.names[index]
    local = alias.asname or alias.name
    return ImportedName(index, local, None, gone=True)


# --- other files ------------------------------------------------------------------------------


def _exported(plan: Plan) -> dict[str, set[tuple[str, str]]]:
    """The names that a file binds to such a function and another file takes from it."""
    flow = plan.flow
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)

    def note(file: str | None, name: str) -> None:
        if file is None:
            return
        scope = flow.scopes[file].module
        value = flow.env.get((scope, name), frozenset())
        if (scope, name) in bindings(plan).stores:
            return
        for atom in value:
            if isinstance(atom, External) and is_gone(atom.path):
                found[file].add((name, atom.path))

    for source in plan.project.sources:
        for node in walk(source.tree):
            match node:
                case ast.ImportFrom(module=module, names=aliases, level=level):
                    home = flow.imports.absolute(source, module or "", level)
                    origin = flow.imports.find(home, source, level)
                    every = flow.scopes[origin].module.names if origin is not None else ()
                    for alias in aliases:
                        for name in every if alias.name == "*" else (alias.name,):
                            note(origin, name)
                case ast.Attribute(value=owner, attr=name):
                    for atom in flow.values.get(owner, ()):
                        if isinstance(atom, File):
                            note(atom.name, name)
                case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                    for leaf in walk(value):
                        if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                            note(source.name, leaf.value)
    return found


def _export(plan: Plan, source: Source, name: str, path: str) -> None:
    form: Form = FORMS[path]
    statement = next(
        (
            node
            for node in source.tree.body
            if isinstance(node, ast.ImportFrom)
            and any((a.asname or a.name) == name for a in node.names)
        ),
        None,
    )
    if statement is None or is_guarded(plan, statement):
        return
    home = plan.flow.imports.absolute(source, statement.module or "", statement.level)
    if plan.flow.imports.find(home, source, statement.level) is not None:
        return  # that file hands it on
    if form.snippet != name:
        plan.refuse(source, statement, "LN195", f"another file takes `{name}` from here")
        return
    try:
        require(plan, source, [name], "LN195", _aliases(source, path))
        plan.files[source.name].offered.add(name)
    except Unclear as unclear:
        plan.decline(source, statement, unclear)
