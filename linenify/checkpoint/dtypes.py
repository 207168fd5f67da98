"""The dtypes a checkpoint may hold, by every name that legacy Flax wrote for them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_NATIVE = {
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("bool", "float16", "float32", "float64", "complex64", "complex128"),
}
# Dtypes that NumPy does not know by itself: their bytes are moved, or viewed as integers.
_WIDE = {
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3b11fnuz": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "int4": 1,
    "uint4": 1,
}
# `arr.dtype.str`, which flax <= 0.2.2 wrote: byte order, kind, size.
_SHORT = re.compile(r"(?P<order>[<>|=]?)(?P<kind>[biufc])(?P<size>\d{1,2})")
_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_BITS = re.compile(r"[a-z]+(?P<bits>\d+)")


def dtype_of_tag(tag: str) -> tuple[str, bool]:
    """The name of the dtype that a tag stands for, and whether its bytes are swapped.

    Args:
        tag: a name (`float32`), or the short form of flax 0.2.2 and before (`<f4`,
            and `|V2` for bfloat16).

    Raises:
        ValueError: no checkpoint holds such a dtype.
    """
    if tag in _NATIVE or tag in _WIDE:
        return tag, False
    if tag in {"|V2", "<V2", "V2"}:
        return "bfloat16", False
    if short := _SHORT.fullmatch(tag):
        size = int(short["size"])
        name = "bool" if (short["kind"], size) == ("b", 1) else f"{_KINDS[short['kind']]}{8 * size}"
        if name not in _NATIVE:
            raise ValueError(f"the dtype {tag!r} does not exist")
        foreign = ">" if sys.byteorder == "little" else "<"
        return name, short["order"] == foreign and size > 1
    raise ValueError(f"the dtype {tag[:40]!r} is none that a checkpoint holds")


def itemsize(name: str) -> int:
    """Bytes per element."""
    if name in _WIDE:
        return _WIDE[name]
    bits = _BITS.fullmatch(name)
    return int(bits["bits"]) // 8 if bits else 1


def numpy_dtype(name: str) -> np.dtype:
    """The dtype itself; what NumPy lacks comes from `ml_dtypes`."""
    import numpy as np

    if name in _WIDE:
        import ml_dtypes

        wide: np.dtype = np.dtype(getattr(ml_dtypes, name))
        return wide
    return np.dtype(name)


def movable_dtype(name: str) -> np.dtype:
    """A NumPy dtype of the same size, good enough for moving elements about."""
    import numpy as np

    return np.dtype(f"uint{8 * _WIDE[name]}") if name in _WIDE else np.dtype(name)
