"""A terminal's share: colours and the progress bar.  Imports rich, so comes late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

_PATIENCE = 1.0  # seconds of silence before a bar is worth drawing

_STYLES = (
    ("+++", "bold"),
    ("---", "bold"),
    ("@@", "cyan"),
    ("+", "green"),
    ("-", "red"),
)


def print_diff(diff: str) -> None:
    """Prints a diff in colour; NO_COLOR and dumb terminals are respected."""
    console = Console(soft_wrap=True, highlight=False)
    for line in diff.splitlines():
        style = next((style for start, style in _STYLES if line.startswith(start)), "")
        console.print(Text(line, style), end="\n")


def print_findings(lines: Iterable[str]) -> None:
    """Prints findings on stderr with their place in bold."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in lines:
        place, colon, rest = line.partition(": ")
        console.print(Text.assemble((place, "bold"), colon, rest))


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """Offers a function that counts one of `total` files.

    The bar appears on stderr when the work takes long enough to wonder about,
    and is cleared away afterwards.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("migrating", total=total)
    visible_from = time.monotonic() + _PATIENCE

    def advance() -> None:
        progress.advance(task)
        if not progress.live.is_started and time.monotonic() > visible_from:
            progress.start()

    try:
        yield advance
    finally:
        progress.stop()
