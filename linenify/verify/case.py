"""A case: what to run on both sides, as written in `case.toml`.

    [[run]]
    module = "Block"                     # a module class; a dotted name or "=<expression>"
    hyperparameters = { features = 16 }  # legacy: keyword arguments; Linen: fields
    call = { train = false }             # keyword arguments on both sides
    inputs = ["f32[2,8,8,3]"]            # positional; `linenify.verify.inputs` has the notation

or a whole program, of which the returned pytree is compared:

    [[run]]
    function = "main"                    # called on both sides with `inputs`, `call`

Under samplers that do not look at keys, initial params, dropout and shuffled
data are the same on both sides.  In the result a legacy `nn.Model` stands for
its params, an `Optimizer` for {params, step} (as does a `TrainState`), structs
and tuples for their fields, a row of numbers for one array.  Params and
collections, `nn.Collection` included, are paired whatever the children are
called on either side.  Return whatever shows that a migration went wrong:
losses of each step, metrics, the last optimizer.

Further keys of a run, all optional:

    file = "pkg/model.py"     within `legacy/` and `linen/`
    method = "encode"         instead of legacy `apply` and Linen `__call__`
    named_inputs = {...}      arrays passed by keyword
    rngs = ["dropout"]        legacy `nn.stochastic`; Linen `rngs=`
    state = true              legacy `nn.stateful`; Linen `mutable=`; "frozen" to read it only
    init_method, init_call, init_inputs, init_named_inputs
                              how to initialise, where it differs from the call
    compare = [...]           of "initial", "outputs", "gradients", "collections"; default all
    rtol = 1e-6               how far a leaf may be off, of its largest element (gradients ten
                              times as much), instead of its measured rounding noise
    legacy_<key>, linen_<key> another value of a key on one side

Beside the runs, `flax = "0.2.2"` names another legacy version than 0.3.6, and
`devices = 2` asks for as many (on a CPU: simulated) devices, for programs with `pmap`.
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from linenify.verify.wheels import DEFAULT_VERSION

COMPARISONS = ("initial", "outputs", "gradients", "collections")


class Side(enum.StrEnum):
    """One of the two worlds."""

    LEGACY = "legacy"
    LINEN = "linen"


class CaseError(Exception):
    """A `case.toml` that does not say what to run."""


@dataclass(frozen=True, slots=True)
class Run:
    """One call to make on one side.

    A `[[run]]` is two of these: what it says for both sides, with the overrides
    for the side in place.
    """

    module: str = ""
    function: str = ""
    file: str = ""
    method: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Any] = ()
    named_inputs: Mapping[str, Any] = field(default_factory=dict)
    init_method: str | None = None
    init_call: Mapping[str, Any] | None = None
    init_inputs: Sequence[Any] | None = None
    init_named_inputs: Mapping[str, Any] | None = None
    rngs: Sequence[str] = ()
    state: bool | str = False


@dataclass(frozen=True, slots=True)
class RunPair:
    """One `[[run]]`: the same call on both sides."""

    name: str
    legacy: Run
    linen: Run
    compare: Sequence[str] = COMPARISONS
    rtol: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All runs of one `case.toml`."""

    runs: tuple[RunPair, ...]
    flax: str = DEFAULT_VERSION
    devices: int = 1


def read_case(path: Path, base: Path | None = None) -> Case:
    """Reads `case.toml`, complaining about what it does not know.

    Files that it names lie beside it, or below `base`.

    Raises:
        CaseError: it does not say what to run.
        OSError: it cannot be read.
    """
    try:
        data = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path}: {error}") from error
    home = (base or path.parent).resolve()
    runs = tuple(
        _run_pair(index, _located(run, home)) for index, run in enumerate(data.get("run", []))
    )
    devices = data.get("devices", 1)
    if not isinstance(devices, int) or devices < 1:
        raise CaseError(f"{path}: devices = {devices!r} is not a number of devices")
    return Case(runs, data.get("flax", DEFAULT_VERSION), devices)


def _located(value: Any, home: Path) -> Any:
    """Values with the files among them, `x.npy` or `x.npz`, as absolute paths."""
    match value:
        case dict():
            return {name: _located(item, home) for name, item in value.items()}
        case list():
            return [_located(item, home) for item in value]
        case str() if value.endswith((".npy", ".npz")) and not value.startswith("="):
            return str(home / value)
    return value


def _run_pair(index: int, data: Mapping[str, Any]) -> RunPair:
    shared = {key: value for key, value in data.items() if key in _RUN_KEYS}
    common = {key: data[key] for key in ("compare", "rtol") if key in data}
    known = {*_RUN_KEYS, *common}
    sides = {}
    for side in Side:
        prefix = f"{side}_"
        own = {key.removeprefix(prefix): data[key] for key in data if key.startswith(prefix)}
        if unknown := own.keys() - _RUN_KEYS:
            raise CaseError(f"run {index + 1}: unknown key {prefix}{min(unknown)}")
        known |= {prefix + key for key in own}
        sides[side] = Run(**shared | own)
    if unknown := data.keys() - known:
        raise CaseError(f"run {index + 1}: unknown key {min(unknown)}")
    if unknown := set(common.get("compare", ())) - set(COMPARISONS):
        raise CaseError(f"run {index + 1}: cannot compare {min(unknown)}")
    for run in sides.values():
        if bool(run.module) == bool(run.function):
            raise CaseError(f"run {index + 1}: name either a module or a function")
    return RunPair(
        _name(index, sides[Side.LEGACY]), sides[Side.LEGACY], sides[Side.LINEN], **common
    )


def _name(index: int, run: Run) -> str:
    target = run.module or run.function
    method = f".{run.method}" if run.method else ""
    given = {**run.hyperparameters, **run.call}
    arguments = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"{index + 1} {target}{method}({arguments})"


_RUN_KEYS = frozenset(entry.name for entry in fields(Run))
