"""Asks the legacy source itself how it names things: its initialisation, really run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.user_module import arguments
from linenify.verify.inputs import Inputs
from linenify.verify.loading import UserFiles
from linenify.verify.overlay import Overlay
from linenify.verify.wheels import DEFAULT_VERSION, WheelUnavailableError, legacy_sources

if TYPE_CHECKING:
    from linenify.checkpoint.worker import Request


def legacy_leaves(request: Request) -> dict[str, Any]:
    """Shapes and dtypes of the legacy params and state, in the order of their creation.

    Returns:
        `{"params": [[keypath, shape, dtype], ...], "state": ...}`.

    Raises:
        CheckpointError: the legacy Flax, or the class, cannot be had.
    """
    from pathlib import Path

    place, _, name = request.legacy.rpartition(":")
    if not place:
        place, name = request.legacy, request.module.rpartition(":")[2]
    try:
        overlay = Overlay(legacy_sources(request.legacy_flax or DEFAULT_VERSION))
    except WheelUnavailableError as error:
        raise CheckpointError(str(error)) from error
    files = UserFiles(Path(place))
    with overlay.visible(), files.active():
        namespace = vars(files.load())
        if name not in namespace:
            raise CheckpointError(f"{place} defines no `{name}`")
        make = Inputs(namespace)
        bound = make.literals(request.fields)
        args, kwargs = arguments(request, make)
        module = namespace[name].partial(**bound) if bound else namespace[name]
        if request.method not in {"", "__call__", "apply"}:
            module = getattr(module, request.method)
        with (
            overlay.nn.stateful() as state,
            overlay.nn.stochastic(jax.random.PRNGKey(0)),
        ):
            _, params = module.init(jax.random.PRNGKey(0), *args, **kwargs)
        return {"params": _rows(params), "state": _rows(state.as_dict())}


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
