"""What can go wrong, and how a run ends.

LinenifyError            everything raised on purpose
├── UsageError           the request cannot be carried out as given
└── Breach               one of our own promises is broken: a bug in linenify

Broken *input* is never an exception: a file that does not parse is an
`Unreadable` record, a site that cannot be migrated a `Diagnostic`.
"""

from __future__ import annotations

import enum
from pathlib import Path


class ExitCode(enum.IntEnum):
    """How a run ended; other programs rely on these numbers."""

    DONE = 0
    PENDING = 1  # --check: something would change or is refused; verify: not equal
    UNUSABLE = 2  # wrong usage, or a file that could not be read or written
    BUG = 3


class LinenifyError(Exception):
    """The base of everything that linenify raises on purpose."""

    exit_code = ExitCode.BUG


class UsageError(LinenifyError):
    """The request cannot be carried out as given; the message says what to do."""

    exit_code = ExitCode.UNUSABLE


class Breach(LinenifyError):  # noqa: N818 - it names what happened
    """A promise that linenify makes about its own output does not hold for `path`."""

    def __init__(self, path: Path, promise: str) -> None:
        super().__init__(f"{path}: {promise}")
        self.path = path


def reason(problem: BaseException) -> str:
    """A failure of our own in one line: what it was, and where in our code."""
    frames = problem.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    place = ""
    if frames is not None:
        place = f" ({Path(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno})"
    return f"{type(problem).__name__}: {problem}{place}"
