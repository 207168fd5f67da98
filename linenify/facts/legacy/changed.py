"""Functions of flax that are still there and behave differently: what to say at their calls."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Source: measured on flax 0.12.8; each fails loudly where the old behaviour was needed.
CHANGED: Mapping[str, str] = MappingProxyType(
    {
        "flax.training.checkpoints.save_checkpoint": (
            "`save_checkpoint` writes an Orbax directory now and takes absolute paths only; "
            "`flax.config.update('flax_use_orbax_checkpointing', False)` keeps single files"
        ),
        "flax.training.common_utils.get_metrics": (
            "`get_metrics` takes and gives arrays of JAX now, no NumPy arrays"
        ),
    }
)


def changed_behaviour(path: str) -> str | None:
    """What is different about a function, or None."""
    return CHANGED.get(path)
