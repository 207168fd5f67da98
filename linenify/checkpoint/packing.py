"""A tree as the bytes of a msgpack checkpoint, as flax 0.3.6 and every later version write it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from linenify.checkpoint.dtypes import itemsize
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.leaf import Leaf, Part, Slice
from linenify.checkpoint.reading import CHUNKED, Tree

CHUNK_BYTES = 1 << 30
"""Arrays above this size are written in chunks, as by `flax.serialization`."""

Piece = bytes | Leaf
"""What comes next in the file: bytes, or the bytes of a leaf."""


def packed(tree: Tree) -> Iterator[Piece]:
    """The pieces of the file, in order; adjacent small ones are one.

    A leaf is written with the spelling of its dtype (`tag`) and in its form
    (`array`, `scalar`, `chunked`), so that what was only moved is the same again.

    Raises:
        CheckpointError: the tree holds something that a checkpoint cannot.
    """
    loose = bytearray()
    for piece in _value(tree, ()):
        if isinstance(piece, bytes):
            loose += piece
            continue
        if loose:
            yield bytes(loose)
            loose.clear()
        yield piece
    if loose:
        yield bytes(loose)


def _value(tree: Tree, keypath: Keypath) -> Iterator[Piece]:
    match tree:
        case None:
            yield b"\xc0"
        case bool():
            yield b"\xc3" if tree else b"\xc2"
        case int():
            yield _integer(tree, keypath)
        case float():
            yield b"\xcb" + struct.pack(">d", tree)
        case complex():
            parts = b"\x92" + b"".join(b"\xcb" + struct.pack(">d", p) for p in _parts(tree))
            yield _extension_head(len(parts), 2) + parts
        case str():
            yield _text(tree)
        case bytes():
            yield _bytes_head(len(tree)) + tree
        case dict():
            yield _head(len(tree), 0x80, 0xDE)
            for key, value in tree.items():
                yield _text(key)
                yield from _value(value, (*keypath, key))
        case list() | tuple():
            yield _head(len(tree), 0x90, 0xDC)
            for index, value in enumerate(tree):
                yield from _value(value, (*keypath, str(index)))
        case Leaf():
            yield from _leaf(tree)
        case _:
            kind = type(tree).__name__
            raise CheckpointError(f"a checkpoint cannot hold a {kind}", keypath=keypath)


def _leaf(leaf: Leaf) -> Iterator[Piece]:
    if leaf.form == "chunked" or leaf.nbytes > CHUNK_BYTES:
        yield from _chunked(leaf)
        return
    tag = leaf.tag or leaf.dtype
    inside = b"\x93" + _sizes(leaf.shape) + _text(tag) + _bytes_head(leaf.nbytes)
    code = 3 if leaf.form == "scalar" else 1
    yield _extension_head(len(inside) + leaf.nbytes, code) + inside
    yield leaf


def _chunked(leaf: Leaf) -> Iterator[Piece]:
    elements = max(1, CHUNK_BYTES // itemsize(leaf.dtype))
    shape = {str(index): size for index, size in enumerate(leaf.shape)}
    starts = range(0, leaf.size, elements)
    yield _head(3, 0x80, 0xDE) + _text(CHUNKED) + b"\xc3" + _text("shape")
    yield from _value(shape, ())
    yield _text("chunks") + _head(len(starts), 0x80, 0xDE)
    for index, start in enumerate(starts):
        size = min(elements, leaf.size - start)
        yield _text(str(index))
        yield from _leaf(_section(leaf, start, size))


def _section(leaf: Leaf, start: int, size: int) -> Leaf:
    """Some elements of a leaf, as a leaf of one axis."""
    if leaf.steps:  # the bytes come into being now, and stay until they are written
        leaf = Leaf(leaf.dtype, leaf.shape, (b"".join(map(bytes, leaf.blocks())),), tag=leaf.tag)
    width = itemsize(leaf.dtype)
    parts = tuple(_cut(leaf.parts, start * width, size * width))
    return Leaf(leaf.dtype, (size,), parts, tag=leaf.tag)


def _cut(parts: tuple[Part, ...], start: int, length: int) -> Iterator[Part]:
    for part in parts:
        size = part.length if isinstance(part, Slice) else len(part)
        low, high = max(start, 0), min(start + length, size)
        if low < high:
            if isinstance(part, Slice):
                yield Slice(part.path, part.offset + low, high - low)
            else:
                yield part[low:high]
        start -= size


def _parts(value: complex) -> tuple[float, float]:
    return value.real, value.imag


def _integer(value: int, keypath: Keypath) -> bytes:
    if 0 <= value < 0x80 or -0x20 <= value < 0:
        return struct.pack("b" if value < 0 else "B", value)
    forms = _POSITIVE if value > 0 else _NEGATIVE
    for code, form in forms:
        try:
            return bytes([code]) + struct.pack(form, value)
        except struct.error:
            continue
    raise CheckpointError(f"a checkpoint cannot hold the integer {value}", keypath=keypath)


_POSITIVE = ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q"))
_NEGATIVE = ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q"))


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) < 32:
        return bytes([0xA0 | len(raw)]) + raw
    return _sized(len(raw), (0xD9, 0xDA, 0xDB)) + raw


def _bytes_head(length: int) -> bytes:
    return _sized(length, (0xC4, 0xC5, 0xC6))


def _extension_head(length: int, code: int) -> bytes:
    if length in (1, 2, 4, 8, 16):
        return bytes([0xD4 + length.bit_length() - 1, code])
    return _sized(length, (0xC7, 0xC8, 0xC9)) + bytes([code])


def _sized(length: int, codes: tuple[int, int, int]) -> bytes:
    width = 1 if length < 1 << 8 else 2 if length < 1 << 16 else 4
    return bytes([codes[width.bit_length() - 1]]) + length.to_bytes(width, "big")


def _head(count: int, short: int, long: int) -> bytes:
    if count < 16:
        return bytes([short | count])
    if count < 1 << 16:
        return bytes([long]) + count.to_bytes(2, "big")
    return bytes([long + 1]) + count.to_bytes(4, "big")


def _sizes(shape: tuple[int, ...]) -> bytes:
    return _head(len(shape), 0x90, 0xDC) + b"".join(_integer(size, ()) for size in shape)
