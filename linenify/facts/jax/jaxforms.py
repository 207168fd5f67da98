"""How calls of JAX and NumPy functions that are gone, or take other arguments, read today.

Every entry is measured: `tests/facts/test_jax_forms.py` compares it with the old meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from linenify.facts.legacy.oldapi import changed_parameters


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
        arrays: parameters that took lists for arrays.
    """

    parameters: tuple[str, ...]
    required: int
    call: str
    value: str = ""
    snippet: str = ""
    arrays: tuple[str, ...] = ()


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
    "lambda ar1, ar2, assume_unique=False, invert=False: "
    "{ns}.isin({ns}.ravel(ar1), ar2, assume_unique, invert)",
    arrays=("ar1", "ar2"),
)
_MSORT = Form(
    ("a",),
    1,
    "{ns}.sort({a}, axis=0)",
    "{spell:functools.partial}({ns}.sort, axis=0)",
    arrays=("a",),
)

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
        "numpy.asscalar": Form(("a",), 1, "{a}.item()", "lambda a: a.item()"),
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
        places: place of an argument -> its keyword today; "" where it is gone.
        keywords: old keyword -> today's, or the place that it has; "" where it is gone.
    """

    places: Mapping[int, str]
    keywords: Mapping[str, str | int]


_QUANTILE = Moved({}, {"interpolation": "method"})
_SORT = Moved({2: "", 3: ""}, {"kind": "", "order": ""})
_RESHAPE = Moved({}, {"newshape": "shape"})
_LIKE = Moved({}, {"x": "a"})
_QUANTILES = ("quantile", "percentile", "nanquantile", "nanpercentile")

# What the signatures alone do not say: which hints are right, and what means the same still.
_KNOWN: Mapping[str, Moved] = MappingProxyType(
    {
        "jax.jit": Moved({1: "static_argnums"}, {"fun": 0}),
        "jax.numpy.pad": Moved({3: "constant_values"}, {}),
        "jax.numpy.clip": Moved(
            {3: ""}, {"a": 0, "arr": 0, "a_min": "min", "a_max": "max", "out": ""}
        ),
        "jax.numpy.reshape": _RESHAPE,
        "numpy.reshape": _RESHAPE,
        "jax.numpy.sort": _SORT,
        "jax.numpy.argsort": _SORT,
        "jax.numpy.array": Moved({2: "copy", 3: "order", 4: "ndmin"}, {}),
        "jax.numpy.ones_like": _LIKE,
        "jax.numpy.zeros_like": _LIKE,
        "jax.numpy.empty_like": Moved({}, {"x": "prototype", "a": "prototype"}),
        "jax.numpy.broadcast_to": Moved({}, {"arr": "array"}),
        "jax.numpy.tile": Moved({}, {"a": "A"}),
        "jax.numpy.isscalar": Moved({}, {"num": "element"}),
        "jax.numpy.gradient": Moved({}, {"a": "f"}),
        "jax.numpy.where": Moved({}, {"condition": 0, "x": 1, "y": 2}),
        "jax.numpy.linalg.matrix_rank": Moved({}, {}),
        "jax.numpy.linalg.pinv": Moved({}, {}),
        "jax.tree_util.tree_reduce": Moved({}, {"f": "function"}),
        "jax.tree.reduce": Moved({}, {"f": "function"}),
        **{f"jax.numpy.{name}": _QUANTILE for name in _QUANTILES},
        **{f"numpy.{name}": _QUANTILE for name in _QUANTILES},
    }
)
_BY_PLACE = (("x",), ("x1", "x2"), ("val",), ("a",), ("a", "b"))


@cache
def moved(path: str) -> Moved | None:
    """How the arguments of a function are given today; None where nothing has changed."""
    known = _KNOWN.get(path)
    if known is not None:
        return known if known.places or known.keywords else None
    found = changed_parameters(path)
    if found is None:
        return None
    for names in _BY_PLACE:
        if set(found.keywords) == set(names) and not any(found.keywords.values()):
            return Moved(found.places, {name: place for place, name in enumerate(names)})
    return Moved(found.places, dict.fromkeys(found.keywords, ""))
