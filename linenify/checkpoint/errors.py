"""What can be wrong with a checkpoint, said so that it can be found in the file."""

from __future__ import annotations

from linenify.errors import UsageError

Keypath = tuple[str, ...]
"""Where a leaf lives: the keys from the root down."""


def spelled(keypath: Keypath) -> str:
    """A keypath as text; keys that hold a `/` themselves are quoted."""
    return "/".join(repr(key) if "/" in key or not key else key for key in keypath) or "the root"


class CheckpointError(UsageError):
    """A checkpoint, or a map, that cannot be used.

    Attributes:
        keypath: the leaf or dict that is at fault; None where there is none.
        offset: the byte of the file at which reading stopped; None outside of files.
    """

    def __init__(
        self, message: str, *, keypath: Keypath | None = None, offset: int | None = None
    ) -> None:
        place = [] if keypath is None else [spelled(keypath)]
        place += [] if offset is None else [f"byte {offset}"]
        super().__init__(f"{', '.join(place)}: {message}" if place else message)
        self.keypath = keypath
        self.offset = offset
