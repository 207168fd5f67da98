"""Trains the models of `models/legacy.py` with the real `flax.nn` and `flax.optim`.

Runs wherever these can be imported: inside the overlay of `linenify.verify`, or in
an environment of their day:

    python legacy_training.py FOLDER [MODEL:OPTIMIZER ...]

For each pair it writes the checkpoint after five steps, and what the next five
steps make of it.
"""

import itertools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

STEPS = 5

IMAGES = ("f32", (2, 6, 6, 3))
ROWS = ("f32", (4, 6))
TOKENS = ("i32", (2, 5))
INPUTS = {
    "MLP": ROWS,
    "ConvNet": IMAGES,
    "ResNet": ("f32", (2, 6, 6, 4)),
    "Nested": ROWS,
    "Named": ROWS,
    "Deep": ROWS,
    "Tied": TOKENS,
    "Transformer": TOKENS,
    "Recurrent": ("f32", (2, 3, 4)),
    "Axes": ("f32", (3, 4, 4)),
    "Functions": ROWS,
    "Counter": ROWS,
    "Methods": ROWS,
    "Values": ROWS,
    "Lent": ROWS,
    "Listed": ROWS,
    "Recursive": ROWS,
    "Attending": ("f32", (2, 4, 5)),
    "Pyramid": ROWS,
}

OPTIMIZERS = {
    "sgd": "GradientDescent(0.05)",
    "momentum": "Momentum(0.05)",
    "nesterov": "Momentum(0.05, beta=0.8, weight_decay=0.01, nesterov=True)",
    "adam": "Adam(0.01)",
    "adamw": "Adam(0.01, weight_decay=0.1)",
    "adabelief": "AdaBelief(0.01, eps=1e-6)",
    "adabelief_decay": "AdaBelief(0.01, eps=1e-6, weight_decay=0.1)",
    "adadelta": "Adadelta(0.5)",
    "adadelta_decay": "Adadelta(0.5, weight_decay=0.1)",
    "adagrad": "Adagrad(0.05)",
    "rmsprop": "RMSProp(0.01)",
    "rmsprop_centered": "RMSProp(0.01, eps=1e-4, centered=True)",
    "adafactor": "Adafactor(0.01, min_dim_size_to_factor=4)",
    "adafactor_momentum": "Adafactor(0.01, beta1=0.9, weight_decay_rate=0.01)",
    "lamb": "LAMB(0.01, weight_decay=0.01)",
    "lars": "LARS(0.5)",
    "lars_decay": "LARS(0.5, weight_decay=0.01)",
    "weight_norm": "WeightNorm(Momentum(0.05))",
    "multi": 'MultiOptimizer((ModelParamTraversal(lambda path, _: "kernel" in path), '
    'Momentum(0.05)), (ModelParamTraversal(lambda path, _: "bias" in path), Adam(0.01)))',
}


def inputs(model):
    """The batch and the targets of a model."""
    kind, shape = INPUTS[model]
    draw = np.random.default_rng(len(model))
    x = draw.integers(0, 7, shape) if kind == "i32" else draw.normal(size=shape)
    return jnp.asarray(x, "int32" if kind == "i32" else "float32"), jnp.asarray(
        draw.normal(size=(shape[0], 3)), "float32"
    )


def defined(optim, text):
    """A legacy optimizer from its expression."""
    names = dict(vars(optim))
    return eval(text, names)


def trained(nn, optim, models, model, optimizer):
    """The checkpoint after some steps, and params, state and losses after as many more."""
    x, y = inputs(model)
    module = getattr(models, model)
    with nn.stateful() as state:
        _, params = module.init(jax.random.PRNGKey(3), x)
    # Random numbers everywhere: zeros and ones would hide that two leaves changed places.
    numbers = np.random.default_rng(5)

    def moved(leaf):
        return leaf + jnp.asarray(0.1 * numbers.normal(size=leaf.shape), leaf.dtype)

    params = jax.tree_util.tree_map(moved, params)
    state = state.as_dict()
    at_first = defined(optim, OPTIMIZERS[optimizer]).create(nn.Model(module, params))

    @jax.jit
    def step(optimizer, state):
        def loss(model):
            with nn.stateful(nn.Collection(state)) as after:
                out = model(x)
            return jnp.mean((out - y) ** 2), (out, after.as_dict())

        (value, (out, after)), grads = jax.value_and_grad(loss, has_aux=True)(optimizer.target)
        return optimizer.apply_gradient(grads), after, value, out, grads.params

    current = at_first
    for _ in range(STEPS):
        current, state, _, _, _ = step(current, state)
    middle = (current, nn.Collection(state)) if state else current
    losses, outputs, gradients = [], None, None
    for _ in range(STEPS):
        current, state, value, out, grads = step(current, state)
        losses.append(float(value))
        outputs, gradients = (out, grads) if outputs is None else (outputs, gradients)
    return middle, {
        "losses": np.asarray(losses),
        "outputs": np.asarray(outputs),
        **flat("params", current.target.params),
        **flat("gradients", gradients),
        **flat("state", state),
    }


def flat(name, tree):
    """Leaves by their keypaths, for an archive."""
    if not isinstance(tree, dict):
        return {name: np.asarray(tree)}
    return {k: v for key, value in tree.items() for k, v in flat(f"{name}//{key}", value).items()}


def main():
    """Writes what the command line asks for."""
    import flax
    import models.legacy as models
    from flax import optim, serialization

    nn = models.nn
    folder = Path(sys.argv[1])
    pairs = [pair.split(":") for pair in sys.argv[2:]] or itertools.product(INPUTS, OPTIMIZERS)
    for model, optimizer in pairs:
        middle, after = trained(nn, optim, models, model, optimizer)
        place = folder / f"{model}-{optimizer}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"checkpoint_{STEPS}").write_bytes(serialization.to_bytes(middle))
        np.savez(place / "after.npz", **after)
        line = f"flax {flax.__version__} {model} {optimizer} {after['losses'][-1]}\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    main()
