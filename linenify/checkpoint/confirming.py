"""Asks the legacy source itself how it names things: its initialisation, really run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import jax

from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.user_module import arguments, named_object
from linenify.verify.inputs import Inputs
from linenify.verify.overlay import Overlay
from linenify.verify.wheels import DEFAULT_VERSION, WheelUnavailableError, legacy_sources

if TYPE_CHECKING:
    from linenify.checkpoint.request import Request


def legacy_leaves(request: Request, project: str = "") -> dict[str, Any]:
    """Shapes and dtypes of the legacy params and state, in the order of their creation.

    Args:
        request: names the legacy source.
        project: the folder that its imports start from.

    Returns:
        `{"params": [[keypath, shape, dtype], ...], "state": ...}`.

    Raises:
        CheckpointError: the legacy Flax, or the class, cannot be had.
    """
    place, _, name = request.legacy.rpartition(":")
    if not place:
        place, name = request.legacy, request.module.rpartition(":")[2]
    try:
        overlay = Overlay(legacy_sources(request.legacy_flax or DEFAULT_VERSION))
    except WheelUnavailableError as error:
        raise CheckpointError(str(error)) from error
    with overlay.visible(), named_object(f"{place}:{name}", project) as found:
        make = Inputs(vars(sys.modules[getattr(found, "__module__", "builtins")]))
        bound = make.literals(request.fields)
        args, kwargs = arguments(request, make)
        module = found.partial(**bound) if bound else found
        if request.method not in {"", "__call__", "apply"}:
            module = getattr(module, request.method)
        params, state = _initialised(overlay, module, args, kwargs)
    return {"params": _rows(params), "state": _rows(state)}


def _initialised(overlay: Overlay, module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    with overlay.nn.stateful() as state, overlay.nn.stochastic(jax.random.PRNGKey(0)):
        _, params = module.init(jax.random.PRNGKey(0), *args, **kwargs)
    return params, state.as_dict()


def _rows(tree: Any) -> list[Any]:
    rows = []

    def walk(node: Any, at: list[str]) -> None:
        if hasattr(node, "items"):
            for key, value in node.items():
                walk(value, [*at, str(key)])
        elif isinstance(node, tuple | list):
            for index, value in enumerate(node):
                walk(value, [*at, str(index)])
        elif hasattr(node, "shape"):
            rows.append([at, list(node.shape), str(node.dtype)])

    walk(tree, [])
    return rows
