"""The two worlds that user code runs in, and what it means when it raises there."""

from __future__ import annotations

import contextlib
import functools
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from linenify.verify.blind import blindfolded
from linenify.verify.case import CaseError, Side
from linenify.verify.inputs import Inputs
from linenify.verify.loading import UserFiles
from linenify.verify.masking import Masking
from linenify.verify.overlay import Overlay
from linenify.verify.precision import Narrowing, doubled, nudged_narrowing
from linenify.verify.remembering import Memory
from linenify.verify.verdict import Failure

_FRAMES = 4

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The user's files of one side, and the API they speak."""

    files: UserFiles
    overlay: Overlay | None
    double: bool = False
    nudge: int | None = None
    """A seed: random numbers are off by a last bit."""
    coarse: bool = False
    """Whether what is converted to a lower precision is off by a last bit of that, too."""
    narrowing: Narrowing = field(default_factory=Narrowing)
    """Whether something was converted to a lower precision here."""
    masking: Masking = field(default_factory=Masking)
    """Whether a mask of attention was applied here."""
    adds_masks: bool = False
    """Whether Linen's attention adds its masks, as legacy did."""
    memory: Memory | None = None
    """Where results of this side may be kept for another comparison."""

    def nudged(self, seed: int, *, coarse: bool) -> World:
        """The same world, nudged; what is compiled already stays as it is."""
        return replace(self, nudge=seed, coarse=coarse)

    def anew(self, nudge: int | None = None, *, coarse: bool = False) -> World:
        """The same world before its files were imported; functions are compiled anew."""
        return self._fresh(nudge=nudge, coarse=coarse)

    def in_double_precision(self, nudge: int | None = None) -> World:
        """The same world, where `float32` means `float64`; files are imported anew."""
        return self._fresh(double=True, nudge=nudge)

    def _fresh(self, **changes: Any) -> World:
        kept = {"memory": self.memory, "masking": self.masking, "adds_masks": self.adds_masks}
        return World(self.files.fresh(), self.overlay, **{**kept, **changes})

    def adding_masks(self) -> World:
        """The same world, where Linen's attention adds its masks; files are imported anew."""
        return self._fresh(adds_masks=True)

    def remembered(self, key: object, compute: Callable[[], T]) -> T:
        """What was computed here or, if there is a memory, in a world just like it."""
        if self.memory is None:
            return compute()
        place = key, self.double, self.nudge, self.coarse
        value, narrowed = self.memory.of(place, lambda: (compute(), self.narrowing.happened))
        self.narrowing.happened |= narrowed
        return value

    @property
    def side(self) -> Side:
        """Which of the two it is."""
        return Side.LINEN if self.overlay is None else Side.LEGACY

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, imports and calls see this side only."""
        with contextlib.ExitStack() as stack:
            if self.overlay is not None:
                stack.enter_context(self.overlay.visible())
            if self.double:
                stack.enter_context(doubled(self.overlay))
            stack.enter_context(self.narrowing.watched())
            if self.overlay is None:
                stack.enter_context(self.masking.watched(added=self.adds_masks))
            stack.enter_context(self.files.active())
            if self.overlay is None and not self.double and self.nudge is None:
                stack.enter_context(self.files.watched())
            stack.enter_context(blindfolded(self.nudge))
            if self.nudge is not None and self.coarse:
                stack.enter_context(nudged_narrowing(self.nudge))
            # Samplers outside of JAX have a state, which both sides begin with.
            random.seed(0)
            np.random.seed(0)
            yield


class UserCodeError(Exception):
    """Carries a `Failure` out of nested calls."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    def __reduce__(self) -> tuple[type[UserCodeError], tuple[Failure]]:
        return UserCodeError, (self.failure,)


@contextlib.contextmanager
def inside(world: World, stage: str) -> Iterator[None]:
    """Enters a world; what user code raises becomes a `UserCodeError`.

    A case describes the legacy program: what it says and that side cannot do is
    a `CaseError`, and what only the Linen side cannot do is a difference.
    """
    try:
        with world.entered():
            yield
    except CaseError as error:
        if world.overlay is not None:
            raise
        failure = Failure(world.side.value, stage, str(error))
        raise UserCodeError(failure) from error
    except (Exception, SystemExit) as error:
        raise UserCodeError(_failure(world, stage, error)) from error


def _failure(world: World, stage: str, error: BaseException) -> Failure:
    first = " ".join((str(error).strip() or "no message").splitlines()[:3])
    message = f"{type(error).__name__}: {first[:600]}"
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        if name not in {"", "jax", "flax"} and not (world.files.folder / name).exists():
            message += f"; install {name}, or let a stub stand for it: --stub {name}"
    return Failure(world.side.value, stage, message, tuple(_frames(error, world.files)))


def _frames(error: BaseException, files: UserFiles) -> list[str]:
    """Those of the user's code; without any, the innermost one says whose error it is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        f"{Path(frame.filename).relative_to(files.folder)}:{frame.lineno} in {frame.name}"
        for frame in frames
        if files.owns_file(frame.filename)
    ]
    if own:
        return own[-_FRAMES:]
    return [
        f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} in {frame.name}"
        for frame in frames[-1:]
    ]


def found(name: str, namespace: Mapping[str, Any], make: Inputs) -> Any:
    """What a name, or an expression behind "=", stands for in the user's file."""
    if name.startswith("="):
        return make.evaluated(name[1:])
    first, *rest = name.split(".")
    if first not in namespace:
        raise CaseError(f"the file defines no `{first}`")
    try:
        return functools.reduce(getattr, rest, namespace[first])
    except AttributeError as error:
        raise CaseError(f"the file defines no `{name}`: {error}") from error
