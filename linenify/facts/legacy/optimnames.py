"""Where names of flax.optim lead that are no definition of an optimizer."""

from __future__ import annotations

OPTIM = "flax.optim"
STATE = "flax.training.train_state.TrainState"
MODULES = frozenset(
    {
        OPTIM,
        *(f"{OPTIM}.{name}" for name in ("base", "adam", "dynamic_scale", "momentum", "sgd")),
        *(f"{OPTIM}.{name}" for name in ("adabelief", "adadelta", "adafactor", "adagrad")),
        *(f"{OPTIM}.{name}" for name in ("lamb", "lars", "rmsprop", "weight_norm")),
    }
)
TARGETS = {
    "flax.optim.Optimizer": STATE,
    "flax.optim.base.Optimizer": STATE,
    "flax.optim.OptimizerDef": "optax.GradientTransformation",
    "flax.optim.base.OptimizerDef": "optax.GradientTransformation",
    "flax.optim.DynamicScale": "flax.training.dynamic_scale.DynamicScale",
    "flax.optim.dynamic_scale.DynamicScale": "flax.training.dynamic_scale.DynamicScale",
}
