"""What methods compute: one step after the other, on values of a known shape."""

from __future__ import annotations

from collections.abc import Callable

from generality.grammar.body import Body, joined
from generality.grammar.draw import indented
from generality.grammar.layers import Layer, applied, direct

ACTIVATIONS = (
    "nn.relu",
    "nn.tanh",
    "nn.gelu",
    "nn.elu",
    "nn.sigmoid",
    "nn.swish",
    "nn.softplus",
    "nn.leaky_relu",
    "jnp.tanh",
    "jax.nn.relu",
    "nn.soft_sign",
)
KERNELS = (
    "nn.initializers.lecun_normal()",
    "nn.initializers.xavier_uniform()",
    "nn.initializers.normal(stddev=0.1)",
    "jax.nn.initializers.glorot_normal()",
    "nn.initializers.ones",
    "lambda key, shape, dtype=jnp.float32: 0.1 * jnp.ones(shape, dtype)",
)
BIASES = (
    "nn.initializers.ones",
    "nn.initializers.normal(stddev=0.01)",
    "jax.nn.initializers.ones",
    "lambda key, shape: 0.5 * jnp.ones(shape)",
)
RELU = "'relu'"
WIDTHS = ("4", "8")
Step = Callable[[Body], None]


def step(body: Body) -> None:
    """One more thing that is done to `x`."""
    steps = STEPS[body.kind]
    chosen = body.draw.feature("step", {name: weight for name, (weight, _) in steps.items()})
    steps[chosen][1](body)


def _common(body: Body, given: dict[str, str], *, kernel: bool = True) -> dict[str, str]:
    draw = body.draw
    if kernel and draw.chance(0.15):
        given["kernel_init"] = body.hyper("kernel_init", draw.one(*KERNELS), 0.2)
    if draw.chance(0.25):
        given["bias"] = body.hyper("use_bias", "False", 0.3)
    elif draw.chance(0.12):
        given["bias_init"] = body.hyper("bias_init", draw.one(*BIASES), 0.15)
    return given


def _activated(body: Body, value: str) -> str:
    way = body.draw.feature("activation", {"none": 3, "around": 3, "argument": 0.6, "getattr": 0.2})
    if way == "around":
        return f"{body.draw.one(*ACTIVATIONS)}({value})"
    if way == "argument" and not body.plain:
        return f"{body.hyper('activation', body.draw.one(*ACTIVATIONS), 1.0)}({value})"
    if way == "getattr" and not body.plain:
        return f"getattr(nn, {body.hyper('act_name', RELU, 1.0)})({value})"
    return value


def dense(body: Body) -> None:
    """A Dense layer, with an activation or without."""
    width = body.draw.one(*WIDTHS)
    given = {"features": body.hyper(body.draw.one("features", "width", "hidden"), width)}
    layer = Layer("nn.Dense", _common(body, given), 1, body.named("dense"))
    value = applied(body, layer)
    body.add(f"x = {_activated(body, value)}")
    body.dim = int(width)


def general(body: Body) -> None:
    """A DenseGeneral that splits the last axis, and one that joins it again."""
    heads = body.draw.one("(2, 2)", "(2, 4)")
    given = _common(body, {"features": heads})
    body.add(f"x = {applied(body, Layer('nn.DenseGeneral', given, 1))}")
    width = body.draw.one(*WIDTHS)
    given = _common(body, {"features": body.hyper("features", width), "axis": "(-2, -1)"})
    body.add(f"x = {applied(body, Layer('nn.DenseGeneral', given, 1))}")
    body.dim = int(width)


def activation(body: Body) -> None:
    """An activation alone."""
    body.add(f"x = {body.draw.one(*ACTIVATIONS)}(x)")


