"""How programs make a model, and the contexts in which they run it."""

from __future__ import annotations

from dataclasses import dataclass, field

from generality.grammar.body import joined
from generality.grammar.classes import SHAPES, Made
from generality.grammar.draw import Draw, indented


@dataclass
class Writer:
    """The part of a program outside of its classes.

    Attributes:
        blocks: definitions of the file, in order.
        imports: what it has to import.
        step_rate: a learning rate that suits the optimizer.
        batch: what a step gets: dict, or pair.
        metrics: what a step gives beside the optimizer: loss, or metrics.
        predicts: how predictions are made.
    """

    draw: Draw
    net: Made
    blocks: list[list[str]] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    step_rate: str = ""
    batch: str = ""
    metrics: str = ""
    predicts: str = ""


def surrounded(
    writer: Writer,
    lines: list[str],
    *,
    net: Made,
    state: str = "",
    new: str = "",
    key: str = "",
    mutable: bool = True,
) -> list[str]:
    """Statements under the contexts that a model needs."""
    draw = writer.draw
    items = []
    if net.state:
        given = joined([*([state] if state else []), *([] if mutable else ["mutable=False"])])
        items.append((f"nn.stateful({given})", new))
    if net.random and key:
        items.append((f"nn.stochastic({key})", ""))
    if not items:
        return lines
    written = [f"{item} as {name}" if name else item for item, name in items]
    way = draw.feature(
        "contexts",
        {"one with": 5, "nested": 3, "exit stack": 0.5} if len(items) == 2 else {"with": 1},
    )
    if way == "nested":
        if draw.chance(0.4):
            written.reverse()
        return [f"with {written[0]}:", f"  with {written[1]}:", *indented(lines, 2)]
    if way == "exit stack":
        writer.imports.add("import contextlib")
        entered = [
            f"{name} = stack.enter_context({item})" if name else f"stack.enter_context({item})"
            for item, name in items
        ]
        return ["with contextlib.ExitStack() as stack:", *indented([*entered, *lines])]
    return [f"with {', '.join(written)}:", *indented(lines)]


def made_model(writer: Writer) -> None:
    """`create_model(rng)`, which gives a model, and its first state if it keeps one."""
    draw, net = writer.draw, writer.net
    lines: list[str] = []
    module = _module(writer, lines)
    dtype = "jnp.int32" if net.kind == "tokens" else draw.one("jnp.float32", "jnp.float32")
    shape = SHAPES[net.kind]
    way = draw.feature(
        "init", {"init_by_shape": 6, "init": 3, "create_by_shape": 1, "create": 0.7, "jit": 0.3}
    )
    flag = ["True", "False"][draw.index([2, 1])]
    flags = net.flags(flag) if net.flag_needed or flag == "False" or draw.chance(0.2) else []
    given = f"[({shape}, {dtype})]"
    ones = draw.one("jnp.ones", "jnp.zeros") if net.kind != "tokens" else "jnp.ones"
    inputs = f"{ones}({shape}, {dtype})"
    if draw.chance(0.4) and way in ("init", "create", "jit"):
        lines.append(f"dummy = {inputs}")
        inputs = "dummy"
    match way:
        case "init_by_shape" | "create_by_shape":
            call = f"{module}.{way}({joined(['rng', given, *flags])})"
        case "jit":
            call = f"jax.jit({module}.init)(rng, {inputs})"
            if net.flag or net.state or net.random:
                call = f"{module}.init({joined(['rng', inputs, *flags])})"
        case _:
            call = f"{module}.{way}({joined(['rng', inputs, *flags])})"
    target = "_, model" if way.startswith("create") else draw.one("_, params", "_, initial_params")
    made = [f"{target} = {call}"]
    key = ""
    if net.random and (flag == "True" or not net.flag):
        key = draw.one("rng", "dropout_rng", "jax.random.PRNGKey(1)")
        if key == "dropout_rng":
            lines.append(
                draw.one(
                    "rng, dropout_rng = jax.random.split(rng)",
                    "dropout_rng = jax.random.PRNGKey(2)",
                )
            )
    elif net.random:
        key = draw.one("rng", "jax.random.PRNGKey(1)")  # a key may be drawn and not used
    state = draw.one("state", "init_state", "model_state")
    lines += surrounded(writer, made, net=net, new=state, key=key)
    result = "model"
    if not way.startswith("create"):
        params = target.removeprefix("_, ")
        result = f"nn.Model({module}, {params})"
        if draw.chance(0.5):
            lines.append(f"model = {result}")
            result = "model"
    lines.append(f"return {result}, {state}" if net.state else f"return {result}")
    writer.blocks.append(["def create_model(rng):", *indented(lines)])


