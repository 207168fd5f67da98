"""Module classes, and functions that are modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from generality.grammar.bodies import embedded, flattened, step
from generality.grammar.body import Body, joined
from generality.grammar.draw import Draw, indented

SHAPES = {"vec": "(4, 4)", "seq": "(4, 4, 4)", "image": "(4, 4, 4, 2)", "tokens": "(4, 4)"}
DIMS = {"vec": 4, "seq": 4, "image": 2, "tokens": 0}
CLASSES = 3


@dataclass
class Made:
    """A module class of the program.

    Attributes:
        blocks: the definitions that make it up, in order.
        hypers: as in `Body`.
        methods: names of methods beside `apply` that take the same input.
        optional: the name of a second input that may be left out.
    """

    name: str
    kind: str
    out: int
    blocks: list[list[str]]
    hypers: Mapping[str, tuple[str, str | None]]
    imports: set[str]
    flag: str = ""
    flag_needed: bool = False
    state: bool = False
    random: bool = False
    methods: list[str] = field(default_factory=list)
    optional: str = ""

    def needed(self) -> list[str]:
        """The arguments that must be bound."""
        return [f"{name}={value}" for name, (value, default) in self.hypers.items() if not default]

    def flags(self, train: str) -> list[str]:
        """The argument that says whether this is training, for an expression or constant."""
        if not self.flag:
            return []
        if self.flag != "deterministic":
            return [f"{self.flag}={train}"]
        other = {"True": "False", "False": "True"}.get(train, f"not {train}")
        return [f"deterministic={other.removeprefix('not not ')}"]


def block(draw: Draw, kind: str, dim: int) -> Made:
    """A class that other classes use; its output is of the same kind as its input."""
    body = Body(draw, kind, dim)
    body.receiver = draw.feature("receiver", {"self": 20, "cls": 1}).replace("cls", "_self")
    name = draw.name("Block", "Layer", "Mixer", "Unit")
    for _ in range(1 + draw.index([3, 2, 1])):
        step(body)
    return _finished(body, name, kind, [])


def network(draw: Draw, kind: str) -> Made:
    """The class that is trained: from input to logits."""
    if kind == "vec" and draw.chance(0.08):
        return _autoencoder(draw)
    body = Body(draw, kind, DIMS[kind])
    if kind == "tokens":
        embedded(body)
    inner = None
    steps = 1 + draw.index([2, 3, 2, 1])
    where = draw.index([1.0] * steps)
    uses = draw.chance(0.4)
    for index in range(steps):
        if uses and index == where:
            inner = block(draw, body.kind, body.dim)
            _use(body, inner)
        else:
            step(body)
    if draw.chance(0.12):
        _helper_method(body)
    flattened(body)
    head = body.hyper(draw.one("num_classes", "outputs"), str(CLASSES), 0.4)
    name = body.named("head")
    body.add(f"x = nn.Dense({joined(['x', head, *name])})")
    if draw.chance(0.25):
        body.add("x = nn.log_softmax(x)")
    made = _finished(body, draw.name("Net", "Model", "Classifier"), kind, [])
    if inner is not None:
        made.blocks = inner.blocks + made.blocks
        made.imports |= inner.imports
    return made


def _use(body: Body, inner: Made) -> None:
    """Runs a class of our own on `x`."""
    draw = body.draw
    body.state, body.random = body.state or inner.state, body.random or inner.random
    flags = []
    if inner.flag:
        body.resting()
        own = body.flag if body.flag != "deterministic" else "not deterministic"
        flags = inner.flags(own)
    words = [*inner.needed(), *flags]
    for name, (value, default) in inner.hypers.items():
        if default and value in ("4", "8") and draw.chance(0.3):
            words.append(f"{name}={body.hyper(name, value, 0.5)}")
    ways = {"direct": 4, "partial": 2, "shared": 1, "loop": 1, "argument": 1, "named": 1}
    way = draw.feature("block", ways)
    value = f"{inner.name}({joined(['x', *words])})"
    if way == "loop" and inner.out == body.dim and not inner.state:
        depth = body.hyper("num_blocks", "2", 0.5)
        body.add(f"for i in range({depth}):")
        numbered = "name=f'block_{i}'"
        body.add(f"  x = {inner.name}({joined(['x', *words, numbered])})")
        return
    if way == "partial":
        bound = draw.name("block", "make")
        body.add(f"{bound} = {inner.name}.partial({joined(words)})")
        value = f"{bound}(x)"
    elif way == "shared":
        bound = draw.name("shared", "block")
        body.add(f"{bound} = {inner.name}.shared({joined(inner.needed())})")
        value = f"{bound}({joined(['x', *words[len(inner.needed()) :]])})"
    elif way == "argument":
        name = f"block_{len(body.hypers)}"
        body.hypers[name] = (inner.name, inner.name if draw.chance(0.7) else None)
        value = f"{name}({joined(['x', *words])})"
    elif way == "named":
        name = "name='body'"
        value = f"{inner.name}({joined(['x', *words, name])})"
    body.add(f"x = {value}")
    body.dim = inner.out


def _helper_method(body: Body) -> None:
    """Moves a step into a method that is no module method."""
    inner = Body(body.draw, body.kind, body.dim, plain=True, before=body.before)
    inner.imports, inner.receiver = body.imports, body.receiver
    step(inner)
    body.state, body.random = body.state or inner.state, body.random or inner.random
    body.draw.has("class: helper method")
    name = body.draw.name("_middle", "middle", "_mix")
    body.methods.append([f"def {name}({body.receiver}, x):", *indented(inner.lines), "  return x"])
    body.add(f"x = {body.receiver}.{name}(x)")
    body.dim = inner.dim


def _finished(body: Body, name: str, kind: str, methods: list[str]) -> Made:
    """The class around a method."""
    draw = body.draw
    made = Made(name, kind, body.dim, [], body.hypers, body.imports, body.flag)
    made.state, made.random, made.methods = body.state, body.random, methods
    receiver = body.receiver
    given = "inputs" if kind == "tokens" else draw.one("x", "inputs", "x")
    lines = body.lines if given == "x" or kind == "tokens" else [f"x = {given}", *body.lines]
    made.flag_needed = bool(body.flag) and draw.chance(0.1)
    if draw.chance(0.1) and not methods and kind == "vec":
        made.optional = draw.one("shift", "condition")
        draw.has("class: optional input")
        width = "inputs.shape[-1]" if given == "inputs" else "x.shape[-1]"
        more = f"nn.Dense({made.optional}, {width}, name='optional')"
        lines = [f"if {made.optional} is not None:", f"  x = x + {more}", *lines]
        if given == "inputs":
            lines = [lines[2], *lines[:2], *lines[3:]]
    needed = [n for n, (_, default) in body.hypers.items() if not default]
    needed += [body.flag] if made.flag_needed else []
    others = [f"{n}={default}" for n, (_, default) in body.hypers.items() if default]
    if body.flag and not made.flag_needed:
        others.append(f"{body.flag}={'False' if body.flag == 'deterministic' else 'True'}")
    if made.optional:
        others.insert(draw.one(len(others), 0), f"{made.optional}=None")
    first = "" if body.methods or f"{receiver}." in "\n".join(lines) else "function"
    way = draw.feature(
        "class",
        {"plain": 12, "docstring": 3, "attribute": 1.2, "inherited": 1, "in a function": 0.5}
        | ({"function module": 1.0} if first else {}),
    )
    if way == "function module":
        made.blocks = [*body.before, _function(name, [given, *needed, *others], lines)]
        return made
    extra = [f'"""{draw.one("From inputs to outputs.", "A part of the model.")}"""', ""]
    apply = [f"def apply({joined([receiver, given, *needed, *others])}):"]
    if draw.chance(0.1):
        apply.append('  """Runs it."""')
    apply += [*indented(lines), "  return x"]
    inside = [*(extra if way == "docstring" else [""]), *apply]
    for each in body.methods:
        inside += ["", *each]
    made.blocks = [*body.before, [f"class {name}(nn.Module):", *indented(inside)]]
    if way in ("attribute", "inherited"):
        attribute = draw.one("GAIN", "scale_of_all")
        inside = [f"{attribute} = 2.0", "", *apply[:-1], f"  return x * {receiver}.{attribute}"]
        for each in body.methods:
            inside += ["", *each]
        made.blocks = [*body.before, [f"class {name}(nn.Module):", *indented(inside)]]
        if way == "inherited":
            other = draw.name("Small", "Tuned")
            made.blocks.append([f"class {other}({name}):", f"  {attribute} = 0.5"])
            made.name = other
    elif way == "in a function":
        factory = f"make_{draw.name('net', 'class')}"
        inner = [f"class {name}(nn.Module):", *indented(inside), f"return {name}"]
        made.blocks = [
            *body.before,
            [f"def {factory}():", *indented(inner)],
            [f"{name} = {factory}()"],
        ]
    return made


def _function(name: str, parameters: list[str], lines: list[str]) -> list[str]:
    return ["@nn.module", f"def {name}({joined(parameters)}):", *indented(lines), "  return x"]


def _autoencoder(draw: Draw) -> Made:
    """Methods that share submodules by name."""
    draw.has("class: module methods")
    name, width = draw.name("AutoEncoder", "Net"), draw.one("4", "8")
    act = draw.one("nn.tanh", "nn.relu")
    hyper = draw.chance(0.5)
    latent = "latent" if hyper else width
    hypers = {"latent": (width, width)} if hyper else {}
    more = [f"latent={width}"] if hyper else []
    first = draw.one("first", "down_0", "in")
    encode = [
        f"z = {act}(nn.Dense(x, 8, name='{first}'))",
        f"z = nn.Dense(z, {latent}, name='code')",
    ]
    decode = [f"y = {act}(nn.Dense(z, 8, name='up'))", f"y = nn.Dense(y, {CLASSES}, name='out')"]
    lines = [
        f"class {name}(nn.Module):",
        "",
        f"  def apply({joined(['self', 'x', *more])}):",
        *indented([*encode, *decode, "return y"], 2),
        "",
        "  @nn.module_method",
        f"  def encode({joined(['self', 'x', *more])}):",
        *indented([*encode, "return z"], 2),
    ]
    return Made(name, "vec", CLASSES, [lines], hypers, set(), methods=["encode"])
