"""Traces the user's module in a process of its own.

    python -m linenify.checkpoint.worker < request.json > answer.json

JAX and the user's code stay out of the process that moves the bytes.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """What to trace.

    Attributes:
        module: `pkg.file:Class` or `path/file.py:Class`; an expression may stand for the class.
        inputs: in the notation of `linenify.verify.inputs`, `name=spec` for keywords.
        fields: hyper-parameters.
        rngs: streams of keys.
        method: to initialise by; empty for `__call__`.
        optimizer: the legacy optimizer, as an expression; empty for none.
        tx: `pkg.file:name` of the migrated transformation; empty to make it of `optimizer`.
        per_step: hyper-parameters that steps set.
        schedule: whether the learning rate is a schedule.
        legacy: the legacy source of the module class, to confirm the map with; may be empty.
        legacy_flax: the version that runs it.
    """

    module: str
    inputs: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    rngs: Sequence[str] = ()
    method: str = ""
    optimizer: str = ""
    tx: str = ""
    per_step: Sequence[str] = ()
    schedule: bool = False
    legacy: str = ""
    legacy_flax: str = ""


def main() -> int:
    """Answers one request."""
    answers, sys.stdout = sys.stdout, sys.stderr  # user code may print what it likes
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.dont_write_bytecode = True
    request = Request(**json.load(sys.stdin))
    try:
        answer = answered(request)
    except Exception as error:  # noqa: BLE001 - whatever user code raises is the answer
        answer = {"error": _complaint(error)}
    json.dump(answer, answers)
    return 0


def answered(request: Request) -> dict[str, Any]:
    """Traces the module in this process.

    Raises:
        Exception: whatever the user's code raises.
    """
    from linenify.checkpoint.scopes import to_json
    from linenify.checkpoint.tracing import trace
    from linenify.checkpoint.user_module import user_module

    with user_module(request) as (module, args, kwargs):
        scope = trace(
            module, *args, rngs=request.rngs, method=request.method or "__call__", **kwargs
        )
        answer: dict[str, Any] = {"scope": to_json(scope)}
        params = {
            keypath: (variable.shape, variable.dtype)
            for keypath, variable in scope.all_variables()
            if variable.collection == "params"
        }
        if request.tx or request.optimizer:
            answer["opt_state"] = _opt_state(request, params)
    if request.legacy:
        from linenify.checkpoint.confirming import legacy_leaves

        answer["legacy"] = legacy_leaves(request)
    return answer


def _opt_state(request: Request, params: Mapping[Any, Any]) -> Mapping[str, Any]:
    from linenify.checkpoint.optax_state import described, transformation_of
    from linenify.checkpoint.user_module import named_object

    if not request.tx:
        made = transformation_of(
            request.optimizer, per_step=request.per_step, schedule=request.schedule
        )
        return described(made, params)
    with named_object(request.tx) as value:
        made = value if hasattr(value, "init") else value()
        return described(made, params)


def _complaint(error: BaseException) -> str:
    from linenify.errors import LinenifyError

    text = " ".join(str(error).split())[:600]
    if isinstance(error, LinenifyError):
        return text
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and "linenify" not in Path(frame.filename).parts
    ]
    where = f" ({' > '.join(frames[-4:])})" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


def as_json(request: Request) -> str:
    """A request for the standard input of this program."""
    return json.dumps(asdict(request))


if __name__ == "__main__":
    sys.exit(main())
