"""What a run of a migrated module shows: its scopes, their variables, and the order of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from linenify.checkpoint.errors import Keypath


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of one scope.

    Attributes:
        collection: `params`, `batch_stats`, ...
        keypath: its name; more than one key where a variable is itself a pytree.
        shape: its shape.
        dtype: the name of its dtype.
        axes: for a kernel that contracts axes in another order than legacy: the legacy
            axes in the order of Linen; empty where they are the same.
    """

    collection: str
    keypath: Keypath
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """A Linen module in its place.

    Attributes:
        name: as Linen calls it; the root has none.
        stems: the names of its class and of the bases, as legacy spelled them.
        given: whether the program names it, by `name=`, as a field, or in `setup`.
        counts: whether legacy gave it a number: `Dropout` was a function there.
        created: when it was constructed.
        called: when it first ran; -1 for never.
        calls: how many times it was called.
        variables: its own.
        apart: whether it was constructed elsewhere than in the expression that calls it
            first, as legacy's shared modules were.
        children: in the order of their creation.
    """

    name: str
    stems: tuple[str, ...]
    given: bool
    counts: bool
    created: int
    called: int
    calls: int
    variables: tuple[Variable, ...] = ()
    children: tuple[Scope, ...] = ()
    apart: bool = False

    def all_variables(self, above: Keypath = ()) -> Iterator[tuple[Keypath, Variable]]:
        """Every variable with its keypath below its collection."""
        for variable in self.variables:
            yield (*above, *variable.keypath), variable
        for child in self.children:
            yield from child.all_variables((*above, child.name))

    def holds(self, *, only_params: bool) -> bool:
        """Whether there are variables in it, or below."""
        return any(
            variable.collection == "params" or not only_params
            for _, variable in self.all_variables()
        )


def to_json(scope: Scope) -> dict[str, Any]:
    """A scope as JSON."""
    return asdict(scope)


_PLAIN = ("name", "given", "counts", "created", "called", "calls", "apart")


def from_json(data: Mapping[str, Any]) -> Scope:
    """A scope from what `to_json` made of it."""
    variables = tuple(
        Variable(
            each["collection"],
            tuple(each["keypath"]),
            tuple(each["shape"]),
            each["dtype"],
            tuple(each["axes"]),
        )
        for each in data["variables"]
    )
    children = tuple(map(from_json, data["children"]))
    rest = {key: data[key] for key in _PLAIN}
    return Scope(**rest, stems=tuple(data["stems"]), variables=variables, children=children)
