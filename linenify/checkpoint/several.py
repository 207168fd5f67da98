"""Several models that lie together, as those that one optimizer trains.

Every model is matched by itself; its rows get the path to it in front.  A Model
stays a dict `{"params": ...}` on both sides: migrated programs hold a module and its
params as one struct there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.layout import Layout, params_of
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found
from linenify.checkpoint.renames import Renames, Row, flat, matched
from linenify.checkpoint.request import Request
from linenify.checkpoint.scopes import Scope, from_json


def named(name: str) -> Keypath:
    """The place of a model, as the command line spells it."""
    return tuple(name.split("/"))


def completed(request: Request, tree: Tree, layout: Layout) -> Request:
    """The request with what only the checkpoint says."""
    if not request.parts:
        return request
    parts = {
        name: replace(part, under=params_of(tree, layout, named(name)))
        for name, part in request.parts.items()
    }
    loose = [[at, shape, leaf.dtype] for at, leaf, shape in _loose(tree, layout)]
    return replace(request, parts=parts, loose=loose)


def matched_parts(tree: Tree, layout: Layout, answers: Mapping[str, Any]) -> Renames:
    """The map of all models, and of the leaves beside them.

    Raises:
        CheckpointError: a module does not fit, or a collection could be that of several.
    """
    rows = [
        Row(("params", *at), ("params", *at), shape, shape, leaf.dtype)
        for at, leaf, shape in _loose(tree, layout)
    ]
    notes: list[str] = []
    free = list(layout.collections)
    for name, answer in answers.items():
        place = named(name)
        scope = from_json(answer["scope"])
        below = params_of(tree, layout, place)
        params = stripped(found(tree, (*layout.params, *below)), layout.replicas)
        try:
            order = created(answer)
            collection, renames = _part(tree, layout, scope, params, place, free, order)
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}") from error
        if collection is not None:
            free.remove(collection)
        notes += (f"{name}: {note}" for note in renames.notes)
        rows += (_below(row, below, collection) for row in renames.rows)
    return Renames(tuple(rows), tuple(notes))


def created(answer: Mapping[str, Any]) -> list[Keypath]:
    """The params in the order in which the legacy source creates them, if it was asked."""
    return [tuple(at) for at, _, _ in answer.get("legacy", {"params": ()})["params"]]


def taken_collections(layout: Layout, renames: Renames) -> Layout:
    """The layout with those collections only that belong to a model."""
    starts = {row.legacy[1:] for row in renames.rows if row.legacy[0] == "state"}
    kept = tuple(
        place
        for place in layout.collections
        if any(start[: len(place)] == place for start in starts)
    )
    return replace(layout, collections=kept)


def _part(
    tree: Tree,
    layout: Layout,
    scope: Scope,
    params: Tree,
    place: Keypath,
    free: list[Keypath],
    order: Sequence[Keypath],
) -> tuple[Keypath | None, Renames]:
    """One model with its collection, which is called as it is, or is the only one that fits."""
    needs = any(v.collection != "params" for _, v in scope.all_variables())
    if not needs or not free:
        return None, matched(scope, params, None, order)
    alike = [at for at in free if place[-1] in at] or free
    fits: list[tuple[Keypath, Renames]] = []
    first: CheckpointError | None = None
    for at in alike:
        try:
            state = stripped(found(tree, at), layout.replicas)
            fits.append((at, matched(scope, params, state, order)))
        except CheckpointError as error:
            first = first or error
    if not fits and first is not None:
        raise first
    if len(fits) > 1:
        listed = ", ".join(spelled(at) for at, _ in fits)
        raise CheckpointError(f"each of these collections could be its state: {listed}")
    return fits[0]


def _below(row: Row, below: Keypath, collection: Keypath | None) -> Row:
    if row.legacy[0] == "params":
        legacy: Keypath = ("params", *below, *row.legacy[1:])
        linen: Keypath = ("params", *below, *row.linen[1:])
    else:
        assert collection is not None
        legacy = ("state", *collection, *row.legacy[1:])
        linen = (*collection, *row.linen)
    return replace(row, legacy=legacy, linen=linen)


def _loose(tree: Tree, layout: Layout) -> Iterator[tuple[Keypath, Leaf, tuple[int, ...]]]:
    """Leaves beside the models that the optimizer trains, too; they stay as they are."""
    if layout.optimizer is None:
        return
    for at, leaf in flat(found(tree, layout.params)):
        if not any(at[: len(model)] == model for model in layout.models):
            n = layout.replicas
            yield at, leaf, leaf.shape[1:] if n and leaf.shape[:1] == (n,) else leaf.shape


def stripped(tree: Tree, replicas: int) -> Tree:
    """One replica of every leaf."""
    if isinstance(tree, Mapping):
        return {key: stripped(value, replicas) for key, value in tree.items()}
    if replicas and isinstance(tree, Leaf) and tree.shape[:1] == (replicas,):
        return tree.first()
    return tree
