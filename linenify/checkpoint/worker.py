"""Traces the user's modules in a process of its own.

    python -m linenify.checkpoint.worker

One request on each line of its input, one answer on each line of its output.
JAX and the user's code stay out of the process that moves the bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import sysconfig
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.request import Request, from_json
from linenify.checkpoint.scopes import Scope

if TYPE_CHECKING:
    from linenify.checkpoint.migrating import Placed

__all__ = ["Request", "answered"]


def main() -> int:
    """Answers requests until there are no more."""
    answers, sys.stdout = sys.stdout, sys.stderr  # user code may print what it likes
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    # JAX takes its time: it starts while the checkpoint is being read elsewhere.
    importlib.import_module("linenify.checkpoint.tracing")
    importlib.import_module("linenify.checkpoint.user_module")
    if sys.argv[1:] == ["optimizer"]:
        importlib.import_module("linenify.checkpoint.optax_state")
    from linenify.checkpoint.opened import Opened

    sys.dont_write_bytecode = True  # of the user's files
    with Opened() as opened:
        for line in sys.stdin:
            try:
                answer = answered(from_json(json.loads(line)))
                answer["files"] = [*answer.get("files", ()), *opened.taken()]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code raises what it likes
                answer = {"error": _complaint(error)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    return 0


def answered(request: Request) -> dict[str, Any]:
    """Traces the module, or all of them, in this process.

    Returns:
        `scope`, or `parts` with one such answer for each; `opt_state`; `legacy`; and
        under `notes` and `files` what the user should know, and what it depends on.

    Raises:
        Exception: whatever the user's code raises.
    """
    if not request.parts:
        scope, answer = _traced(request)
        params = _params(scope, ("params",) if answer["bound"] else ())
    else:
        params = {tuple(at): (tuple(shape), dtype) for at, shape, dtype in request.loose}
        answer = {"parts": {}, "notes": [], "files": []}
        for name, part in request.parts.items():
            scope, answer["parts"][name] = _traced(part)
            params |= _params(scope, tuple(part.under))
            for kind in ("notes", "files"):
                answer[kind] += answer["parts"][name].pop(kind)
            del answer["parts"][name]["bound"]  # parts are objects in any case
    if request.tx or request.optimizer:
        answer["opt_state"] = _opt_state(request, params)
    return answer


def _traced(request: Request) -> tuple[Scope, dict[str, Any]]:
    """The scope of one module, and an answer with it."""
    try:
        return _traced_from(request)
    except ImportError as error:
        if request.project or not _lies_here(request):
            raise
        # Neither its folder nor its package is where its imports start from.
        try:
            return _traced_from(replace(request, project=str(Path.cwd())))
        except ImportError:
            raise error from None


def _lies_here(request: Request) -> bool:
    file = Path(request.module.rpartition(":")[0])
    return file.suffix == ".py" and file.resolve().is_relative_to(Path.cwd())


def _traced_from(request: Request) -> tuple[Scope, dict[str, Any]]:
    from linenify.checkpoint.migrating import placed
    from linenify.checkpoint.scopes import to_json
    from linenify.checkpoint.tracing import trace
    from linenify.checkpoint.user_module import user_module

    with placed(request) as place:
        here = place.request
        try:
            with user_module(here) as (module, args, kwargs):
                method = here.method or "__call__"
                scope = trace(module, *args, rngs=here.rngs, method=method, **kwargs)
        except ImportError:
            raise
        except Exception as error:
            if place.notes:
                text = f"{_complaint(error)} ({'; '.join(place.notes)})"
                raise CheckpointError(text) from error
            raise
        answer: dict[str, Any] = {"scope": to_json(scope)}
        bound = place.bound if request.bound is None else request.bound
        answer |= {"notes": place.notes, "files": place.files, "bound": bound}
        if here.legacy:
            answer |= _confirmed(place, asked=bool(request.legacy))
    return scope, answer


def _confirmed(place: Placed, *, asked: bool) -> dict[str, Any]:
    """What legacy itself initialises; a reason why not, where nobody asked for it."""
    from linenify.checkpoint.confirming import legacy_leaves

    try:
        return {"legacy": legacy_leaves(place.request, place.legacy_project)}
    except Exception as error:
        if asked:
            raise
        return {"unconfirmed": _complaint(error)}


def _params(scope: Scope, above: Keypath) -> dict[Keypath, tuple[tuple[int, ...], str]]:
    return {
        (*above, *keypath): (variable.shape, variable.dtype)
        for keypath, variable in scope.all_variables()
        if variable.collection == "params"
    }


def _opt_state(request: Request, params: Mapping[Any, Any]) -> Mapping[str, Any]:
    from linenify.checkpoint.optax_state import described, transformation_of
    from linenify.checkpoint.user_module import named_object

    if not request.tx:
        made = transformation_of(
            request.optimizer, per_step=request.per_step, schedule=request.schedule
        )
        return described(made, params)
    with named_object(request.tx, request.project) as value:
        made = value if hasattr(value, "init") else value()
        return described(made, params)


def _complaint(error: BaseException) -> str:
    from linenify.errors import LinenifyError

    text = " ".join(str(error).split())
    if isinstance(error, LinenifyError):
        return text[:2000]
    own = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"))
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not frame.filename.startswith(own)
    ]
    where = f" ({' > '.join(frames[-4:])})" if frames else ""
    return f"{type(error).__name__}: {text[:600]}{where}"


if __name__ == "__main__":
    sys.exit(main())
