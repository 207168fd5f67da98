"""Inputs from their short notation.

    "f32[2,8,8,3]"    standard normal        "i32[4,16]<50"    0 up to 50
    "f32[2,3]<1"      uniform from 0 to 1    "i32[3]-5..5"     -5 up to 5
    "bool[2,5]"       true or false          "key"             a PRNG key
    "images.npy"      an array from a file; "batch.npz" a dict of arrays
    "=make_carry()"   an expression in the namespace of the user's file, where `inputs`
                      are the inputs to its left
    3, 0.5, true      the value itself       [...], {...}      a list, a dict of inputs

Elsewhere (hyper-parameters, `call`) strings are themselves, unless they begin
with "=": then they are expressions, and "==x" is the string "=x".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import CaseError
from linenify.verify.notation import NotationError, array


class Inputs:
    """Makes the inputs of one run on one side.

    The numbers depend on the notation alone, and on how often it came before:
    two sides that take the same inputs in another order see the same numbers.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = {"jax": jax, "jnp": jnp, "np": np, **namespace}
        self._seen: Counter[str] = Counter()

    def positional(self, notations: Sequence[Any]) -> list[Any]:
        """The inputs in a row."""
        made: list[Any] = []
        for notation in notations:
            made.append(self._made(notation, made))
        return made

    def named(self, notations: Mapping[str, Any], before: Sequence[Any]) -> dict[str, Any]:
        """The inputs passed by keyword; expressions see those before as `inputs`."""
        return {name: self._made(notation, before) for name, notation in notations.items()}

    def literals(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they are, expressions evaluated."""
        return {name: self._literal(value) for name, value in values.items()}

    def evaluated(self, expression: str, before: Sequence[Any] = ()) -> Any:
        """The value of an expression where the user wrote the code.

        Raises:
            CaseError: it has none.
        """
        try:
            return eval(expression, {**self._namespace, "inputs": tuple(before)})  # noqa: S307
        except Exception as error:
            raise CaseError(
                f"cannot evaluate `{expression}` in the file: {type(error).__name__}: {error}"
            ) from error

    def _literal(self, value: Any) -> Any:
        match value:
            case str() if value.startswith("=="):
                return value[1:]
            case str() if value.startswith("="):
                return self.evaluated(value[1:])
            case list():
                return [self._literal(item) for item in value]
            case dict():
                return self.literals(value)
        return value

    def _made(self, notation: Any, before: Sequence[Any]) -> Any:
        match notation:
            case list():
                return [self._made(item, before) for item in notation]
            case dict():
                return self.named(notation, before)
            case str() if notation.startswith("="):
                return self.evaluated(notation[1:], before)
            case str():
                if notation.endswith((".npy", ".npz")):
                    return _loaded(notation)
                self._seen[notation] += 1
                return _drawn(notation, self._seen[notation])
        return notation


def generator(*seeds: object) -> np.random.Generator:
    """Numbers that depend on the seeds alone."""
    digest = hashlib.sha256(repr(seeds).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _loaded(file: str) -> Any:
    try:
        content = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CaseError(f"cannot read {file}: {error}") from error
    if isinstance(content, np.ndarray):
        return jnp.asarray(content)
    return {name: jnp.asarray(content[name]) for name in content.files}


def _drawn(notation: str, occurrence: int) -> Any:
    if notation == "key":
        return jax.random.PRNGKey(occurrence)
    try:
        what = array(notation)
    except NotationError as error:
        raise CaseError(str(error)) from error
    dtype = jnp.dtype(what.dtype)
    draw = generator(notation, occurrence)
    low = what.low or 0.0
    if dtype == jnp.bool_:
        return jnp.asarray(draw.integers(0, 2, what.shape), dtype)
    if jnp.issubdtype(dtype, jnp.integer):
        high = 2 if what.high is None else int(what.high)
        return jnp.asarray(draw.integers(int(low), high, what.shape), dtype)
    if what.high is None:
        return jnp.asarray(draw.standard_normal(what.shape), dtype)
    return jnp.asarray(draw.uniform(low, what.high, what.shape), dtype)
