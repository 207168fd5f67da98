"""The structure of an optax state; the transformation that equals a legacy optimizer."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import flax.linen
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]

from linenify.checkpoint.errors import CheckpointError, Keypath
from linenify.checkpoint.optimizer_state import Described
from linenify.facts.legacy.snippets import SNIPPETS
from linenify.facts.sites import Unclear
from linenify.facts.training.optimizers import OPTIMIZERS, TRAVERSALS, WRAPPERS, definition


def described(
    transformation: optax.GradientTransformation,
    params: Mapping[Keypath, tuple[Sequence[int], str]],
) -> Described:
    """The structure of an optimizer's state.

    Args:
        transformation: the optimizer.
        params: shape and dtype of every parameter, by its Linen keypath.

    Raises:
        Exception: whatever the transformation raises.
    """
    abstract = _nested({k: _shape(s, d) for k, (s, d) in params.items()})
    tiny = _nested({k: jnp.ones((1,) * len(s), d) for k, (s, d) in params.items()})
    shapes = jax.eval_shape(transformation.init, abstract)
    return _described(shapes, transformation.init(tiny))


def _shape(shape: Sequence[int], dtype: str) -> Any:
    return jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))  # type: ignore[no-untyped-call]


def _nested(leaves: Mapping[Keypath, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for keypath, leaf in leaves.items():
        node = root
        for key in keypath[:-1]:
            node = node.setdefault(key, {})
        node[keypath[-1]] = leaf
    return root


def _described(node: Any, like: Any) -> Described:
    """`like` has the numbers that depend on no parameter, such as a learning rate."""
    if node is None:
        return {"kind": "none"}
    if isinstance(node, optax.MaskedNode):
        return {"kind": "masked"}
    if isinstance(node, Mapping):
        items = {str(key): _described(value, like[key]) for key, value in node.items()}
        return {"kind": "dict", "items": items}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        fields = {f: _described(getattr(node, f), getattr(like, f)) for f in node._fields}
        return {"kind": "fields", "type": type(node).__name__, "fields": fields}
    if isinstance(node, tuple | list):
        fields = {str(i): _described(value, like[i]) for i, value in enumerate(node)}
        return {"kind": "fields", "type": "", "fields": fields}
    if hasattr(node, "__dataclass_fields__") and not hasattr(node, "dtype"):
        fields = {
            f: _described(getattr(node, f), getattr(like, f)) for f in node.__dataclass_fields__
        }
        return {"kind": "fields", "type": type(node).__name__, "fields": fields}
    value = np.asarray(like).item() if np.size(like) == 1 and not np.ndim(like) else None
    dtype = jnp.dtype(getattr(node, "dtype", np.asarray(node).dtype)).name
    return {"kind": "leaf", "dtype": dtype, "shape": list(np.shape(node)), "value": value}


# --- from the legacy definition --------------------------------------------------------------

_SPELL = re.compile(r"\{spell:([\w.]+)\}")


def transformation_of(
    definition_text: str, *, per_step: Collection[str] = (), schedule: bool = False
) -> optax.GradientTransformation:
    """What `linenify` migrates a legacy optimizer to.

    Args:
        definition_text: `Adam`, `Adam(weight_decay=0.1)`, `WeightNorm(Adam())`,
            `MultiOptimizer((lambda path, _: "kernel" in path, Momentum()), ...)`.
        per_step: hyper-parameters that every step sets, so that they are part of the state.
        schedule: whether the learning rate is a schedule, whose count is.

    Raises:
        CheckpointError: the text is no legacy optimizer.
    """
    try:
        node = ast.parse(definition_text.strip(), mode="eval").body
        code, support = _code(node, tuple(per_step), schedule=schedule)
    except SyntaxError as error:
        raise CheckpointError(f"{definition_text!r} is no expression: {error.msg}") from error
    except Unclear as error:
        raise CheckpointError(f"{definition_text}: {error}") from error
    namespace = _namespace(support)
    made: optax.GradientTransformation = eval(code, namespace)  # noqa: S307 - the user's own words
    return made


def _code(node: ast.expr, per_step: tuple[str, ...], *, schedule: bool) -> tuple[str, set[str]]:
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name = ast.unparse(call.func).rpartition(".")[2]
    if name not in OPTIMIZERS and name not in WRAPPERS:
        known = ", ".join([*OPTIMIZERS, "MultiOptimizer"])
        raise CheckpointError(f"there is no legacy optimizer {name}; there are {known}")
    _with_rate(name, call, schedule=schedule)
    made = definition(name, call, per_step if name not in WRAPPERS else ())
    support = set(made.support)
    texts: dict[str, str] = {}
    for index, argument in enumerate([*call.args, *(k.value for k in call.keywords)]):
        elements = argument.elts if isinstance(argument, ast.Tuple) else []
        parts = {str(index): argument} | {f"{index}_{i}": e for i, e in enumerate(elements)}
        for key, part in parts.items():
            texts[key], needed = _argument(part, per_step, schedule=schedule)
            support |= needed
    pattern = re.compile(r"\{(\d+(?:_\d+)?)\}")
    code = pattern.sub(lambda found: texts[found[1]], made.template)
    return code.replace("{jnp}", "jax.numpy").replace("jnp.", "jax.numpy."), support


def _argument(node: ast.expr, per_step: tuple[str, ...], *, schedule: bool) -> tuple[str, set[str]]:
    if isinstance(node, ast.Call | ast.Attribute | ast.Name):
        function = node.func if isinstance(node, ast.Call) else node
        name = ast.unparse(function).rpartition(".")[2]
        if name in OPTIMIZERS or name in WRAPPERS:
            return _code(node, per_step, schedule=schedule)
        if name in TRAVERSALS and isinstance(node, ast.Call) and node.args:
            return f"({ast.unparse(node.args[0])})", set()
    return f"({ast.unparse(node)})", set()


def _with_rate(name: str, call: ast.Call, *, schedule: bool) -> None:
    """A learning rate has to be there; which one does not show in the state."""
    if name in WRAPPERS:
        return
    positional = len(call.args) > 0
    keywords = {keyword.arg for keyword in call.keywords}
    rate = "(lambda step: 0.0)" if schedule else "0.0"
    node = ast.parse(rate, mode="eval").body
    if schedule:
        call.args = call.args[1:]
        call.keywords = [k for k in call.keywords if k.arg != "learning_rate"]
        positional = False
        keywords.discard("learning_rate")
        if call.args:
            raise CheckpointError("with a schedule, name the arguments of the optimizer")
    if not positional and "learning_rate" not in keywords:
        call.keywords.append(ast.keyword("learning_rate", node))


def _namespace(support: Collection[str]) -> dict[str, Any]:
    space: dict[str, Any] = {
        "flax": flax,
        "jax": jax,
        "optax": optax,
        "typing": typing,
        "NamedTuple": typing.NamedTuple,
    }

    def add(name: str) -> None:
        snippet = SNIPPETS[name]
        for needed in snippet.needs:
            add(needed)
        if name not in space:
            exec(_SPELL.sub(r"\1", snippet.text), space)  # noqa: S102 - a definition of our own

    for name in sorted(support):
        add(name)
    return space
