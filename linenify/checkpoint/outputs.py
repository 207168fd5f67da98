"""Writes trees: msgpack and safetensors as streams, Orbax by its own library."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.leaf import Leaf, of_array
from linenify.checkpoint.packing import Piece, packed
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.sources import SAFE_TAGS
from linenify.checkpoint.writing import Progress, size_of, sync_folder, write_pieces


class Format(enum.StrEnum):
    """How a checkpoint is written."""

    MSGPACK = "msgpack"
    ORBAX = "orbax"
    SAFETENSORS = "safetensors"


def format_of(destination: Path) -> Format:
    """The format that a file name asks for."""
    if destination.suffix == ".safetensors":
        return Format.SAFETENSORS
    return Format.ORBAX if destination.suffix == ".orbax" else Format.MSGPACK


def pieces_of(tree: Tree, style: Format) -> list[Piece]:
    """The pieces of a file.

    Raises:
        CheckpointError: the format cannot hold the tree.
    """
    return list(packed(tree) if style is Format.MSGPACK else _safetensors(tree))


def write(
    destination: Path,
    tree: Tree,
    style: Format = Format.MSGPACK,
    advance: Progress = lambda _: None,
) -> None:
    """Writes a tree, whole or not at all.

    Raises:
        CheckpointError: the format cannot hold the tree.
        OSError: the destination cannot be written.
    """
    if style is Format.ORBAX:
        _write_orbax(destination, tree, advance)
    else:
        write_pieces(destination, pieces_of(tree, style), advance)


def total(tree: Tree, style: Format) -> int:
    """The bytes that `write` will report."""
    if style is Format.ORBAX:
        return sum(leaf.nbytes for _, leaf in _arrays(tree, ()))
    return size_of(pieces_of(tree, style))


def _arrays(tree: Tree, at: Keypath) -> Iterator[tuple[Keypath, Leaf]]:
    """The leaves; numbers become arrays, empty dicts and None vanish."""
    match tree:
        case dict():
            for key, value in tree.items():
                yield from _arrays(value, (*at, key))
        case Leaf():
            yield at, tree
        case None:
            return
        case bool() | int() | float():
            yield at, of_array(tree)
        case _:
            raise CheckpointError(
                f"a {type(tree).__name__} has no place in this format", keypath=at
            )


def _safetensors(tree: Tree) -> Iterator[Piece]:
    header: dict[str, object] = {}
    leaves: list[Leaf] = []
    at = 0
    for keypath, leaf in _arrays(tree, ()):
        if leaf.dtype not in SAFE_TAGS:
            raise CheckpointError(f"safetensors has no {leaf.dtype}", keypath=keypath)
        name = "/".join(keypath)
        if any("/" in key for key in keypath) or name in header:
            raise CheckpointError("two leaves would have the same name", keypath=keypath)
        header[name] = {
            "dtype": SAFE_TAGS[leaf.dtype],
            "shape": list(leaf.shape),
            "data_offsets": [at, at + leaf.nbytes],
        }
        at += leaf.nbytes
        leaves.append(leaf)
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    yield len(raw).to_bytes(8, "little") + raw
    yield from leaves


def _write_orbax(destination: Path, tree: Tree, advance: Progress) -> None:
    """Through files of the arrays, so that not all of them are in memory at once."""
    try:
        import numpy as np
        import orbax.checkpoint as ocp  # type: ignore[import-untyped]
    except ImportError as error:
        raise CheckpointError("Orbax is not installed: pip install orbax-checkpoint") from error
    from linenify.checkpoint.dtypes import numpy_dtype

    if destination.exists() and any(destination.iterdir() if destination.is_dir() else [1]):
        raise CheckpointError(f"{destination} exists; an Orbax checkpoint wants a new folder")
    folder = destination.resolve().parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{destination.name}.") as scratch:
        made: dict[str, object] = {}
        for number, (keypath, leaf) in enumerate(_arrays(tree, ())):
            if any(key in {"", ".", ".."} or "/" in key or "\0" in key for key in keypath):
                raise CheckpointError("this key is no name for a file", keypath=keypath)
            array: object
            if leaf.size:
                path = Path(scratch) / str(number)
                with path.open("wb") as file:
                    for block in leaf.blocks():
                        file.write(block)
                        advance(len(block))
                dtype = numpy_dtype(leaf.dtype)
                array = np.memmap(path, np.uint8, "r").view(dtype).reshape(leaf.shape)
            else:
                array = leaf.numpy()
            node = made
            for key in keypath[:-1]:
                node = node.setdefault(key, {})  # type: ignore[assignment]
            node[keypath[-1]] = array
        fresh = Path(scratch) / "checkpoint"
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(fresh, made)
            checkpointer.wait_until_finished()
        with contextlib.suppress(OSError):
            destination.rmdir()
        os.replace(fresh, destination)
        sync_folder(folder)
