"""Moves leaves from one side to the other: pure, leaf by leaf, nothing is decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.renames import Renames, Row, flat


def remap(
    params: Tree, renames: Renames, state: Mapping[str, Tree] | None = None
) -> dict[str, Tree]:
    """The Linen variables of legacy params and state.

    Args:
        params: nested dicts; leaves are arrays of any library, or `Leaf`s.
        renames: the map.
        state: the flat legacy collection; None leaves the collections out.

    Returns:
        `{"params": ..., "batch_stats": ...}`, plain nested dicts.

    Raises:
        CheckpointError: a leaf is missing, left over, or of another shape.
    """
    source = {"params": params, **({} if state is None else {"state": state})}
    wanted = [row for row in renames.rows if row.legacy[0] in source]
    left = {keypath for keypath, _ in flat(source)}
    made: dict[str, Tree] = {"params": {}}
    for row in wanted:
        leaf = found(source, row.legacy, row.shape)
        left.discard(row.legacy)
        put(made, row.linen, to_linen(leaf, row))
    if left:
        raise CheckpointError("the map does not know this leaf", keypath=min(left))
    return made


def restored(variables: Mapping[str, Tree], renames: Renames) -> tuple[Tree, dict[str, Tree]]:
    """The legacy params and the flat legacy state of Linen variables: `remap` undone.

    Raises:
        CheckpointError: a leaf is missing, left over, or of another shape.
    """
    wanted = [row for row in renames.rows if row.linen[0] in variables]
    left = {keypath for keypath, _ in flat(variables)}
    made: dict[str, Tree] = {"params": {}, "state": {}}
    for row in wanted:
        leaf = found(variables, row.linen, row.linen_shape)
        left.discard(row.linen)
        put(made, row.legacy, to_legacy(leaf, row))
    if left:
        raise CheckpointError("the map does not know this leaf", keypath=min(left))
    return made["params"], made["state"]


def to_linen(leaf: Any, row: Row) -> Any:
    """One leaf in Linen's layout."""
    turned = leaf.transpose(row.axes) if row.axes else leaf
    return turned if tuple(turned.shape) == row.linen_shape else turned.reshape(row.linen_shape)


def to_legacy(leaf: Any, row: Row) -> Any:
    """One leaf in legacy's layout."""
    turned = leaf.transpose(inverse(row.axes)) if row.axes else leaf
    return turned if tuple(turned.shape) == row.shape else turned.reshape(row.shape)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes another."""
    return tuple(axes.index(place) for place in range(len(axes)))


def found(tree: Tree, keypath: Keypath, shape: tuple[int, ...] | None = None) -> Any:
    """The leaf at a keypath.

    Raises:
        CheckpointError: there is none, or it has not that shape.
    """
    node = tree
    for key in keypath:
        if not isinstance(node, Mapping) or key not in node:
            raise CheckpointError("the leaf is missing", keypath=keypath)
        node = node[key]
    if shape is not None and tuple(getattr(node, "shape", (math.nan,))) != shape:
        actual = list(getattr(node, "shape", ())) if hasattr(node, "shape") else "no array"
        raise CheckpointError(f"{actual} where {list(shape)} should be", keypath=keypath)
    return node


def put(tree: dict[str, Tree], keypath: Keypath, leaf: Any) -> None:
    """Sets the leaf at a keypath, making the dicts on the way.

    Raises:
        CheckpointError: something is there already.
    """
    node = tree
    for key in keypath[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise CheckpointError("a leaf lies above this one", keypath=keypath)
    if keypath[-1] in node:
        raise CheckpointError("a leaf is there already", keypath=keypath)
    node[keypath[-1]] = leaf
