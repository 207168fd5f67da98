"""Calls of layers, in the ways in which people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generality.grammar.body import Body, joined, pairs


@dataclass(frozen=True)
class Layer:
    """A layer with its arguments, in the order of its signature.

    Attributes:
        positional: how many of them people give by position.
        name: its `name=`, if any.
    """

    path: str
    given: Mapping[str, str]
    positional: int = 1
    name: tuple[str, ...] = ()

    def keywords(self) -> list[str]:
        """All arguments, by keyword."""
        return [f"{name}={value}" for name, value in self.given.items()]

    def words(self, body: Body, *, read: bool) -> list[str]:
        """The arguments that read what is local to the method, or the others."""
        return [f"{n}={v}" for n, v in self.given.items() if body.reads(v) == read]


def applied(body: Body, layer: Layer, x: str = "x") -> str:
    """An expression that runs a layer on `x`; what it needs before goes into the body."""
    way = body.draw.feature("layer", {name: weight for name, (weight, _) in WAYS.items()})
    return WAYS[way][1](body, layer, x)


def direct(body: Body, layer: Layer, x: str) -> str:
    """A plain call."""
    count = layer.positional if body.draw.chance(0.6) else 0
    values = list(layer.given.values())[:count]
    return f"{layer.path}({joined([x, *values, *layer.keywords()[count:], *layer.name])})"


def _partial(body: Body, layer: Layer, x: str) -> str:
    bound = body.draw.name("layer", "dense", "make")
    words = layer.keywords()
    early = 1 if body.draw.chance(0.4) else len(words)
    body.add(f"{bound} = {layer.path}.partial({joined(words[:early])})")
    return f"{bound}({joined([x, *words[early:], *layer.name])})"


def _by_functools(body: Body, layer: Layer, x: str) -> str:
    bound = body.draw.name("layer", "dense", "make")
    body.imports.add("import functools")
    body.add(f"{bound} = functools.partial({joined([layer.path, *layer.keywords()])})")
    return f"{bound}({joined([x, *layer.name])})"


def _chained(body: Body, layer: Layer, x: str) -> str:
    bound, more = body.draw.name("layer", "base"), body.draw.name("layer", "other")
    words = [*layer.keywords(), *layer.name]
    body.add(f"{bound} = {layer.path}.partial({joined(words[:1])})")
    body.add(f"{more} = {bound}.partial({joined(words[1:])})")
    return f"{more}({x})"


def _shared(body: Body, layer: Layer, x: str) -> str:
    bound = body.draw.name("shared", "tied", "layer")
    body.add(f"{bound} = {layer.path}.shared({joined([*layer.keywords(), *layer.name])})")
    return f"{bound}({x})"


def _options(body: Body, layer: Layer, x: str) -> str:
    options = body.draw.name("options", "kwargs", "common")
    late = dict(list(layer.given.items())[1:])
    made = f"{{{pairs(late, ':')}}}" if body.draw.chance(0.5) else f"dict({pairs(late)})"
    body.add(f"{options} = {made}")
    return f"{layer.path}({joined([x, *layer.keywords()[:1], f'**{options}', *layer.name])})"


def _table(body: Body, layer: Layer, x: str) -> str:
    table = body.draw.name("LAYERS", "BLOCKS", "KINDS")
    key = body.draw.one("plain", "usual")
    fixed = layer.words(body, read=False)
    entry = f"{layer.path}.partial({joined(fixed)})" if fixed else layer.path
    body.before.append([f"{table} = {{", f"  '{key}': {entry},", "}"])
    which = body.hyper("which", f"'{key}'", 0.4)
    return f"{table}[{which}]({joined([x, *layer.words(body, read=True), *layer.name])})"


def _helper(body: Body, layer: Layer, x: str) -> str:
    helper = body.draw.name("project", "layer_of", "block")
    read = [(n, v) for n, v in layer.given.items() if body.reads(v)]
    inner = [*layer.words(body, read=False), *(f"{n}={n}" for n, _ in read)]
    body.before.append(
        [
            f"def {helper}({joined(['y', *(n for n, _ in read)])}):",
            f"  return {layer.path}({joined(['y', *inner])})",
        ]
    )
    return f"{helper}({joined([x, *(v for _, v in read)])})"


def _closure(body: Body, layer: Layer, x: str) -> str:
    helper = body.draw.name("inner", "project", "block")
    inner = joined(["y", *layer.keywords(), *layer.name])
    body.add(f"def {helper}(y):", f"  return {layer.path}({inner})")
    return f"{helper}({x})"


def _lambda(body: Body, layer: Layer, x: str) -> str:
    helper = body.draw.name("inner", "project")
    body.add(f"{helper} = lambda y: {layer.path}({joined(['y', *layer.keywords()])})")
    return f"{helper}({x})"


def _chosen(body: Body, layer: Layer, x: str) -> str:
    if layer.path not in ("nn.Dense", "nn.Conv"):
        return direct(body, layer, x)
    bound = body.draw.name("layer", "kind")
    usual = body.hyper("usual", "True", 0.7)
    other = f"{layer.path}.partial(precision=None)"
    if body.draw.chance(0.5):
        body.add(f"{bound} = {layer.path} if {usual} else {other}")
    else:
        body.add(f"if {usual}:", f"  {bound} = {layer.path}", "else:", f"  {bound} = {other}")
    return f"{bound}({joined([x, *layer.keywords(), *layer.name])})"


def _at_the_top(body: Body, layer: Layer, x: str) -> str:
    bound = body.draw.name("Layer", "Wide", "Project")
    body.before.append([f"{bound} = {layer.path}.partial({joined(layer.words(body, read=False))})"])
    return f"{bound}({joined([x, *layer.words(body, read=True), *layer.name])})"


def _argument(body: Body, layer: Layer, x: str) -> str:
    if body.plain:
        return direct(body, layer, x)
    name = f"layer_{len(body.hypers)}"
    bound = body.draw.chance(0.4)
    fixed = layer.words(body, read=False)[: 1 if bound else 0]
    given = f"{layer.path}.partial({joined(fixed)})" if fixed else layer.path
    body.hypers[name] = (given, given if body.draw.chance(0.6) else None)
    rest = [word for word in layer.keywords() if word not in fixed]
    return f"{name}({joined([x, *rest, *layer.name])})"


Way = Callable[[Body, Layer, str], str]
WAYS: dict[str, tuple[float, Way]] = {
    "direct": (14.0, direct),
    "partial": (3.0, _partial),
    "shared": (2.0, _shared),
    "functools.partial": (1.0, _by_functools),
    "options in a dict": (1.0, _options),
    "from a table": (0.7, _table),
    "in a helper": (1.0, _helper),
    "in a closure": (1.0, _closure),
    "in a lambda": (0.7, _lambda),
    "chosen": (0.7, _chosen),
    "partial of the file": (1.5, _at_the_top),
    "chained partial": (0.7, _chained),
    "as an argument": (1.0, _argument),
}
