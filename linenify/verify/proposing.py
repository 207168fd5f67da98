"""A case for a class whose inputs nobody has told us, to be completed by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from linenify.verify.shapes import ModuleClass
from linenify.verify.target import case_text, tree_of

Roles = Iterable[tuple[str, str, str, str]]
"""For each argument of a method its name, "input" or "field", its type, and why."""

_KEY = r"^(rng|key|prng_key)$|_rng$|_key$"
_INPUTS = {
    r"image|img|pixel|frame": "f32[2,8,8,3]",
    r"token|ids|labels?$|indices|index|words|targets|actions|senders|receivers": "i32[2,8]<8",
    r"length": "i32[2]1..8",
    r"mask": "bool[2,8]",
    _KEY: "key",
}
_VALUES: Mapping[str, Any] = {"int": 8, "float": 0.1, "bool": True, "Callable": "=nn.relu"}
_SIZE = r"features|num_|n_|_dim|^dim$|size|width|depth|classes|units|hidden|layers|heads|vocab"


def proposal(each: ModuleClass, roles: Roles, path: Path, above: str) -> str:
    """A `[[run]]` with a guess for every argument that has no default.

    `above` is a class that runs this one as well; "" if there is none.
    """
    known = {name: (role, kind, why) for name, role, kind, why in roles}
    arguments = each.apply.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = names[: len(names) - len(arguments.defaults)]
    if isinstance(each.owner, ast.ClassDef):
        required = required[1:]
    required += [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    annotated = {
        argument.arg: ast.unparse(argument.annotation)
        for argument in (*arguments.args, *arguments.kwonlyargs)
        if argument.annotation is not None
    }
    inputs: list[str] = []
    named: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for name in required:
        role, kind, why = known.get(name, ("", "", ""))
        kind = annotated.get(name, kind)
        if re.search(_KEY, name):
            role = "input"
        if role == "field" or ("array" not in why and re.search(_SIZE, name)):
            fields[name] = _value(name, kind)
        elif fields:
            named[name] = _input(name)  # a value stands before it
        else:
            inputs.append(_input(name))
    tree = tree_of(path, each.source.path)
    home = tree if tree.is_dir() else tree.parent
    run: dict[str, Any] = {"module": each.node.name}
    if path.is_dir():
        run["file"] = str(each.source.path.resolve().relative_to(home))
    run["inputs"] = inputs
    if named:
        run["named_inputs"] = named
    if fields:
        run["hyperparameters"] = fields
    run |= {"rngs": ["dropout"], "state": True}
    place = f"{each.source.path}:{each.node.lineno}"
    note = f"runs as part of {above}, too" if above else "guessed; fill in what it needs"
    return f"# {place}: {note}\n{case_text([run])}"


def _input(name: str) -> str:
    return next((spec for like, spec in _INPUTS.items() if re.search(like, name)), "f32[2,8]")


def _value(name: str, kind: str) -> Any:
    for like, value in _VALUES.items():
        if like in kind and "Sequence" not in kind:
            return value
    if "Sequence" in kind or "tuple" in kind:
        return [8, 8]
    if "dtype" in name:
        return "=jnp.float32"
    if re.search(r"^(train|training|deterministic|is_|use_|eval)", name):
        return True
    return 8 if re.search(_SIZE, name) else "=FILL_IN"
