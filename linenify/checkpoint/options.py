"""The options of the command line as a request."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from linenify.checkpoint.request import Request
from linenify.errors import UsageError
from linenify.facts.training.optimizers import OPTIMIZERS, WRAPPERS

_PART = re.compile(r"(?P<part>\w[\w/.-]*)=(?P<module>.+)", re.DOTALL)
_OWNED = re.compile(r"(?P<part>\w[\w/.-]*):(?P<rest>.+)", re.DOTALL)


def requested(modules: Sequence[str], given: Mapping[str, Any]) -> Request:
    """What `--module`, `--input`, `--set` and the others ask for.

    With several modules, `--module gen=FILE:CLASS`, the inputs and settings of one
    are marked by its name: `--input "gen:f32[2,8]"`, `--set gen:width=3`.

    Raises:
        UsageError: an option is not of its form, or names no module.
    """
    common = Request(
        optimizer=spelt_as_legacy(given["optimizer"]),
        bound=given["bound"],
        tx=given["tx"],
        per_step=given["per_step"],
        schedule=given["schedule"],
        legacy=given["legacy"],
        legacy_flax=given["legacy_flax"],
        project=given["project"],
        rngs=("dropout", *given["rngs"]),
    )
    if not modules:
        if given["inputs"] or given["fields"] or given["methods"]:
            raise UsageError("--input, --set and --method say how to run a --module")
        return common
    named = [_PART.fullmatch(module) for module in modules]
    if len(modules) == 1 and named[0] is None:
        return replace(
            common,
            module=modules[0],
            inputs=given["inputs"],
            fields=dict(map(assignment, given["fields"])),
            method=_one(given["methods"], "--method"),
        )
    parts = {}
    for module, match in zip(modules, named, strict=True):
        if match is None:
            raise UsageError(f"--module {module}: of several, each has a name: gen=FILE:CLASS")
        if match["part"] in parts:
            raise UsageError(f"--module {module}: the name {match['part']} is there twice")
        parts[match["part"]] = Request(module=match["module"], rngs=common.rngs)
    if common.legacy:
        raise UsageError("--legacy goes with a single --module")
    inputs = _by_part(given["inputs"], parts, "--input")
    fields = _by_part(given["fields"], parts, "--set")
    methods = _by_part(given["methods"], parts, "--method")
    for name, part in parts.items():
        parts[name] = replace(
            part,
            inputs=inputs[name],
            fields=dict(map(assignment, fields[name])),
            method=_one(methods[name], "--method"),
            project=common.project,
            legacy_flax=common.legacy_flax,
        )
    return replace(common, parts=parts)


def spelt_as_legacy(optimizer: str) -> str:
    """An optimizer as legacy wrote its name, whatever the case: `adam(beta1=0.8)` is `Adam`."""
    names = {name.lower(): name for name in [*OPTIMIZERS, *WRAPPERS]}
    try:
        tree = ast.parse(optimizer.strip(), mode="eval")
    except SyntaxError:
        return optimizer  # what is wrong with it is said where it is read
    changed = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id != names.get(node.id.lower(), node.id):
            node.id, changed = names[node.id.lower()], True
        elif isinstance(node, ast.Attribute):
            name = names.get(node.attr.lower(), node.attr)
            node.attr, changed = name, changed or name != node.attr
    return ast.unparse(tree) if changed else optimizer


def _by_part(texts: Sequence[str], parts: Mapping[str, Any], option: str) -> dict[str, list[str]]:
    sorted_out: dict[str, list[str]] = {name: [] for name in parts}
    for text in texts:
        match = _OWNED.fullmatch(text)
        if match is None or match["part"] not in parts:
            raise UsageError(
                f"{option} {text}: of which model? Write {next(iter(parts))}:{text}, "
                f"with one of {', '.join(parts)}"
            )
        sorted_out[match["part"]].append(match["rest"])
    return sorted_out


def _one(texts: Sequence[str], option: str) -> str:
    if len(texts) > 1:
        raise UsageError(f"{option} can be given once for a module")
    return texts[0] if texts else ""


def assignment(text: str) -> tuple[str, Any]:
    """`name=value`; the value as in TOML, or else a text as it stands.

    Raises:
        UsageError: it is not that.
    """
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise UsageError(f"--set {text}: this is not NAME=VALUE")
    literal = {"True": "true", "False": "false"}.get(value, value)
    if value == "None":
        return name, "=None"
    try:
        return name, tomllib.loads(f"value = {literal}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
