"""What one side does under given variables: outputs, gradients, collections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import RunPair
from linenify.verify.inputs import generator
from linenify.verify.leaves import Leaves
from linenify.verify.sides import Arguments, ModuleSide
from linenify.verify.worlds import UserCodeError, World, inside


@dataclass(frozen=True)
class Seen:
    """What one side did under given variables.

    `steps` are outputs and collections of further calls, each under the collections that the
    one before left: some that go on from `state`, and then as many from a fresh start.
    """

    outputs: Any
    state: Any
    gradients: tuple[Any, Any, Any] | UserCodeError | None
    steps: tuple[tuple[Any, Any], ...] | UserCodeError = ()


def randomised(leaves: Leaves) -> list[Any]:
    """Numbers of their own for every leaf, of the size that it had."""
    return [
        _random_like(value, generator(place.keypath, place.shape))
        for place, value in zip(leaves.places, leaves.values, strict=True)
    ]


def _random_like(value: Any, draw: np.random.Generator) -> Any:
    if not jnp.issubdtype(jnp.asarray(value).dtype, jnp.floating):
        return value
    numbers = np.asarray(value).astype(np.float64)
    if not numbers.size or not np.isfinite(numbers).all():
        return value
    if (numbers > 0).all() or (numbers < 0).all():  # a scale or a variance
        fresh = numbers * draw.uniform(0.5, 1.5, numbers.shape)
    else:
        spread = float(numbers.std()) or 0.2
        fresh = numbers.mean() + spread * draw.standard_normal(numbers.shape)
    return jnp.asarray(fresh, jnp.asarray(value).dtype)


_STEPS = 2


def observed(
    module: ModuleSide,
    world: World,
    pair: RunPair,
    params: Any,
    state: Any,
    fresh: Any | None = None,
) -> Seen:
    """Outputs, collections and gradients of a side under given variables.

    `fresh` are the collections as initialised, from which a second run of calls begins;
    without them there is one call only.

    Raises:
        UserCodeError: it did not run; for gradients alone, it is part of the result.
    """
    with inside(world, "call"):
        outputs, after = module.call(params, state, module.arguments)
    steps: tuple[tuple[Any, Any], ...] | UserCodeError = ()
    if fresh is not None and "collections" in pair.compare and jax.tree_util.tree_leaves(after):
        try:
            steps = tuple(_steps(module, world, params, (after, fresh)))
        except UserCodeError as error:
            steps = error
    if "gradients" not in pair.compare:
        return Seen(outputs, after, None, steps)
    if not any(map(_differentiable, jax.tree_util.tree_leaves(outputs))):
        return Seen(outputs, after, None, steps)
    try:
        with inside(world, "gradients"):
            return Seen(outputs, after, _gradients(module, params, state), steps)
    except UserCodeError as error:
        return Seen(outputs, after, error, steps)


def _steps(
    module: ModuleSide, world: World, params: Any, starts: Sequence[Any]
) -> Iterator[tuple[Any, Any]]:
    """Calls one after the other: a mistake may show only when collections were changed before."""
    for state in starts:
        for _ in range(_STEPS):
            with inside(world, "call"):
                outputs, state = module.call(params, state, module.arguments)  # noqa: PLW2901
            yield outputs, state


def _differentiable(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _gradients(module: ModuleSide, params: Any, state: Any) -> tuple[Any, Any, Any]:
    """Of a bounded, leaf-wise random function of the outputs, as trees with `None` for the rest."""
    given = module.arguments
    moving, rejoin = _split((params, given.inputs, given.named))

    def loss(moving: Sequence[Any]) -> jax.Array:
        params, inputs, named = rejoin(moving)
        outputs, _ = module.call(params, state, Arguments(inputs, named, given.fixed))
        return _projected(outputs)

    gradients: tuple[Any, Any, Any] = rejoin(jax.grad(loss)(moving), absent=True)
    return gradients


def _split(tree: Any) -> tuple[list[Any], Callable[..., Any]]:
    """The differentiable leaves, and how to put such leaves back among the others."""
    leaves, definition = jax.tree_util.tree_flatten(tree)
    moves = [_differentiable(leaf) for leaf in leaves]

    def rejoin(moving: Sequence[Any], *, absent: bool = False) -> Any:
        fresh = iter(moving)
        merged = [
            next(fresh) if moved else (_NO_GRADIENT if absent else leaf)
            for leaf, moved in zip(leaves, moves, strict=True)
        ]
        return jax.tree_util.tree_unflatten(definition, merged)

    return [leaf for leaf, moved in zip(leaves, moves, strict=True) if moved], rejoin


_NO_GRADIENT = "no gradient"


def _projected(outputs: Any) -> jax.Array:
    total = jnp.zeros(())
    for index, leaf in enumerate(jax.tree_util.tree_leaves(outputs)):
        if _differentiable(leaf):
            weights = generator("projection", index, leaf.shape).uniform(-1, 1, leaf.shape)
            wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
            total += jnp.sum(jnp.cos(wide) * jnp.asarray(weights, wide.dtype))
    return total
