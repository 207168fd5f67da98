"""Which of the module classes of a project a checkpoint belongs to: the one that fits it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from linenify.checkpoint.errors import CheckpointError, Keypath, spelled
from linenify.checkpoint.finding import Found
from linenify.checkpoint.layout import Layout, layout_of, params_of
from linenify.checkpoint.planning import Kind
from linenify.checkpoint.reading import Tree
from linenify.checkpoint.remap import found as leaf_at
from linenify.checkpoint.renames import Renames, matched
from linenify.checkpoint.request import Request
from linenify.checkpoint.run import Conversion, concluded, convert, prepared
from linenify.checkpoint.scopes import from_json
from linenify.checkpoint.several import stripped

_Fit = TypeVar("_Fit")
Ask = Callable[[Request], Mapping[str, Any]]


@dataclass(frozen=True)
class Reason:
    """Why a candidate is out."""

    request: Request
    why: str


def chosen(
    tree: Tree,
    found: Found,
    asking: Request,
    kind: Kind | None,
    at: Keypath,
    ask: Ask,
) -> Conversion:
    """The conversion by the candidate that fits, with a note which one that is.

    Args:
        tree: the checkpoint.
        found: the candidates.
        asking: what else is asked for: the optimizer.
        kind: as for `convert`.
        at: as for `convert`.
        ask: what traces a module.

    Raises:
        CheckpointError: none fits, or several that mean different maps.
    """
    layout = layout_of(tree, at)
    if layout.models:
        return _several(tree, layout, found, asking, kind, at, ask)
    fits: list[tuple[Request, Conversion]] = []
    reasons: list[Reason] = []
    for candidate in found.requests:
        request = _with_optimizer(candidate, asking)
        layout, made, complete, notes = prepared(tree, request, kind, at)
        try:
            answer = ask(complete)
            fits.append((candidate, concluded(tree, layout, made, complete, answer, notes)))
        except CheckpointError as error:
            reasons.append(Reason(candidate, str(error)))
    request, conversion = _only(fits, reasons, found, lambda conversion: conversion.plan.forward)
    return replace(conversion, notes=(_told(request), *conversion.notes))


def _several(
    tree: Tree,
    layout: Layout,
    found: Found,
    asking: Request,
    kind: Kind | None,
    at: Keypath,
    ask: Ask,
) -> Conversion:
    """For each of several models the candidate that fits it."""
    scopes: dict[int, Any] = {}
    failed: list[Reason] = []
    for number, candidate in enumerate(found.requests):
        try:
            scopes[number] = from_json(ask(candidate)["scope"])
        except CheckpointError as error:
            failed.append(Reason(candidate, str(error)))
    parts: dict[str, Request] = {}
    for model in layout.models:
        params = leaf_at(tree, (*layout.params, *params_of(tree, layout, model)))
        fits: list[tuple[Request, Renames]] = []
        reasons = list(failed)
        for number, scope in scopes.items():
            candidate = found.requests[number]
            try:
                fits.append((candidate, matched(scope, stripped(params, layout.replicas))))
            except CheckpointError as error:
                reasons.append(Reason(candidate, str(error)))
        request, _ = _only(fits, reasons, found, lambda renames: renames.rows, spelled(model))
        parts["/".join(model)] = request
    conversion = convert(tree, replace(asking, parts=parts), kind, at, ask)
    told = [f"{name}: {_told(part)}" for name, part in parts.items()]
    return replace(conversion, notes=(*told, *conversion.notes))


def _with_optimizer(candidate: Request, asking: Request) -> Request:
    return replace(
        candidate,
        optimizer=asking.optimizer,
        tx=asking.tx,
        per_step=asking.per_step,
        schedule=asking.schedule,
        legacy=asking.legacy,
        legacy_flax=asking.legacy_flax or candidate.legacy_flax,
        rngs=tuple(dict.fromkeys((*candidate.rngs, *asking.rngs))),
    )


def _only(
    fits: Sequence[tuple[Request, _Fit]],
    reasons: Sequence[Reason],
    found: Found,
    meaning: Callable[[_Fit], Any],
    model: str = "",
) -> tuple[Request, _Fit]:
    """The one that fits; of several of one meaning the first."""
    what = f"the model {model}" if model else "the checkpoint"
    if not fits:
        lines = [f"no module class of the project fits {what}; name it with --module"]
        lines += [f"  {_words(each.request)}\n      {each.why}" for each in _shortest(reasons)]
        lines += [f"  --module {name}\n      {why}" for name, why in found.incomplete.items()]
        if not (reasons or found.incomplete):
            lines = ["no module class was found here; name it with --module, or look elsewhere "]
            lines[0] += "with --project"
        lines.append(f"as in: linenify remap SRC DST {_example(reasons, found, model)}")
        raise CheckpointError("\n".join(lines))
    first = meaning(fits[0][1])
    if all(meaning(each) == first for _, each in fits):
        return fits[0]
    lines = [f"several module classes fit {what}, with different maps; name one"]
    lines += [f"  {_words(request)}" for request, _ in fits]
    lines += [f"  {_words(each.request)}\n      does not: {each.why}" for each in reasons]
    lines.append(f"as in: linenify remap SRC DST {_words(fits[0][0], model)}")
    raise CheckpointError("\n".join(lines))


def _shortest(reasons: Sequence[Reason]) -> list[Reason]:
    """One for each class and reason."""
    seen: dict[tuple[str, str], Reason] = {}
    for each in reasons:
        seen.setdefault((each.request.module, each.why), each)
    return list(seen.values())


def _told(request: Request) -> str:
    return f"found {_words(request)}"


def _example(reasons: Sequence[Reason], found: Found, model: str) -> str:
    if reasons:
        return _words(reasons[0].request, model)
    name = next(iter(found.incomplete), "path/file.py:Class")
    prefix, owner = (f"{model}=", f"{model}:") if model else ("", "")
    module = shlex.quote(f"{prefix}{name}")
    return f'--module {module} --input "{owner}f32[1,32,32,3]" --set {owner}name=value'


def _words(request: Request, model: str = "") -> str:
    """A request as options of the command line."""
    prefix = f"{model}=" if model else ""
    owner = f"{model}:" if model else ""
    words = ["--module", f"{prefix}{_near(request.module)}"]
    for notation in request.inputs:
        words += ["--input", f"{owner}{notation}"]
    for name, notation in request.named.items():
        words += ["--input", f"{owner}{name}={notation}"]
    for name, value in request.fields.items():
        words += ["--set", f"{owner}{name}={value}"]
    if request.method:
        words += ["--method", request.method]
    return shlex.join(words)


def _near(module: str) -> str:
    """The module, its file relative to where we are."""
    file, separator, name = module.rpartition(":")
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}{separator}{name}"
