"""Runs a migrated module once, without numbers, and notes what it does.

Legacy numbered children when they were *called*, Linen does when they are
*constructed*: which is which can only be seen while the module runs.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp

from linenify.checkpoint.errors import Keypath
from linenify.checkpoint.scopes import Scope, Variable
from linenify.verify.patching import Patch, patched

# What legacy Flax called what Linen calls otherwise.
_STEMS = {
    "ConvLSTMCell": "ConvLSTM",
    "SelfAttention": "MultiHeadDotProductAttention",
    "MultiHeadAttention": "MultiHeadDotProductAttention",
}
# The layers of Linen that were modules in legacy, too; the others took no number there.
_LAYERS = (
    *(nn.Dense, nn.DenseGeneral, nn.Conv, nn.ConvTranspose, nn.Embed, nn.BatchNorm, nn.LayerNorm),
    *(nn.GroupNorm, nn.LSTMCell, nn.OptimizedLSTMCell, nn.GRUCell, nn.ConvLSTMCell),
    nn.MultiHeadDotProductAttention,
)
# Collections that legacy never kept in a checkpoint.
_FLEETING = frozenset({"cache", "intermediates"})


def trace(
    module: nn.Module,
    *args: Any,
    rngs: Sequence[str] = ("dropout",),
    method: str = "__call__",
    **kwargs: Any,
) -> Scope:
    """The scopes of a module, as its initialisation makes them.

    Args:
        module: an instance of the migrated module class.
        *args: the inputs: arrays, `jax.ShapeDtypeStruct`s, or anything static.
        rngs: the streams of keys it draws from, besides `params`.
        method: the method to initialise by.
        **kwargs: the inputs passed by keyword.

    Raises:
        Exception: whatever the module raises.
    """
    keys = {name: jax.random.key(0) for name in ("params", *rngs)}
    with _watched() as seen:
        variables = _initialised(module, keys, method, args, kwargs)
    return seen.scopes(variables)


def _initialised(
    module: nn.Module, keys: Mapping[str, Any], method: str, args: Any, kwargs: Any
) -> Mapping[str, Any]:
    """The variables as shapes; a module that looks at numbers gets some."""
    leaves, definition = jax.tree_util.tree_flatten((args, kwargs))
    moving = [isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) for leaf in leaves]

    def init(arrays: Sequence[Any]) -> Any:
        fresh = iter(arrays)
        merged = [next(fresh) if m else leaf for m, leaf in zip(moving, leaves, strict=True)]
        positional, named = jax.tree_util.tree_unflatten(definition, merged)
        return module.init(dict(keys), *positional, method=method, **named)

    arrays = [leaf for m, leaf in zip(moving, leaves, strict=True) if m]
    try:
        made: Mapping[str, Any] = jax.eval_shape(init, arrays)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        made = init([_numbers(leaf) for leaf in arrays])
    return made


def _numbers(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.ones(leaf.shape, leaf.dtype)


@dataclass(frozen=True)
class _Spot:
    """The expression of the user's code that is being evaluated."""

    frame: tuple[int, int] = (0, 0)
    begin: tuple[int, int] = (0, 0)
    end: tuple[int, int] = (0, 0)

    def holds(self, other: _Spot) -> bool:
        """Whether another expression of the same run of the code is a part of this one."""
        return self.frame == other.frame and self.begin <= other.begin and other.end <= self.end


def _spot() -> _Spot:
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - `inspect` reads source files, which takes long
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return _Spot()
    run = (id(frame), id(frame.f_code))
    places = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    line, end_line, column, end_column = next(places, (None, None, None, None))
    if line is None or end_line is None or column is None or end_column is None:
        return _Spot(run)
    return _Spot(run, (line, column), (end_line, end_column))


@functools.cache
def _is_ours(filename: str) -> bool:
    """Whether code belongs to Flax, JAX or this tracer: the user's expression is further up."""
    return filename.startswith(("<", *_OURS)) or filename == contextlib.__file__


_OURS = tuple(f"{Path(file).parent}{os.sep}" for file in (flax.__file__, jax.__file__, __file__))


@dataclass
class _Noted:
    """What is known of the module at one path."""

    module: type[nn.Module] | None = None
    given: bool = False
    created: int = -1
    called: int = -1
    calls: int = 0
    axes: tuple[int, ...] = ()
    made_at: _Spot | None = None
    apart: bool = False