def layer_norm(body: Body) -> None:
    """A LayerNorm."""
    given = {}
    if body.draw.chance(0.3):
        given["epsilon"] = body.hyper("epsilon", body.draw.one("1e-6", "1e-3"))
    if body.draw.chance(0.2):
        given[body.draw.one("bias", "scale")] = "False"
    body.add(f"x = {applied(body, Layer('nn.LayerNorm', given, 0, body.named('norm')))}")


def group_norm(body: Body) -> None:
    """A GroupNorm."""
    given = {"num_groups": body.hyper("groups", "2", 0.2)}
    if body.draw.chance(0.2):
        given = {"num_groups": "None", "group_size": "2"}
    if body.draw.chance(0.2):
        given["epsilon"] = "1e-5"
    body.add(f"x = {applied(body, Layer('nn.GroupNorm', given, 1))}")


def batch_norm(body: Body) -> None:
    """A BatchNorm with statistics."""
    if body.plain:
        layer_norm(body)
        return
    body.state = True
    given = {"use_running_average": body.resting()}
    if body.draw.chance(0.6):
        given["momentum"] = body.hyper("momentum", body.draw.one("0.9", "0.7"))
    if body.draw.chance(0.2):
        given["epsilon"] = "1e-3"
    if body.draw.chance(0.15):
        given[body.draw.one("bias", "scale")] = "False"
    body.add(f"x = {applied(body, Layer('nn.BatchNorm', given, 0, body.named('norm')))}")


def dropout(body: Body) -> None:
    """Dropout, whose key comes from the context."""
    body.random = True
    rate = body.hyper("dropout_rate", body.draw.one("0.5", "0.25"))
    rate = rate if body.draw.chance(0.5) else f"rate={rate}"
    if body.draw.chance(0.15) and not body.plain:
        body.add(
            f"if {body.training()}:",
            f"  x = nn.dropout(x, {rate})",
        )
    elif body.draw.chance(0.1):
        body.add(f"x = nn.dropout(x, {rate}, deterministic={body.resting()}, rng=nn.make_rng())")
    else:
        body.add(f"x = nn.dropout(x, {rate}, deterministic={body.resting()})")


def noise(body: Body) -> None:
    """Noise from a key of the context."""
    body.random = True
    value = "0.1 * jax.random.normal(nn.make_rng(), x.shape)"
    if body.plain:
        body.add(f"x = x + {value}")
    else:
        body.add(f"if {body.training()}:", f"  x = x + {value}")


def residual(body: Body) -> None:
    """A layer whose result is added."""
    value = applied(body, Layer("nn.Dense", _common(body, {"features": "x.shape[-1]"}), 1))
    keep = body.draw.name("residual", "shortcut", "y")
    if body.draw.chance(0.5):
        body.add(f"{keep} = {_activated(body, value)}", f"x = x + {keep}")
    else:
        body.add(f"{keep} = x", f"x = {_activated(body, value)}", f"x = x + {keep}")


def shared_twice(body: Body) -> None:
    """One layer that is run twice."""
    bound = body.draw.name("shared", "tied")
    given = _common(body, {"features": str(body.dim)})
    layer = Layer("nn.Dense", given, 1, body.named("shared"))
    body.add(f"{bound} = nn.Dense.shared({joined([*layer.keywords(), *layer.name])})")
    body.add(f"x = nn.tanh({bound}(x))", f"x = {bound}(x)")