def _module(writer: Writer, lines: list[str]) -> str:
    """The module class as it is initialised."""
    draw, net = writer.draw, writer.net
    words = net.needed()
    for name, (value, default) in net.hypers.items():
        if default and draw.chance(0.25):
            words.append(f"{name}={value}")
    if not words:
        way = draw.feature("model", {"class": 5, "variable": 1, "table": 0.5})
        if way == "variable":
            lines.append(f"module = {net.name}")
            return "module"
        if way == "table":
            writer.blocks.append([f"MODELS = {{'{net.name.lower()}': {net.name}}}"])
            return f"MODELS['{net.name.lower()}']"
        return net.name
    ways = {"partial": 6, "of the file": 1.5, "dict": 1, "config": 1, "in place": 0.5, "table": 0.7}
    way = draw.feature("model", ways)
    pairs = [word.partition("=")[::2] for word in words]
    match way:
        case "of the file":
            bound = draw.name("Tuned", "Standard")
            writer.blocks.append([f"{bound} = {net.name}.partial({joined(words)})"])
            return bound
        case "dict":
            config = draw.name("CONFIG", "HYPERS")
            writer.blocks.append([f"{config} = {{", *(f"  '{n}': {v}," for n, v in pairs), "}"])
            lines.append(f"module = {net.name}.partial(**{config})")
            return "module"
        case "config":
            config = _config(writer, pairs)
            words = [f"{n}={config}.{n}" for n, _ in pairs]
            lines.append(f"module = {net.name}.partial({joined(words)})")
            return "module"
        case "in place":
            return (
                f"{net.name}.partial({joined(words)})"
                if draw.chance(0)
                else _bound(net.name, words, lines)
            )
        case "table":
            table = draw.name("MODELS", "NETWORKS")
            made = f"{net.name}.partial({joined(words)})"
            writer.blocks.append([f"{table} = {{'small': {made}}}"])
            return f"{table}['small']"
        case _:
            return _bound("module", [net.name, *words], lines)


def _bound(name: str, words: list[str], lines: list[str]) -> str:
    if name == "module":
        lines.append(f"module = {words[0]}.partial({joined(words[1:])})")
        return name
    lines.append(f"model_def = {name}.partial({joined(words)})")
    return "model_def"


def _config(writer: Writer, pairs: list[tuple[str, str]]) -> str:
    """An object of the file that holds hyper-parameters."""
    draw = writer.draw
    way = draw.feature(
        "config", {"dataclass": 2, "class": 2, "named tuple": 1, "namespace": 1, "constants": 1}
    )
    name, kind = draw.name("config", "FLAGS", "hparams"), draw.name("Config", "Options")
    match way:
        case "dataclass":
            writer.imports |= {"import dataclasses", "from typing import Any"}
            writer.blocks.append(
                ["@dataclasses.dataclass", f"class {kind}:"]
                + [f"  {n}: Any = {_default(v)}" for n, v in pairs]
            )
            writer.blocks.append([f"{name} = {kind}()"])
        case "class":
            writer.blocks.append([f"class {kind}:", *(f"  {n} = {_static(v)}" for n, v in pairs)])
            return kind
        case "named tuple":
            writer.imports.add("import collections")
            names = joined([f"'{n}'" for n, _ in pairs])
            writer.blocks.append([f"{kind} = collections.namedtuple('{kind}', [{names}])"])
            writer.blocks.append([f"{name} = {kind}({joined([f'{n}={v}' for n, v in pairs])})"])
        case "namespace":
            writer.imports.add("import types")
            given = joined([f"{n}={v}" for n, v in pairs])
            writer.blocks.append([f"{name} = types.SimpleNamespace({given})"])
        case _:
            writer.blocks.append(
                [
                    f"class {kind}:",
                    "  def __init__(self):",
                    *(f"    self.{n} = {v}" for n, v in pairs),
                ]
            )
            writer.blocks.append([f"{name} = {kind}()"])
    return name


def _default(value: str) -> str:
    needs = value.startswith(("[", "{"))
    return f"dataclasses.field(default_factory=lambda: {value})" if needs else value


def _static(value: str) -> str:
    return value