@dataclass
class _Seen:
    """What happened, by path, in the order in which it happened."""

    notes: dict[Keypath, _Noted] = field(default_factory=dict)
    clock: Iterator[int] = field(default_factory=itertools.count)
    running: list[Keypath] = field(default_factory=list)

    def constructed(self, module: nn.Module, *, given: bool) -> None:
        """A module has its name and its parent now; a clone of it says nothing new."""
        path = _path(module)
        if path is None or (path in self.notes and self.notes[path].created >= 0):
            return
        note = self.notes.setdefault(path, _Noted())
        note.module, note.given, note.created = type(module), given, next(self.clock)
        note.made_at = _spot()

    def called(self, module: nn.Module, arguments: Sequence[Any]) -> Keypath:
        """A module is called; by itself, when it is the one that runs."""
        path = tuple(module.path)
        note = self.notes.setdefault(path, _Noted())
        note.module = note.module or type(module)
        if note.called < 0:
            note.called = next(self.clock)
            note.apart = note.made_at is not None and not _spot().holds(note.made_at)
        if not self.running or self.running[-1] != path:
            note.calls += 1
        if isinstance(module, nn.DenseGeneral) and arguments:
            note.axes = _contracted(module, jnp.ndim(arguments[0]))
        return path

    def scopes(self, variables: Mapping[str, Any]) -> Scope:
        """The tree of scopes with the variables in their places."""
        self.notes.setdefault((), _Noted())
        for path in list(self.notes):
            for length in range(len(path)):
                self.notes.setdefault(path[:length], _Noted())
        owned: dict[Keypath, list[Variable]] = {}
        for collection, tree in variables.items():
            if collection in _FLEETING:
                continue
            for keypath, leaf in _leaves(tree, ()):
                owner = next(
                    keypath[:n]
                    for n in range(len(keypath) - 1, -1, -1)
                    if keypath[:n] in self.notes
                )
                name = keypath[len(owner) :]
                axes = self.notes[owner].axes if name == ("kernel",) else ()
                variable = Variable(
                    collection, name, tuple(leaf.shape), jnp.dtype(leaf.dtype).name, axes
                )
                owned.setdefault(owner, []).append(variable)
        return self._scope((), owned)

    def _scope(self, path: Keypath, owned: Mapping[Keypath, Sequence[Variable]]) -> Scope:
        note = self.notes[path]
        below = [
            other for other in self.notes if len(other) == len(path) + 1 and other[:-1] == path
        ]
        below.sort(key=lambda other: max(self.notes[other].created, -1))
        return Scope(
            path[-1] if path else "",
            tuple(_stems(note.module)),
            note.given,
            _counts(note.module),
            note.created,
            note.called,
            note.calls,
            tuple(owned.get(path, ())),
            tuple(self._scope(other, owned) for other in below),
            note.apart,
        )


@contextlib.contextmanager
def _watched() -> Iterator[_Seen]:
    seen = _Seen()
    finish = nn.Module.__post_init__

    def watched(self: nn.Module) -> None:
        given = self.name is not None
        finish(self)
        seen.constructed(self, given=given)

    def called(
        following: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        if context.method_name == "setup" or context.module.scope is None:
            return following(*args, **kwargs)
        seen.running.append(seen.called(context.module, args))
        try:
            return following(*args, **kwargs)
        finally:
            seen.running.pop()

    with patched([Patch(nn.Module, "__post_init__", watched)]), nn.intercept_methods(called):
        yield seen


def _path(module: nn.Module) -> Keypath | None:
    parent = module.parent
    if module.name is None or not isinstance(parent, nn.Module) or parent.scope is None:
        return None
    return (*parent.path, module.name)


def _contracted(module: nn.DenseGeneral, rank: int) -> tuple[int, ...]:
    """The axes of the legacy kernel in the order of Linen, which sorts what it contracts."""
    given = [module.axis] if isinstance(module.axis, int) else list(module.axis)
    batch = [module.batch_dims] if isinstance(module.batch_dims, int) else list(module.batch_dims)
    outputs = 1 if isinstance(module.features, int) else len(module.features)
    axes = [axis % rank for axis in given]
    order = sorted(range(len(axes)), key=axes.__getitem__)
    if order == list(range(len(axes))):
        return ()
    first = len(batch)
    total = first + len(axes) + outputs
    return (
        *range(first),
        *(first + index for index in order),
        *range(first + len(axes), total),
    )


def _stems(module: type[nn.Module] | None) -> Iterator[str]:
    for each in module.__mro__ if module is not None else ():
        if each is nn.Module:
            return
        if issubclass(each, nn.Module) and each.__module__ != "flax.linen.transforms":
            yield _STEMS.get(each.__name__, each.__name__)


def _counts(module: type[nn.Module] | None) -> bool:
    if module is None:
        return False
    if issubclass(module, _LAYERS):
        return True
    return not all(
        each.__module__.startswith("flax.linen")
        for each in module.__mro__
        if issubclass(each, nn.Module)
    )


def _leaves(tree: Any, above: Keypath) -> Iterator[tuple[Keypath, Any]]:
    """The arrays of a collection, in its own order; other pytrees by the keys of JAX."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, (*above, str(key)))
        return
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield (*above, *map(_key, path)), leaf


def _key(key: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
