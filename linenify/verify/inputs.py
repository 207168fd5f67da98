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
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.case import CaseError

_NOTATION = re.compile(
    r"(?P<dtype>[a-z]+\d*)\[(?P<shape>[\d,\s]*)\]"
    r"(?:<(?P<below>[\d.]+)|(?P<low>-?[\d.]+?)\.\.(?P<high>-?[\d.]+))?"
)
_DTYPES = {
    "bool": jnp.bool_,
    **{f"f{bits}": jnp.dtype(f"float{bits}") for bits in (16, 32, 64)},
    "bf16": jnp.dtype(jnp.bfloat16),
    **{f"i{bits}": jnp.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"u{bits}": jnp.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
}


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
        """The value of an expression where the user wrote the code."""
        return eval(expression, {**self._namespace, "inputs": tuple(before)})  # noqa: S307

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
    parts = _NOTATION.fullmatch(notation.strip())
    if parts is None or parts["dtype"] not in _DTYPES:
        raise CaseError(f'cannot read the input "{notation}"')
    shape = tuple(_integers(parts["shape"]))
    dtype = _DTYPES[parts["dtype"]]
    draw = generator(notation, occurrence)
    low = float(parts["low"] or 0)
    high = parts["below"] or parts["high"]
    if dtype == jnp.bool_:
        return jnp.asarray(draw.integers(0, 2, shape), dtype)
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.asarray(draw.integers(int(low), int(float(high or 2)), shape), dtype)
    if high is None:
        return jnp.asarray(draw.standard_normal(shape), dtype)
    return jnp.asarray(draw.uniform(low, float(high), shape), dtype)


def _integers(text: str) -> Iterable[int]:
    return (int(part) for part in text.split(",") if part.strip())
