"""Names of JAX and NumPy that are gone, and what means the same today.

Only names whose replacement takes the same arguments and gives the same result
stand here.  Source: probed on jax 0.4.13, jax 0.10.2 and numpy 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_TREE = (
    *("tree_map", "tree_leaves", "tree_flatten", "tree_unflatten", "tree_structure"),
    *("tree_transpose", "tree_reduce", "tree_all"),
)
_JNP = {
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "row_stack": "vstack",
    "trapz": "trapezoid",
    "round_": "round",
    "infty": "inf",
}
_NUMPY = {
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "row_stack": "vstack",
    "trapz": "trapezoid",
    "round_": "round",
    "Inf": "inf",
    "infty": "inf",
    "NaN": "nan",
    "float_": "float64",
    "complex_": "complex128",
    "string_": "bytes_",
    "unicode_": "str_",
}

GONE: Mapping[str, str] = MappingProxyType(
    {
        **{f"jax.{name}": f"jax.tree.{name.removeprefix('tree_')}" for name in _TREE},
        "jax.tree_multimap": "jax.tree.map",
        "jax.tree_util.tree_multimap": "jax.tree_util.tree_map",
        "jax.partial": "functools.partial",
        "jax.util.partial": "functools.partial",
        "jax.ops.index": "jax.numpy.s_",
        "jax.nn.normalize": "jax.nn.standardize",
        "jax.experimental.optimizers": "jax.example_libraries.optimizers",
        "jax.experimental.stax": "jax.example_libraries.stax",
        "jax.interpreters.xla.DeviceArray": "jax.Array",
        "jax.numpy.DeviceArray": "jax.Array",
        "jax.config.config": "jax.config",
        **{f"jax.numpy.{old}": f"jax.numpy.{new}" for old, new in _JNP.items()},
        **{f"numpy.{old}": f"numpy.{new}" for old, new in _NUMPY.items()},
        **{f"numpy.{name}": name for name in ("int", "float", "object", "str")},
    }
)


# Gone without a name that takes its place.
LOST = frozenset(
    {
        *("jax.custom_transforms", "jax.defjvp_all", "jax.defvjp_all", "jax.defvjp", "jax.mask"),
        *("jax.shapecheck", "jax.soft_pmap", "jax.invertible", "jax.xla_computation"),
        *("jax.ShapedArray", "jax.abstract_arrays", "jax.linear_util", "jax.lib.xla_bridge"),
        *("jax.lib.xla_client", "jax.experimental.loops", "jax.experimental.maps"),
        *("jax.experimental.host_callback", "jax.experimental.vectorize", "jax.lax.infeed"),
        *("jax.interpreters.masking", "jax.interpreters.sharded_jit", "jax.lax_linalg"),
        *("jax.lax.lax", "jax.numpy.lax_numpy", "jax.nn.functions", "jax.ops.scatter"),
        *("jax.test_util.JaxTestCase", "jax.random.KeyArray"),
        *("jax.device_put_replicated", "jax.device_put_sharded", "jax.util", "jax.api"),
    }
)


def is_lost(path: str) -> bool:
    """Whether a name of JAX is gone, and nothing is called like it today."""
    return path in LOST and path not in GONE


def imported(path: str) -> str | None:
    """What an import of a gone name binds instead: a name that reads well alone."""
    found = GONE.get(path)
    if found is not None and found.startswith("jax.tree."):
        return f"jax.tree_util.tree_{found.removeprefix('jax.tree.')}"
    return found


def replacement(path: str) -> str | None:
    """What stands for a name that is gone, or None while it is there."""
    return GONE.get(path)
