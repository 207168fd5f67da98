"""The rules that rewrote the place where the sides part."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from linenify.verify.verdict import Departure
from linenify.verify.workspace import Sides


def rules_of(first: Departure, sides: Sides) -> tuple[str, ...]:
    """Codes of the rules that touched the statement of a departing submodule, else its class.

    None are known when linenify did not make the Linen side itself.
    """
    file, _, line = first.legacy_line.rpartition(":")
    if sides.migrated is None or not line.isdigit():
        return ()
    home = sides.legacy if sides.legacy.is_dir() else sides.legacy.parent
    for low, high in _around(home / file, int(line)):
        codes = {
            code
            for each in sides.migrated.touched
            if each.path == file and each.line <= high and each.end_line >= low
            for code in each.codes
        }
        if codes:
            return tuple(sorted(codes))
    return ()


def _around(file: Path, line: int) -> Iterator[tuple[int, int]]:
    """The statement at a line, then what it stands in, the innermost first."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError):
        return
    spans = {
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    }
    yield from sorted(spans, key=lambda span: span[1] - span[0])
