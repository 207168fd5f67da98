"""Legacy Flax where it is the installed one: the world of the isolated oracle."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import flax
import flax.jax_utils
import jax
from jax.interpreters import partial_eval

from linenify.verify.era import era
from linenify.verify.overlay import Overlay
from linenify.verify.patching import patched


class Installed(Overlay):
    """As `Overlay`, but nothing lies beside it: `flax` itself is legacy."""

    def __init__(self) -> None:
        package: Any = flax
        if not hasattr(package, "nn"):
            package.nn = importlib.import_module("flax.deprecated.nn")
        self._modules = {"flax.nn": package.nn}
        self._modules["flax.optim"] = importlib.import_module("flax.optim")
        for name, module in list(sys.modules.items()):
            if name.startswith(("flax.nn.", "flax.deprecated.nn.")):
                self._modules[name.replace(".deprecated", "", 1)] = module
        sys.modules.update(self._modules)
        utils: Any = flax.jax_utils
        utils.partial_eval_by_shape = _partial_eval_by_shape

    @contextlib.contextmanager
    def visible(self) -> Iterator[None]:
        """It always is; names that JAX and NumPy have dropped are there for a while."""
        with warnings.catch_warnings(), patched(era()):
            warnings.simplefilter("ignore")
            yield


def _partial_eval_by_shape(
    function: Callable[..., Any], specs: Any, *args: Any, **kwargs: Any
) -> Any:
    """Values that do not depend on the inputs; shapes for the others."""
    parse: Any = flax.jax_utils._parse_spec  # noqa: SLF001 - what it replaces calls it
    flat, tree = jax.tree_util.tree_flatten([parse(spec) for spec in specs])
    linear_util = sys.modules["jax._src.linear_util"]
    api_util: Any = importlib.import_module("jax.api_util")
    internals: Any = partial_eval
    wrapped: Any = vars(linear_util)["wrap_init"](
        lambda *inputs: function(*inputs, *args, **kwargs)
    )
    flattened, out_tree = api_util.flatten_fun_nokwargs(wrapped, tree)
    unknown = [
        internals.PartialVal.unknown(jax.core.ShapedArray(each.shape, each.dtype)) for each in flat
    ]
    _, values, _ = internals.trace_to_jaxpr_nounits(flattened, unknown)
    known = [
        constant if abstract is None else jax.ShapeDtypeStruct(abstract.shape, abstract.dtype)  # type: ignore[no-untyped-call]
        for abstract, constant in values
    ]
    return jax.tree_util.tree_unflatten(out_tree(), known)
