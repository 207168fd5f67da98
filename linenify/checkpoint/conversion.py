"""A whole checkpoint on the other side, as a plan that can be saved and applied again.

A plan is two skeletons, one for each direction: nested dicts that say of every
leaf which leaf of the other side it is and what is to be done to it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from linenify.checkpoint.dtypes import numpy_dtype
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.leaf import Leaf, of_array
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found

VERSION = 1
_CHANGES = frozenset(
    {"first", "repeat", "transpose", "reshape", "negate", "swap", "number"}
    | {f"as {dtype}" for dtype in ("int32", "float16", "float32", "float64", "bfloat16")}
)


@dataclass(frozen=True, slots=True)
class Change:
    """Something to do to a leaf.

    `first`, `repeat`, `transpose`, `reshape`, `negate` and `swap` are methods of `Leaf`.

    `number` makes the leaf a plain number, or a plain number a leaf; `as int32` changes
    its dtype.
    """

    name: str
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ref:
    """A leaf that comes from the other side.

    Attributes:
        source: where it is there.
        shape: its shape there; None for a plain number.
        dtype: its dtype.
        changes: what to do to it.
        tag: the spelling of the dtype in the file that is made; empty for its name.
        form: `array`, `scalar` or `chunked` in the file that is made.
    """

    source: Keypath
    shape: tuple[int, ...] | None
    dtype: str
    changes: tuple[Change, ...] = ()
    tag: str = ""
    form: str = "array"


@dataclass(frozen=True, slots=True)
class Const:
    """What the other side does not have: a plain value, or a small array."""

    value: Tree


Skeleton = Any
"""A nested `dict[str, Skeleton]` of `Ref` and `Const`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Both directions.

    Attributes:
        forward: the Linen checkpoint, made of legacy leaves.
        backward: the legacy checkpoint, made of Linen leaves.
    """

    forward: Skeleton
    backward: Skeleton


def applied(skeleton: Skeleton, tree: Tree) -> Tree:
    """The tree that a skeleton describes, made of the leaves of another.

    Raises:
        CheckpointError: a leaf is missing, or has another shape or dtype than planned.
    """
    match skeleton:
        case Mapping():
            return {key: applied(value, tree) for key, value in skeleton.items()}
        case Const(value=value):
            return value
        case Ref():
            return _taken(skeleton, found(tree, skeleton.source))
    raise TypeError(f"{skeleton!r} is no part of a skeleton")


def sources(skeleton: Skeleton) -> set[Keypath]:
    """All leaves of the other side that a skeleton takes."""
    if isinstance(skeleton, Mapping):
        return {keypath for value in skeleton.values() for keypath in sources(value)}
    return {skeleton.source} if isinstance(skeleton, Ref) else set()


def _taken(ref: Ref, leaf: Any) -> Any:
    if not isinstance(leaf, Leaf):
        if isinstance(leaf, bool | int | float) and any(c.name == "number" for c in ref.changes):
            if ref.dtype == "int32":
                whole_number(leaf, ref.source)
            return replace(of_array(_array(leaf, ref.dtype)), tag=ref.tag or ref.dtype)
        if ref.shape is None and not isinstance(leaf, dict | list):
            return leaf
        raise CheckpointError("no array", keypath=ref.source)
    if ref.shape is None and not ref.changes:
        raise CheckpointError("an array where a plain value was planned", keypath=ref.source)
    if ref.shape is not None and (leaf.shape, leaf.dtype) != (ref.shape, ref.dtype):
        raise CheckpointError(
            f"{leaf.dtype}{list(leaf.shape)} where {ref.dtype}{list(ref.shape)} was planned",
            keypath=ref.source,
        )
    made: Any = leaf
    for change in ref.changes:
        match change.name:
            case "first":
                made = made.first()
            case "repeat":
                made = made.repeat(*change.values)
            case "transpose":
                made = made.transpose(change.values)
            case "reshape":
                made = made.reshape(change.values)
            case "negate":
                made = made.negate()
            case "swap":
                made = made.swap()
            case "number":
                return made.item()
            case name if name.startswith("as "):
                if name == "as int32":
                    whole_number(made.item(), ref.source)
                made = of_array(made.numpy().astype(numpy_dtype(name.removeprefix("as "))))
    return replace(made, tag=ref.tag or made.dtype, form=ref.form)


def whole_number(value: Any, keypath: Keypath) -> None:
    """Checks that a number counts something, and that optax can count it, too.

    Raises:
        CheckpointError: it does not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not -(1 << 31) <= value < 1 << 31 or int(value) != value:
        raise CheckpointError(f"{value!r} is no number of steps for an int32", keypath=keypath)


