"""The optax form of each legacy optimizer, for the arguments that it is given."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from linenify.facts.sites import Unclear
from linenify.project.nodes import walk


@dataclass(frozen=True, slots=True)
class Given:
    """An argument: code for it, and what the program wrote, where it wrote something."""

    code: str
    node: ast.expr | None = None
    positional: bool = False

    @property
    def is_literal(self) -> bool:
        """Whether it reads the same wherever it stands."""
        return self.node is None or isinstance(_unsigned(self.node), ast.Constant)

    def says(self, value: object) -> bool:
        """Whether the program wrote this very constant; 0 and 0.0 are one."""
        node = self.node
        if not isinstance(node, ast.Constant) or isinstance(node.value, bool) is not isinstance(
            value, bool
        ):
            return False
        return bool(node.value == value)

    @property
    def repeatable(self) -> bool:
        """Whether it may stand twice in the result."""
        calls = (ast.Call, ast.Await, ast.NamedExpr)
        return self.node is None or not any(isinstance(n, calls) for n in walk(self.node))


def _unsigned(node: ast.expr) -> ast.expr:
    return node.operand if isinstance(node, ast.UnaryOp) else node


@dataclass(frozen=True, slots=True)
class Form:
    """An optax alias with its arguments, or a chain.

    Attributes:
        alias: `optax.adam`; None for a chain.
        arguments: of the alias, in its order.
        steps: of the chain.
        exact: numbers of the alias that have to stay Python numbers: optax computes
            `1 - b2`, which loses digits in a float32 array.
        tied: keys that the alias takes under two names.
        support: snippets that it calls.
        notes: why it is not the alias of the same name.
    """

    alias: str | None = None
    arguments: tuple[tuple[str, Given], ...] = ()
    steps: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    tied: frozenset[str] = frozenset()
    support: tuple[str, ...] = ()
    notes: str = ""

    def code(self) -> str:
        """The expression."""
        if self.alias is None:
            return f"optax.chain({', '.join(self.steps)})"
        return f"{self.alias}({_written(_in_order(self.arguments))})"


Values = Mapping[str, Given]


def _written(arguments: tuple[tuple[str, Given], ...]) -> str:
    """Arguments of a call: by keyword, but for a learning rate that had none."""
    return ", ".join(
        each.code if each.positional and key == "learning_rate" else f"{key}={each.code}"
        for key, each in arguments
    )


def _in_order(arguments: tuple[tuple[str, Given], ...]) -> tuple[tuple[str, Given], ...]:
    """Arguments in the order in which they were written, new ones behind them."""

    def place(entry: tuple[str, Given]) -> tuple[bool, bool, int]:
        key, each = entry
        first = each.positional and key == "learning_rate"
        written = each.node is not None and each.code[1:-1].isdigit()
        return not first, not written, int(each.code[1:-1]) if written else 0

    return tuple(sorted(arguments, key=place))


def _call(function: str, arguments: tuple[tuple[str, Given], ...]) -> str:
    return f"{function}({_written(arguments)})"


def _picked(values: Values, *pairs: str) -> tuple[tuple[str, Given], ...]:
    """Those arguments that are given, under the names optax has for them.

    `beta1:b1` is looked for, `beta:momentum=0.9` stands in any case.
    """
    found: list[tuple[str, Given]] = []
    for pair in pairs:
        names, _, default = pair.partition("=")
        legacy, _, key = names.partition(":")
        if legacy in values:
            found.append((key or legacy, values[legacy]))
        elif default:
            found.append((key or legacy, Given(default)))
    return tuple(found)


def _flag(values: Values, name: str) -> tuple[tuple[str, Given], ...]:
    return () if values.get(name, _ABSENT).says(False) else _picked(values, name)


_ABSENT = Given("")


def _decays(values: Values) -> bool:
    """Whether there may be weight decay: a zero that is not spelled out just adds zeros."""
    return "weight_decay" in values and not values["weight_decay"].says(0)


def _decay_step(values: Values) -> str:
    return f"optax.add_decayed_weights({values['weight_decay'].code})"


def _rate_step(values: Values) -> str:
    return f"optax.scale_by_learning_rate({values['learning_rate'].code})"


# --- one form each ---------------------------------------------------------------------------


def _gradient_descent(values: Values) -> Form:
    return Form("optax.sgd", _picked(values, "learning_rate"))


def _momentum(values: Values) -> Form:
    arguments = _picked(values, "learning_rate", "beta:momentum=0.9") + _flag(values, "nesterov")
    if not _decays(values):
        return Form("optax.sgd", arguments)
    return Form(
        steps=(_decay_step(values), _call("optax.sgd", arguments)),
        notes="legacy Momentum decays the gradient, before the momentum",
    )


_ADAM = ("learning_rate", "beta1:b1", "beta2:b2", "eps")


def _adam(values: Values) -> Form:
    if not _decays(values):
        return Form("optax.adam", _picked(values, *_ADAM), exact=("b1", "b2"))
    arguments = _picked(values, *_ADAM, "weight_decay")
    return Form("optax.adamw", arguments, exact=("b1", "b2"))


def _adabelief(values: Values) -> Form:
    if "eps" in values and not values["eps"].repeatable:
        raise Unclear("LN691", "the eps of AdaBelief is computed in place, and needed twice")
    scaling = _picked(values, "beta1:b1", "beta2:b2", "eps", "eps:eps_root")
    if not _decays(values):
        arguments = _picked(values, "learning_rate") + scaling
        return Form("optax.adabelief", arguments, exact=("b1", "b2"), tied=frozenset({"eps"}))
    return Form(
        steps=(
            _call("optax.scale_by_belief", scaling),
            _decay_step(values),
            _rate_step(values),
        ),
        notes="optax.adabelief has no weight decay",
    )


def _adadelta(values: Values) -> Form:
    if not _decays(values):
        return Form(
            "optax.adadelta", _picked(values, "learning_rate", "rho", "eps"), exact=("rho",)
        )
    return Form(
        steps=(
            _call("optax.scale_by_adadelta", _picked(values, "rho", "eps")),
            _decay_step(values),
            _rate_step(values),
        ),
        notes="optax.adadelta adds the decay before scaling, legacy after it",
    )


def _adagrad(values: Values) -> Form:
    return Form(
        steps=(_call("scale_by_adagrad", _picked(values, "eps")), _rate_step(values)),
        support=("scale_by_adagrad",),
        notes="legacy Adagrad starts from 0 and adds its eps to the root",
    )


def _rmsprop(values: Values) -> Form:
    given = _picked(values, "learning_rate", "beta2:decay", "eps") + _flag(values, "centered")
    arguments = given + _picked(values, ":eps_in_sqrt=False")
    return Form("optax.rmsprop", arguments, exact=("decay",))


def _adafactor(values: Values) -> Form:
    arguments = _picked(
        values,
        "learning_rate",
        "min_dim_size_to_factor",
        "decay_rate",
        "step_offset:decay_offset",
        "multiply_by_parameter_scale",
        "clipping_threshold",
        "beta1:momentum",
        "dtype_momentum",
        "weight_decay_rate",
        "epsilon1:eps",
        "factored",
    )
    scaled = not values.get("multiply_by_parameter_scale", _ABSENT).says(False)
    if "epsilon2" not in values or values["epsilon2"].says(1e-3) or not scaled:
        return Form("optax.adafactor", arguments)
    for name in ("multiply_by_parameter_scale", "clipping_threshold", "beta1", "weight_decay_rate"):
        if name in values and not values[name].is_literal:
            raise Unclear("LN691", f"with an epsilon2, `{name}` has to be spelled out")
    return _adafactor_chain(values)


def _adafactor_chain(values: Values) -> Form:
    scaling = _picked(
        values,
        "factored",
        "decay_rate",
        "step_offset",
        "min_dim_size_to_factor",
        "epsilon1:epsilon",
    )
    steps = [_call("optax.scale_by_factored_rms", scaling)]
    threshold = values.get("clipping_threshold", Given("1.0"))
    if not threshold.says(None):
        steps.append(f"optax.clip_by_block_rms({threshold.code})")
    steps.append(f"optax.scale_by_learning_rate({values['learning_rate'].code}, flip_sign=False)")
    steps.append(f"optax.scale_by_param_block_rms({values['epsilon2'].code})")
    if "beta1" in values:
        arguments = _picked(values, "beta1:decay", ":debias=False")
        kept = _picked(values, "dtype_momentum:accumulator_dtype={jnp}.float32")
        steps.append(_call("optax.ema", arguments + kept))
    if "weight_decay_rate" in values:
        steps.append(f"optax.add_decayed_weights({values['weight_decay_rate'].code})")
    return Form(
        steps=(*steps, "optax.scale(-1)"),
        notes="optax.adafactor, but with an epsilon2 other than 1e-3",
    )


def _lamb(values: Values) -> Form:
    scaling = _call("optax.scale_by_adam", _picked(values, "beta1:b1", "beta2:b2", "eps=1e-6"))
    decay = [_decay_step(values)] if _decays(values) else []
    return Form(
        steps=(scaling, *decay, "scale_by_lamb_trust_ratio()", _rate_step(values)),
        support=("scale_by_lamb_trust_ratio",),
        notes="legacy LAMB never moves parameters that are all zeros",
    )


def _lars(values: Values) -> Form:
    ratio = _picked(values, "trust_coefficient", "eps")
    momentum = _picked(values, "beta:momentum") + _flag(values, "nesterov")
    if not _decays(values):
        return Form("optax.lars", _picked(values, "learning_rate") + ratio + momentum)
    trace = _picked(values, "beta:decay=0.9") + _flag(values, "nesterov")
    return Form(
        steps=(
            _call("scale_by_lars_trust_ratio", _picked(values, "weight_decay") + ratio),
            _rate_step(values),
            _call("optax.trace", trace),
        ),
        support=("scale_by_lars_trust_ratio",),
        notes="optax.lars takes the norm of the sum of gradient and decay, legacy that of each",
    )


FORMS: Mapping[str, Callable[[Values], Form]] = {
    "GradientDescent": _gradient_descent,
    "Momentum": _momentum,
    "Adam": _adam,
    "AdaBelief": _adabelief,
    "Adadelta": _adadelta,
    "Adagrad": _adagrad,
    "RMSProp": _rmsprop,
    "Adafactor": _adafactor,
    "LAMB": _lamb,
    "LARS": _lars,
}
