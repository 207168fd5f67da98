"""Results of a legacy program, kept for other migrations of the same program.

`--bisect` compares one legacy program with many Linen texts; it need not run each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")

_UNPICKLED = (pickle.PickleError, TypeError, AttributeError, ImportError)


@dataclass(frozen=True, slots=True)
class Memory:
    """A folder of results, each under the hash of what it is the result of."""

    folder: Path

    def of(self, key: object, compute: Callable[[], T]) -> T:
        """What was computed before for a key of the same `repr`, or is computed now.

        What cannot be pickled, an object of the user's own class for one, is computed anew.
        """
        place = self.folder / hashlib.sha256(repr(key).encode()).hexdigest()
        with contextlib.suppress(FileNotFoundError, *_UNPICKLED):
            known: T = pickle.loads(place.read_bytes())  # noqa: S301 - our own, a moment ago
            return known
        value = compute()
        with contextlib.suppress(*_UNPICKLED):
            data = io.BytesIO()
            _Pickler(data).dump(value)
            part = place.with_suffix(f".{os.getpid()}")  # another process may compute the same
            part.write_bytes(data.getvalue())
            part.replace(place)
        return value


class _Pickler(pickle.Pickler):
    """Writes arrays of JAX as those of NumPy, which are double wherever they are read."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, jax.Array):
            return np.asarray, (np.asarray(value),)
        return NotImplemented
