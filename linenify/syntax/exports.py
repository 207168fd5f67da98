"""`__all__`, with names taken out of it."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst


def without_listed(module: cst.Module, names: Collection[str]) -> cst.Module:
    """Takes strings out of the lists that `__all__` is made of."""
    return module.visit(_Exports(names))


class _Exports(cst.CSTTransformer):
    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = names

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802 - libcst's name
        """`__all__` stands at the top."""
        del node
        return False

    def leave_Assign(  # noqa: N802
        self, original_node: cst.Assign, updated_node: cst.Assign
    ) -> cst.Assign:
        """`__all__ = [...]`."""
        del original_node
        if any(_is_all(target.target) for target in updated_node.targets):
            return updated_node.with_changes(value=self._shortened(updated_node.value))
        return updated_node

    def leave_AugAssign(  # noqa: N802
        self, original_node: cst.AugAssign, updated_node: cst.AugAssign
    ) -> cst.AugAssign:
        """`__all__ += [...]`."""
        del original_node
        if _is_all(updated_node.target):
            return updated_node.with_changes(value=self._shortened(updated_node.value))
        return updated_node

    def _shortened(self, value: cst.BaseExpression) -> cst.BaseExpression:
        if isinstance(value, cst.BinaryOperation):
            return value.with_changes(
                left=self._shortened(value.left), right=self._shortened(value.right)
            )
        if not isinstance(value, cst.List | cst.Tuple):
            return value
        kept = [each for each in value.elements if not self._goes(each)]
        if len(kept) == len(value.elements):
            return value
        if kept and self._goes(value.elements[-1]):
            kept[-1] = kept[-1].with_changes(comma=value.elements[-1].comma)
        if isinstance(value, cst.Tuple) and len(kept) == 1:
            kept[-1] = kept[-1].with_changes(comma=cst.Comma())
        return value.with_changes(elements=kept)

    def _goes(self, element: cst.BaseElement) -> bool:
        text = element.value
        return isinstance(text, cst.SimpleString) and text.evaluated_value in self._names


def _is_all(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "__all__"
