"""Names of other libraries: canonical paths, and functions that call functions."""

from __future__ import annotations

LEGACY = "flax.nn"

_HOMES = (
    ("flax.deprecated.nn", "flax.nn"),
    ("flax.nn.base.Module", "flax.nn.Module"),
)

# Transforms that return a function like the one they are given.
_WRAPPERS = {
    "jax.jit": "jit",
    "jax.pmap": "pmap",
    "jax.vmap": "vmap",
    "jax.grad": "grad",
    "jax.value_and_grad": "grad",
    "jax.checkpoint": "checkpoint",
    "jax.remat": "checkpoint",
    "jax.named_call": "named_call",
    "functools.wraps": "wraps",
    "functools.lru_cache": "cache",
}
# Functions that call the function they are given.
_CALLERS = {
    "jax.lax.scan": "scan",
    "flax.jax_utils.scan_in_dim": "scan",
    "flax.nn.attention.scan_in_dim": "scan",
    "jax.lax.map": "map",
    "jax.tree_map": "map",
    "jax.tree_util.tree_map": "map",
    "jax.tree_multimap": "map",
    "jax.tree_util.tree_multimap": "map",
    "builtins.map": "map",
    "jax.lax.fori_loop": "fori",
}


def canonical(path: str) -> str:
    """One spelling for every way to reach a name."""
    for old, new in _HOMES:
        if path == old or path.startswith(old + "."):
            path = new + path[len(old) :]
    if path.startswith("flax.core.nn"):
        path = "flax.nn" + path[len("flax.core.nn") :]
    return path


def transparent(path: str) -> str | None:
    """What a function does with the function it is given, or None."""
    return _WRAPPERS.get(path) or _CALLERS.get(path)


# What legacy objects answer to.
MODULE_API = frozenset(
    {
        *("partial", "shared", "init", "init_by_shape", "create", "create_by_shape", "call"),
        *("apply", "new"),
    }
)
# What only legacy collections and caches understand.
CACHE_API = frozenset({"retrieve", "store", "mutate", "initialize_cache"})
SELF_API = frozenset(
    {
        *("param", "get_param", "state", "is_initializing", "is_stateful", "get_state"),
        *("name", "params", "module"),
    }
)