def loop(body: Body) -> None:
    """Layers in a loop."""
    draw = body.draw
    way = draw.feature("loop", {"range": 2, "widths": 2, "enumerate": 2, "partials": 1, "list": 1})
    act = draw.one(*ACTIVATIONS)
    widths = draw.one("(4, 8)", "(8, 4)", "(4,)", "[8, 4]")
    last = int(widths.strip("()[],")[-1])
    match way:
        case "range":
            depth = body.hyper(draw.one("depth", "num_layers"), "2", 0.6)
            stem = draw.one("layer", "hidden")
            name = f", name=f'{stem}_{{i}}'" if draw.chance(0.4) else ""
            index = "i" if name else "_"
            body.add(
                f"for {index} in range({depth}):", f"  x = {act}(nn.Dense(x, {body.dim}{name}))"
            )
            last = body.dim
        case "widths":
            given = body.hyper("widths", widths, 0.7)
            body.add(f"for width in {given}:", f"  x = {act}(nn.Dense(x, width))")
        case "enumerate":
            given = body.hyper("widths", widths, 0.7)
            name = draw.one("f'dense_{i}'", "f'block_{i + 1}'", "'hidden%d' % i")
            body.add(f"for i, width in enumerate({given}):")
            body.add(f"  x = nn.Dense(x, width, name={name})")
            if draw.chance(0.4):
                body.add(f"  if i < len({given}) - 1:", f"    x = {act}(x)")
        case "partials":
            layers = draw.name("layers", "stack")
            body.add(f"{layers} = [nn.Dense.partial(features=n) for n in {widths}]")
            body.add(f"for layer in {layers}:", f"  x = {act}(layer(x))")
        case _:
            outs = draw.name("outs", "parts")
            body.add(f"{outs} = [nn.Dense(x, {body.dim}) for _ in range(2)]")
            if draw.chance(0.5):
                body.add(f"x = sum({outs})")
                last = body.dim
            else:
                body.add(f"x = jnp.concatenate({outs}, axis=-1)", "x = nn.Dense(x, 4)")
                last = 4
    body.dim = last


def own_param(body: Body) -> None:
    """A parameter of the class itself."""
    name = body.draw.name("scale", "gain", "shift")
    shape = body.draw.one("(x.shape[-1],)", f"({body.dim},)", "x.shape[-1:]")
    init = body.draw.one(
        "nn.initializers.ones", "nn.initializers.normal(0.1)", "jax.nn.initializers.ones"
    )
    init = body.hyper("scale_init", init, 0.2)
    body.add(f"{name} = {body.receiver}.param('{name}', {shape}, {init})")
    body.add(f"x = x {body.draw.one('*', '+')} {name}")


def counter(body: Body) -> None:
    """A state of the class itself, counted up in training."""
    if body.plain:
        activation(body)
        return
    body.state = True
    name = body.draw.name("count", "total", "seen")
    init = body.draw.one("nn.initializers.zeros", "lambda key, shape: jnp.zeros(shape)")
    body.add(
        f"{name} = {body.receiver}.state('{name}', (), {init})",
        f"if {body.training()} and not {body.receiver}.is_initializing():",
        f"  {name}.value = {name}.value + 1.",
        f"x = x + 0.01 * {name}.value",
    )


def branch(body: Body) -> None:
    """Layers under a condition on a hyper-parameter."""
    wide = body.hyper(body.draw.one("use_skip", "wide", "residual"), "True", 1.0)
    inner = Body(body.draw, body.kind, body.dim, plain=True, before=body.before)
    inner.imports = body.imports
    step_of = body.draw.one(activation, layer_norm, residual)
    step_of(inner)
    body.add(f"if {wide}:" if wide != "True" else "if x.ndim > 1:", *indented(inner.lines))


def conv(body: Body) -> None:
    """A convolution."""
    draw = body.draw
    width = draw.one(*WIDTHS)
    size = {"seq": ("(3,)", "(1,)"), "image": ("(3, 3)", "(1, 1)", "(2, 2)")}[body.kind]
    given = {"features": body.hyper("features", width), "kernel_size": draw.one(*size)}
    if body.kind == "image":
        if draw.chance(0.3):
            given["strides"] = body.hyper("strides", draw.one("(1, 1)", "(2, 2)"))
        if draw.chance(0.25):
            given["padding"] = draw.one("'SAME'", "((1, 1), (1, 1))")
        if draw.chance(0.15):
            given["feature_group_count"] = "2" if body.dim % 2 == 0 else "1"
        if draw.chance(0.1) and "strides" not in given:
            given[draw.one("kernel_dilation", "input_dilation")] = "(2, 2)"
    layer = Layer("nn.Conv", _common(body, given), 2, body.named("conv"))
    body.add(f"x = {_activated(body, applied(body, layer))}")
    body.dim = int(width)


