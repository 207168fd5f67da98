"""Names of JAX, Flax and NumPy that are gone, and what means the same today.

Which names those are is read off the releases (`oldapi`); here stands what an
expert would write for them, where that is more than another name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from linenify.facts.legacy import catalogue, oldapi
from linenify.facts.legacy.externals import LEGACY
from linenify.facts.legacy.oldapi import is_gone

# Numbers that had a name of their own.
CONSTANTS: Mapping[str, str] = MappingProxyType(
    {
        "jax.numpy.NINF": "-{spell:jax.numpy.inf}",
        "numpy.NINF": "-{spell:numpy.inf}",
        "jax.numpy.PZERO": "0.0",
        "numpy.PZERO": "0.0",
        "jax.numpy.NZERO": "-0.0",
        "numpy.NZERO": "-0.0",
    }
)

# Modules that are attributes now: no `import` finds them.
ATTRIBUTES = frozenset({"jax.config"})

# Calls that switch on what has been the default for years.
SWITCHES = frozenset({"jax.config.enable_omnistaging", "jax.config.config.enable_omnistaging"})
UPDATES = frozenset({"jax.config.update", "jax.config.config.update"})
DEFAULTS: Mapping[str, bool] = MappingProxyType({"jax_omnistaging": True})

# What legacy Flax itself had is in the catalogue.
_ELSEWHERE = (LEGACY, "flax.optim", "flax.deprecated")


def concerns(path: str) -> bool:
    """Whether a dotted name is one of a library that has dropped it."""
    if path.startswith(_ELSEWHERE) or not is_gone(path):
        return False
    # What an earlier run has flagged stands below `flax.linen` now.
    return catalogue.resolve(path.removeprefix("flax.linen.")) is None


def is_lost(path: str) -> bool:
    """Whether a name is gone, and nothing that means the same is called like it today."""
    return concerns(path) and replacement(path) is None and path not in CONSTANTS


def imported(path: str) -> str | None:
    """What an import of a gone name binds instead: a name that reads well alone."""
    found = replacement(path)
    if found is not None and found.startswith("jax.tree."):
        return f"jax.tree_util.tree_{found.removeprefix('jax.tree.')}"
    return found


def replacement(path: str) -> str | None:
    """What stands for a name that is gone, or None while it is there."""
    if path.startswith(_ELSEWHERE):
        return None
    found = oldapi.today(path)
    return found.removeprefix("builtins.") if found is not None else None


def library(path: str) -> str:
    """Which library a dotted name is of, as people call it."""
    return {"jax": "JAX", "flax": "Flax", "numpy": "NumPy"}.get(path.partition(".")[0], path)
