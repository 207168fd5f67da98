"""Legacy checkpoints, carried over to Linen.

Whole files, as `linenify remap` does it:

    tree = read(Path("checkpoints"))                     # an index: no array is read yet
    request = Request("model.py:ResNet", ["f32[1,224,224,3]"], optimizer="Adam")
    conversion = convert(tree, request)
    write(Path("new.msgpack"), checked(conversion.plan, tree))

In your own loading code, with arrays in memory:

    names = renames(ResNet(num_classes=10), images, params=legacy_params, state=legacy_state)
    variables = remap(legacy_params, names, legacy_state)
    legacy_params, legacy_state = restored(variables, names)

Everything but `renames`, `read` and `write` is pure.  Leaves are moved, and not
decoded, wherever their bytes stay the same.  Whatever is wrong with a
checkpoint raises `CheckpointError`, with the keypath and, in a file, the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from linenify.checkpoint.conversion import Plan, applied, dumped, loaded
from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.layout import Layout, layout_of
from linenify.checkpoint.leaf import Leaf
from linenify.checkpoint.outputs import Format, write
from linenify.checkpoint.planning import Kind
from linenify.checkpoint.reading import Tree, read_msgpack
from linenify.checkpoint.remap import remap, restored
from linenify.checkpoint.renames import Renames, Row, matched, predicted
from linenify.checkpoint.request import Request
from linenify.checkpoint.run import Conversion, checked, convert
from linenify.checkpoint.scopes import Scope
from linenify.checkpoint.sources import read

__all__ = [
    "CheckpointError",
    "Conversion",
    "Format",
    "Keypath",
    "Kind",
    "Layout",
    "Leaf",
    "Plan",
    "Renames",
    "Request",
    "Row",
    "Scope",
    "Tree",
    "applied",
    "checked",
    "convert",
    "dumped",
    "layout_of",
    "loaded",
    "matched",
    "predicted",
    "read",
    "read_msgpack",
    "remap",
    "renames",
    "restored",
    "write",
]


def renames(
    module: Any,
    *args: Any,
    params: Tree | None = None,
    state: Mapping[str, Tree] | None = None,
    rngs: Sequence[str] = ("dropout",),
    method: str = "__call__",
    **kwargs: Any,
) -> Renames:
    """Which legacy leaf is which leaf of a migrated module.

    Args:
        module: an instance of the Linen module.
        *args: its inputs: arrays, or `jax.ShapeDtypeStruct`s.
        params: legacy params, to check every leaf against; None to go by the rules
            of legacy naming alone.
        state: the flat legacy collection, `{"/Block_0/BatchNorm_1": {...}}`, if any.
        rngs: the streams of keys that it draws from.
        method: the method that initialises it.
        **kwargs: its inputs by keyword.

    Raises:
        CheckpointError: the module does not fit the params.
        Exception: whatever the module raises.
    """
    from linenify.checkpoint.tracing import trace

    scope = trace(module, *args, rngs=rngs, method=method, **kwargs)
    return predicted(scope) if params is None else matched(scope, params, state)
