"""What functions of jax and numpy say about their arguments and results.

The inference asks two questions.  *What must a value be if it is passed here?*
`jnp.matmul(x, w)` makes arrays of `x` and `w`; `jnp.zeros(shape)` makes a plain
Python value of `shape`.  *What comes back?*

The tables read like signatures, one line for all functions that share one:

    expand_dims (a array, axis static) -> array

Parameters in positional order, each with its role; after `*,` come keywords that have
no position, among them names that later versions changed.  Roles:

- ``array``: can only be an array
- ``number``: an array or a Python number, so no evidence
- ``arrays``, ``tree``, ``function``, ``key``, ``any``: what the words say
- ``static``: a plain Python value (shape, axis, dtype, ...)

Results are ``array``, ``arrays``, ``static``, ``key``, ``keys``, ``tree``,
``function``, ``initializer``, ``any``, or ``same``: static if all arguments are, else
whatever the arguments that are not static are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ROLES = frozenset(
    {"array", "arrays", "number", "static", "key", "tree", "function", "initializer", "any"}
)
RESULTS = (ROLES - {"number"}) | {"keys", "same"}


@dataclass(frozen=True, slots=True)
class Signature:
    """Roles of the parameters of one function, and its result."""

    parameters: tuple[tuple[str, str], ...]  # (name, role) by position
    keywords: tuple[tuple[str, str], ...]  # (name, role) without a position
    variadic: str | None  # role of `*args`
    result: str

    def at(self, position: int) -> str:
        """The role of a positional argument."""
        if position < len(self.parameters):
            return self.parameters[position][1]
        return self.variadic or "any"

    def named(self, keyword: str) -> str:
        """The role of a keyword argument."""
        roles = dict(self.parameters + self.keywords)
        return roles.get(keyword) or _KEYWORDS.get(keyword, "any")


# Keywords that mean the same wherever they occur.
_KEYWORDS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        ("axis", "axes", "dtype", "shape", "newshape", "keepdims", "order", "precision", "ndmin"),
        "static",
    )
)

_JAX_NUMPY = """
abs absolute fabs negative positive sign square sqrt cbrt reciprocal (x number) -> array
exp exp2 expm1 log log1p log2 log10 (x number) -> array
sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh (x number) -> array
sinc deg2rad rad2deg degrees radians (x number) -> array
ceil floor rint trunc fix isnan isinf isfinite signbit logical_not (x number) -> array
conj conjugate (x number) -> array
real imag (val number) -> array
angle (z number, deg static) -> array
nan_to_num (x number, copy static, nan number, posinf number, neginf number) -> array
round around (a number, decimals static) -> array
invert bitwise_not (x number) -> array
add subtract multiply divide true_divide floor_divide (x1 number, x2 number) -> array
maximum minimum fmax fmin power (x1 number, x2 number) -> array
mod remainder fmod (x1 number, x2 number) -> array
arctan2 hypot logaddexp logaddexp2 copysign heaviside (x1 number, x2 number) -> array
equal not_equal less less_equal greater greater_equal (x number, y number) -> array
logical_and logical_or logical_xor (x1 number, x2 number) -> array
float_power nextafter left_shift (x number, y number) -> array
bitwise_and bitwise_or bitwise_xor right_shift gcd lcm (x1 number, x2 number) -> array
divmod (x1 number, x2 number) -> arrays
isclose allclose (a array, b number, rtol static, atol static, equal_nan static) -> array
array_equal (a1 any, a2 any, equal_nan static) -> array
where (condition number, x number, y number) -> array
clip (arr array, min number, max number, *, a array, x array, a_min number, a_max number) -> array
select (condlist arrays, choicelist arrays, default number) -> array

sum mean (a array, axis static, dtype static, *, keepdims static, where any) -> array
nansum nanmean (a array, axis static, dtype static, *, keepdims static) -> array
prod (a number, axis static, dtype static, *, keepdims static, where any) -> array
max min amax amin (a number, axis static, *, keepdims static, initial number) -> array
nanmax nanmin (a array, axis static, *, keepdims static) -> array
std var (a array, axis static, dtype static, *, ddof static, keepdims static) -> array
nanstd nanvar (a array, axis static, dtype static, *, ddof static, keepdims static) -> array
all any (a array, axis static, *, keepdims static) -> array
argmax argmin (a array, axis static, *, keepdims static) -> array
cumsum cumprod (a array, axis static, dtype static) -> array
median (a array, axis static, *, keepdims static) -> array
percentile quantile (a array, q number, axis static, *, keepdims static) -> array
average (a array, axis static, weights array) -> array
ptp count_nonzero (a array, axis static, *, keepdims static) -> array
bincount (x array, weights array, minlength static, *, length static) -> array

