"""Names of other libraries: canonical paths, and functions that call functions."""

from __future__ import annotations

LEGACY = "flax.nn"
MODEL = "flax.nn.Model"

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
    "jax.value_and_grad": "value_and_grad",
    "jax.jacfwd": "grad",
    "jax.jacrev": "grad",
    "jax.jacobian": "grad",
    "jax.hessian": "grad",
    "jax.custom_vjp": "custom",
    "jax.custom_jvp": "custom",
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
    "jax.tree_map": "tree_map",
    "jax.tree.map": "tree_map",
    "jax.tree_util.tree_map": "tree_map",
    "jax.tree_multimap": "tree_map",
    "jax.tree_util.tree_multimap": "tree_map",
    "builtins.map": "map",
    "jax.lax.fori_loop": "fori",
    "jax.lax.while_loop": "while",
    "jax.eval_shape": "eval_shape",
    "jax.jvp": "jvp",
    "jax.vjp": "vjp",
    "jax.linearize": "vjp",
    "jax.lax.cond": "cond",
    "jax.lax.switch": "switch",
}
GRADIENTS = frozenset({"grad", "value_and_grad"})

# Decorators that take arguments from a configuration, and the default that asks for one.
CONFIGURE = frozenset({"gin.configurable", "gin.config.configurable"})
MUST_BE_CONFIGURED = frozenset({"gin.REQUIRED", "gin.config.REQUIRED"})

# Functions that give back what they are given, whatever they do to its leaves:
# the place of that argument, and its name.
_HANDED_BACK = {
    "flax.jax_utils.replicate": (0, "tree"),
    "flax.jax_utils.unreplicate": (0, "tree"),
    "flax.training.common_utils.shard": (0, "xs"),
    "flax.training.checkpoints.restore_checkpoint": (1, "target"),
    "flax.serialization.from_bytes": (0, "target"),
    "flax.serialization.from_state_dict": (0, "target"),
    "flax.core.freeze": (0, "xs"),
    "flax.core.unfreeze": (0, "x"),
    "jax.device_put": (0, "x"),
    "jax.device_get": (0, "x"),
    "jax.device_put_replicated": (0, "x"),
    "jax.block_until_ready": (0, "x"),
    "jax.lax.pmean": (0, "x"),
    "jax.lax.psum": (0, "x"),
    "jax.lax.pmax": (0, "x"),
    "jax.lax.pmin": (0, "x"),
    "jax.lax.all_gather": (0, "x"),
    "jax.lax.stop_gradient": (0, "x"),
    "jax.experimental.optimizers.clip_grads": (0, "grad_tree"),
    "jax.example_libraries.optimizers.clip_grads": (0, "grad_tree"),
}


def canonical(path: str) -> str:
    """One spelling for every way to reach a name."""
    for old, new in _HOMES:
        if path == old or path.startswith(old + "."):
            path = new + path[len(old) :]
    if path.startswith("flax.core.nn"):
        path = "flax.nn" + path[len("flax.core.nn") :]
    return path


def handed_back(path: str) -> tuple[int, str] | None:
    """Which argument a function gives back, by place and name."""
    return _HANDED_BACK.get(path)


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
