"""Which optax transformation each definition of `flax.optim` becomes."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from linenify.facts.arguments import Unclear

_ALIASES = {"GradientDescent": "sgd", "Adam": "adam"}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a definition becomes."""

    template: str
    imports: tuple[str, ...] = ("optax",)
    support: tuple[str, ...] = ()
    notes: str = ""


def definition(name: str, call: ast.Call, per_step: frozenset[str]) -> Definition:
    """The transformation for `optim.<name>(...)`."""
    if name not in _ALIASES or per_step:
        raise Unclear("LN691", f"`optim.{name}` is not known")
    given = [f"{{{i}}}" for i in range(len(call.args))]
    given += [f"{k.arg}={{{i}}}" for i, k in enumerate(call.keywords, len(call.args))]
    return Definition(f"optax.{_ALIASES[name]}({', '.join(given)})")


def hyperparameter(name: str, legacy: str) -> str:
    """The key of a hyper-parameter in the state of `optax.inject_hyperparams`."""
    del name
    return legacy
