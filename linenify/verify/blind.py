"""Samplers that do not look at the key.

The two worlds derive their random keys differently, so equal programs draw
different numbers.  Under `blindfolded()` every sampler of `jax.random` returns
numbers that depend on the sampler, the shape and the parameters of the
distribution alone: initial parameters, dropout masks and noise are then the
same on both sides, and whole programs can be compared.

The price: two draws of one sampler with one shape are equal.  A program that
needs them to differ (a swap of two noise tensors would go unseen) needs inputs
of different shapes.
"""

# Every distribution is the image of one memoised uniform array, computed by
# NumPy while tracing, under its inverse distribution function.  So draws are
# constants to JAX: safe under jit, grad, vmap and scan; parameters may be traced.

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import inspect
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import random as jax_random
from scipy import special  # type: ignore[import-untyped]

from linenify.verify.patching import Patch, patched

Shape: TypeAlias = int | Sequence[int]

_HOMES = tuple(home for home in (jax.random, jax_random, getattr(jax_random, "core", None)) if home)
_OPEN = 2.0**-54  # keeps logarithms and quantiles finite


_nudge: contextvars.ContextVar[int | None] = contextvars.ContextVar("nudge", default=None)


@contextlib.contextmanager
def blindfolded(nudge: int | None = None) -> Iterator[None]:
    """Replaces the samplers of `jax.random`; the few without a blind form raise.

    With `nudge`, a seed, every real number that is drawn is off by one unit in
    its last place: what such invisible changes do to a program is its noise.
    """
    token = _nudge.set(nudge)
    try:
        with _replaced():
            yield
    finally:
        _nudge.reset(token)


@contextlib.contextmanager
def _replaced() -> Iterator[None]:
    originals = [
        Patch(home, name, getattr(home, name))
        for home in _HOMES
        for name in _sampler_names()
        if hasattr(home, name)
    ]
    replacements = {
        name: _refusal(name) if _IS_OLD or name in _FROM_GAMMA else _with_fixed_key(originals, name)
        for name in _sampler_names()
        if hasattr(jax.random, name)  # `shuffle` is there on the legacy side only
    } | {name: _without_key(sampler) for name, sampler in _SAMPLERS.items()}
    with patched(
        Patch(home, name, replacement)
        for home in _HOMES
        for name, replacement in replacements.items()
        if hasattr(home, name)
    ):
        yield


@functools.cache
def _sampler_names() -> tuple[str, ...]:
    """The public functions of `jax.random` that spend a key."""
    bookkeeping = {"split", "fold_in", "clone", "key_data", "key_impl", "wrap_key_data"}
    return tuple(
        name
        for name, function in inspect.getmembers(jax.random, callable)
        if not name.startswith("_")
        and name not in bookkeeping
        and next(iter(inspect.signature(function).parameters), "") == "key"
    )


