"""One array of a checkpoint: what it is, and where its bytes lie.

Bytes are read when they are written elsewhere, and not before.  What changes
them (a transposition, say) is kept as a list of steps until then; as long as
there is none, they are only moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linenify.checkpoint.dtypes import itemsize, movable_dtype, numpy_dtype
from linenify.checkpoint.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 8 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes in a file."""

    path: Path
    offset: int
    length: int


Part = Slice | bytes


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a leaf's bytes.

    Attributes:
        name: `transpose`, `negate`, `swap bytes` or `repeat`.
        shape: of the leaf before it.
        axes: of a transposition; `(n,)` for `n` repeats.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """An array, or a NumPy scalar.

    Attributes:
        dtype: its name, such as `float32` or `bfloat16`.
        shape: after all steps.
        parts: its bytes in row-major order, before the steps.
        steps: what is yet to be done to them.
        tag: the dtype as the file spelled it.
        form: `array`, `scalar` or `chunked`, as in the file.
    """

    dtype: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    steps: tuple[Step, ...] = ()
    tag: str = ""
    form: str = "array"

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of bytes, after all steps."""
        return self.size * itemsize(self.dtype)

    def reshape(self, shape: Sequence[int]) -> Leaf:
        """The same elements in another shape; moves nothing."""
        new = tuple(shape)
        if math.prod(new) != self.size:
            raise CheckpointError(f"{list(self.shape)} cannot take the shape {list(new)}")
        return replace(self, shape=new)

    def transpose(self, axes: Sequence[int]) -> Leaf:
        """The axes in another order."""
        order = tuple(axes)
        if order == tuple(range(len(order))):
            return self
        step = Step("transpose", self.shape, order)
        shape = tuple(self.shape[axis] for axis in order)
        return replace(self, shape=shape, steps=(*self.steps, step))

    def negate(self) -> Leaf:
        """The negative."""
        return replace(self, steps=(*self.steps, Step("negate", self.shape)))

    def swap(self) -> Leaf:
        """The same numbers, their bytes in the other order."""
        return replace(self, steps=(*self.steps, Step("swap bytes", self.shape)))

    def repeat(self, times: int) -> Leaf:
        """`times` copies along a new leading axis."""
        shape = (times, *self.shape)
        return replace(self, shape=shape, steps=(*self.steps, Step("repeat", self.shape, (times,))))

    def first(self) -> Leaf:
        """The first entry along the leading axis; moves nothing where no step is to be done."""
        if not self.shape or not self.shape[0]:
            raise CheckpointError(f"a leaf of shape {list(self.shape)} has no first entry")
        if self.steps:
            return of_array(self.numpy()[0])
        length = self.nbytes // self.shape[0]
        return replace(self, shape=self.shape[1:], parts=tuple(_head(self.parts, length)))

    def numpy(self) -> np.ndarray:
        """The array itself, read-only."""
        array = self._moved().view(numpy_dtype(self.dtype)).reshape(self.shape)
        array.flags.writeable = False
        return array

    def item(self) -> Any:
        """The one element of a leaf of size one, as a Python number."""
        return self.numpy().reshape(()).item()

    def blocks(self) -> Iterator[bytes]:
        """The bytes after all steps, in pieces; a leaf with steps comes in one."""
        if self.steps:
            yield self._moved().tobytes()
            return
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            with part.path.open("rb") as file:
                file.seek(part.offset)
                left = part.length
                while left:
                    block = file.read(min(left, _BLOCK))
                    if not block:
                        raise CheckpointError(f"{part.path} became shorter while it was read")
                    left -= len(block)
                    yield block

    def _moved(self) -> np.ndarray:
        import numpy as np

        start = replace(self, steps=(), shape=self.steps[0].shape) if self.steps else self
        raw = bytearray()
        for block in start.blocks():
            raw += block
        array = np.frombuffer(raw, movable_dtype(self.dtype)).reshape(start.shape)
        for step in self.steps:
            array = array.reshape(step.shape)
            match step.name:
                case "transpose":
                    array = np.ascontiguousarray(array.transpose(step.axes))
                case "negate":
                    array = _negated(array, self.dtype)
                case "swap bytes":
                    array = array.byteswap()
                case "repeat":
                    array = np.ascontiguousarray(np.broadcast_to(array, (*step.axes, *step.shape)))
        return np.ascontiguousarray(array.reshape(self.shape))


def of_array(array: Any) -> Leaf:
    """A leaf that holds an array (or a NumPy scalar, or what `np.asarray` takes)."""
    import numpy as np

    scalar = isinstance(array, np.generic)
    values = np.asarray(array)
    values = values if values.flags.c_contiguous else np.ascontiguousarray(values)
    name = values.dtype.name
    form = "scalar" if scalar else "array"
    return Leaf(name, values.shape, (values.tobytes(),), tag=name, form=form)


def _negated(array: np.ndarray, dtype: str) -> np.ndarray:
    """Flips the sign bit of floats, so that twice is nothing, whatever the value."""
    import numpy as np

    if dtype.startswith(("float", "bfloat")):
        bits = array.view(f"uint{8 * array.dtype.itemsize}")
        flipped = bits ^ bits.dtype.type(1 << (8 * array.dtype.itemsize - 1))
        return np.asarray(flipped.view(array.dtype))
    return np.asarray(np.negative(array))


def _head(parts: Sequence[Part], length: int) -> Iterator[Part]:
    for part in parts:
        size = len(part) if isinstance(part, bytes) else part.length
        take = min(size, length)
        if take:
            yield part[:take] if isinstance(part, bytes) else replace(part, length=take)
        length -= take
