"""The short notation of an array, read without JAX: the command line checks it, too."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_ARRAY = re.compile(
    r"(?P<dtype>[a-z]+\d*)\[(?P<shape>[\d,\s]*)\]"
    r"(?:<(?P<below>\d+(?:\.\d+)?)|(?P<low>-?\d+(?:\.\d+)?)\.\.(?P<high>-?\d+(?:\.\d+)?))?"
)
DTYPES = {
    "bool": "bool",
    **{f"f{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "bf16": "bfloat16",
    **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


class NotationError(ValueError):
    """No input is written so; the message says how one is."""


@dataclass(frozen=True, slots=True)
class Array:
    """An array to be drawn: `low` and `high` are `None` where nothing was said."""

    dtype: str
    shape: tuple[int, ...]
    low: float | None
    high: float | None


def array(text: str) -> Array:
    """Reads `f32[2,8]`, `i32[4]<50`, `f32[3]-1..1`.

    Raises:
        NotationError: it is not written so.
    """
    parts = _ARRAY.fullmatch(text.strip())
    if parts is None:
        raise NotationError(f'cannot read the input "{text}": write {_HOW}')
    if parts["dtype"] not in DTYPES:
        raise NotationError(
            f'the input "{text}" has no known dtype: {parts["dtype"]} is none of '
            f"{', '.join(DTYPES)}"
        )
    if parts["dtype"] == "f64" and os.environ.get("JAX_ENABLE_X64", "0").lower() in _OFF:
        raise NotationError(
            f'the input "{text}" would be rounded to single precision: set JAX_ENABLE_X64=1 '
            "in the environment, as the program must, or write f32"
        )
    shape = tuple(int(size) for size in parts["shape"].replace(" ", "").split(",") if size)
    low, high = parts["low"], parts["below"] or parts["high"]
    found = Array(
        DTYPES[parts["dtype"]],
        shape,
        None if low is None else float(low),
        None if high is None else float(high),
    )
    if found.high is not None and found.high <= (found.low or 0.0):
        raise NotationError(f'the input "{text}" has an empty range')
    return found


_HOW = 'f32[2,8], i32[4,16]<50, f32[3]-1..1, key, a file .npy or .npz, or "=EXPRESSION"'
_OFF = ("", "0", "false", "off", "no")
