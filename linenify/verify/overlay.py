"""The real `flax.nn` and `flax.optim`, running beside the modern Flax.

    legacy = Overlay(legacy_sources())
    with legacy.visible():
        from flax import nn, optim      # the legacy sources
        from flax import serialization  # the modern ones

Nothing is re-implemented: the two packages are loaded from the legacy wheel as
submodules of the modern `flax`, on the modern JAX.  What they need of the JAX
and NumPy of their day is there while the overlay is visible, and gone after,
so that the other side of a comparison runs on an untouched JAX and cannot
reach `flax.nn` by mistake.
"""

# The legacy modules are loaded once, inside the first `visible()`; afterwards they
# only move in and out of `sys.modules` and the attributes of `flax`.

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax
import flax.jax_utils
import flax.linen
import flax.serialization
import flax.struct
import flax.traverse_util
import jax
import numpy as np
from jax._src import core

from linenify.verify.era import era, modules_of_the_era
from linenify.verify.patching import Patch, patched


class Overlay:
    """One legacy version, loaded from the sources of its wheel."""

    def __init__(self, sources: Path) -> None:
        self._sources = sources / "flax"
        self._depth = 0
        self._modules: dict[str, types.ModuleType] = {}
        with self.visible():
            self._load()

    @property
    def nn(self) -> Any:
        """The legacy `flax.nn`."""
        return self._modules["flax.nn"]

    @property
    def optim(self) -> Any:
        """The legacy `flax.optim`."""
        return self._modules["flax.optim"]

    @property
    def modules(self) -> tuple[types.ModuleType, ...]:
        """All modules of the legacy sources."""
        return tuple(self._modules.values())

    @contextlib.contextmanager
    def visible(self) -> Iterator[None]:
        """Makes the legacy names importable for a while; may be nested."""
        if self._depth:
            yield
            return
        present = {**modules_of_the_era(), **self._modules}
        hidden = {name: sys.modules.get(name) for name in present}
        sys.modules.update(present)
        patches = [*era(), *(Patch(flax, name, module) for name, module in self._top().items())]
        if self._modules:
            patches.append(Patch(jax.core, "eval_context", _outside(self.nn.base)))
        with warnings.catch_warnings(), patched(patches):
            warnings.simplefilter("ignore")
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                for name, module in hidden.items():
                    if module is None:
                        sys.modules.pop(name, None)
                    else:
                        sys.modules[name] = module

    def _top(self) -> dict[str, types.ModuleType]:
        """The legacy modules that are attributes of `flax` itself."""
        places = {name: name.partition(".")[2] for name in self._modules}
        return {place: self._modules[name] for name, place in places.items() if "." not in place}

    def _load(self) -> None:
        before = dict(sys.modules)
        # Its `ModelParamTraversal` accepts an `nn.Model`; the modern one does not.
        self._import("flax.traverse_util", self._sources / "traverse_util.py")
        if (self._sources / "deprecated").is_dir():
            self._import("flax.deprecated", self._sources / "deprecated" / "__init__.py")
            nn = self._import("flax.deprecated.nn", self._sources / "deprecated/nn/__init__.py")
        else:
            nn = self._import("flax.nn", self._sources / "nn" / "__init__.py")
        self._import("flax.optim", self._sources / "optim" / "__init__.py")
        self._modules = {
            name: module
            for name, module in sys.modules.items()
            if before.get(name) is not module
            and name.startswith(("flax.nn", "flax.deprecated", "flax.optim", "flax.traverse_util"))
        }
        # `flax.deprecated.nn.linear` was `flax.nn.linear` up to 0.3.5.
        for name, module in list(self._modules.items()):
            if name.startswith("flax.deprecated.nn"):
                self._modules.setdefault(name.replace(".deprecated", "", 1), module)
        self._modules.setdefault("flax.nn", nn)
        _repair(nn)
        for name in self._modules:
            sys.modules.pop(name, None)
        sys.modules.update({name: before[name] for name in self._modules.keys() & before.keys()})
        for name in self._top():
            vars(flax).pop(name, None)
        flax.traverse_util = before["flax.traverse_util"]

    def _import(self, name: str, path: Path) -> Any:
        package = [str(path.parent)] if path.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(
            name, path, submodule_search_locations=package
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        parent, _, attribute = name.rpartition(".")
        setattr(sys.modules[parent], attribute, module)
        spec.loader.exec_module(module)
        return module


def _repair(nn: Any) -> None:
    """Mends what the modern JAX and NumPy would refuse inside the legacy sources."""
    vars(nn.base)["_fold_in_str"] = _fold_in_name
    if hasattr(nn.utils, "_masters"):  # 0.1.0 looks at trace levels that no longer exist
        vars(nn.utils).update(_masters=tuple, _level_of_value=lambda _value: float("-inf"))


def _fold_in_name(key: jax.Array, name: str) -> jax.Array:
    """The legacy derivation of a key, with the hash as the unsigned number it stands for."""
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
    return jax.random.fold_in(key, np.uint32(int.from_bytes(digest[:4], "big")))


def _outside(base: Any) -> Callable[[], Any]:
    """A `jax.core.eval_context` for `flax.nn`, which creates parameters outside of its traces.

    Where the key itself is traced (an initialisation under `jit` or `vmap`), that
    is the trace of the key: values of a trace may no longer go where it is not.
    """

    def context() -> Any:
        keys = [frame.rng for frame in base._module_stack if frame.is_init]  # noqa: SLF001
        traced = bool(keys) and isinstance(keys[-1], jax.core.Tracer)
        trace = keys[-1]._trace if traced else core.eval_trace  # noqa: SLF001
        return core.set_current_trace(trace)  # type: ignore[no-untyped-call]

    return context