def _without_key(sampler: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    def draw(*args: Any, **kwargs: Any) -> jax.Array:
        if "key" in kwargs:
            return sampler(*args, **{name: kwargs[name] for name in kwargs if name != "key"})
        return sampler(*args[1:], **kwargs)

    return draw


# Its samplers draw other numbers from the same key: two releases could not be compared.
_IS_OLD = jax.__version_info__ < (0, 5)
# JAX draws their gammas when it compiles, which is out of reach.
_FROM_GAMMA = ("ball", "f", "generalized_normal")


def _with_fixed_key(originals: Sequence[Patch], name: str) -> Callable[..., jax.Array]:
    """The sampler itself, for distributions without a simple form, always with one key."""
    sampler = getattr(jax.random, name)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    signature = inspect.signature(sampler)
    whole = name in ("binomial", "geometric", "poisson")

    def draw(*args: Any, **kwargs: Any) -> jax.Array:
        with patched(originals):  # it is made of others, and may reject what they draw
            given = signature.bind(*args, **kwargs)
            given.arguments[next(iter(signature.parameters))] = jax.random.PRNGKey(seed)
            wanted = jax.dtypes.canonicalize_dtype(given.arguments.get("dtype") or float)
            if whole or "dtype" not in signature.parameters:
                counted: jax.Array = sampler(*given.args, **given.kwargs)
                return counted
            # The same numbers in double precision, too.
            given.arguments["dtype"] = np.float32 if wanted == np.float64 else wanted
            drawn: jax.Array = sampler(*given.args, **given.kwargs)
            return _nudged(drawn.astype(wanted))

    return draw


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError(f"`jax.random.{name}` cannot be drawn without looking at the key")

    return refuse


@functools.cache
def _uniforms(sampler: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), the same ones for ever."""
    seed = hashlib.sha256(f"{sampler}{shape}".encode()).digest()[:16]
    stream = np.random.Generator(np.random.Philox(key=int.from_bytes(seed, "big")))
    draws: np.ndarray = np.asarray(stream.random(shape))
    draws.setflags(write=False)
    return draws


def _open_uniforms(sampler: str, shape: tuple[int, ...]) -> np.ndarray:
    draws: np.ndarray = np.maximum(_uniforms(sampler, shape), _OPEN)
    return draws


def _dimensions(shape: Shape | None, *parameters: Any) -> tuple[int, ...]:
    """A shape as a tuple; the common shape of the parameters when none is given."""
    if shape is None:
        return np.broadcast_shapes(*(np.shape(parameter) for parameter in parameters))
    shape = getattr(shape, "positional", shape)  # JAX of 2023 wraps shapes
    if isinstance(shape, Sequence):
        return tuple(operator.index(size) for size in shape)
    return (operator.index(shape),)


def _array(values: Any, dtype: Any, default: type = float) -> jax.Array:
    wanted = jax.dtypes.canonicalize_dtype(default if dtype is None else dtype)
    if jnp.issubdtype(wanted, jnp.complexfloating):
        raise NotImplementedError("complex numbers cannot be drawn without looking at the key")
    numbers = np.asarray(values)
    return jnp.asarray((numbers * _factors(numbers.shape, wanted)).astype(wanted))


def _factors(shape: tuple[int, ...], dtype: Any) -> np.ndarray | int:
    """What makes numbers be off by a last bit, if they are to be."""
    seed = _nudge.get()
    if seed is None or not jnp.issubdtype(dtype, jnp.floating):
        return 1
    step = float(jnp.finfo(dtype).eps)  # type: ignore[no-untyped-call]
    signs: np.ndarray = np.random.default_rng(seed).choice([-step, step], shape)
    return 1 + signs


def _nudged(drawn: jax.Array) -> jax.Array:
    if _nudge.get() is None:
        return drawn
    return drawn * jnp.asarray(_factors(drawn.shape, drawn.dtype), drawn.dtype)


def _normal(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    return _array(special.ndtri(_open_uniforms("normal", _dimensions(shape))), dtype)


def _truncated_normal(
    lower: Any, upper: Any, shape: Shape | None = None, dtype: Any = None, **_: Any
) -> jax.Array:
    draws = _open_uniforms("truncated_normal", _dimensions(shape, lower, upper))
    ends = special.ndtr([np.asarray(lower, float), np.asarray(upper, float)])
    return _array(special.ndtri(ends[0] + draws * (ends[1] - ends[0])), dtype)


def _uniform(
    shape: Shape = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0, **_: Any
) -> jax.Array:
    # Rounded down to 24 bits, that single precision does not round up to 1.
    exact = np.floor(_uniforms("uniform", _dimensions(shape)) * 2.0**24) / 2.0**24
    draws = _array(exact, dtype)
    low, high = jnp.asarray(minval, draws.dtype), jnp.asarray(maxval, draws.dtype)
    return jnp.maximum(low, draws * (high - low) + low)


def _bernoulli(p: Any = 0.5, shape: Shape | None = None, *_a: Any, **_: Any) -> jax.Array:
    draws = _uniforms("bernoulli", _dimensions(shape, p))
    return jnp.asarray(draws, jnp.float32) < jnp.asarray(p, jnp.float32)


def _rademacher(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    return _array(np.sign(_uniforms("rademacher", _dimensions(shape)) - 0.5), dtype, int)


def _randint(shape: Shape, minval: Any, maxval: Any, dtype: Any = None, **_: Any) -> jax.Array:
    raw = _array(np.floor(_uniforms("randint", _dimensions(shape)) * 2.0**31), dtype, int)
    low, high = jnp.asarray(minval, raw.dtype), jnp.asarray(maxval, raw.dtype)
    return low + raw % jnp.maximum(high - low, 1)


def _bits(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    wanted = np.dtype(jnp.uint32 if dtype is None else dtype)
    draws = _uniforms("bits", _dimensions(shape)) * 2.0 ** (8 * min(wanted.itemsize, 6))
    return jnp.asarray(np.floor(draws).astype(wanted))


def _permutation(x: Any, axis: int = 0, independent: bool = False, **_: Any) -> jax.Array:
    x = jnp.arange(x) if np.ndim(x) == 0 else jnp.asarray(x)
    if independent:
        order = np.argsort(_uniforms("permutation", x.shape), axis=axis, kind="stable")
        return jnp.take_along_axis(x, jnp.asarray(order), axis=axis)
    order = np.argsort(_uniforms("permutation", (x.shape[axis],)), kind="stable")
    return jnp.take(x, jnp.asarray(order), axis=axis)


def _shuffle(x: Any, axis: int = 0) -> jax.Array:
    return _permutation(x, axis, independent=True)


def _exponential(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    return _array(-np.log1p(-_uniforms("exponential", _dimensions(shape))), dtype)


def _gumbel(shape: Shape = (), dtype: Any = None, *_a: Any, **_: Any) -> jax.Array:
    return _array(-np.log(-np.log(_open_uniforms("gumbel", _dimensions(shape)))), dtype)


def _logistic(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    return _array(special.logit(_open_uniforms("logistic", _dimensions(shape))), dtype)


def _laplace(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    centred = _open_uniforms("laplace", _dimensions(shape)) - 0.5
    return _array(-np.sign(centred) * np.log1p(-2 * np.abs(centred)), dtype)


def _cauchy(shape: Shape = (), dtype: Any = None, **_: Any) -> jax.Array:
    return _array(np.tan(np.pi * (_uniforms("cauchy", _dimensions(shape)) - 0.5)), dtype)


def _gamma(
    a: Any, shape: Shape | None = None, dtype: Any = None, name: str = "gamma", **_: Any
) -> jax.Array:
    """By Wilson and Hilferty: parameters may be traced, and nothing is rejected."""
    size = _dimensions(shape, a)
    normals = _array(special.ndtri(_open_uniforms(name, size)), dtype)
    uniforms = _array(_open_uniforms(f"{name} below one", size), normals.dtype)
    a = jnp.broadcast_to(jnp.asarray(a, normals.dtype), size)
    larger = jnp.where(a < 1, a + 1, a)
    ninth = 1 / (9 * larger)
    drawn = larger * jnp.maximum(1 - ninth + normals * jnp.sqrt(ninth), 1e-3) ** 3
    return jnp.where(a < 1, drawn * uniforms ** (1 / a), drawn)


def _loggamma(a: Any, shape: Shape | None = None, dtype: Any = None, **_: Any) -> jax.Array:
    return jnp.log(_gamma(a, shape, dtype))


def _chisquare(df: Any, shape: Shape | None = None, dtype: Any = None, **_: Any) -> jax.Array:
    return 2 * _gamma(jnp.asarray(df) / 2, shape, dtype, "chisquare")


def _beta(a: Any, b: Any, shape: Shape | None = None, dtype: Any = None, **_: Any) -> jax.Array:
    size = _dimensions(shape, a, b)
    one, other = _gamma(a, size, dtype, "beta"), _gamma(b, size, dtype, "other beta")
    return one / (one + other)


def _dirichlet(alpha: Any, shape: Shape | None = None, dtype: Any = None, **_: Any) -> jax.Array:
    batch = np.shape(alpha)[:-1] if shape is None else _dimensions(shape)
    parts = _gamma(alpha, (*batch, np.shape(alpha)[-1]), dtype, "dirichlet")
    return parts / parts.sum(-1, keepdims=True)


def _student(df: Any, shape: Shape | None = None, dtype: Any = None, **_: Any) -> jax.Array:
    normals = _normal(_dimensions(shape, df), dtype)
    halves = jnp.asarray(df, normals.dtype) / 2
    return normals * jnp.sqrt(halves / _gamma(halves, normals.shape, dtype, "student"))


def _multivariate_normal(
    mean: Any, cov: Any, shape: Shape | None = None, dtype: Any = None, *_a: Any, **_: Any
) -> jax.Array:
    batch = np.broadcast_shapes(np.shape(mean)[:-1], np.shape(cov)[:-2])
    size = batch if shape is None else _dimensions(shape)
    normals = _normal((*size, np.shape(mean)[-1]), dtype)
    drawn: jax.Array = mean + jnp.einsum("...ij,...j->...i", jnp.linalg.cholesky(cov), normals)
    return drawn


def _categorical(logits: Any, axis: int = -1, shape: Shape | None = None, **_: Any) -> jax.Array:
    logits = jnp.moveaxis(jnp.asarray(logits), axis, -1)
    batch = logits.shape[:-1] if shape is None else _dimensions(shape)
    noise = _gumbel((*batch, logits.shape[-1]), logits.dtype)
    return jnp.argmax(logits + noise, axis=-1)


def _choice(
    a: Any,
    shape: Shape = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    **_: Any,
) -> jax.Array:
    options = jnp.arange(a) if np.ndim(a) == 0 else jnp.asarray(a)
    count = options.shape[axis]
    wanted = _dimensions(shape)
    weights = jnp.zeros(count) if p is None else jnp.log(jnp.asarray(p))
    if replace:
        index = _categorical(weights, shape=wanted)
    else:
        order = jnp.argsort(-(weights + _gumbel((count,))))
        index = order[: math.prod(wanted)].reshape(wanted)
    return jnp.take(options, index, axis=axis)


def _orthogonal(
    n: int, shape: Shape = (), dtype: Any = None, m: int | None = None, **_: Any
) -> jax.Array:
    rows, columns = n, n if m is None else m
    tall = (*_dimensions(shape), max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(special.ndtri(_open_uniforms("orthogonal", tall)))
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return _array(q if rows >= columns else np.swapaxes(q, -1, -2), dtype)


_SAMPLERS: Mapping[str, Callable[..., jax.Array]] = {
    "normal": _normal,
    "truncated_normal": _truncated_normal,
    "uniform": _uniform,
    "bernoulli": _bernoulli,
    "rademacher": _rademacher,
    "randint": _randint,
    "bits": _bits,
    "permutation": _permutation,
    "shuffle": _shuffle,
    "exponential": _exponential,
    "gumbel": _gumbel,
    "logistic": _logistic,
    "laplace": _laplace,
    "cauchy": _cauchy,
    "gamma": _gamma,
    "loggamma": _loggamma,
    "chisquare": _chisquare,
    "beta": _beta,
    "dirichlet": _dirichlet,
    "t": _student,
    "multivariate_normal": _multivariate_normal,
    "categorical": _categorical,
    "choice": _choice,
    "orthogonal": _orthogonal,
}
