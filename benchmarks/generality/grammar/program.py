"""Whole programs, with a `run()` that says what they compute."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from generality.grammar.body import joined
from generality.grammar.classes import network
from generality.grammar.draw import Draw, indented
from generality.grammar.models import Writer, made_model, surrounded
from generality.grammar.training import data, trained

KINDS = {"vec": 6.0, "image": 2.0, "seq": 2.0, "tokens": 2.0}
CASE = """title = "A generated program."
rules = []
refusals = []

[[run]]
function = "run"
inputs = []
"""


@dataclass(frozen=True)
class Generated:
    """A legacy program.

    Attributes:
        files: texts by path; one file is called `legacy.py`.
        features: what it has.
        choices: how it came about, for `program`.
    """

    files: dict[str, str]
    features: tuple[str, ...]
    choices: tuple[int, ...]


def program(seed: str, choices: Sequence[int] | None = None) -> Generated:
    """A program from a seed, or from choices that were made before."""
    draw = Draw(seed, choices)
    style = draw.feature(
        "import",
        {
            "from flax import nn": 5,
            "import flax": 0.7,
            "import flax.nn as nn": 1,
            "from flax.deprecated import nn": 2,
            "alias": 0.5,
        },
    )
    net = network(draw, draw.feature("input", KINDS))
    writer = Writer(draw, net)
    writer.imports |= net.imports
    purpose = draw.feature("program", {"train": 6, "call": 2})
    split = draw.chance(0.15)
    made_model(writer)
    if purpose == "train":
        trained(writer)
    else:
        _called(writer)
    if split:
        draw.has("files: two")
        models = _text(writer.imports, net.blocks, style)
        names = sorted(_tops(net.blocks))
        line = draw.one("from models import " + joined(names), "import models")
        rest = writer.blocks
        if line == "import models":
            rest = [[_qualified(text, names) for text in block] for block in rest]
        main = _text({*writer.imports, line}, rest, style)
        files = {"models.py": models, "main.py": main}
    else:
        files = {"legacy.py": _text(writer.imports, [*net.blocks, *writer.blocks], style)}
    return Generated(files, tuple(draw.features), tuple(draw.made))


def _called(writer: Writer) -> None:
    """A program that only initialises a model and runs it."""
    draw, net = writer.draw, writer.net
    lines = data(draw, net.kind)[:2]
    made = "create_model(jax.random.PRNGKey(0))"
    lines.append(f"model, state = {made}" if net.state else f"model = {made}")
    flags = net.flags("True") if net.flag_needed or draw.chance(0.3) else []
    call = [f"outputs = model({joined(['inputs', *flags])})"]
    key = "jax.random.PRNGKey(4)"
    lines += surrounded(writer, call, net=net, state="state", new="state", key=key)
    more = ["'outputs': outputs"]
    if net.state:
        more.append("'state': state.as_dict()")
    flags = net.flags("False")
    call = [f"rested = model({joined(['inputs', *flags])})"]
    lines += surrounded(writer, call, net=net, state="state", key=key, mutable=False)
    more.append("'rested': rested")
    if net.optional:
        call = [f"shifted = model({joined(['inputs', f'{net.optional}=inputs', *flags])})"]
        if draw.chance(0.5):
            call = []
    if net.methods:
        more.append(f"'code': model.{net.methods[0]}(inputs)")
    if draw.chance(0.4):
        more.append("'params': model.params")
    if draw.chance(0.3):
        more.append("'total': sum(jnp.sum(p) for p in jax.tree_leaves(model.params))")
    lines.append(f"return {{{joined(more)}}}")
    writer.blocks.append(["def run():", *indented(lines)])


def _tops(blocks: Sequence[Sequence[str]]) -> set[str]:
    """The names that blocks bind."""
    text = "\n".join(line for block in blocks for line in block)
    return set(re.findall(r"^(?:class |def )?([A-Za-z_]\w*)(?=[(:]| =)", text, re.MULTILINE))


def _qualified(line: str, names: Sequence[str]) -> str:
    return re.sub(rf"(?<![.\w'])({'|'.join(names)})\b(?!=)", r"models.\1", line)


def _text(imports: set[str], blocks: Sequence[Sequence[str]], style: str) -> str:
    """A file from its definitions, with the imports that they need."""
    body = "\n\n\n".join("\n".join(block) for block in blocks) + "\n"
    lines = set(imports)
    match style:
        case "import flax":
            body = re.sub(r"(?<![.\w])(nn|optim)\.", r"flax.\1.", body)
            lines |= {"import flax"}
        case "alias":
            body = re.sub(r"(?<![.\w])nn\.", "fnn.", body)
            body = re.sub(r"(?<![.\w])getattr\(nn,", "getattr(fnn,", body)
            lines |= {"import flax.nn as fnn", "from flax import optim"}
        case _:
            lines |= {style, "from flax import optim"}
    if style == "import flax":
        body = re.sub(r"(?<![.\w])getattr\(nn,", "getattr(flax.nn,", body)
    lines |= {"import jax", "import jax.numpy as jnp", "import numpy as np"}
    used = [line for line in lines if re.search(rf"\b{_bound(line)}\b", body) or "models" in line]
    order = sorted(used, key=lambda line: (line.split()[1] == "models", line.split()[1]))
    return "\n".join(order) + "\n\n\n" + body


def _bound(line: str) -> str:
    name = line.rsplit(maxsplit=1)[-1]
    return name.split(".")[0] if line.startswith("import") and " as " not in line else name
