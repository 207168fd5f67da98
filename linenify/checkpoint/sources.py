"""Reads checkpoints of every kind into trees whose leaves stay where they are.

    a file            msgpack, `.npz` or `.safetensors`, told by what is in it
    a folder          the newest `checkpoint_N` in it

Nothing is ever unpickled, and nothing is extracted anywhere.
"""

from __future__ import annotations

import ast
import json
import re
import struct
import zipfile
from pathlib import Path
from typing import IO

from linenify.checkpoint.dtypes import dtype_of_tag, itemsize
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.leaf import Leaf, Part, Slice, Step
from linenify.checkpoint.reading import MAX_NDIM, MAX_NODES, Tree, read_msgpack
from linenify.checkpoint.remap import put

_STEP = re.compile(r"(?P<prefix>.*?)(?P<step>\d+(?:\.\d+)?)")
_ORBAX = ("_CHECKPOINT_METADATA", "_METADATA")
_MAX_HEADER = 100 << 20
_MAX_ENTRY = 1 << 20
_SAFE = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "BOOL": "bool",
    **{f"I{n}": f"int{n}" for n in (8, 16, 32, 64)},
    **{f"U{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}


def read(path: Path) -> Tree:
    """The tree of a checkpoint.

    Raises:
        CheckpointError: it is none, or is damaged.
        OSError: it cannot be read.
    """
    path = newest(path) if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist")
    with path.open("rb") as file:
        head = file.read(9)
    if not head:
        raise CheckpointError(f"{path} is empty")
    try:
        if head[:4] == b"PK\x03\x04":
            return read_npz(path)
        if head[8:9] == b"{" and path.suffix == ".safetensors":
            return read_safetensors(path)
        return read_msgpack(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}", keypath=None, offset=None) from error


def newest(folder: Path, prefix: str = "checkpoint_") -> Path:
    """The checkpoint with the highest step in a folder.

    Raises:
        CheckpointError: there is none.
    """
    steps = {}
    for path in folder.iterdir():
        found = _STEP.fullmatch(path.name)
        if found and found["prefix"] == prefix and path.is_file():
            steps[float(found["step"])] = path
    if not steps and any((folder / name).exists() for name in _ORBAX):
        raise CheckpointError(
            f"{folder} is a checkpoint of Orbax, which remap writes and does not read: "
            "restore it with Orbax and write it with flax.serialization.to_bytes"
        )
    if not steps:
        raise CheckpointError(f"{folder} holds no file {prefix}N")
    return steps[max(steps)]


# --- NumPy archives --------------------------------------------------------------------------


def read_npz(path: Path) -> Tree:
    """Named arrays: `params/Dense_0/kernel`, or with `.` or `//` between the keys.

    Arrays that are stored as they are stay in the file, compressed ones are read.
    """
    tree: dict[str, Tree] = {}
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries = archive.infolist()
            if len(entries) > MAX_NODES:
                raise CheckpointError(f"more than {MAX_NODES} entries")
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            separator = _separator(names)
            for entry, name in zip(entries, names, strict=True):
                keypath = tuple(key for key in name.split(separator) if key)
                if not keypath:
                    raise CheckpointError("an array without a name")
                put(tree, keypath, _entry(archive, entry, path, file, keypath))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"a damaged archive: {error}") from error
    except (EOFError, struct.error, OSError, ValueError) as error:
        raise CheckpointError(f"a damaged archive: {error}") from error
    return tree


def _separator(names: list[str]) -> str:
    if any("//" in name for name in names):
        return "//"
    return "/" if any("/" in name for name in names) else "."


def _entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, file: IO[bytes], keypath: Keypath
) -> Leaf:
    with archive.open(entry) as stream:
        shape, tag, by_columns = _npy_header(stream, keypath)
        start = stream.tell()
        try:
            dtype, swapped = dtype_of_tag(tag)
        except ValueError as error:
            raise CheckpointError(str(error), keypath=keypath) from None
        length = itemsize(dtype)
        for size in shape:
            length *= size
        if start + length != entry.file_size:
            raise CheckpointError(
                f"{entry.file_size - start} bytes cannot be {dtype}{list(shape)}", keypath=keypath
            )
        part: Part
        if entry.compress_type == zipfile.ZIP_STORED:
            file.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", file.read(4))
            part = Slice(path, entry.header_offset + 30 + name + extra + start, length)
        else:
            part = stream.read(length)
            if len(part) != length:
                raise CheckpointError("the archive ends early", keypath=keypath)
    if not by_columns:
        steps = (Step("swap bytes", shape),) if swapped else ()
        return Leaf(dtype, shape, (part,), steps, dtype)
    turned = Leaf(dtype, shape[::-1], (part,), (), dtype)
    turned = turned.swap() if swapped else turned
    return turned.transpose(tuple(reversed(range(len(shape)))))


def _npy_header(stream: IO[bytes], keypath: Keypath) -> tuple[tuple[int, ...], str, bool]:
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise CheckpointError("this is no NumPy array", keypath=keypath)
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(stream.read(width), "little")
    if length > _MAX_ENTRY:
        raise CheckpointError(f"a header of {length} bytes", keypath=keypath)
    try:
        header = ast.literal_eval(stream.read(length).decode("latin1"))
        shape, tag = header["shape"], header["descr"]
        fits = isinstance(shape, tuple) and isinstance(tag, str) and len(shape) <= MAX_NDIM
        fits = fits and all(isinstance(n, int) and n >= 0 for n in shape)
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise CheckpointError("the header of an array cannot be read", keypath=keypath) from error
    if not fits:
        raise CheckpointError("the header of an array cannot be read", keypath=keypath)
    if "O" in tag:
        raise CheckpointError("an array of pickled objects, which are not read", keypath=keypath)
    return shape, tag, bool(header.get("fortran_order"))


# --- safetensors -----------------------------------------------------------------------------


def read_safetensors(path: Path) -> Tree:
    """Named arrays; the keys of a keypath stand with a `/`, or else a `.`, between them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > min(size - 8, _MAX_HEADER):
            raise CheckpointError(f"a header of {length} bytes is announced", offset=0)
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        names = list(header)
    except (ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError("the header cannot be read", offset=8) from error
    tree: dict[str, Tree] = {}
    separator = "/" if any("/" in name for name in names) else "."
    for name, entry in header.items():
        keypath = tuple(key for key in name.split(separator) if key)
        put(tree, keypath, _tensor(path, size, 8 + length, entry, keypath))
    return tree


def _tensor(path: Path, size: int, base: int, entry: object, keypath: Keypath) -> Leaf:
    match entry:
        case {"dtype": str(tag), "shape": list(sizes), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise CheckpointError("the entry of an array cannot be read", keypath=keypath)
    if tag not in _SAFE or not all(isinstance(n, int) and n >= 0 for n in sizes):
        raise CheckpointError(f"the dtype {tag[:40]!r}, or the shape, is unknown", keypath=keypath)
    dtype = _SAFE[tag]
    length = itemsize(dtype)
    for each in sizes:
        length *= each
    if not 0 <= begin <= end <= size - base or end - begin != length:
        raise CheckpointError(
            f"bytes {begin} to {end} cannot be {dtype}{sizes}", keypath=keypath, offset=base
        )
    return Leaf(dtype, tuple(sizes), (Slice(path, base + begin, length),), (), dtype)


SAFE_TAGS = {name: tag for tag, name in _SAFE.items()}
