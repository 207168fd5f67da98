"""Reads the index of a msgpack checkpoint: every leaf's place, none of its bytes.

The file is not trusted.  Every length is checked against what is left of the
file before anything is made of it, the number of nodes and the depth are
bounded, nothing is ever unpickled, and whatever is wrong is reported with its
keypath and its byte.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from linenify.checkpoint.dtypes import dtype_of_tag, itemsize
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.leaf import Leaf, Slice, Step

Tree = Any
"""A nested `dict[str, Tree]` of `Leaf`s and of what is no array: None, bool, int, float, str,
bytes, complex, and lists of these."""

MAX_DEPTH = 100
MAX_NODES = 5_000_000
MAX_TEXT = 1 << 20
MAX_NDIM = 32
CHUNKED = "__msgpack_chunked_array__"

_SCALAR = 3  # type of an extension; 1 is an array, 2 a complex number
_WINDOW = 1 << 14


def read_msgpack(path: Path) -> Tree:
    """The tree of a checkpoint that `flax.serialization` wrote, leaves still in the file.

    All versions are read: dtypes spelled `<f4` or `float32`, bfloat16 as `|V2`,
    arrays in chunks, NumPy scalars, complex numbers.

    Raises:
        CheckpointError: the file is none, or is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        _check_start(file.read(8))
        reader = _Reader(file, path, size)
        tree = reader.value((), 0)
        if reader.at != size and not isinstance(tree, dict):
            raise CheckpointError(NO_CHECKPOINT)
        if reader.at != size:
            raise CheckpointError(
                f"{size - reader.at} bytes follow the end of the checkpoint", offset=reader.at
            )
    return tree


NO_CHECKPOINT = "this is not a checkpoint of legacy Flax (msgpack), and no .npz or .safetensors"
_OTHERS = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x89HDF": "HDF5",
    b"\x1f\x8b": "compressed by gzip",
}


def _check_start(head: bytes) -> None:
    """Names other formats by how they begin.

    Raises:
        CheckpointError: the file is in one of them.
    """
    looks_like = next((name for start, name in _OTHERS.items() if head.startswith(start)), "")
    if looks_like:
        raise CheckpointError(f"{NO_CHECKPOINT}: it is {looks_like}")


