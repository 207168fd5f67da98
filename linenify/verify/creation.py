"""Watches both APIs create params and variables, to know their order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import flax.core.scope

from linenify.verify.leaves import Keypath, legacy_state_keypath
from linenify.verify.patching import Patch, patched


@dataclass
class Creation:
    """Keypaths in the order of their creation, those of each model apart from the others."""

    models: dict[int, tuple[Any, list[Keypath]]] = field(default_factory=dict)
    """The root of a model (kept, so that no other object takes its identity), its keypaths."""

    def add(self, root: Any, keypath: Keypath) -> None:
        """Notes one leaf of the model that `root` is the root of."""
        self.models.setdefault(id(root), (root, []))[1].append(keypath)

    @property
    def keypaths(self) -> list[Keypath]:
        """Those of all models."""
        return [keypath for _, keypaths in self.models.values() for keypath in keypaths]

    def order_of(self, wanted: set[Keypath]) -> list[Keypath]:
        """The order of the model that has the wanted keypaths, then that of the others.

        A model that has all of them and no others is likeliest to be meant, and
        among such the first.
        """
        known = [keypaths for _, keypaths in self.models.values()]
        known.sort(key=lambda own: (-len(wanted & set(own)), len(set(own) - wanted)))
        return [keypath for keypaths in known for keypath in keypaths]


@contextlib.contextmanager
def watched_legacy(nn: Any) -> Iterator[tuple[Creation, Creation]]:
    """The keypaths of params and of state variables, as legacy modules create them."""
    params, state = Creation(), Creation()
    param = nn.base.Module.param
    store = nn.base.Collection.store

    def watched_param(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        root, names = _frames(self._frame)
        params.add(root, (*names, name))
        return param(self, name, *args, **kwargs)

    def watched_store(self: Any, value: Any) -> Any:
        owner = legacy_state_keypath([self._current_path()])
        for name in value if isinstance(value, dict) else ():
            state.add(self, (*owner, name))
        return store(self, value)

    with patched(
        [
            Patch(nn.base.Module, "param", watched_param),
            Patch(nn.base.Collection, "store", watched_store),
        ]
    ):
        yield params, state


def _frames(frame: Any) -> tuple[Any, Keypath]:
    """The root, which has no name in the params, and the names from there down to a frame."""
    names: list[str] = []
    while frame.parent is not None:
        if not frame.transparent:
            names.append(frame.name)
        frame = frame.parent
    return frame, tuple(reversed(names))


@contextlib.contextmanager
def watched_linen() -> Iterator[dict[str, Creation]]:
    """The keypaths of the variables of each collection, as Linen creates them."""
    created: dict[str, Creation] = {}
    put = flax.core.scope.Scope.put_variable

    def watched(self: Any, collection: str, name: str, value: Any) -> None:
        created.setdefault(collection, Creation()).add(self.root, (*self.path, name))
        put(self, collection, name, value)

    with patched([Patch(flax.core.scope.Scope, "put_variable", watched)]):
        yield created
