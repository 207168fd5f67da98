"""Which collection a state variable belongs to: running statistics, or any other state."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import External
from linenify.project.nodes import walk

_STATISTICS = frozenset({"mean", "var", "std", "average", "nanmean", "moments", "pmean"})


def collection_of(program: Program, call: ast.Call) -> str:
    """`batch_stats` for a running statistic of the batch, `state` otherwise.

    A statistic is a state whose new value is computed, within its function,
    from a mean or variance over arrays.
    """
    function = program.code(call)
    if function is None or isinstance(function.node, ast.Lambda):
        return "state"
    assigned: dict[str, list[ast.expr]] = {}
    for node in walk(function.node):
        for target, value in _assignments(node):
            assigned.setdefault(ast.unparse(target), []).append(value)
    for holder in _holders(program, call):
        for value in assigned.get(f"{holder}.value", []):
            if _statistical(program, value, assigned, set()):
                return "batch_stats"
    return "state"


def _holders(program: Program, call: ast.Call) -> list[str]:
    statement = program.statement(call)
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets]
    return []


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    yield from zip(target.elts, value.elts, strict=False)
                elif isinstance(target, ast.Tuple):
                    for element in target.elts:
                        yield element, value
                else:
                    yield target, value
        case (
            ast.AugAssign(target=target, value=value)
            | ast.AnnAssign(target=target, value=ast.expr() as value)
        ):
            yield target, value


def _statistical(
    program: Program, value: ast.expr, assigned: dict[str, list[ast.expr]], seen: set[str]
) -> bool:
    for node in walk(value):
        if isinstance(node, ast.Call):
            callee = program.flow.values.get(node.func, frozenset())
            paths = [a.path for a in callee if isinstance(a, External)]
            if any(path.rpartition(".")[2] in _STATISTICS for path in paths):
                return True
            if isinstance(node.func, ast.Attribute) and node.func.attr in _STATISTICS:
                return True
        elif isinstance(node, ast.Name) and node.id not in seen:
            seen.add(node.id)
            if any(_statistical(program, v, assigned, seen) for v in assigned.get(node.id, [])):
                return True
    return False