reshape (a array, shape static, order static, *, newshape static) -> array
ravel (a array, order static) -> array
transpose (a array, axes static) -> array
permute_dims (a array, axes static) -> array
matrix_transpose (x array) -> array
swapaxes (a array, axis1 static, axis2 static) -> array
moveaxis (a array, source static, destination static) -> array
rollaxis (a array, axis static, start static) -> array
expand_dims (a array, axis static) -> array
squeeze (a array, axis static) -> array
broadcast_to (array number, shape static) -> array
broadcast_arrays (*args number) -> arrays
broadcast_shapes (*shapes static) -> static
flip (m array, axis static) -> array
fliplr flipud (m array) -> array
rot90 (m array, k static, axes static) -> array
roll (a array, shift any, axis static) -> array
tile (A array, reps static) -> array
repeat (a array, repeats any, axis static) -> array
pad (array array, pad_width static, mode static) -> array
concatenate (arrays arrays, axis static) -> array
stack (arrays arrays, axis static) -> array
vstack hstack dstack column_stack (tup arrays) -> array
append (arr array, values array, axis static) -> array
split array_split (ary array, indices_or_sections static, axis static) -> arrays
hsplit vsplit dsplit (ary array, indices_or_sections static) -> arrays
atleast_1d atleast_2d atleast_3d (*arys number) -> array
diag diagflat (v array, k static) -> array
diagonal (a array, offset static, axis1 static, axis2 static) -> array
trace (a array, offset static, axis1 static, axis2 static) -> array
tril triu (m array, k static) -> array
diff (a array, n static, axis static) -> array
sort argsort (a array, axis static) -> array
searchsorted (a array, v number, side static) -> array
unique (ar array) -> any
nonzero (a array) -> arrays
take (a array, indices number, axis static) -> array
take_along_axis (arr array, indices array, axis static) -> array
meshgrid (*xi array) -> arrays
isin (element array, test_elements any) -> array

dot vdot inner matmul (a array, b array) -> array
outer kron (a array, b array) -> array
cross (a array, b array, axisa static, axisb static, axisc static, axis static) -> array
tensordot (a array, b array, axes static) -> array
einsum (subscripts static, *operands array) -> array
convolve correlate (a array, v array, mode static) -> array

zeros ones empty (shape static, dtype static) -> array
full (shape static, fill_value number, dtype static) -> array
zeros_like ones_like (a array, dtype static, shape static) -> array
empty_like (prototype array, dtype static, shape static) -> array
full_like (a array, fill_value number, dtype static, shape static) -> array
arange (start static, stop static, step static, dtype static) -> array
linspace (start number, stop number, num static, endpoint static) -> array
logspace (start number, stop number, num static, endpoint static) -> array
eye (N static, M static, k static, dtype static) -> array
identity (n static, dtype static) -> array
tri (N static, M static, k static, dtype static) -> array
indices (dimensions static, dtype static) -> array
geomspace (start number, stop number, num static, endpoint static) -> array
hamming hanning blackman bartlett (M static) -> array
kaiser (M static, beta number) -> array
diag_indices (n static, ndim static) -> arrays
tril_indices triu_indices (n static, k static, m static) -> arrays
unravel_index (indices any, shape static) -> arrays
ravel_multi_index (multi_index arrays, dims static) -> array
ix_ (*args number) -> arrays
load (file static) -> array
array (object number, dtype static) -> array
asarray (a number, dtype static) -> array
copy (a array) -> array

