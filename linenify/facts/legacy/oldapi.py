"""What the JAX, Flax and NumPy of 2020-21 had and today's have not.

The data is read off the releases themselves; `tools/old_api` says how, and writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_DATA = Path(__file__).with_name("old_api.json")
PACKAGES = frozenset({"jax", "flax", "numpy"})


@dataclass(frozen=True, slots=True)
class Changed:
    """Parameters of a function that is still there, and takes them no longer.

    Attributes:
        places: place of an argument -> the keyword that passes the same today, or nothing;
            places that stand here take nothing today, or something else.
        keywords: keyword -> what stands in its place today, or nothing: a hint, no proof.
    """

    places: Mapping[int, str]
    keywords: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Data:
    gone: Mapping[str, Mapping[str, str]]  # module -> name -> today's name, or nothing
    modules: Mapping[str, str]  # modules that cannot be imported -> where they went
    parameters: Mapping[str, Mapping[str, Mapping[str, str]]]


@cache
def _data() -> _Data:
    found = json.loads(_DATA.read_text(encoding="utf-8"))
    return _Data(found["gone"], found["modules"], found["parameters"])


def gone_names() -> Mapping[str, Mapping[str, str]]:
    """The names that are gone, by the module that had them."""
    return _data().gone


def gone_modules() -> frozenset[str]:
    """The modules that cannot be imported any more."""
    return frozenset(_data().modules)


@cache
def is_gone(path: str) -> bool:
    """Whether a dotted name was in an old release and is nowhere today."""
    if path.partition(".")[0] not in PACKAGES:
        return False
    module, _, name = path.rpartition(".")
    data = _data()
    if path in data.modules or name in data.gone.get(module, {}):
        return True
    return bool(module) and (module in data.modules or is_gone(module))


def is_gone_module(path: str) -> bool:
    """Whether a dotted name is a module that cannot be imported any more."""
    return path in _data().modules


@cache
def today(path: str) -> str | None:
    """What a gone name is called today where that is sure: the same thing, by another name."""
    if not is_gone(path):
        return None
    module, _, name = path.rpartition(".")
    data = _data()
    found = data.gone.get(module, {}).get(name) or data.modules.get(path)
    if found:
        return found
    if name in data.gone.get(module, {}) or path in data.modules:
        return None
    home = today(module)  # a member of something that is called differently
    moved = f"{home}.{name}"
    if home is None or home in data.modules.values() or is_gone(moved):
        return today(moved) if home is not None and is_gone(moved) else None
    return moved


@cache
def changed_parameters(path: str) -> Changed | None:
    """What a function that is still there takes no longer, or None."""
    entry = _data().parameters.get(path)
    if entry is None:
        return None
    places = {int(place): name for place, name in entry.get("places", {}).items()}
    return Changed(places, entry.get("keywords", {}))
