"""The variables of both sides, leaf by leaf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from linenify.verify.leaves import Keypath, Leaves
from linenify.verify.pairing import Pairing, laid_out


@dataclass(frozen=True)
class Paired:
    """The variables of both sides, and which is which."""

    legacy: Leaves
    linen: Leaves
    pairing: Pairing

    def moved(self, values: Sequence[Any]) -> Any:
        """Legacy leaves as the variables of Linen."""
        back: list[Any] = [None] * len(values)
        for index, value in zip(self.pairing, values, strict=True):
            back[index] = laid_out(value, np.shape(self.linen.values[index]))
        return self.linen.rebuild(back)

    def rows(self, old: Sequence[Any], new: Sequence[Any]) -> list[tuple[str, Any, Any]]:
        """Pairs of leaves under their legacy names, in Linen's layout."""
        rows = []
        for place, value, index in zip(self.legacy.places, old, self.pairing, strict=True):
            name = "/".join(place.keypath)
            rows.append((name, laid_out(value, np.shape(new[index])), new[index]))
        return rows

    def tree_rows(self, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
        """The same, from trees in the structure of the variables."""
        return self.rows(self.legacy.row(old), self.linen.row(new))

    @property
    def keypaths(self) -> dict[Keypath, Keypath]:
        """For each legacy leaf that of Linen."""
        return {
            place.keypath: self.linen.places[index].keypath
            for place, index in zip(self.legacy.places, self.pairing, strict=True)
        }
