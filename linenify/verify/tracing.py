"""What every submodule returned, in the order of execution, on either side."""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flax.linen
import jax
import numpy as np

from linenify.verify.leaves import Keypath
from linenify.verify.loading import UserFiles
from linenify.verify.overlay import Overlay
from linenify.verify.patching import Patch, patched
from linenify.verify.precision import after_narrowing


@dataclass(frozen=True)
class Event:
    """One call of a submodule, noted when it returned.

    Values that are being traced by JAX are `None`.
    """

    path: Keypath
    kind: str
    outputs: tuple[Any, ...]
    inputs: tuple[Any, ...]
    line: str
    initializing: bool
    inner: bool = False  # a part of a layer that is Flax's own
    params: Mapping[str, Any] = field(default_factory=dict)  # those of its own, by name


Rounding = tuple[tuple[int, ...], str]
"""The shape and the dtype of what was converted."""

_GRADIENTS = "jax._src.interpreters.ad"


@dataclass
class Trace:
    """The events of one run."""

    files: UserFiles
    events: list[Event] = field(default_factory=list)
    roundings: Counter[Rounding] = field(default_factory=Counter)
    """What the user's own code, not that of layers, converts to a lower precision."""

    def note(
        self,
        path: Keypath,
        kind: str,
        outputs: Any,
        inputs: Any,
        *,
        init: bool,
        inner: bool = False,
        method: Any = None,
        params: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        """Adds an event; the line is that of the innermost user code that runs.

        What nobody calls, the module itself, is found where its method is defined.
        """
        line = self._line() or self._defined(method)
        given = _values(outputs), _values(inputs)
        self.events.append(Event(path, kind, *given, line, init, inner, _own_leaves(params)))

    def concrete(self) -> list[Event]:
        """The events outside of initialisation of which something can be seen."""
        return [
            event
            for event in self.events
            if not event.initializing and any(value is not None for value in event.outputs)
        ]

    def dtypes(self) -> set[Rounding]:
        """Shapes and dtypes of all that modules returned, but for parts of Flax's own."""
        return set().union(*self.returned().values())

    def returned(self) -> dict[Keypath, set[Rounding]]:
        """The same for each module by itself."""
        found: dict[Keypath, set[Rounding]] = defaultdict(set)
        for event in self.concrete():
            if not event.inner:
                found[event.path] |= _kinds(event)
        return found

    def rounded(self, converted: Any) -> Any:
        """Counts a conversion whose innermost code, but for JAX's own, is the user's.

        Gradients convert back what the code of layers has converted, below the user's
        `jax.grad`: nobody wrote that there.
        """
        frame = sys._getframe(1)  # noqa: SLF001
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if name.startswith("flax.") or name == _GRADIENTS:
                break
            if self.files.owns_file(frame.f_code.co_filename):
                self.roundings[tuple(converted.shape), str(converted.dtype)] += 1
                break
            if frame.f_back is None:
                break
            frame = frame.f_back
        return converted

    def _defined(self, method: Any) -> str:
        code = getattr(inspect.unwrap(method), "__code__", None) if callable(method) else None
        if code is None or not self.files.owns_file(code.co_filename):
            return ""
        file = Path(code.co_filename).resolve().relative_to(self.files.folder)
        return f"{file}:{code.co_firstlineno}"

    def _line(self) -> str:
        frame = sys._getframe(2)  # noqa: SLF001 - there is no other way to see callers
        while frame is not None:
            filename = frame.f_code.co_filename
            if self.files.owns_file(filename):
                return f"{Path(filename).resolve().relative_to(self.files.folder)}:{frame.f_lineno}"
            if frame.f_back is None:
                break
            frame = frame.f_back
        return ""


def _kinds(event: Event) -> set[Rounding]:
    return {
        (np.shape(value), str(value.dtype))
        for value in event.outputs
        if isinstance(value, jax.Array | np.ndarray)
    }


def _values(tree: Any) -> tuple[Any, ...]:
    return tuple(map(_concrete, jax.tree_util.tree_leaves(tree)))


def _own_leaves(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a module without those of its submodules."""
    return {name: _concrete(leaf) for name, leaf in params.items() if not isinstance(leaf, Mapping)}


def _concrete(leaf: Any) -> Any:
    """A number or an array; what is inside of a gradient, but not of a compilation."""
    for _ in range(8):
        if not isinstance(leaf, jax.core.Tracer):
            break
        leaf = getattr(leaf, "primal", getattr(leaf, "val", None))
    if isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return None if isinstance(leaf, jax.core.Tracer) else leaf
    return None


@contextlib.contextmanager
def traced_legacy(overlay: Overlay, files: UserFiles) -> Iterator[Trace]:
    """Notes calls of legacy modules, and of `nn.dropout`, which Linen has as a module."""
    trace = Trace(files)
    base = overlay.nn.base
    track = base._track_outputs  # noqa: SLF001 - called by every legacy module when it returns

    def watched(outputs: Any) -> Any:
        frame = base._module_stack[-1]  # noqa: SLF001
        caller = sys._getframe(1)  # noqa: SLF001
        instance, given = caller.f_locals.get("instance"), caller.f_locals.get("args", ())
        trace.note(
            _path(frame),
            frame.name or "",
            outputs,
            given,
            init=_initialising(frame),
            inner=_own(instance) and _own(_caller_of(caller)),
            method=getattr(instance, "apply", None),
            params=frame.params,
        )
        return track(outputs)

    def dropped(dropout: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = dropout(inputs, *args, **kwargs)
            if base._module_stack:  # noqa: SLF001
                frame = base._module_stack[-1]  # noqa: SLF001
                init = _initialising(frame)
                trace.note((*_path(frame), DROPOUT), DROPOUT, outputs, inputs, init=init)
            return outputs

        return call

    homes = [home for home in overlay.modules if hasattr(home, "dropout")]
    functions = [Patch(home, "dropout", dropped(home.dropout)) for home in homes]
    watching = patched([Patch(base, "_track_outputs", watched), *functions])
    with watching, after_narrowing(trace.rounded):
        yield trace


DROPOUT = "Dropout"


def _path(frame: Any) -> Keypath:
    names: list[str] = []
    while frame.parent is not None:
        if not frame.transparent:
            names.append(frame.name)
        frame = frame.parent
    return tuple(reversed(names))


def _initialising(frame: Any) -> bool:
    """Whether parameters are made here, or around: what is shared makes them once only."""
    while frame is not None and not frame.is_init:
        frame = frame.parent
    return frame is not None


def _caller_of(frame: types.FrameType) -> Any:
    """The legacy module that called the one whose call runs in a frame; None for the outermost."""
    above = frame.f_back
    while above is not None and above.f_code is not frame.f_code:
        above = above.f_back
    return None if above is None else above.f_locals.get("instance")


def _own(module: Any) -> bool:
    """Whether a module is Flax's own, not the user's.

    The classes that `.partial`, `.shared`, `@nn.module` and `@nn.module_method` make are
    Flax's, and what they run may be the user's.
    """
    kind = type(module)
    made_of = [*kind.__mro__[:-1], inspect.unwrap(getattr(kind, "apply", kind))]
    return all(each.__module__.startswith("flax.") for each in made_of)


@contextlib.contextmanager
def traced_linen(files: UserFiles) -> Iterator[Trace]:
    """Notes calls of Linen modules; a method that a module calls on itself is part of the call."""
    trace = Trace(files)
    running: list[Any] = []

    def interceptor(
        run: Callable[..., Any],
        args: Any,
        kwargs: Any,
        context: flax.linen.module.InterceptorContext,
    ) -> Any:
        module = context.module
        scope = module.scope
        if scope is None or context.method_name == "setup":
            return run(*args, **kwargs)
        place = (id(scope.root), scope.path)
        method = getattr(type(module), context.method_name, None)
        # A function that a lifted transformation runs is a part of its module.
        if method is None or (running and running[-1] == place):
            return run(*args, **kwargs)
        running.append(place)
        count = len(trace.events)
        try:
            outputs = run(*args, **kwargs)
        finally:
            running.pop()
        if scope.path and any(event.path == scope.path for event in trace.events[count:]):
            return outputs  # a transformed class: what it transforms has been noted
        init = bool(module.is_initializing())
        inner = _own(module) and _own(module.parent)
        kind = type(module).__name__
        trace.note(
            scope.path,
            kind,
            outputs,
            (args, kwargs),
            init=init,
            inner=inner,
            method=method,
            params=scope.variables().get("params", {}),
        )
        return outputs

    with flax.linen.intercept_methods(interceptor), after_narrowing(trace.rounded):
        yield trace
