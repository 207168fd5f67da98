"""What a program returned, in words that both sides share.

`canonical` turns any result into nested dicts of leaves:

    legacy `nn.Model`                its params, as `Variables`
    legacy `Optimizer`               {"params": its target, "step": ...}
    `TrainState` and other structs   their fields, less functions, transformations, `opt_state`
    legacy `nn.Collection`           its state, as `Variables`
    tuple, list                      {"0": ..., "1": ...}; numbers in a row become one array

Keys of a nested dict whose leaves some module created are names of submodules,
which the two sides number differently: such dicts become `Variables`, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from linenify.verify.creation import Creation
from linenify.verify.leaves import Keypath, key_name
from linenify.verify.overlay import Overlay

_BOOKKEEPING = ("opt_state", "tx", "apply_fn")


@dataclass(frozen=True)
class Variables:
    """Params, or a collection, of one model; leaves in the order of their creation."""

    leaves: tuple[tuple[Keypath, Any], ...]


Names = Callable[[set[Keypath]], Sequence[Keypath] | None]
"""For the keypaths of a nested dict their order of creation; `None` if it holds no variables."""


def names_of(created: Mapping[str, Creation]) -> Names:
    """Tells variables from other dicts by what the modules of a program created."""
    known = {keypath: creation for creation in created.values() for keypath in creation.keypaths}

    def order(keypaths: set[Keypath]) -> Sequence[Keypath] | None:
        owners = {id(known.get(keypath)): known.get(keypath) for keypath in keypaths}
        if len(owners) != 1:
            return None
        [creation] = owners.values()
        return None if creation is None else creation.order_of(keypaths)

    return order


def canonical(result: Any, names: Names, legacy: Overlay | None) -> Any:
    """A result as nested dicts, `Variables` and leaves; `legacy` on the legacy side."""
    return _Canon(names, legacy).of(result)


@dataclass(frozen=True)
class _Canon:
    names: Names
    legacy: Overlay | None

    def of(self, value: Any) -> Any:
        if self.legacy is not None:
            if isinstance(value, self.legacy.nn.Model):
                return self._variables(value.params)
            if isinstance(value, self.legacy.nn.Collection):
                return self._variables(value.as_dict())
            if isinstance(value, self.legacy.optim.Optimizer):
                return {"params": self.of(value.target), "step": self.of(_step(value.state))}
        if isinstance(value, Mapping):
            return self._mapping({str(key): item for key, item in value.items()})
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._fields(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {name: self.of(getattr(value, name)) for name in value._fields}
        if isinstance(value, list | tuple):
            return self._row(value)
        return self._other(value)

    def _mapping(self, value: Mapping[str, Any]) -> Any:
        if value and all(key.startswith("/") for key in value):
            return self._variables(value)  # `Collection.as_dict()`
        nested = _nested(value)
        if nested is not None and self.names({path for path, _ in nested}) is not None:
            return self._variables(value)
        return {key: self.of(item) for key, item in value.items()}

    def _variables(self, tree: Any) -> Any:
        leaves = _nested(tree)
        if leaves is None:
            return self.of(tree)
        order = self.names({path for path, _ in leaves}) or ()
        rank: dict[Keypath, int] = {}
        for position, path in enumerate(order):
            rank.setdefault(path, position)
        return Variables(tuple(sorted(leaves, key=lambda leaf: rank.get(leaf[0], len(rank)))))

    def _fields(self, value: Any) -> dict[str, Any]:
        kept = [
            each.name
            for each in dataclasses.fields(value)
            if each.metadata.get("pytree_node", True) and each.name not in _BOOKKEEPING
        ]
        return {name: self.of(getattr(value, name)) for name in kept}

    def _row(self, value: Sequence[Any]) -> Any:
        if len(value) > 1 and all(map(_is_scalar, value)):
            kinds = {np.asarray(item).dtype for item in value}
            if len(kinds) == 1:
                return np.stack([np.asarray(item) for item in value])
        return {str(index): self.of(item) for index, item in enumerate(value)}

    def _other(self, value: Any) -> Any:
        """A leaf; or a pytree of a class that we do not know, by its children."""
        children, _ = jax.tree_util.tree_flatten_with_path(
            value, is_leaf=lambda part: part is not value
        )
        if len(children) == 1 and not children[0][0]:
            return value
        return {"/".join(map(key_name, path)): self.of(child) for path, child in children}


def _step(state: Any) -> Any:
    """Up to 0.3.2 a `MultiOptimizer` has one state for each of its parts."""
    while isinstance(state, list | tuple) and not hasattr(state, "step"):
        state = state[0]
    return state.step


def _is_scalar(value: Any) -> bool:
    numbers = (bool, int, float, complex, np.generic, np.ndarray, jax.Array)
    return isinstance(value, numbers) and np.ndim(value) == 0 and np.asarray(value).dtype != object


def _nested(tree: Any, above: Keypath = ()) -> list[tuple[Keypath, Any]] | None:
    """The leaves of nested mappings with their keypaths; `None` if other containers are in it."""
    if isinstance(tree, Mapping):
        leaves: list[tuple[Keypath, Any]] = []
        for key, item in tree.items():
            # Legacy state is flat: `{"/Block_0/BatchNorm_1": {"mean": ...}}`.
            own = tuple(filter(None, str(key).split("/")))
            below = _nested(item, (*above, *own))
            if below is None:
                return None
            leaves += below
        return leaves
    if isinstance(tree, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return [(above, tree)]
    return None
