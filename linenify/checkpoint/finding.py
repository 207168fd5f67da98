"""Finds module classes of a project, and with what they are initialised there.

Looked at is what `linenify verify PATH` looks at (`case.toml`, `pyproject.toml`,
comments), and every call that initialises a module with shapes that can be read off
the source, in legacy's words or in Linen's:

    ResNet.partial(width=W).init_by_shape(key, [((1, 28, 28, 1), jnp.float32)])
    jax.jit(ResNet(width=W).init)(key, jnp.ones((1, 28, 28, 1)))

No user code is run here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from linenify.checkpoint.init_calls import Sources
from linenify.checkpoint.request import Request
from linenify.errors import UsageError
from linenify.project.walk import python_files
from linenify.verify.case import CaseError, Run, read_case
from linenify.verify.discovery import discovered
from linenify.verify.target import Target
from linenify.verify.wheels import DEFAULT_VERSION


@dataclass
class Found:
    """What could be traced, and what could be if more were known.

    Attributes:
        requests: of module classes, without an optimizer.
        incomplete: `file.py:Class` with what is missing.
    """

    requests: list[Request] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)


def found_under(project: Path) -> Found:
    """All module classes under a folder, or in a file, that can be traced.

    Raises:
        UsageError: a `case.toml`, a table or a comment cannot be understood.
    """
    found = Found()
    for target in discovered(project, None).targets:
        found.requests += _of_target(target)
    files = [project] if project.is_file() else list(python_files(project))
    files = [_near(file.resolve()) for file in files]
    sources = Sources.read(files)
    for call in sources.calls():
        if call.request is not None:
            found.requests.append(call.request)
        else:
            found.incomplete.setdefault(call.module, call.missing)
    found.requests = list(_distinct(found.requests))
    known = {request.module for request in found.requests}
    for name in sources.classes():
        if name not in known:
            found.incomplete.setdefault(name, "no call shows with what it is initialised")
    found.incomplete = {k: v for k, v in found.incomplete.items() if k not in known}
    return found


def _distinct(requests: Iterable[Request]) -> Iterator[Request]:
    seen: list[Request] = []
    for request in requests:
        if request not in seen:
            seen.append(request)
            yield request


def _of_target(target: Target) -> Iterator[Request]:
    """The module runs of a case, on the Linen side where there is one."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "case.toml"
        file.write_text(target.case)
        try:
            case = read_case(file, target.base)
        except CaseError as error:
            raise UsageError(f"{target.name}: {error}") from error
    linen = target.linen if target.linen is not None and target.linen.exists() else None
    for pair in case.runs:
        run = pair.legacy if linen is None else pair.linen
        side = linen or target.legacy
        place = side / target.root if side.is_dir() and (side / target.root).is_dir() else side
        place = place / run.file if place.is_dir() else place
        if run.module.isidentifier() and place.is_file():
            yield _of_run(run, place, case.flax)


def _of_run(run: Run, file: Path, flax: str) -> Request:
    inputs = run.inputs if run.init_inputs is None else run.init_inputs
    named = run.named_inputs if run.init_named_inputs is None else run.init_named_inputs
    call = run.call if run.init_call is None else run.init_call
    return Request(
        module=f"{_near(file)}:{run.module}",
        inputs=list(inputs),
        named=dict(named),
        fields={**run.hyperparameters, **call},
        rngs=tuple(dict.fromkeys(("dropout", *run.rngs))),
        method=run.init_method or run.method,
        legacy_flax="" if flax == DEFAULT_VERSION else flax,
    )


def _near(file: Path) -> Path:
    """The file as seen from here, where it lies below."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