def _array(value: float, dtype: str) -> Any:
    import numpy as np

    return np.asarray(value, dtype)


# --- saved maps ------------------------------------------------------------------------------


def dumped(plan: Plan, about: Mapping[str, Any] | None = None) -> str:
    """A plan as JSON, for `loaded`."""
    data = {
        "linenify": "remap",
        "version": VERSION,
        **(about or {}),
        "to_linen": _rows(plan.forward, ()),
        "to_legacy": _rows(plan.backward, ()),
    }
    head = {key: value for key, value in data.items() if not isinstance(value, list)}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key in ("to_linen", "to_legacy"):
        rows = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in data[key])
        lines.append(f'"{key}": [\n    {rows}\n  ]')
    return "{\n  " + ",\n  ".join(lines) + "\n}\n"


def loaded(text: str) -> Plan:
    """A plan from its JSON.

    Raises:
        CheckpointError: this is no map, or one of a later version.
    """
    try:
        data = json.loads(text)
        if data.get("linenify") != "remap":
            raise CheckpointError("this is no map that `linenify remap --save-map` wrote")
        if data["version"] != VERSION:
            raise CheckpointError(f"the map has version {data['version']}, not {VERSION}")
        return Plan(_skeleton(data["to_linen"]), _skeleton(data["to_legacy"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"the map cannot be read: {error!r}") from error


def _rows(skeleton: Skeleton, at: Keypath) -> list[dict[str, Any]]:
    match skeleton:
        case Mapping():
            rows: list[dict[str, Any]] = [] if skeleton else [{"at": at, "empty": True}]
            for key, value in skeleton.items():
                rows += _rows(value, (*at, key))
            return rows
        case Const(value=Leaf() as leaf):
            raw = base64.b64encode(b"".join(leaf.blocks())).decode()
            array = {"dtype": leaf.dtype, "shape": leaf.shape, "tag": leaf.tag, "form": leaf.form}
            return [{"at": at, "array": {**array, "bytes": raw}}]
        case Const(value=bytes() as value):
            return [{"at": at, "bytes": base64.b64encode(value).decode()}]
        case Const(value=complex() as value):
            return [{"at": at, "complex": [value.real, value.imag]}]
        case Const(value=value):
            return [{"at": at, "value": value}]
    row: dict[str, Any] = {"at": at, "from": skeleton.source, "dtype": skeleton.dtype}
    row["shape"] = skeleton.shape
    if skeleton.changes:
        row["changes"] = [[change.name, *change.values] for change in skeleton.changes]
    if skeleton.tag and skeleton.tag != skeleton.dtype:
        row["tag"] = skeleton.tag
    if skeleton.form != "array":
        row["form"] = skeleton.form
    return [row]


def _skeleton(rows: list[dict[str, Any]]) -> Skeleton:
    root: dict[str, Skeleton] = {}
    for row in rows:
        at = _keypath(row["at"])
        if not at:
            if row.get("empty"):
                continue
            return _entry(row)
        node = root
        for key in at[:-1]:
            node = node.setdefault(key, {})
        if at[-1] in node:
            raise CheckpointError("the map has it twice", keypath=at)
        node[at[-1]] = {} if row.get("empty") else _entry(row)
    return root


def _entry(row: Mapping[str, Any]) -> Ref | Const:
    if "array" in row:
        array = row["array"]
        raw = base64.b64decode(array["bytes"])
        leaf = Leaf(
            array["dtype"], tuple(array["shape"]), (raw,), tag=array["tag"], form=array["form"]
        )
        if leaf.nbytes != len(raw):
            raise CheckpointError("the map holds a damaged array", keypath=_keypath(row["at"]))
        return Const(leaf)
    if "bytes" in row:
        return Const(base64.b64decode(row["bytes"]))
    if "complex" in row:
        return Const(complex(*row["complex"]))
    if "value" in row:
        return Const(row["value"])
    changes = tuple(_change(*change) for change in row.get("changes", ()))
    shape = None if row["shape"] is None else tuple(row["shape"])
    return Ref(
        _keypath(row["from"]),
        shape,
        row["dtype"],
        changes,
        row.get("tag", ""),
        row.get("form", "array"),
    )


def _change(name: Any, *values: Any) -> Change:
    if name not in _CHANGES or not all(isinstance(value, int) for value in values):
        raise CheckpointError(f"{name!r} is no change that a map can ask for")
    return Change(name, values)


def _keypath(value: Any) -> Keypath:
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise CheckpointError(f"{value!r} is no keypath")
    return tuple(value)
