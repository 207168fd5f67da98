"""What the command line says about a module or a program, as a case."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linenify.errors import UsageError
from linenify.verify.notation import NotationError, array
from linenify.verify.target import Target, case_text, place_of, tree_of

_NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<spec>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Request:
    """The options that describe one module class, or one program.

    Attributes:
        module: `pkg.file:Class` or `path/file.py:Class`; "" for a program.
        entry: `pkg.file:function`; "" for a module.
        inputs: notations of `linenify.verify.inputs`, some as `name=notation`.
        settings: `name=value`, hyper-parameters or arguments of the function.
        rngs: streams of random keys beside `dropout`.
        methods: methods to run instead of `apply`.
        init_method: the method to initialise with, if another one.
        train: the name of a flag to run with both of its values; "" for none.
        flax: another legacy version than the default; "" for that.
        devices: how many devices the program wants.
        rtol: a tolerance instead of the measured noise.
    """

    module: str = ""
    entry: str = ""
    inputs: Sequence[str] = ()
    settings: Sequence[str] = ()
    rngs: Sequence[str] = ()
    methods: Sequence[str] = ()
    init_method: str = ""
    train: str = ""
    flax: str = ""
    devices: int = 1
    rtol: float | None = None


def requested(request: Request, path: Path, linen: Path | None) -> Target:
    """The target that a request means, its definition looked up under `path`.

    Raises:
        UsageError: the definition, or what is said of it, cannot be understood.
    """
    if request.entry:
        _module_options_unused(request)
    place = place_of(request.module or request.entry, path)
    positional, named = _inputs(request.inputs)
    for notation in (*positional, *named.values()):
        _check(notation)
    settings = dict(map(_setting, request.settings))
    linen, linen_file = _linen_side(linen)
    common: dict[str, Any] = {
        "file": place.file or None,
        "linen_file": linen_file or None,
        "inputs": positional,
        "named_inputs": named or None,
        "rtol": request.rtol,
    }
    if request.entry:
        runs = [{"function": place.name, **common, "call": settings or None}]
    else:
        common |= {
            "module": place.name,
            "hyperparameters": settings or None,
            "rngs": list(dict.fromkeys(["dropout", *request.rngs])),
            "state": True,
            "init_method": request.init_method or None,
        }
        flags = [{request.train: True}, {request.train: False}] if request.train else [None]
        methods = request.methods or [""]
        runs = [
            {**common, "method": method or None, "call": call}
            for method in methods
            for call in flags
        ]
    devices = request.devices if request.devices > 1 else 0
    text = case_text(runs, flax=request.flax, devices=devices)
    name = f"{path}: {request.module or request.entry}"
    return Target(name, text, Path.cwd(), place.tree, linen, place.root)


def _linen_side(linen: Path | None) -> tuple[Path | None, str]:
    """A file that is part of a package takes the package along, and is named in it."""
    if linen is None or linen.is_dir():
        return linen, ""
    tree = tree_of(linen, linen)
    return tree, str(linen.resolve().relative_to(tree)) if tree.is_dir() else ""


def _module_options_unused(request: Request) -> None:
    """A program is called as it is: what belongs to a module class says nothing there."""
    given = {
        "--method": request.methods,
        "--init-method": request.init_method,
        "--train": request.train,
        "--rng": request.rngs,
    }
    if wrong := [option for option, value in given.items() if value]:
        raise UsageError(
            f"{', '.join(wrong)}: for a --module only; --input and --set give an --entry arguments"
        )


def _check(notation: str) -> None:
    if notation == "key" or notation.startswith("="):
        return
    if notation.endswith((".npy", ".npz")):
        if not Path(notation).is_file():
            raise UsageError(f"--input {notation}: there is no such file in {Path.cwd()}")
        return
    try:
        array(notation)
    except NotationError as error:
        raise UsageError(f"--input: {error}") from error


def _inputs(notations: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    positional: list[str] = []
    named: dict[str, str] = {}
    for notation in notations:
        if notation.startswith("="):
            positional.append(notation)
        elif match := _NAMED.fullmatch(notation):
            named[match["name"]] = match["spec"]
        else:
            positional.append(notation)
    return positional, named


def _setting(text: str) -> tuple[str, Any]:
    match = _NAMED.fullmatch(text)
    if match is None:
        raise UsageError(f"--set {text}: write name=value")
    return match["name"], setting_value(match["spec"])


def setting_value(text: str) -> Any:
    """A value as Python or TOML writes it; `=f(x)` is an expression; else a string."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("="):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return f"={text}" if re.fullmatch(r"(jnp|np|nn|jax)(\.\w+)+", text) else text
