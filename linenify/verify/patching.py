"""Attributes that have another value for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Patch:
    """Another value for one attribute of a module or class."""

    home: Any
    attribute: str
    value: Any

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Sets the value, and puts back what was there."""
        absent = object()
        before = vars(self.home).get(self.attribute, absent)
        setattr(self.home, self.attribute, self.value)
        try:
            yield
        finally:
            if before is absent:
                delattr(self.home, self.attribute)
            else:
                setattr(self.home, self.attribute, before)


@contextlib.contextmanager
def patched(patches: Iterable[Patch]) -> Iterator[None]:
    """Applies all patches, and takes them back in reverse order."""
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch.applied())
        yield