class _Reader:
    """A position in the file, and what may still be read."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.at = 0
        self._file = file
        self._path = path
        self._end = size
        self._nodes = 0
        self._window = b""
        self._window_at = 0

    def value(self, keypath: Keypath, depth: int) -> Tree:
        """Reads one value, and all that is in it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(keypath, f"more than {MAX_NODES} entries")
        if depth > MAX_DEPTH:
            raise self._error(keypath, f"nested more than {MAX_DEPTH} deep")
        start = self.at
        code = self._take(1, keypath)[0]
        if code <= 0x7F:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code <= 0x8F:
            return self._map(code & 0x0F, keypath, depth, start)
        if code <= 0x9F:
            return self._list(code & 0x0F, keypath, depth)
        if code <= 0xBF:
            return self._text(code & 0x1F, keypath)
        if code in _SIMPLE:
            return _SIMPLE[code]
        if code in _NUMBERS:
            form, length = _NUMBERS[code]
            return struct.unpack(form, self._take(length, keypath))[0]
        if code in _LENGTHS:
            kind, width = _LENGTHS[code]
            length = int.from_bytes(self._take(width, keypath), "big")
            match kind:
                case "map":
                    return self._map(length, keypath, depth, start)
                case "list":
                    return self._list(length, keypath, depth)
                case "text":
                    return self._text(length, keypath)
                case "bytes":
                    return self._bytes(length, keypath)
                case "ext":
                    return self._extension(length, keypath, start)
        if 0xD4 <= code <= 0xD8:
            return self._extension(1 << (code - 0xD4), keypath, start)
        self.at = start
        raise self._error(keypath, f"0x{code:02x} begins no value of msgpack")

    def _map(self, count: int, keypath: Keypath, depth: int, start: int) -> Tree:
        self._room(2 * count, keypath, f"a dict of {count} entries")
        found: dict[str, Tree] = {}
        for _ in range(count):
            at = self.at
            key = self.value(keypath, depth + 1)
            if not isinstance(key, str):
                self.at = at
                raise self._error(keypath, f"a key is no text but {type(key).__name__}")
            if key in found:
                self.at = at
                raise self._error((*keypath, key), "the key is there twice")
            found[key] = self.value((*keypath, key), depth + 1)
        if CHUNKED in found:
            self.at, end = start, self.at
            leaf = self._joined(found, keypath)
            self.at = end
            return leaf
        return found

    def _list(self, count: int, keypath: Keypath, depth: int) -> list[Tree]:
        self._room(count, keypath, f"a list of {count} entries")
        return [self.value((*keypath, str(index)), depth + 1) for index in range(count)]

    def _text(self, length: int, keypath: Keypath) -> str:
        if length > MAX_TEXT:
            raise self._error(keypath, f"a text of {length} bytes")
        at = self.at
        try:
            return self._take(length, keypath).decode()
        except UnicodeDecodeError:
            self.at = at
            raise self._error(keypath, "a text is not UTF-8") from None

    def _bytes(self, length: int, keypath: Keypath) -> bytes:
        if length > MAX_TEXT:
            raise self._error(keypath, f"{length} loose bytes, which no checkpoint holds")
        return self._take(length, keypath)

    def _extension(self, length: int, keypath: Keypath, start: int) -> Tree:
        code = self._take(1, keypath)[0]
        self._room(length, keypath, f"an array of {length} bytes")
        end = self.at + length
        outer, self._end = self._end, end
        try:
            match code:
                case 1 | 3:
                    leaf = self._array(keypath)
                    value: Tree = replace(leaf, form="scalar") if code == _SCALAR else leaf
                case 2:
                    value = self._complex(keypath)
                case _:
                    self.at = start
                    raise self._error(keypath, f"an extension of the unknown type {code}")
            if self.at != end:
                raise self._error(keypath, f"{end - self.at} bytes too many in an array")
        finally:
            self._end = outer
        return value

    def _array(self, keypath: Keypath) -> Leaf:
        if self._length({0x90: ("list", 0)}, keypath, "an array")[1] != 3:
            raise self._error(keypath, "an array is not (shape, dtype, bytes)")
        shape = self._shape(keypath)
        at = self.at
        tag = self._tag(keypath)
        try:
            dtype, swapped = dtype_of_tag(tag)
        except ValueError as error:
            self.at = at
            raise self._error(keypath, str(error)) from None
        wanted = math.prod(shape) * itemsize(dtype)
        at = self.at
        _, length = self._length(_BYTES, keypath, "the bytes of an array")
        if length != wanted:
            self.at = at
            raise self._error(keypath, f"{length} bytes cannot be {dtype}{list(shape)} ({wanted})")
        self._room(length, keypath, f"an array of {length} bytes")
        part = Slice(self._path, self.at, length)
        self.at += length
        steps = (Step("swap bytes", shape),) if swapped else ()
        return Leaf(dtype, shape, (part,), steps, tag)

    def _shape(self, keypath: Keypath) -> tuple[int, ...]:
        at = self.at
        _, ndim = self._length({0x90: ("list", 0), 0xDC: ("list", 2)}, keypath, "a shape")
        if ndim > MAX_NDIM:
            self.at = at
            raise self._error(keypath, f"an array of {ndim} axes")
        shape = []
        for _ in range(ndim):
            at = self.at
            size = self.value(keypath, MAX_DEPTH)
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                self.at = at
                raise self._error(keypath, "a shape holds something else than sizes")
            shape.append(size)
        return tuple(shape)

    def _tag(self, keypath: Keypath) -> str:
        at = self.at
        _, length = self._length(_TEXTS, keypath, "a dtype")
        raw = self._take(min(length, 64), keypath)
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError:
            self.at = at
            raise self._error(keypath, "a dtype is no text") from None

    def _complex(self, keypath: Keypath) -> complex:
        if self._length({0x90: ("list", 0)}, keypath, "a complex number")[1] != 2:
            raise self._error(keypath, "a complex number is not (real, imaginary)")
        parts = [self.value(keypath, MAX_DEPTH) for _ in range(2)]
        if not all(isinstance(part, int | float) for part in parts):
            raise self._error(keypath, "a complex number is not made of numbers")
        return complex(*parts)

    def _length(
        self, heads: dict[int, tuple[str, int]], keypath: Keypath, what: str
    ) -> tuple[str, int]:
        """The kind and the length that a value's head says, when it is one of `heads`."""
        at = self.at
        code = self._take(1, keypath)[0]
        for head, (kind, width) in heads.items():
            if width == 0 and code & _MASKS[head] == head:
                return kind, code & ~_MASKS[head] & 0xFF
            if width and code == head:
                return kind, int.from_bytes(self._take(width, keypath), "big")
        self.at = at
        raise self._error(keypath, f"{what} does not begin with 0x{code:02x}")

    def _joined(self, found: dict[str, Tree], keypath: Keypath) -> Leaf:
        """The array that a dict of chunks stands for."""
        shape, chunks = found.get("shape"), found.get("chunks")
        if not isinstance(shape, dict) or not isinstance(chunks, dict) or len(found) != 3:
            raise self._error(keypath, "an array in chunks lacks its shape or its chunks")
        sizes = [n for i in range(len(shape)) if isinstance(n := shape.get(str(i)), int) and n >= 0]
        leaves = [c for i in range(len(chunks)) if isinstance(c := chunks.get(str(i)), Leaf)]
        if len(sizes) != len(shape) or len(sizes) > MAX_NDIM:
            raise self._error(keypath, "the shape of an array in chunks holds no sizes")
        if len(leaves) != len(chunks) or not leaves:
            raise self._error(keypath, "the chunks of an array are not numbered from 0")
        first = leaves[0]
        if any(leaf.dtype != first.dtype or leaf.steps for leaf in leaves):
            raise self._error(keypath, "the chunks of an array differ in dtype")
        if sum(leaf.size for leaf in leaves) != math.prod(sizes):
            raise self._error(keypath, "the chunks of an array do not fill its shape")
        parts = tuple(part for leaf in leaves for part in leaf.parts)
        return Leaf(first.dtype, tuple(sizes), parts, tag=first.tag, form="chunked")

    def _room(self, length: int, keypath: Keypath, what: str) -> None:
        if length > self._end - self.at:
            left = self._end - self.at
            raise self._error(keypath, f"{what} is announced, {left} bytes are left")

    def _take(self, length: int, keypath: Keypath) -> bytes:
        if length > self._end - self.at:
            missing = length - (self._end - self.at)
            raise self._error(keypath, f"the file ends {missing} bytes early")
        offset = self.at - self._window_at
        if not 0 <= offset <= len(self._window) - length:
            self._file.seek(self.at)
            self._window = self._file.read(max(_WINDOW, length))
            self._window_at, offset = self.at, 0
        taken = self._window[offset : offset + length]
        if len(taken) < length:
            raise self._error(keypath, "the file became shorter while it was read")
        self.at += length
        return taken

    def _error(self, keypath: Keypath, message: str) -> CheckpointError:
        return CheckpointError(message, keypath=keypath, offset=self.at)


_SIMPLE = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCA: (">f", 4),
    0xCB: (">d", 8),
    0xCC: (">B", 1),
    0xCD: (">H", 2),
    0xCE: (">I", 4),
    0xCF: (">Q", 8),
    0xD0: (">b", 1),
    0xD1: (">h", 2),
    0xD2: (">i", 4),
    0xD3: (">q", 8),
}
_LENGTHS = {
    0xC4: ("bytes", 1),
    0xC5: ("bytes", 2),
    0xC6: ("bytes", 4),
    0xC7: ("ext", 1),
    0xC8: ("ext", 2),
    0xC9: ("ext", 4),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
# Within an array: short forms have their length in the head, told by a mask.
_MASKS = {0x90: 0xF0, 0xA0: 0xE0}
_TEXTS = {0xA0: ("text", 0), 0xD9: ("text", 1), 0xC4: ("bytes", 1)}
_BYTES = {
    0xC4: ("bytes", 1),
    0xC5: ("bytes", 2),
    0xC6: ("bytes", 4),
    0xA0: ("text", 0),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
}
