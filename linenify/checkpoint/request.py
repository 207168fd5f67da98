"""What to trace, as the command line, a case or a program says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """What to trace.

    Attributes:
        module: `pkg.file:Class` or `path/file.py:Class`; an expression may stand for the class.
        inputs: in the notation of `linenify.verify.inputs`, `name=spec` for keywords.
        named: more inputs by keyword.
        fields: hyper-parameters.
        rngs: streams of keys.
        method: to initialise by; empty for `__call__`.
        optimizer: the legacy optimizer, as an expression; empty for none.
        tx: `pkg.file:name` of the migrated transformation; empty to make it of `optimizer`.
        per_step: hyper-parameters that steps set.
        schedule: whether the learning rate is a schedule.
        legacy: the legacy source of the module class, to confirm the map with; may be empty.
        legacy_flax: the version that runs it.
        project: the folder that imports start from, where the file's own folder is not it.
        bound: whether the program keeps its Model as one object, a `BoundModel`; None where
            its text is to say so.
        parts: instead of `module`: several models that one optimizer trains, by their place
            in its target, such as `encoder`, `0` or `nets/encoder`.
        under: of a part: where its params are in those of the train state; `convert` fills it in.
        loose: leaves beside the parts: `[keypath, shape, dtype]`; `convert` fills it in.
    """

    module: str = ""
    inputs: Sequence[Any] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    rngs: Sequence[str] = ()
    method: str = ""
    optimizer: str = ""
    tx: str = ""
    per_step: Sequence[str] = ()
    schedule: bool = False
    legacy: str = ""
    legacy_flax: str = ""
    project: str = ""
    bound: bool | None = None
    parts: Mapping[str, Request] = field(default_factory=dict)
    under: Sequence[str] = ()
    loose: Sequence[Any] = ()


def as_json(request: Request) -> str:
    """A request in one line."""
    return json.dumps(asdict(request))


def from_json(data: Mapping[str, Any]) -> Request:
    """A request from what `as_json` made of it."""
    parts = {name: from_json(part) for name, part in data.get("parts", {}).items()}
    return Request(**{**data, "parts": parts})
