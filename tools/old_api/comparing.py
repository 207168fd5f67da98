"""What of the old names and parameters is there today, by reflection on what is installed."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reading import Definition, Release, Signature, signature
from renamed import MOVED, RENAMED

# Where programs are meant to find things; what merely can be reached elsewhere is no home.
_HOMES = (
    *("jax", "jax.numpy", "jax.lax", "jax.nn", "jax.random", "jax.tree_util", "jax.errors"),
    *("jax.dtypes", "jax.flatten_util", "jax.image", "jax.ops", "jax.profiler", "jax.core"),
    *("jax.nn.initializers", "jax.numpy.linalg", "jax.numpy.fft", "jax.scipy.linalg"),
    *("jax.scipy.special", "jax.custom_derivatives", "jax.experimental", "numpy", "flax.core"),
    *("flax.traverse_util", "flax.serialization", "flax.struct", "flax.jax_utils"),
)
_PASSING = ("__future__", "distutils")  # what Python itself drops
_MISSING = object()
_OPAQUE = object()  # a module that is there and needs a library that is not


class Installed:
    """The packages of today."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        """What a dotted name is, or that it is missing."""
        if path not in self._found:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._found[path] = self._get(path)
        return self._found[path]

    def _get(self, path: str) -> Any:
        parent, _, name = path.rpartition(".")
        owner = self.get(parent) if parent else None
        if owner is _MISSING or owner is _OPAQUE:
            return owner
        if owner is not None:
            try:
                return getattr(owner, name)
            except AttributeError:
                if not inspect.ismodule(owner):
                    return _MISSING
        try:
            return importlib.import_module(path)
        except ImportError as problem:
            root = path.partition(".")[0]
            there = problem.name is not None and not problem.name.startswith(root)
            return _OPAQUE if there else _MISSING

    def has(self, path: str) -> bool:
        """Whether a dotted name is there, for all that can be seen."""
        return self.get(path) is not _MISSING

    def is_module(self, path: str) -> bool:
        """Whether it is one that can be imported."""
        return inspect.ismodule(self.get(path))

    def signature(self, path: str) -> inspect.Signature | None:
        """What a function takes today."""
        value = self.get(path)
        if value is _MISSING or value is _OPAQUE or not callable(value):
            return None
        try:
            return inspect.signature(value)
        except (TypeError, ValueError):
            return None


@dataclass
class Old:
    """The names of all releases of a package together."""

    # dotted name -> what each release called the same thing
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    modules: set[str] = field(default_factory=set)
    signatures: dict[str, list[Signature]] = field(default_factory=lambda: defaultdict(list))
    outside: dict[str, tuple[str, str]] = field(default_factory=dict)  # its path, and kind
    homes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, release: Release) -> None:
        """Takes in one release; later ones go last."""
        aliases: dict[tuple[str, str], set[str]] = defaultdict(set)
        found: list[tuple[str, Definition]] = list(release.names())
        for path, definition in found:
            aliases[definition.home, definition.name].add(path)
        for path, definition in found:
            if definition.kind == "outside":
                kind = "name" if definition.name else "module"
                self.outside[path] = (
                    ".".join(filter(None, (definition.home, definition.name))),
                    kind,
                )
                self.names[path] |= set()
                continue
            self.homes[path].add(definition.home)
            self.names[path] |= aliases[definition.home, definition.name] - {path}
            if definition.kind == "module":
                self.names[path].add(definition.home)
                if path == definition.home:
                    self.modules.add(path)
            taken = signature(definition.node) if definition.kind in {"def", "class"} else None
            if taken is not None and taken not in self.signatures[path]:
                self.signatures[path].append(taken)


def gone(old: Old, installed: Installed) -> dict[str, dict[str, str]]:
    """Names that are gone, by module: name -> another name of the same thing, or nothing."""
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(old.names):
        if installed.has(path) or path in old.modules:
            continue
        module, _, name = path.rpartition(".")
        other = _replacement(path, old, installed)
        if installed.has(module) or other:  # of a module that is gone, all is gone
            table[module][name] = other
    return {module: dict(names) for module, names in table.items()}


def gone_modules(old: Old, installed: Installed) -> dict[str, str]:
    """Modules that cannot be imported any more, and which took their place."""
    gone = sorted(module for module in old.modules if not installed.has(module))
    return {module: MOVED.get(module, "") for module in gone}


def _replacement(path: str, old: Old, installed: Installed) -> str:
    """Another name of the same thing that is there today; nothing where none is sure."""
    for known in (path, *sorted(old.names[path])):
        if known in RENAMED:
            return RENAMED[known]
    name = path.rpartition(".")[2]
    outside = old.outside.get(path)
    if outside is not None:
        home, kind = outside
        same = kind == "module" or home.rpartition(".")[2] == name
        lasting = home.partition(".")[0] not in _PASSING and installed.has(home)
        return home if same and lasting else ""
    for home in sorted(old.homes[path] & MOVED.keys()):
        moved = f"{MOVED[home]}.{name}"
        if f"{home}.{name}" in (path, *old.names[path]) and installed.has(moved):
            return moved
    modules = [other for other in old.names[path] & old.modules if installed.has(other)]
    if modules:
        return min(modules, key=lambda other: (len(other), other))
    found = [
        other
        for other in old.names[path]
        if other.rpartition(".")[2] == name
        and other.rpartition(".")[0] in (*_HOMES, *old.homes[path])
        and not any(part.startswith("_") for part in other.split("."))
        and installed.has(other)
    ]
    return min(found, key=lambda other: (_rank(other), len(other), other), default="")


def _rank(path: str) -> int:
    home = path.rpartition(".")[0]
    return _HOMES.index(home) if home in _HOMES else len(_HOMES)


def parameters(old: Old, installed: Installed) -> dict[str, dict[str, Any]]:
    """Parameters that are gone or stand elsewhere, of functions that are still there."""
    table: dict[str, dict[str, Any]] = {}
    for path, taken in sorted(old.signatures.items()):
        if path.rpartition(".")[2].startswith("_"):
            continue
        now = installed.signature(path)
        if now is None or (path.startswith("numpy.") and isinstance(installed.get(path), type)):
            continue
        entry = _differences(taken, now)
        if entry:
            table[path] = entry
    return table


def _differences(taken: Iterable[Signature], now: inspect.Signature) -> dict[str, Any]:
    kinds = {p.name: p.kind for p in now.parameters.values()}
    positional = [
        p.name
        for p in now.parameters.values()
        if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}
    ]
    named = {
        name
        for name, kind in kinds.items()
        if kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    }
    open_ended = inspect.Parameter.VAR_POSITIONAL in kinds.values()
    open_keywords = inspect.Parameter.VAR_KEYWORD in kinds.values()
    entry: dict[str, Any] = {}
    places: dict[str, set[str]] = defaultdict(set)
    keywords: dict[str, set[str]] = defaultdict(set)
    taken = list(taken)
    told = {name for old in taken for name in old.positional}
    for old in taken:
        for index, name in enumerate(old.positional):
            today = positional[index] if index < len(positional) else None
            if today is None and not open_ended:
                places[str(index)].add(name)
            elif today is not None and today != name and name in named and today not in told:
                places[str(index)].add(name)  # another parameter stands there now
        pairs = list(zip(old.positional, positional, strict=False))
        for name in (*old.positional, *old.keyword):
            if name in named or open_keywords:
                continue
            other = dict(pairs).get(name, "") if len(positional) >= len(old.positional) else ""
            fits = other in named and other not in (*old.positional, *old.keyword)
            keywords[name].add(other if fits else "")
    if any(old.args for old in taken):
        places.clear()
    if places:
        entry["places"] = {
            index: sole if (sole := _sole(names)) in named else ""
            for index, names in sorted(places.items(), key=lambda each: int(each[0]))
        }
    if keywords:
        entry["keywords"] = {name: _sole(others) for name, others in sorted(keywords.items())}
    return entry


def _sole(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""


def merged(releases: Mapping[str, Release]) -> Old:
    """The names of several releases."""
    old = Old()
    for release in releases.values():
        old.add(release)
    return old
