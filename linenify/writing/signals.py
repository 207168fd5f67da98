"""Signals that wait until a step that must not be broken off is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hears Ctrl-C and SIGTERM only at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # others hear no signals
        return
    heard: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = {each: signal.signal(each, remember) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in dict.fromkeys(heard):
        signal.raise_signal(number)
