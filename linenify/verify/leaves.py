"""Parameters and collections as rows of leaves, in the order of their creation."""

# A nested dict keeps its insertion order in an eager `init`, but lifted
# transformations sort it, and a shared child is created elsewhere than it lives.
# So creation is watched while it happens: `linenify.verify.creation`.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from linenify.verify.pairing import Place

Keypath = tuple[str, ...]


@dataclass(frozen=True)
class Leaves:
    """The leaves of one pytree, with the places they live at."""

    places: tuple[Place, ...]
    values: tuple[Any, ...]
    rebuild: Callable[[Sequence[Any]], Any]
    row: Callable[[Any], list[Any]]
    """The leaves, in order, of a tree of the same structure."""


class LeakedTracerError(ValueError):
    """A parameter was made inside a raw JAX transform, and left it as a tracer."""

    def __init__(self, keypath: str, leaf: Any) -> None:
        origin = str(getattr(leaf, "_origin_msg", str)()).strip().split("\n")[0]
        super().__init__(
            f"`{keypath}` was made inside a JAX transform, and is a tracer outside of it: "
            f"lift the transform (nn.scan, nn.vmap, ...), or run the module once before. {origin}"
        )


def leaves_of(tree: Any, created: Sequence[Keypath], *, named: Callable[[Any], Keypath]) -> Leaves:
    """The leaves of a nested dict, in the order in which `created` names their owners.

    `named` turns the path of a leaf, as a sequence of dict keys, into a keypath
    that `created` may hold.

    Raises:
        LeakedTracerError: a leaf is no array, but what a JAX transform traced with.
    """
    with_paths, definition = _flattened(tree)
    for path, value in with_paths:
        if isinstance(value, jax.core.Tracer):
            raise LeakedTracerError("/".join(named(path)), value)
    rank: dict[Keypath, int] = {}
    for position, keypath in enumerate(created):
        rank.setdefault(keypath, position)
    keypaths = [named(path) for path, _ in with_paths]
    places = [
        Place(keypath, tuple(getattr(value, "shape", ())))
        for keypath, (_, value) in zip(keypaths, with_paths, strict=True)
    ]
    order = sorted(range(len(places)), key=lambda index: _rank(keypaths[index], rank))

    def rebuild(values: Sequence[Any]) -> Any:
        back: list[Any] = [None] * len(values)
        for index, value in zip(order, values, strict=True):
            back[index] = value
        return jax.tree_util.tree_unflatten(definition, back)

    def row(like: Any) -> list[Any]:
        flat = definition.flatten_up_to(like)
        return [flat[index] for index in order]

    return Leaves(
        tuple(places[index] for index in order),
        tuple(with_paths[index][1] for index in order),
        rebuild,
        row,
    )


def _rank(keypath: Keypath, rank: dict[Keypath, int]) -> int:
    """A leaf inside a parameter that is itself a pytree was created with it."""
    for length in range(len(keypath), 0, -1):
        if keypath[:length] in rank:
            return rank[keypath[:length]]
    return len(rank)


def _flattened(tree: Any) -> tuple[list[tuple[tuple[str, ...], Any]], Any]:
    """Leaves with their keys; JAX sorts the keys of a dict, which is undone by ranks."""
    with_paths, definition = jax.tree_util.tree_flatten_with_path(tree)
    return [(tuple(map(key_name, path)), leaf) for path, leaf in with_paths], definition


def key_name(key: Any) -> str:
    """One entry of a JAX key path as text."""
    match key:
        case jax.tree_util.DictKey():
            return str(key.key)
        case jax.tree_util.SequenceKey():
            return str(key.idx)
        case jax.tree_util.GetAttrKey():
            return str(key.name)
    return str(getattr(key, "key", key))


def linen_keypath(path: Sequence[str]) -> Keypath:
    """Params and collections of Linen are nested by module: nothing to do."""
    return tuple(path)


def legacy_state_keypath(path: Sequence[str]) -> Keypath:
    """Legacy state is flat: `{"/Block_0/BatchNorm_1": {"mean": ...}}`."""
    return (*filter(None, path[0].split("/")), *path[1:])
