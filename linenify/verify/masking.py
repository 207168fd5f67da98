"""Attention masks as legacy applied them: added to the scores, not put in their place.

The outputs are equal; gradients flow through rows that are masked as a whole in legacy
alone, and in double precision even their outputs differ, since -1e10 absorbs no score
there.  Notice LN803 says so where such a mask is migrated; to tell that from a wrong
migration, the Linen side runs once more with masks that are added.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flax.linen.attention
import jax.numpy as jnp

from linenify.verify.patching import Patch, patched

_ADDED = -1e10  # by which flax.nn lowered the scores


@dataclass
class Masking:
    """Whether Linen's attention applied a mask."""

    happened: bool = False

    @contextlib.contextmanager
    def watched(self, *, added: bool) -> Iterator[None]:
        """Takes down what happens inside, and adds masks if asked to."""
        attention: Any = flax.linen.attention

        def where(mask: Any, scores: Any, otherwise: Any) -> Any:
            self.happened = True
            if not added:
                return jnp.where(mask, scores, otherwise)
            return scores + jnp.where(mask, 0.0, _ADDED).astype(scores.dtype)

        names = types.SimpleNamespace(**{**vars(jnp), "where": where})
        with patched([Patch(attention, "jnp", names)]):
            yield