def conv_transpose(body: Body) -> None:
    """A transposed convolution."""
    width = body.draw.one(*WIDTHS)
    given = {"features": width, "kernel_size": "(3, 3)"}
    if body.draw.chance(0.5):
        given["strides"] = "(2, 2)"
    layer = Layer("nn.ConvTranspose", _common(body, given), 2)
    body.add(f"x = {applied(body, layer)}")
    body.dim = int(width)


def pool(body: Body) -> None:
    """Pooling that keeps the size."""
    kind = body.draw.one("nn.avg_pool", "nn.max_pool")
    pad = body.draw.one("padding='SAME'", "strides=(1, 1), padding='SAME'")
    body.add(f"x = {kind}(x, (2, 2), {pad})")


def attention(body: Body) -> None:
    """Self-attention."""
    draw = body.draw
    given = {"num_heads": body.hyper("num_heads", "2")}
    if draw.chance(0.5):
        given["qkv_features"] = draw.one("8", "4", "x.shape[-1]")
    if draw.chance(0.3):
        given["causal_mask"] = draw.one("True", "False")
    if draw.chance(0.25):
        body.random = True
        given["dropout_rate"] = body.hyper("attention_dropout_rate", "0.25")
        given["deterministic"] = body.resting()
        if draw.chance(0.4):
            given["broadcast_dropout"] = draw.one("True", "False")
    if draw.chance(0.3):
        given["bias"] = "False"
    if draw.chance(0.15):
        given["kernel_init"] = draw.one(*KERNELS[:4])
    if body.draw.chance(0.2):
        body.add("lengths = jnp.array([[4], [3], [2], [4]])")
        given["padding_mask"] = "(jnp.arange(x.shape[1])[None] < lengths)[..., None]"
    path = "nn.SelfAttention"
    if draw.chance(0.15):
        path, given = "nn.MultiHeadDotProductAttention", {"inputs_kv": "x", **given}
    layer = Layer(path, given, int("inputs_kv" in given))
    # An array is no hyper-parameter: nothing binds it.
    value = direct(body, layer, "x") if "inputs_kv" in given else applied(body, layer)
    body.add(f"x = x + {value}" if draw.chance(0.5) else f"x = {value}")


def recurrent(body: Body) -> None:
    """A recurrent cell over time."""
    draw = body.draw
    cell = draw.one("nn.LSTMCell", "nn.GRUCell")
    if body.draw.chance(0.15):
        cell = "nn.OptimizedLSTMCell"
    width = draw.one(*WIDTHS)
    size = body.hyper("hidden_size", width)
    key = draw.one("jax.random.PRNGKey(0)", "random.PRNGKey(1)")
    if key.startswith("random"):
        body.imports.add("from jax import random")
    body.add(f"carry = {cell}.initialize_carry({key}, (x.shape[0],), {size})")
    way = draw.feature("recurrent", {"scan": 3, "loop": 2, "step": 2, "scan_in_dim": 1.5})
    bound = draw.name("cell", "rnn")
    match way:
        case "scan":
            body.add(f"{bound} = {cell}.shared({joined(body.named('cell'))})")
            body.add(f"carry, x = jax.lax.scan({bound}, carry, jnp.swapaxes(x, 0, 1))")
            body.add("x = jnp.swapaxes(x, 0, 1)")
        case "loop":
            body.add(f"{bound} = {cell}.shared()", "outputs = []")
            body.add("for t in range(x.shape[1]):")
            body.add(f"  carry, y = {bound}(carry, x[:, t])", "  outputs.append(y)")
            body.add("x = jnp.stack(outputs, axis=1)")
        case "step":
            body.add(f"{bound} = {cell}.partial(name='{bound}')")
            body.add("def scan_step(carry, inputs):")
            body.add(f"  carry, y = {bound}(carry, inputs)", "  return carry, nn.tanh(y)")
            body.add("carry, x = jax.lax.scan(scan_step, carry, jnp.moveaxis(x, 1, 0))")
            body.add("x = jnp.moveaxis(x, 0, 1)")
        case _:
            body.imports.add("from flax import jax_utils")
            body.add(f"{bound} = {cell}.partial(name='{bound}')")
            body.add(f"carry, x = jax_utils.scan_in_dim({bound}, carry, x, axis=1)")
    body.dim = int(width)


