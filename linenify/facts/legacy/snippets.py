"""The definitions that a migrated file may carry itself.

Migrated projects never depend on linenify.  What has no stock form, such as an
optimizer that optax lacks, is written into the file that needs it, once.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_SPELL = re.compile(r"\{spell:([\w.]+)\}")

ONES = "ones_of"  # makes an input from a spec whose form is not known
OBJECT = "BoundModel"  # the support class that carries a module together with its params


@dataclass(frozen=True, slots=True)
class Snippet:
    """One function or class, indented by four spaces.

    Attributes:
        name: what it binds.
        text: its code; `{spell:jax.numpy}` stands for the file's name of a thing.
        imports: dotted names that it needs besides those that it spells.
        needs: snippets that it calls, which stand above it.
    """

    name: str
    text: str
    imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of its documentation, by which it is known again."""
        (definition,) = ast.parse(_SPELL.sub(r"\1", self.text)).body
        return summary_of(definition)


def summary_of(node: ast.stmt) -> str:
    """The first line of what documents a definition; empty where nothing does."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


_SCALE_BY_LAMB_TRUST_RATIO = Snippet(
    "scale_by_lamb_trust_ratio",
    '''
def scale_by_lamb_trust_ratio():
    """Scales each update by the norm of its parameter over its own norm.

    Unlike `optax.scale_by_trust_ratio`, a parameter that is all zeros gets the
    ratio 0 and stays as it is; the ratio is 1 only where both norms are zero.
    """

    def rescaled(update, param):
        param_norm = {spell:jax.numpy}.linalg.norm(param)
        update_norm = {spell:jax.numpy}.linalg.norm(update)
        ratio = {spell:jax.numpy}.where(
            param_norm + update_norm > 0.0, param_norm / update_norm, 1.0
        )
        return ratio * update

    return {spell:optax}.stateless(
        lambda updates, params: {spell:jax.tree.map}(rescaled, updates, params)
    )
''',
)

_SCALE_BY_LARS_TRUST_RATIO = Snippet(
    "scale_by_lars_trust_ratio",
    '''
def scale_by_lars_trust_ratio(weight_decay, trust_coefficient=0.001, eps=0.0):
    """Decays weights and scales updates by the trust ratio of LARS.

    The ratio compares the norm of a parameter with that of its gradient plus
    that of its decay, each taken by itself; `optax.lars` takes the norm of
    their sum. It is 1 where the parameter or its gradient is all zeros.
    """

    def rescaled(grad, param):
        param_norm = {spell:jax.numpy}.linalg.norm(param)
        grad_norm = {spell:jax.numpy}.linalg.norm(grad)
        ratio = trust_coefficient * param_norm / (
            grad_norm + weight_decay * param_norm + eps
        )
        is_zero = (grad_norm == 0.0) | (param_norm == 0.0)
        return {spell:jax.numpy}.where(is_zero, 1.0, ratio) * (
            grad + weight_decay * param
        )

    return {spell:optax}.stateless(
        lambda updates, params: {spell:jax.tree.map}(rescaled, updates, params)
    )
''',
)

_SCALE_BY_ADAGRAD = Snippet(
    "scale_by_adagrad",
    '''
def scale_by_adagrad(eps=1e-8):
    """Divides updates by the root of the sum of all their squares so far.

    Unlike in `optax.adagrad`, the sum starts from 0 and its root gets the `eps`.
    """

    def init(params):
        zeros = {spell:jax.tree.map}({spell:jax.numpy}.zeros_like, params)
        return {spell:optax}.ScaleByRssState(zeros)

    def update(updates, state, params=None):
        del params
        total = {spell:jax.tree.map}(
            lambda g, s: s + {spell:jax.numpy}.square(g), updates, state.sum_of_squares
        )
        updates = {spell:jax.tree.map}(
            lambda g, s: g / ({spell:jax.numpy}.sqrt(s) + eps), updates, total
        )
        return updates, {spell:optax}.ScaleByRssState(total)

    return {spell:optax}.GradientTransformation(init, update)
''',
)

_WEIGHT_NORM_STATE = Snippet(
    "WeightNormState",
    '''
class WeightNormState(NamedTuple):
    """State of `weight_norm`: the inner one, and what scales each direction."""

    inner: {spell:optax}.OptState
    mult: {spell:optax}.Params
''',
    imports=("typing.NamedTuple",),
)

_WEIGHT_NORM = Snippet(
    "weight_norm",
    '''
def weight_norm(inner, wn_decay=0.0, wn_eps=1e-8):
    """Optimizes directions and scales of weights in their place.

    A kernel has one scale for each entry of its last axis, see
    https://arxiv.org/abs/1602.07868; `inner` sees a dict of both trees.
    Vectors are left whole.

    Args:
        inner: a transformation for directions and scales.
        wn_decay: weight decay of the directions.
        wn_eps: added to the norm of a direction before dividing by it.
    """

    def norm(x):
        axes = tuple(range(x.ndim - 1))
        squares = {spell:jax.numpy}.square(x)
        return {spell:jax.numpy}.sqrt(squares.sum(axes, keepdims=True))

    def split(param, mult):
        if mult is None:
            return param, None
        return param / mult, norm(param) * {spell:jax.numpy}.sign(mult)

    def split_gradient(direction, mult, grad):
        if mult is None:
            return grad, None
        axes = tuple(range(grad.ndim - 1))
        scale_grad = (grad * direction).sum(axes, keepdims=True)
        direction_grad = mult * (grad - scale_grad * direction)
        return direction_grad + wn_decay * direction, scale_grad

    def pairs(function, *trees):
        # Two trees from a function that returns two leaves.
        leaves, treedef = {spell:jax.tree.flatten}(trees[0])
        rest = (treedef.flatten_up_to(tree) for tree in trees[1:])
        made = [function(*each) for each in zip(leaves, *rest)]
        first, second = zip(*made) if made else ((), ())
        return treedef.unflatten(first), treedef.unflatten(second)

    def init(params):
        mult = {spell:jax.tree.map}(
            lambda p: norm(p) if p.size > p.shape[-1] else None, params
        )
        direction, scale = pairs(split, params, mult)
        inner_state = inner.init({"direction": direction, "scale": scale})
        return WeightNormState(inner_state, mult)

    def update(updates, state, params):
        direction, scale = pairs(split, params, state.mult)
        grads = pairs(split_gradient, direction, state.mult, updates)
        grads = {"direction": grads[0], "scale": grads[1]}
        old = {"direction": direction, "scale": scale}
        changes, inner_state = inner.update(grads, state.inner, old)
        new = {spell:optax}.apply_updates(old, changes)
        mult = {spell:jax.tree.map}(
            lambda d, s: None if s is None else s / (wn_eps + norm(d)),
            new["direction"],
            new["scale"],
        )
        updates = {spell:jax.tree.map}(
            lambda p, d, m: (d if m is None else d * m) - p,
            params,
            new["direction"],
            mult,
        )
        return updates, WeightNormState(inner_state, mult)

    return {spell:optax}.GradientTransformation(init, update)
''',
    needs=("WeightNormState",),
)

_LABEL_PARAMS = Snippet(
    "label_params",
    '''
def label_params(*predicates):
    """Labels every leaf with the number of the predicate that accepts it.

    Args:
        *predicates: functions of the path of a leaf, such as
            `/encoder/Dense_0/kernel`, and of the leaf itself.

    Returns:
        A function from params to labels: `'0'`, `'1'`, ..., or `'frozen'` for
        leaves that no predicate accepts.
    """

    def label(keypath, leaf):
        names = [k.key for k in keypath if isinstance(k, {spell:jax.tree_util.DictKey})]
        path = "/" + "/".join(names)
        found = [str(i) for i, p in enumerate(predicates) if p(path, leaf)]
        if len(found) > 1:
            raise ValueError(f"several optimizers match {path}")
        return found[0] if found else "frozen"

    return lambda params: {spell:jax.tree_util.tree_map_with_path}(label, params)
''',
)

_PER_PARAM_STATE = Snippet(
    "PerParamState",
    '''
class PerParamState(NamedTuple):
    """State of a `PerParamOptimizer`."""

    step: {spell:jax.Array}
    param_states: Any
    hyperparams: dict
''',
    imports=("typing.NamedTuple", "typing.Any"),
)

_PER_PARAM_OPTIMIZER = Snippet(
    "PerParamOptimizer",
    '''
class PerParamOptimizer:
    """An optax transformation given by its rule for one parameter.

    Subclasses define `init_param_state(param)`, and
    `apply_param_gradient(step, hyper_params, param, state, grad)`, which returns
    the new parameter and its new state.
    """

    changing = ()

    def __init__(self, hyper_params):
        self.hyper_params = hyper_params

    def with_hyperparams(self, *names):
        """Keeps hyper-parameters in the state, where steps can set them."""
        self.changing = names
        return self

    def init(self, params):
        values = {k: getattr(self.hyper_params, k) for k in self.changing}
        hyperparams = {
            k: {spell:jax.numpy}.asarray(0.0 if v is None else v, float)
            for k, v in values.items()
        }
        step = {spell:jax.numpy}.zeros([], {spell:jax.numpy}.int32)
        param_states = {spell:jax.tree.map}(self.init_param_state, params)
        return PerParamState(step, param_states, hyperparams)

    def update(self, updates, state, params):
        hyperparams = {
            k: {spell:jax.numpy}.asarray(v, float) for k, v in state.hyperparams.items()
        }
        hyper_params = self.hyper_params
        if hyperparams:
            hyper_params = hyper_params.replace(**hyperparams)
        leaves, treedef = {spell:jax.tree.flatten}(params)
        states = treedef.flatten_up_to(state.param_states)
        grads = treedef.flatten_up_to(updates)
        made = [
            self.apply_param_gradient(state.step, hyper_params, *each)
            for each in zip(leaves, states, grads)
        ]
        updates = [new - old for (new, _), old in zip(made, leaves)]
        param_states = treedef.unflatten([each for _, each in made])
        new_state = PerParamState(state.step + 1, param_states, hyperparams)
        return treedef.unflatten(updates), new_state
''',
    needs=("PerParamState",),
)

_BOUND_MODEL = Snippet(
    "BoundModel",
    '''
@{spell:flax.struct.dataclass}
class BoundModel:
    """A Linen module together with its params: a pytree that can be called.

    It stands where a program passes both around as one value. The params are
    its leaves, so that gradients and optimizers see a pytree of params.
    """

    module: {spell:flax.linen.Module} = {spell:flax.struct.field}(pytree_node=False)
    params: {spell:typing.Any}

    def __call__(self, *args, **kwargs):
        return self.apply({}, *args, **kwargs)

    def apply(self, state, *args, **kwargs):
        """Runs the module with the other collections in `state`."""
        return self.module.apply({'params': self.params, **state}, *args, **kwargs)

    def __contains__(self, name):  # `TrainState.apply_gradients` asks its gradients
        return name in self.params
''',
)

_OUTPUTS_BY_PATH = Snippet(
    "outputs_by_path",
    '''
def outputs_by_path(intermediates):
    """What every module gave, one list for each path: `{'/block/dense': [y]}`."""
    flat = {spell:flax.traverse_util.flatten_dict}(intermediates)
    return {
        '/' + '/'.join(path[:-1]): list(outputs) for path, outputs in flat.items()
    }
''',
)

_CLASS_NAME = Snippet(
    "class_name",
    '''
def class_name(module_class):
    """The name of a module class, also where arguments are bound to it."""
    if isinstance(module_class, {spell:functools.partial}):
        module_class = module_class.func
    return module_class.__name__
''',
)

_ONES_OF = Snippet(
    ONES,
    '''
def ones_of(spec):
    """Ones for a spec of `init_by_shape`: a shape, or a pair with a dtype."""
    if len(spec) == 2 and hasattr(spec[0], '__len__'):
        return {spell:jax.numpy}.ones(tuple(spec[0]), spec[1])
    return {spell:jax.numpy}.ones(tuple(spec))
''',
)

_REPLICATED_STATE = Snippet(
    "ReplicatedState",
    '''
class ReplicatedState({spell:flax.training.train_state.TrainState}):
    """A train state on several devices, whose steps average their gradients."""

    def apply_gradients(self, *, grads, **kwargs):
        grads = {spell:jax.lax.pmean}(grads, axis_name='batch')
        return super().apply_gradients(grads=grads, **kwargs)
''',
)


def _update(name: str, does: str, method: str) -> Snippet:
    """`x.at[idx].set(y)` and its kin as a function, for where one is a value."""
    return Snippet(
        name,
        f'''
def {name}(x, idx, y, indices_are_sorted=False, unique_indices=False):
    """{does}, as `jax.ops.{name}` did."""
    at = {{spell:jax.numpy.asarray}}(x).at[idx]
    return at.{method}(
        y, indices_are_sorted=indices_are_sorted, unique_indices=unique_indices
    )
''',
    )


_UPDATES = (
    _update("index_update", "A copy of `x` with `y` at `idx`", "set"),
    _update("index_add", "A copy of `x` with `y` added at `idx`", "add"),
    _update("index_mul", "A copy of `x`, multiplied by `y` at `idx`", "multiply"),
    _update("index_min", "`x`, at `idx` the smaller of it and `y`", "min"),
    _update("index_max", "`x`, at `idx` the larger of it and `y`", "max"),
)

_GONE = Snippet(
    "gone",
    '''
def gone(name):
    """A class in place of `name`, which is gone: the file can be imported."""

    def fail(*args):
        raise AttributeError(f'{name} exists no longer')

    # It may be called, or decorate something.
    methods = {
        '__init__': lambda *args, **kwargs: None,
        '__call__': lambda self, made: self if callable(made) else fail(),
        '__getattr__': fail,
    }
    return type(name.rpartition('.')[2], (), methods)
''',
)

SNIPPETS = {
    snippet.name: snippet
    for snippet in (
        *_UPDATES,
        _SCALE_BY_LAMB_TRUST_RATIO,
        _SCALE_BY_LARS_TRUST_RATIO,
        _SCALE_BY_ADAGRAD,
        _WEIGHT_NORM_STATE,
        _WEIGHT_NORM,
        _LABEL_PARAMS,
        _PER_PARAM_STATE,
        _PER_PARAM_OPTIMIZER,
        _BOUND_MODEL,
        _REPLICATED_STATE,
        _OUTPUTS_BY_PATH,
        _CLASS_NAME,
        _ONES_OF,
        _GONE,
    )
}
