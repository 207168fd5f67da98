"""From `ast` nodes to spans in characters."""

from __future__ import annotations

import ast
import re

from linenify.project.source import Span

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


class Spans:
    """Spans of the nodes of one text.

    `ast` counts columns in UTF-8 bytes, libcst and people count characters;
    the two differ only on lines that are not ASCII.
    """

    def __init__(self, text: str) -> None:
        self._wide = {
            number: line for number, line in enumerate(_LINE.findall(text), 1) if not line.isascii()
        }

    def of(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg | ast.alias) -> Span:
        """The whole extent of `node`."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return Span(
            node.lineno,
            self._column(node.lineno, node.col_offset),
            node.end_lineno,
            self._column(node.end_lineno, node.end_col_offset),
        )

    def _column(self, line: int, offset: int) -> int:
        text = self._wide.get(line)
        if text is None:
            return offset
        return len(text.encode()[:offset].decode(errors="replace"))