shape ndim size (a array) -> static
result_type promote_types can_cast issubdtype (*args any) -> static
finfo dtype (dtype static) -> static
iinfo (int_type static) -> static
isscalar (element any) -> static
iscomplexobj isrealobj (x any) -> static
iterable (y any) -> static
vectorize (pyfunc function) -> function
"""

_JAX_LINALG = """
norm (x array, ord static, axis static, keepdims static) -> array
inv det pinv cholesky (a array) -> array
matrix_power (a array, n static) -> array
solve (a array, b array) -> array
qr svd eigh eig slogdet (a array) -> arrays
"""

_JAX_LAX = """
abs neg sign exp expm1 log log1p sqrt rsqrt cbrt logistic tanh sin cos (x number) -> array
erf erf_inv erfc lgamma digamma floor ceil round is_finite (x number) -> array
integer_pow (x number, y static) -> array
add sub mul div rem max min pow atan2 (x number, y number) -> array
eq ne lt le gt ge (x number, y number) -> array
bitwise_not (x number) -> array
bitwise_and bitwise_or bitwise_xor (x number, y number) -> array
clamp (min number, x array, max number) -> array
select (pred array, on_true array, on_false array) -> array
convert_element_type (operand array, new_dtype static) -> array
reshape (operand array, new_sizes static, dimensions static) -> array
transpose (operand array, permutation static) -> array
rev (operand array, dimensions static) -> array
squeeze (array array, dimensions static) -> array
expand_dims (array array, dimensions static) -> array
broadcast (operand number, sizes static) -> array
broadcast_in_dim (operand number, shape static, broadcast_dimensions static) -> array
broadcasted_iota (dtype static, shape static, dimension static) -> array
iota (dtype static, size static) -> array
full (shape static, fill_value number, dtype static) -> array
full_like (x array, fill_value number, dtype static, shape static) -> array
concatenate (operands arrays, dimension static) -> array
pad (operand array, padding_value number, padding_config static) -> array
slice (operand array, start_indices static, limit_indices static, strides static) -> array
slice_in_dim (operand array, start_index static, limit_index static) -> array
dynamic_slice (operand array, start_indices number, slice_sizes static) -> array
dynamic_slice_in_dim (operand array, start_index number, slice_size static, axis static) -> array
dynamic_update_slice (operand array, update array, start_indices number) -> array
dynamic_update_slice_in_dim (operand array, update array, start_index number) -> array
dynamic_index_in_dim (operand array, index number, axis static, keepdims static) -> array
index_in_dim (operand array, index static, axis static, keepdims static) -> array
dot (lhs array, rhs array) -> array
dot_general (lhs array, rhs array, dimension_numbers static, precision static) -> array
batch_matmul (lhs array, rhs array, precision static) -> array
conv (lhs array, rhs array, window_strides static, padding static) -> array
conv_with_general_padding (lhs array, rhs array, window_strides static, padding static) -> array
conv_general_dilated (lhs array, rhs array, window_strides static, padding static, \
lhs_dilation static, rhs_dilation static, dimension_numbers static, \
feature_group_count static) -> array
conv_transpose (lhs array, rhs array, strides static, padding static) -> array
conv_dimension_numbers (lhs_shape static, rhs_shape static, dimension_numbers static) -> static
reduce_window (operand array, init_value number, computation function, \
window_dimensions static, window_strides static, padding static) -> array
sort (operand any, dimension static) -> any
sort_key_val (keys array, values array, dimension static) -> arrays
top_k (operand array, k static) -> arrays
cumsum cumprod cummax cummin (operand array, axis static) -> array
argmax argmin (operand array, axis static, index_dtype static) -> array
psum pmean pmax pmin (x tree, axis_name static) -> same
ppermute (x tree, axis_name static, perm static) -> same
all_gather (x tree, axis_name static) -> same
all_to_all (x tree, axis_name static, split_axis static, concat_axis static) -> same
axis_index (axis_name static) -> array
stop_gradient (x tree) -> same
tie_in (x any, y any) -> same
"""

_JAX_NN = """
relu relu6 sigmoid softplus soft_sign silu swish log_sigmoid selu (x number) -> array
hard_tanh hard_sigmoid hard_silu hard_swish (x number) -> array
elu celu (x number, alpha number) -> array
leaky_relu (x number, negative_slope number) -> array
gelu (x number, approximate static) -> array
glu (x array, axis static) -> array
softmax log_softmax (x array, axis static) -> array
standardize normalize (x array, axis static, mean array, variance array, epsilon static) -> array
logsumexp (a array, axis static, b array) -> array
one_hot (x array, num_classes static, *, dtype static, axis static) -> array
"""

_JAX_INITIALIZERS = """
zeros ones (key key, shape static, dtype static) -> array
constant (value static, dtype static) -> initializer
normal truncated_normal (stddev static, dtype static) -> initializer
uniform (scale static, dtype static) -> initializer
orthogonal delta_orthogonal (scale static, column_axis static, dtype static) -> initializer
variance_scaling (scale static, mode static, distribution static, \
in_axis static, out_axis static) -> initializer
kaiming_normal kaiming_uniform he_normal he_uniform (in_axis static, out_axis static) \
-> initializer
lecun_normal lecun_uniform glorot_normal glorot_uniform (in_axis static, out_axis static) \
-> initializer
xavier_normal xavier_uniform (in_axis static, out_axis static) -> initializer
"""

_JAX_RANDOM = """
PRNGKey key (seed any) -> key
split (key key, num static) -> keys
fold_in (key key, data number) -> key
normal gumbel laplace logistic cauchy exponential (key key, shape static, dtype static) -> array
uniform (key key, shape static, dtype static, minval number, maxval number) -> array
truncated_normal (key key, lower number, upper number, shape static, dtype static) -> array
randint (key key, shape static, minval number, maxval number, dtype static) -> array
rademacher (key key, shape static, dtype static) -> array
bits (key key, shape static, dtype static) -> array
bernoulli (key key, p number, shape static) -> array
categorical (key key, logits array, axis static, shape static) -> array
gamma loggamma (key key, a number, shape static, dtype static) -> array
beta (key key, a number, b number, shape static, dtype static) -> array
dirichlet (key key, alpha array, shape static, dtype static) -> array
poisson (key key, lam number, shape static, dtype static) -> array
t (key key, df number, shape static, dtype static) -> array
pareto (key key, b number, shape static, dtype static) -> array
multivariate_normal (key key, mean array, cov array, shape static, dtype static) -> array
choice (key key, a any, shape static, replace static, p array) -> array
permutation (key key, x any, axis static, independent static) -> array
shuffle (key key, x array, axis static) -> array
"""

_JAX = """
device_put (x tree, device static) -> same
device_get block_until_ready (x tree) -> same
device_count local_device_count process_index process_count host_id host_count () -> static
devices local_devices () -> static
eval_shape (fun function, *args any) -> tree
tree_map tree_multimap (f function, tree tree, *rest tree) -> tree
tree_leaves (tree tree) -> arrays
tree_flatten tree_structure (tree tree) -> any
"""

_JAX_TREE_UTIL = """
tree_map tree_multimap (f function, tree tree, *rest tree) -> tree
tree_leaves (tree tree) -> arrays
tree_flatten tree_structure (tree tree) -> any
tree_all (tree tree) -> static
"""

_JAX_TREE = """
map (f function, tree tree, *rest tree) -> tree
leaves (tree tree) -> arrays
flatten structure (tree tree) -> any
"""

_JAX_OPS = """
index_update index_add index_mul index_min index_max (x array, idx any, y number) -> array
segment_sum (data array, segment_ids array, num_segments static) -> array
"""

_JAX_SPECIAL = """
logsumexp (a array, axis static, b array) -> array
expit logit erf erfc erfinv gammaln digamma (x number) -> array
xlogy xlog1py (x number, y number) -> array
"""

_JAX_IMAGE = """
resize (image array, shape static, method static) -> array
"""

_BUILTINS = """
range (start static, stop static, step static) -> static
int float bool complex str repr hash id (object any) -> static
len isinstance issubclass callable hasattr type (object any, *more any) -> static
abs round (number number, ndigits static) -> same
"""

DTYPES = frozenset(
    {
        *("bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "bfloat16", "complex64", "complex128"),
        *("int_", "uint", "float_", "complex_", "integer", "floating", "number", "inexact"),
        *("bool", "int", "float", "complex", "single", "double"),
    }
)

CONSTANTS = frozenset({"pi", "e", "inf", "nan", "newaxis", "euler_gamma", "index_exp", "s_"})

# Their first arguments are functions: what they mean depends on those.
TRANSFORMATIONS = frozenset(
    {
        *("jax.lax.cond", "jax.lax.while_loop", "jax.lax.fori_loop", "jax.lax.scan"),
        *("jax.lax.switch", "jax.lax.map", "jax.lax.reduce", "jax.lax.associative_scan"),
        *("jax.lax.custom_root", "jax.lax.custom_linear_solve"),
        *("jax.numpy.vectorize", "jax.numpy.apply_along_axis", "jax.numpy.apply_over_axes"),
        "jax.numpy.piecewise",
    }
)

_LINE = re.compile(r"(?P<names>[\w ]+?) *\((?P<parameters>[^)]*)\) *-> *(?P<result>\w+)")


def _table(prefix: str, text: str) -> Mapping[str, Signature]:
    return {
        f"{prefix}.{name}": _signature(line["parameters"], line["result"])
        for line in _LINE.finditer(text)
        for name in line["names"].split()
    }


def _signature(parameters: str, result: str) -> Signature:
    positional, _, named = parameters.partition("*,")
    pairs = [(name, role) for name, role in map(str.split, _items(positional))]
    return Signature(
        parameters=tuple(pair for pair in pairs if not pair[0].startswith("*")),
        keywords=tuple((name, role) for name, role in map(str.split, _items(named))),
        variadic=next((role for name, role in pairs if name.startswith("*")), None),
        result=result,
    )


def _items(text: str) -> list[str]:
    return [item for item in text.split(",") if item.strip()]


# Numpy works on Python values as well, so it proves nothing about its arguments, and
# what comes back is static if they are: np.prod(x.shape[1:]).
def _numpy_of(signature: Signature) -> Signature:
    def demoted(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, "number" if role == "array" else role) for name, role in pairs)

    if signature.parameters:
        _, first = signature.parameters[0]
    else:
        first = signature.variadic or "static"
    return Signature(
        parameters=demoted(signature.parameters),
        keywords=demoted(signature.keywords),
        variadic="number" if signature.variadic == "array" else signature.variadic,
        result="same" if signature.result == "array" and first != "static" else signature.result,
    )


_NUMPY_TABLE = _table("jax.numpy", _JAX_NUMPY)

ARRAY_FUNCTIONS: Mapping[str, Signature] = MappingProxyType(
    {
        **_NUMPY_TABLE,
        **{name.removeprefix("jax."): _numpy_of(each) for name, each in _NUMPY_TABLE.items()},
        **_table("jax.numpy.linalg", _JAX_LINALG),
        **_table("jax.lax", _JAX_LAX),
        **_table("jax.nn", _JAX_NN),
        **_table("jax.nn.initializers", _JAX_INITIALIZERS),
        **_table("jax.random", _JAX_RANDOM),
        **_table("jax", _JAX),
        **_table("jax.tree_util", _JAX_TREE_UTIL),
        **_table("jax.tree", _JAX_TREE),
        **_table("jax.ops", _JAX_OPS),
        **_table("jax.scipy.special", _JAX_SPECIAL),
        **_table("jax.image", _JAX_IMAGE),
        **_table("builtins", _BUILTINS),
    }
)

_UNKNOWN: Mapping[str, Signature] = MappingProxyType(
    {
        "jax.numpy": _signature("x array", "array"),
        "jax.numpy.linalg": _signature("x array", "any"),
        "jax.numpy.fft": _signature("x array", "array"),
        "jax.lax": _signature("x array", "array"),
        "jax.nn": _signature("x array", "array"),
        "jax.random": _signature("key key", "array"),
        "jax.scipy.special": _signature("x number", "array"),
    }
)


def signature(path: str) -> Signature | None:
    """What a function of jax, numpy or builtins takes and gives, by its qualified name."""
    if path in TRANSFORMATIONS or constant(path) is not None:
        return None
    namespace, _, name = path.rpartition(".")
    unknown = _UNKNOWN.get(namespace) if name.islower() and name != "ndarray" else None
    return ARRAY_FUNCTIONS.get(path, unknown)


def constant(path: str) -> str | None:
    """What a name is that is no function: ``dtype``, ``static`` or ``initializer``."""
    namespace, _, name = path.rpartition(".")
    if namespace == "jax.nn.initializers" and name in {"zeros", "ones"}:
        return "initializer"
    if namespace not in {"jax.numpy", "numpy"}:
        return None
    if name in DTYPES:
        return "dtype"
    return "static" if name in CONSTANTS else None


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of arrays; `telling` if it proves that its owner is one."""

    method: bool
    result: str  # array | static | any: what the attribute, or its call, gives
    telling: bool = True


_PROPERTIES = {
    **dict.fromkeys(("T", "at"), Attribute(method=False, result="array")),
    **dict.fromkeys(("shape", "ndim"), Attribute(method=False, result="static")),
    **dict.fromkeys(("real", "imag"), Attribute(method=False, result="array", telling=False)),
    **dict.fromkeys(
        ("dtype", "size", "itemsize", "nbytes"),
        Attribute(method=False, result="static", telling=False),
    ),
}

_METHODS = {
    **dict.fromkeys(
        (
            *("all", "any", "argmax", "argmin", "argsort", "astype", "cumprod", "cumsum"),
            *("diagonal", "dot", "flatten", "max", "mean", "min", "prod", "ravel", "reshape"),
            *("squeeze", "std", "sum", "swapaxes", "transpose", "var", "block_until_ready"),
        ),
        Attribute(method=True, result="array"),
    ),
    **dict.fromkeys(
        ("clip", "conj", "copy", "repeat", "round", "take", "trace", "view"),
        Attribute(method=True, result="array", telling=False),
    ),
    **dict.fromkeys(("item", "tolist"), Attribute(method=True, result="static")),
}

ARRAY_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({**_PROPERTIES, **_METHODS})
