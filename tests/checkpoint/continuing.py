"""Loads a remapped checkpoint into the migrated model, and trains on."""

import importlib
from dataclasses import replace
from pathlib import Path

import flax
import jax
import jax.numpy as jnp
import legacy_training
import numpy as np
from flax import serialization
from flax.training import train_state

from linenify.checkpoint.optax_state import transformation_of
from linenify.checkpoint.outputs import write
from linenify.checkpoint.run import checked, convert
from linenify.checkpoint.sources import read
from linenify.checkpoint.worker import Request, answered

HERE = Path(__file__).parent
LINEN = HERE / "models" / "linen.py"


class TrainState(train_state.TrainState):
    collections: flax.core.FrozenDict


def remapped(place, model, optimizer):
    """The converted tree and the plan for one folder that `legacy_training` wrote."""
    x, _ = legacy_training.inputs(model)
    kind = "i32" if x.dtype == jnp.int32 else "f32"
    request = Request(
        f"{LINEN}:{model}",
        [f"{kind}[{','.join(map(str, x.shape))}]"],
        optimizer=legacy_training.OPTIMIZERS[optimizer],
    )
    tree = read(place)
    conversion = convert(tree, request, ask=answered)
    return tree, conversion, checked(conversion.plan, tree)


def continued(place, model, optimizer, scratch):
    """The worst relative error of outputs and losses, and of params, after five more steps."""
    import models.linen as models

    _, _, made = remapped(place, model, optimizer)
    write(scratch, made)
    raw = scratch.read_bytes()
    names = serialization.msgpack_restore(raw).keys() - {"step", "params", "opt_state"}

    x, y = legacy_training.inputs(model)
    module = getattr(importlib.import_module(models.__name__), model)()
    tx = transformation_of(legacy_training.OPTIMIZERS[optimizer])
    variables = module.init(jax.random.key(9), x)
    params = variables.pop("params")
    # The fields are those of the checkpoint: a train state with collections beside params.
    template = {
        "step": np.int32(0),
        "params": params,
        "opt_state": tx.init(params),
        **{name: variables[name] for name in names},
    }
    loaded = serialization.from_bytes(template, raw)
    state = TrainState(
        loaded["step"],
        module.apply,
        loaded["params"],
        tx,
        loaded["opt_state"],
        {name: loaded[name] for name in names},
    )
    assert int(state.step) == legacy_training.STEPS

    @jax.jit
    def step(state):
        def loss(params):
            out, after = state.apply_fn(
                {"params": params, **state.collections}, x, mutable=list(variables)
            )
            return jnp.mean((out - y) ** 2), (out, after)

        (value, (out, after)), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return state.apply_gradients(grads=grads).replace(collections=after), value, out

    losses, outputs = [], None
    for _ in range(legacy_training.STEPS):
        state, value, out = step(state)
        losses.append(float(value))
        outputs = out if outputs is None else outputs
    return {
        "losses": np.asarray(losses),
        "outputs": np.asarray(outputs),
        "variables": {"params": state.params, **state.collections},
    }


def errors(place, model, optimizer, scratch):
    """Relative errors against legacy: of the first outputs, all losses, the last variables."""
    after = dict(np.load(place / "after.npz"))
    _, conversion, _ = remapped(place, model, optimizer)
    ours = continued(place, model, optimizer, scratch)
    largest = max(
        (np.abs(v).max(initial=0) for k, v in after.items() if k.startswith("gradients")),
        default=1.0,
    )
    worst = 0.0
    for row in conversion.renames.rows:
        key = "//".join(row.legacy)
        gradient = after.get(key.replace("params", "gradients", 1))
        # Where the true gradient is zero, rounding decides which way Adam goes.
        if gradient is not None and np.abs(gradient).max(initial=0) < 1e-6 * largest:
            continue
        theirs = after[key]
        mine = ours["variables"]
        for name in row.linen:
            mine = mine[name]
        mine = np.asarray(mine)
        if row.axes:
            mine = mine.transpose(np.argsort(row.axes))
        worst = max(worst, relative(mine.reshape(theirs.shape), theirs))
    return (
        relative(ours["outputs"], after["outputs"]),
        relative(ours["losses"], after["losses"]),
        worst,
    )


def relative(mine, theirs):
    """The largest error, in units of the largest element."""
    scale = np.abs(theirs).max(initial=0) or 1.0
    return float(np.abs(mine - theirs).max(initial=0) / scale)


__all__ = ["continued", "errors", "remapped", "replace"]
