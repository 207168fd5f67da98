"""What every rewrite promises."""

from __future__ import annotations


class BrokenPromise(Exception):  # noqa: N818 - said to the reader, not raised to be caught
    """A self-check failed: the fault is ours, and the file stays as it is."""