def vmapped(body: Body) -> None:
    """Layers under transforms of JAX."""
    layer = body.draw.name("tied", "shared")
    body.add(f"{layer} = nn.Dense.shared(features={body.dim})")
    body.add(f"x = {layer}(x)")
    body.add(
        body.draw.one(f"x = jax.vmap({layer})(x)", f"x = jax.vmap(lambda row: {layer}(row))(x)")
    )


VEC: dict[str, tuple[float, Step]] = {
    "dense": (10, dense),
    "activation": (2, activation),
    "layer norm": (2, layer_norm),
    "batch norm": (2.5, batch_norm),
    "dropout": (2.5, dropout),
    "residual": (1.5, residual),
    "shared twice": (1, shared_twice),
    "loop": (2.5, loop),
    "own param": (1.5, own_param),
    "own state": (0.6, counter),
    "branch": (1, branch),
    "dense general": (0.5, general),
    "group norm": (0.5, group_norm),
    "noise": (0.5, noise),
    "vmap": (0.4, vmapped),
}
STEPS: dict[str, dict[str, tuple[float, Step]]] = {
    "vec": VEC,
    "seq": {
        "dense": (6, dense),
        "attention": (4, attention),
        "recurrent": (3.5, recurrent),
        "conv": (1.5, conv),
        "layer norm": (2.5, layer_norm),
        "dropout": (2, dropout),
        "residual": (1.5, residual),
        "own param": (1, own_param),
        "loop": (1, loop),
        "branch": (0.7, branch),
        "activation": (1, activation),
    },
    "image": {
        "conv": (9, conv),
        "batch norm": (4, batch_norm),
        "pool": (2, pool),
        "group norm": (1, group_norm),
        "activation": (1.5, activation),
        "conv transpose": (0.7, conv_transpose),
        "dropout": (1, dropout),
        "own param": (0.5, own_param),
        "layer norm": (0.5, layer_norm),
    },
}


def flattened(body: Body) -> None:
    """From images or sequences to vectors."""
    draw = body.draw
    match body.kind:
        case "image":
            body.add(draw.one("x = jnp.mean(x, axis=(1, 2))", "x = x.mean((1, 2))"))
        case "seq":
            body.add(draw.one("x = x.mean(axis=1)", "x = x[:, -1]", "x = jnp.max(x, axis=1)"))
    body.kind = "vec"


def embedded(body: Body) -> None:
    """From tokens to a sequence."""
    draw = body.draw
    width = draw.one("8", "4")
    size = body.hyper("vocab_size", "6", 0.4)
    emb = body.hyper("emb_dim", width, 0.4)
    given = {"num_embeddings": size, "features": emb}
    if draw.chance(0.25):
        given["embedding_init"] = draw.one(
            "nn.initializers.normal(stddev=1.0)", "nn.initializers.ones"
        )
    body.add(f"x = {applied(body, Layer('nn.Embed', given, 2, body.named('embed')), 'inputs')}")
    if draw.chance(0.3):
        position = f"nn.Embed(jnp.arange(x.shape[1])[None], 4, {emb}, name='positions')"
        body.add(f"x = x + {position}")
    body.kind, body.dim = "seq", int(width)
