"""Optimizers, with the arguments that people give them."""

from __future__ import annotations

from generality.grammar.body import joined
from generality.grammar.draw import Draw

# How often each is used, its learning rate, and arguments beside it.
OPTIMIZERS: dict[str, tuple[float, str, tuple[str, ...]]] = {
    "Adam": (9, "0.01", ("beta1=0.8", "beta2=0.98", "eps=1e-6", "weight_decay=0.1")),
    "Momentum": (5, "0.1", ("beta=0.8", "nesterov=True", "weight_decay=0.01")),
    "GradientDescent": (3, "0.1", ()),
    "RMSProp": (1, "0.01", ("beta2=0.8", "eps=1e-4", "centered=True")),
    "LAMB": (0.7, "0.01", ("beta1=0.8", "beta2=0.99", "weight_decay=0.1", "eps=1e-5")),
    "LARS": (0.7, "0.1", ("beta=0.8", "weight_decay=0.01", "trust_coefficient=0.1")),
    "Adafactor": (0.7, "0.05", ("beta1=0.9", "decay_rate=0.7", "min_dim_size_to_factor=4")),
    "Adagrad": (0.5, "0.1", ("eps=1e-6",)),
    "Adadelta": (0.4, "0.5", ("rho=0.8", "eps=1e-4", "weight_decay=0.1")),
    "AdaBelief": (0.4, "0.01", ("beta1=0.8", "weight_decay=0.1", "eps=1e-8")),
}


def definition(draw: Draw, *, rated: bool) -> tuple[str, str]:
    """An optimizer definition, and its learning rate; without, where each step gives one."""
    name = draw.feature("optimizer", {each: weight for each, (weight, _, _) in OPTIMIZERS.items()})
    _, rate, more = OPTIMIZERS[name]
    words = [word for word in more if draw.chance(0.35)]
    if rated and draw.chance(0.6):
        first: list[str] = []
    else:
        first = [rate if draw.chance(0.3) else f"learning_rate={rate}"]
    return f"optim.{name}({joined([*first, *words])})", rate
