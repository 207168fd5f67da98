"""The JAX and NumPy of 2020, as legacy Flax and its users found them.

What is only called differently today is known to the migration, too; here it answers to
its old name, as an attribute, a member and a module: `jax.api.jit`,
`from jax.experimental.optimizers import adam`, `from jax.config import config`.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.facts.legacy import oldapi
from linenify.verify.patching import Patch


def era() -> list[Patch]:
    """Names of the JAX and NumPy of 2020 that legacy Flax and its users rely on."""
    patches: dict[tuple[int, str], Patch] = {}
    for home, names in [*_functions().items(), *_renamed(), *_switches().items()]:
        for name, value in names.items():
            if name not in vars(home):
                patches.setdefault((id(home), name), Patch(home, name, value))
    return list(patches.values())


def modules_of_the_era() -> dict[str, types.ModuleType]:
    """Modules that are gone, or are no modules any more, by their old names."""
    return {name: module for name, module in _modules().items() if name not in sys.modules}


def _functions() -> dict[Any, dict[str, Any]]:
    """What has no equal today, written out."""
    tree = jax.tree_util
    return {
        jax: {
            "tree_map": tree.tree_map,
            "tree_multimap": tree.tree_map,
            "tree_leaves": tree.tree_leaves,
            "tree_flatten": tree.tree_flatten,
            "tree_unflatten": tree.tree_unflatten,
            "tree_structure": tree.tree_structure,
            "tree_transpose": tree.tree_transpose,
            "tree_reduce": tree.tree_reduce,
            "tree_all": tree.tree_all,
            "partial": functools.partial,
            "xla": types.SimpleNamespace(DeviceArray=jax.Array),
        },
        tree: {"tree_multimap": tree.tree_map, "partial": functools.partial},
        jax.interpreters.xla: {"DeviceArray": jax.Array},
        jax.lax: {"tie_in": lambda _x, y: y},
        jax.nn: {"normalize": jax.nn.standardize},
        jax.ops: {
            "index": jnp.index_exp,
            "index_update": _indexed("set"),
            "index_add": _indexed("add"),
            "index_mul": _indexed("multiply"),
            "index_min": _indexed("min"),
            "index_max": _indexed("max"),
        },
        jax.random: {"shuffle": lambda key, x, axis=0: jax.random.permutation(key, x, axis)},
        jnp: {
            "DeviceArray": jax.Array,
            "NINF": -np.inf,
            "NZERO": -0.0,
            "PZERO": 0.0,
            "in1d": lambda x, values, **how: jnp.isin(jnp.ravel(x), values, **how),
            "msort": lambda x: jnp.sort(x, axis=0),
            "product": jnp.prod,
        },
        np: {
            "asscalar": lambda x: np.asarray(x).item(),
            "in1d": lambda x, values, **how: np.isin(np.ravel(x), values, **how),
            "issctype": lambda kind: isinstance(kind, type) and issubclass(kind, np.generic),
            "float": float,
            "int": int,
            "msort": lambda x: np.sort(x, axis=0),
            "object": object,
            "product": np.prod,
        },
    }


def _switches() -> dict[Any, dict[str, Any]]:
    """What turned on the tracing that is the only one today."""
    return {
        type(jax.config): {"enable_omnistaging": lambda _config: None, "omnistaging_enabled": True}
    }


def _indexed(operation: str) -> Callable[..., jax.Array]:
    def update(x: Any, index: Any, y: Any, **how: Any) -> jax.Array:
        result: jax.Array = getattr(jnp.asarray(x).at[index], operation)(y, **how)
        return result

    return update


def _renamed() -> Iterator[tuple[Any, dict[str, Any]]]:
    """What is only called differently today, in modules that are still there."""
    gone = _modules()
    for module, names in oldapi.gone_names().items():
        home = sys.modules.get(module)
        package = module.partition(".")[0]
        # The names in `jax.random` are taken for samplers.
        if home in {None, jax.random} or module in gone or package not in {"jax", "numpy"}:
            continue
        today = {name: oldapi.today(f"{module}.{name}") or "" for name in names}
        own = [name for name, place in today.items() if place.startswith(f"{package}.")]
        found = {name: _found(f"{module}.{name}") for name in own}
        yield home, {name: value for name, value in found.items() if value is not _NOTHING}
    for module, here in gone.items():
        parent, _, name = module.rpartition(".")
        if parent in sys.modules and parent not in gone:
            yield sys.modules[parent], {name: here}


_NOTHING = object()


@functools.cache
def _found(path: str) -> Any:
    """What an old name means today; `_NOTHING` where nothing does."""
    place = oldapi.today(path)
    if place is None:
        return _NOTHING
    module, names = place, list[str]()
    while module in _modules() or not _importable(module):
        module, _, name = module.rpartition(".")
        names.insert(0, name)
        if not module:
            return _NOTHING
    value: Any = sys.modules[module]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names of today are on their way out themselves
        for name in names:
            value = getattr(value, name, _NOTHING)
    return value


def _importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


@functools.cache
def _modules() -> dict[str, types.ModuleType]:
    names = {*oldapi.gone_modules(), "jax.config"}
    return {name: _Gone(name) for name in sorted(names) if name.startswith("jax.")}


class _Gone(types.ModuleType):
    """A module that JAX has dropped: its names are those of today, read when they are asked for."""

    __path__ = []  # noqa: RUF012 - to the import system it is a package

    def __getattr__(self, name: str) -> Any:
        if self.__name__ == "jax.config" and hasattr(jax.config, name):
            return getattr(jax.config, name)
        value = _found(f"{self.__name__}.{name}")
        if value is _NOTHING:
            message = f"`{self.__name__}.{name}` is gone from JAX, and nothing stands in its place"
            raise AttributeError(message)
        return value
