"""How calls of JAX and NumPy functions that are gone, or take other arguments, read today.

Every entry is measured: `tests/facts/test_jax_forms.py` compares it with the old meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Form:
    """What a function that is gone is written as.

    Attributes:
        parameters: those of the old function, in order.
        required: how many of them have no default.
        call: the call, `{name}` for an argument and `{...}` for `, name=value` of those
            optional ones that are given; `{ns}` is the namespace that held the function.
        value: the function as a value, as a template.
        snippet: the support function that stands for it as a value, instead.
    """

    parameters: tuple[str, ...]
    required: int
    call: str
    value: str = ""
    snippet: str = ""


def _update(name: str, method: str) -> Form:
    return Form(
        ("x", "idx", "y", "indices_are_sorted", "unique_indices"),
        3,
        "{x}.at[{idx}].%s({y}{...})" % method,
        snippet=name,
    )


_IN1D = Form(
    ("ar1", "ar2", "assume_unique", "invert"),
    2,
    "{ns}.isin({ns}.ravel({ar1}), {ar2}{...})",
    "lambda ar1, ar2, **options: {ns}.isin({ns}.ravel(ar1), ar2, **options)",
)
_MSORT = Form(("a",), 1, "{ns}.sort({a}, axis=0)", "{spell:functools.partial}({ns}.sort, axis=0)")

UPDATES: Mapping[str, str] = MappingProxyType(
    {
        "index_update": "set",
        "index_add": "add",
        "index_mul": "multiply",
        "index_min": "min",
        "index_max": "max",
    }
)

SHUFFLE = "jax.random.shuffle"
ROWS = Form(("key", "x", "axis"), 2, "{ns}.permutation({key}, {x}{...})")

FORMS: Mapping[str, Form] = MappingProxyType(
    {
        **{f"jax.ops.{name}": _update(name, method) for name, method in UPDATES.items()},
        "jax.lax.tie_in": Form(("x", "y"), 2, "{y}", "lambda x, y: y"),
        "jax.numpy.in1d": _IN1D,
        "numpy.in1d": _IN1D,
        "jax.numpy.msort": _MSORT,
        "numpy.msort": _MSORT,
        SHUFFLE: Form(
            ("key", "x", "axis"),
            2,
            "{ns}.permutation({key}, {x}{...}, independent=True)",
            "{spell:functools.partial}({ns}.permutation, independent=True)",
        ),
    }
)

INDEX = "jax.ops.index"  # `index[...]` was what is between the brackets


@dataclass(frozen=True, slots=True)
class Moved:
    """Arguments of a function that is still there, and are given otherwise today.

    Attributes:
        parameters: those of the old function, in order.
        positional: how many of them may still come by position.
        renamed: old name -> new name; "" where only the position is left, None where
            the argument is gone and said nothing.
    """

    parameters: tuple[str, ...]
    positional: int
    renamed: Mapping[str, str | None]


def _moved(parameters: str, positional: int, **renamed: str | None) -> Moved:
    return Moved(tuple(parameters.split()), positional, MappingProxyType(renamed))


_QUANTILE = _moved(
    "a q axis out overwrite_input method keepdims", 7, interpolation="method", out=None
)
_SORT = _moved("a axis kind order", 2, kind=None, order=None)
_RESHAPE = _moved("a newshape order", 3, newshape="shape")
_QUANTILES = ("quantile", "percentile", "nanquantile", "nanpercentile")

MOVED: Mapping[str, Moved] = MappingProxyType(
    {
        "jax.numpy.pad": _moved("array pad_width mode constant_values", 3),
        "jax.numpy.clip": _moved("a a_min a_max out", 3, a="", a_min="min", a_max="max", out=None),
        "jax.numpy.reshape": _RESHAPE,
        "numpy.reshape": _RESHAPE,
        "jax.numpy.sort": _SORT,
        "jax.numpy.argsort": _SORT,
        "jax.numpy.array": _moved("object dtype copy order ndmin", 2),
        "jax.lax.dot": _moved("lhs rhs precision preferred_element_type", 2),
        **{f"jax.numpy.{name}": _QUANTILE for name in _QUANTILES},
        **{f"numpy.{name}": _QUANTILE for name in _QUANTILES},
    }
)
