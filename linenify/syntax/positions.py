"""A libcst tree and where its nodes stand, from one parse and one printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import libcst as cst
from libcst.metadata.position_provider import PositionProvidingCodegenState

from linenify.project.source import Span

if TYPE_CHECKING:
    from libcst.metadata import CodeRange

# `MetadataWrapper` would copy the tree first, which costs more than parsing it.
# The recording state asks for nothing of its provider but this one table.

# How a node is called in the stdlib tree, which keys the facts.
AST_NAMES: dict[type[cst.CSTNode], str] = {
    cst.Call: "Call",
    cst.Name: "Name",
    cst.Attribute: "Attribute",
    cst.FormattedString: "JoinedStr",
    cst.ConcatenatedString: "JoinedStr",
    cst.Lambda: "Lambda",
    cst.FunctionDef: "FunctionDef",
    cst.ClassDef: "ClassDef",
    cst.Import: "Import",
    cst.ImportFrom: "ImportFrom",
    cst.AnnAssign: "AnnAssign",
    cst.Comparison: "Compare",
    cst.Dict: "Dict",
    cst.List: "List",
    cst.BooleanOperation: "BoolOp",
    cst.BinaryOperation: "BinOp",
    cst.IfExp: "IfExp",
    cst.Subscript: "Subscript",
    cst.With: "With",
    cst.For: "For",
    cst.SimpleString: "Constant",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A parsed file: its tree, the text it prints, and the extent of every node."""

    module: cst.Module
    text: str
    ranges: dict[cst.CSTNode, CodeRange]
    _expressions: dict[tuple[int, ...], cst.BaseExpression] = field(default_factory=dict)

    def expression(self, mark: str) -> cst.BaseExpression:
        """The expression that a mark names: `node_` and the ends of its extent.

        The stdlib tree counts the parentheses of a tuple as a part of it, and no others.
        """
        if not self._expressions:
            for node, place in self.ranges.items():
                if not isinstance(node, cst.BaseExpression):
                    continue
                start, end = place.start, place.end
                if isinstance(node, cst.Tuple | cst.GeneratorExp) and node.lpar:
                    start = self.ranges[node.lpar[-1]].start
                    end = self.ranges[node.rpar[0]].end
                key = (start.line, start.column, end.line, end.column)
                self._expressions.setdefault(key, node)
        return self._expressions[tuple(int(part) for part in mark.split("_")[1:])]

    def span(self, node: cst.CSTNode) -> Span:
        """The extent of `node`, without surrounding whitespace and parentheses."""
        place = self.ranges[node]
        return Span(place.start.line, place.start.column, place.end.line, place.end.column)


def placed(text: str) -> Placed:
    """Parses `text` and records where everything stands."""
    module = cst.parse_module(text)
    provider = SimpleNamespace(_computed={})
    state = PositionProvidingCodegenState(
        default_indent=module.default_indent,
        default_newline=module.default_newline,
        provider=cast("object", provider),  # type: ignore[arg-type]
    )
    module._codegen(state)  # noqa: SLF001 - libcst has no public way to ask for both at once
    return Placed(module, "".join(state.tokens), provider._computed)  # noqa: SLF001
