"""What the legacy API was, name by name, and what stands for it in Linen.

Everything here is data.  Names are dotted paths below ``flax.nn`` on the legacy
side and below ``flax.linen`` on the Linen side, unless they start with ``flax.``,
``jax.`` or ``functools.``.  What names of jax and numpy mean is in `arrays`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


class Slot(enum.Enum):
    """Where a legacy argument goes.

    ``Dense(x, 64, bias=False)`` becomes ``Dense(features=64, use_bias=False)(x)``:
    one input and two fields.
    """

    INPUT = "input"  # given at the call on both sides: an array, a carry
    FIELD = "field"  # a field of the Linen class
    CALL = "call"  # no array, but a keyword of Linen's `__call__`
    SPECIAL = "special"  # no one-to-one counterpart: a rule of its own decides


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a legacy callable.

    `role` says what a value passed here must be: ``array``, ``static``,
    ``initializer``, ``flag`` (a boolean like ``train``), ``module``, ``key``,
    ``collection`` (a cache), ``statistics`` (a Collection), ``tree`` or ``any``.
    """

    name: str
    slot: Slot
    linen: str | None
    default: str | None  # source text, names as below `flax.nn`; None: required
    type: str = "Any"
    role: str = "static"
    linen_default: str | None = None  # Linen's own default, where it means something else


@dataclass(frozen=True, slots=True)
class Method:
    """A ``module_method`` of a layer, called on an instance or on a Model."""

    name: str
    linen: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Static:
    """A static method of a layer; in Linen it needs an instance.

    ``LSTMCell.initialize_carry(rng, (8,), 64)`` becomes
    ``LSTMCell(features=64).initialize_carry(rng, (8,) + (inputs,))``.
    """

    name: str
    linen: str
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A module class that legacy Flax shipped."""

    name: str
    linen: str
    home: str  # the submodule that defines it
    arguments: tuple[Argument, ...]  # legacy positional order, without `self`
    fields: tuple[str, ...]  # of the Linen class in order, without `parent` and `name`
    inputs: tuple[str, ...]  # parameters of Linen's `__call__` in order
    stem: str  # the prefix of automatic names in legacy: `stem_0`
    required: tuple[tuple[str, str], ...] = ()  # to spell out where legacy had a default
    required_with: tuple[tuple[str, str, str], ...] = ()  # (given, keyword, value): if given
    derived: tuple[str, ...] = ()  # required by Linen, taken by legacy from its inputs
    positional: int | None = None  # how many may be given by position; None: all
    aliases: tuple[tuple[str, str], ...] = ()  # keywords of 0.1.0rc -> later ones
    parameters: tuple[str, ...] = ()  # own leaves, both sides
    methods: tuple[Method, ...] = ()
    statics: tuple[Static, ...] = ()
    shapes: tuple[str, ...] = ()  # where leaves differ in shape between the sides

    @property
    def paths(self) -> tuple[str, ...]:
        """Where legacy code finds it, below ``flax.nn``."""
        return self.name, f"{self.home}.{self.name}"

    @property
    def target(self) -> str:
        """Where Linen has it."""
        return f"flax.linen.{self.linen}"

    def argument(self, name: str) -> Argument | None:
        """The argument of that name, or of the old name it had in 0.1.0rc."""
        name = dict(self.aliases).get(name, name)
        return next((each for each in self.arguments if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Function:
    """Any other legacy name.

    `kind` is one of

    - ``same``: the same name with the same meaning in Linen
    - ``renamed``: the same meaning under another name
    - ``special``: a rule of its own decides, inside modules
    - ``toplevel``: a rule of its own decides, in the code around modules
    - ``gone``: no counterpart

    `value` is what the name itself is: ``function``, ``class``, ``decorator``,
    ``context``, ``property``, ``initializer`` or ``static``.  `returns` is what calling it gives.
    """

    name: str
    paths: tuple[str, ...]
    kind: str
    linen: str | None
    arguments: tuple[Argument, ...] = ()
    returns: str = "any"
    value: str = "function"
    note: str = ""
    forwards: bool = False  # further arguments go to the module's `apply`

    @property
    def target(self) -> str | None:
        """The absolute name of the replacement."""
        if self.linen is None or self.linen.startswith(("flax.", "jax.", "functools.")):
            return self.linen
        return f"flax.linen.{self.linen}"

    def argument(self, name: str) -> Argument | None:
        """The argument of that name."""
        return next((each for each in self.arguments if each.name == name), None)


# --- arguments that layers share -------------------------------------------------------

CALLABLE = "Callable[..., Any]"


def _input(
    name: str, linen: str | None = None, default: str | None = None, role: str = "array"
) -> Argument:
    return Argument(name, Slot.INPUT, linen or name, default, role=role)


def _field(
    name: str,
    type_: str = "Any",
    default: str | None = None,
    linen: str | None = None,
    role: str = "static",
) -> Argument:
    return Argument(name, Slot.FIELD, linen or name, default, type_, role)


def _call(
    name: str,
    type_: str = "Any",
    default: str | None = None,
    linen: str | None = None,
    role: str = "static",
) -> Argument:
    return Argument(name, Slot.CALL, linen or name, default, type_, role)


def _special(
    name: str, default: str | None = None, type_: str = "Any", role: str = "static"
) -> Argument:
    return Argument(name, Slot.SPECIAL, None, default, type_, role)


def _init(name: str, default: str, linen: str | None = None) -> Argument:
    return Argument(name, Slot.FIELD, linen or name, default, CALLABLE, "initializer")


_FEATURES = _field("features", "int")
_BIAS = _field("bias", "bool", "True", "use_bias")
_SCALE = _field("scale", "bool", "True", "use_scale")
_DTYPE = replace(_field("dtype", "Any", "jnp.float32"), linen_default="None")
_FLAG = replace(_call("deterministic", "bool", "False", role="flag"), linen_default="None")
_PRECISION = _field("precision", "Any", "None")
_KERNEL_INIT = _init("kernel_init", "linear.default_kernel_init")
_BIAS_INIT = _init("bias_init", "initializers.zeros")
_SCALE_INIT = _init("scale_init", "initializers.ones")
_KERNEL_SIZE = _field("kernel_size", "Sequence[int]")
_STRIDES = _field("strides", "Sequence[int]", "None")
_PADDING = _field("padding", "Any", "'SAME'")

# --- layers ----------------------------------------------------------------------------

_DENSE_GENERAL = Layer(
    name="DenseGeneral",
    linen="DenseGeneral",
    home="linear",
    arguments=(
        _input("inputs"),
        _field("features"),
        _field("axis", "Any", "-1"),
        _field("batch_dims", "Sequence[int]", "()"),
        _BIAS,
        _DTYPE,
        _KERNEL_INIT,
        _BIAS_INIT,
        _PRECISION,
    ),
    fields=(
        *("features", "axis", "batch_dims", "use_bias", "dtype", "param_dtype", "kernel_init"),
        *("bias_init", "precision", "promote_dtype", "dot_general", "dot_general_cls"),
    ),
    inputs=("inputs",),
    stem="DenseGeneral",
    parameters=("kernel", "bias"),
    shapes=("kernel: Linen sorts `axis`, legacy keeps its order",),
)

_DENSE = Layer(
    name="Dense",
    linen="Dense",
    home="linear",
    arguments=(
        *(_input("inputs"), _FEATURES, _BIAS, _DTYPE, _PRECISION, _KERNEL_INIT, _BIAS_INIT),
    ),
    fields=(
        *("features", "use_bias", "dtype", "param_dtype", "precision", "kernel_init"),
        *("bias_init", "promote_dtype", "dot_general", "dot_general_cls"),
    ),
    inputs=("inputs",),
    stem="Dense",
    parameters=("kernel", "bias"),
)

_CONV = Layer(
    name="Conv",
    linen="Conv",
    home="linear",
    arguments=(
        _input("inputs"),
        _FEATURES,
        _KERNEL_SIZE,
        _STRIDES,
        _PADDING,
        _field("input_dilation", "Sequence[int]", "None"),
        _field("kernel_dilation", "Sequence[int]", "None"),
        _field("feature_group_count", "int", "1"),
        _BIAS,
        _DTYPE,
        _PRECISION,
        _KERNEL_INIT,
        _BIAS_INIT,
    ),
    fields=(
        *("features", "kernel_size", "strides", "padding", "input_dilation", "kernel_dilation"),
        *("feature_group_count", "use_bias", "mask", "dtype", "param_dtype", "precision"),
        *("kernel_init", "bias_init", "promote_dtype", "conv_general_dilated"),
        "conv_general_dilated_cls",
    ),
    inputs=("inputs",),
    stem="Conv",
    aliases=(("lhs_dilation", "input_dilation"), ("rhs_dilation", "kernel_dilation")),
    parameters=("kernel", "bias"),
)

_CONV_TRANSPOSE = Layer(
    name="ConvTranspose",
    linen="ConvTranspose",
    home="linear",
    arguments=(
        _input("inputs"),
        _FEATURES,
        _KERNEL_SIZE,
        _STRIDES,
        _PADDING,
        _field("kernel_dilation", "Sequence[int]", "None"),
        _BIAS,
        _DTYPE,
        _PRECISION,
        _KERNEL_INIT,
        _BIAS_INIT,
    ),
    fields=(
        *("features", "kernel_size", "strides", "padding", "kernel_dilation", "use_bias", "mask"),
        *("dtype", "param_dtype", "precision", "kernel_init", "bias_init", "transpose_kernel"),
        *("promote_dtype", "preferred_element_type"),
    ),
    inputs=("inputs",),
    stem="ConvTranspose",
    aliases=(("rhs_dilation", "kernel_dilation"),),
    parameters=("kernel", "bias"),
)

_EMBED = Layer(
    name="Embed",
    linen="Embed",
    home="linear",
    arguments=(
        _input("inputs"),
        _field("num_embeddings", "int"),
        _FEATURES,
        _init("embedding_init", "linear.default_embed_init"),
    ),
    fields=(
        *("num_embeddings", "features", "dtype", "param_dtype", "embedding_init"),
        "promote_dtype",
    ),
    inputs=("inputs",),
    stem="Embed",
    parameters=("embedding",),
    methods=(Method("attend", "attend", (_input("query"),)),),
)

_BATCH_NORM = Layer(
    name="BatchNorm",
    linen="BatchNorm",
    home="normalization",
    arguments=(
        _input("x"),
        _special("batch_stats", "None", role="statistics"),
        replace(_field("use_running_average", "bool", "False", role="flag"), linen_default="None"),
        _field("axis", "Any", "-1"),
        _field("momentum", "float", "0.99"),
        _field("epsilon", "float", "1e-05"),
        _DTYPE,
        _BIAS,
        _SCALE,
        _BIAS_INIT,
        _SCALE_INIT,
        _field("axis_name", "str", "None"),
        _field("axis_index_groups", "Any", "None"),
    ),
    fields=(
        *("use_running_average", "axis", "momentum", "epsilon", "dtype", "param_dtype"),
        *("use_bias", "use_scale", "bias_init", "scale_init", "axis_name", "axis_index_groups"),
        *("use_fast_variance", "force_float32_reductions"),
    ),
    inputs=("x", "use_running_average", "mask"),
    stem="BatchNorm",
    required=(("use_running_average", "False"),),
    parameters=("scale", "bias"),
)

_LAYER_NORM = Layer(
    name="LayerNorm",
    linen="LayerNorm",
    home="normalization",
    arguments=(
        _input("x"),
        _field("epsilon", "float", "1e-06"),
        _DTYPE,
        _BIAS,
        _SCALE,
        _BIAS_INIT,
        _SCALE_INIT,
    ),
    fields=(
        *("epsilon", "dtype", "param_dtype", "use_bias", "use_scale", "bias_init", "scale_init"),
        *("reduction_axes", "feature_axes", "axis_name", "axis_index_groups"),
        *("use_fast_variance", "force_float32_reductions"),
    ),
    inputs=("x", "mask"),
    stem="LayerNorm",
    parameters=("scale", "bias"),
)

_GROUP_NORM = Layer(
    name="GroupNorm",
    linen="GroupNorm",
    home="normalization",
    arguments=(
        _input("x"),
        _field("num_groups", "int", "32"),
        _field("group_size", "int", "None"),
        _field("epsilon", "float", "1e-06"),
        _DTYPE,
        _BIAS,
        _SCALE,
        _BIAS_INIT,
        _SCALE_INIT,
    ),
    fields=(
        *("num_groups", "group_size", "epsilon", "dtype", "param_dtype", "use_bias"),
        *("use_scale", "bias_init", "scale_init", "reduction_axes", "axis_name"),
        *("axis_index_groups", "use_fast_variance", "force_float32_reductions"),
    ),
    inputs=("x", "mask"),
    stem="GroupNorm",
    parameters=("scale", "bias"),
    shapes=("scale, bias: (1, ..., 1, features) in legacy, (features,) in Linen",),
)


def _initialize_carry(size: Argument) -> Static:
    return Static(
        "initialize_carry",
        "initialize_carry",
        (
            Argument("rng", Slot.INPUT, "rng", None, role="key"),
            _special("batch_dims", type_="Sequence[int]"),
            size,
            _init("init_fn", "initializers.zeros", "carry_init"),
        ),
    )


_LSTM_CELL = Layer(
    name="LSTMCell",
    linen="LSTMCell",
    home="recurrent",
    arguments=(
        _input("carry"),
        _input("inputs"),
        _field("gate_fn", CALLABLE, "activation.sigmoid"),
        _field("activation_fn", CALLABLE, "activation.tanh"),
        _KERNEL_INIT,
        _init("recurrent_kernel_init", "initializers.orthogonal()"),
        _BIAS_INIT,
    ),
    fields=(
        *("features", "gate_fn", "activation_fn", "kernel_init", "recurrent_kernel_init"),
        *("bias_init", "dtype", "param_dtype", "carry_init"),
    ),
    inputs=("carry", "inputs"),
    stem="LSTMCell",
    derived=("features",),
    statics=(_initialize_carry(_field("size", "int", linen="features")),),
)

_CONV_LSTM = Layer(
    name="ConvLSTM",
    linen="ConvLSTMCell",
    home="recurrent",
    arguments=(
        _input("carry"),
        _input("inputs"),
        _FEATURES,
        _KERNEL_SIZE,
        _STRIDES,
        _PADDING,
        _BIAS,
        _DTYPE,
    ),
    fields=(
        *("features", "kernel_size", "strides", "padding", "use_bias", "dtype", "param_dtype"),
        "carry_init",
    ),
    inputs=("carry", "inputs"),
    stem="ConvLSTM",
    statics=(_initialize_carry(_special("size", type_="Sequence[int]")),),
)

_ATTENTION = Layer(
    name="MultiHeadDotProductAttention",
    linen="MultiHeadDotProductAttention",
    home="attention",
    arguments=(
        _input("inputs_q"),
        _input("inputs_kv", "inputs_k"),
        _field("num_heads", "int"),
        _DTYPE,
        _field("qkv_features", "int", "None"),
        _field("out_features", "int", "None"),
        _special("attention_axis", "None"),
        _special("causal_mask", "False", "bool"),
        _special("padding_mask", "None", role="array"),
        _special("key_padding_mask", "None", role="array"),
        _special("segmentation", "None", role="array"),
        _special("key_segmentation", "None", role="array"),
        _special("cache", "None", role="collection"),
        _field("broadcast_dropout", "bool", "True"),
        _call("dropout_rng", "Any", "None", role="key"),
        _field("dropout_rate", "float", "0.0"),
        _FLAG,
        _PRECISION,
        _KERNEL_INIT,
        _BIAS_INIT,
        _BIAS,
        _field("attention_fn", CALLABLE, "dot_product_attention"),
    ),
    fields=(
        *("num_heads", "dtype", "param_dtype", "qkv_features", "out_features"),
        *("broadcast_dropout", "dropout_rate", "deterministic", "precision", "kernel_init"),
        *("out_kernel_init", "bias_init", "out_bias_init", "use_bias", "attention_fn", "decode"),
        *("normalize_qk", "force_fp32_for_softmax", "qkv_dot_general", "out_dot_general"),
        *("qkv_dot_general_cls", "out_dot_general_cls", "qk_attn_weights_einsum_cls"),
        "attn_weights_value_einsum_cls",
    ),
    inputs=(
        *("inputs_q", "inputs_k", "inputs_v", "inputs_kv", "mask", "deterministic"),
        *("dropout_rng", "sow_weights"),
    ),
    stem="MultiHeadDotProductAttention",
    required_with=(("dropout_rate", "deterministic", "False"),),
)

LAYERS: tuple[Layer, ...] = (
    _DENSE,
    _DENSE_GENERAL,
    _CONV,
    _CONV_TRANSPOSE,
    _EMBED,
    _BATCH_NORM,
    _LAYER_NORM,
    _GROUP_NORM,
    _LSTM_CELL,
    replace(
        _LSTM_CELL,
        name="OptimizedLSTMCell",
        linen="OptimizedLSTMCell",
        stem="OptimizedLSTMCell",
    ),
    replace(_LSTM_CELL, name="GRUCell", linen="GRUCell", stem="GRUCell"),
    _CONV_LSTM,
    _ATTENTION,
    # MultiHeadDotProductAttention.partial(inputs_kv=None): from `inputs_kv` on, an
    # argument by position is a TypeError.
    replace(
        _ATTENTION,
        name="SelfAttention",
        arguments=tuple(
            replace(each, default="None") if each.name == "inputs_kv" else each
            for each in _ATTENTION.arguments
        ),
        positional=1,
    ),
)

# --- everything else -------------------------------------------------------------------


def _activation(name: str, *options: Argument, exported: bool = True) -> Function:
    paths = (name, f"activation.{name}") if exported else (f"activation.{name}",)
    return Function(name, paths, "same", name, (_input("x"), *options), "array")


_AXIS = _call("axis", "Any", "-1")

_ACTIVATIONS = (
    _activation("celu", _call("alpha", "float", "1.0")),
    _activation("elu", _call("alpha", "float", "1.0")),
    _activation("gelu", _call("approximate", "bool", "True")),
    _activation("glu", _call("axis", "int", "-1")),
    _activation("leaky_relu", _call("negative_slope", "float", "0.01")),
    _activation("log_sigmoid"),
    _activation("log_softmax", _AXIS),
    _activation(
        "normalize",
        _AXIS,
        _input("mean", default="None"),
        _input("variance", default="None"),
        _call("epsilon", "float", "1e-05"),
        exported=False,
    ),
    _activation("relu"),
    _activation("sigmoid"),
    _activation("soft_sign"),
    _activation("softmax", _AXIS),
    _activation("softplus"),
    _activation("swish"),
    _activation("silu"),
    _activation("tanh"),
    _activation("selu", exported=False),
    _activation("hard_tanh", exported=False),
    _activation("relu6", exported=False),
    _activation("hard_sigmoid", exported=False),
    _activation("hard_swish", exported=False),
)

_DTYPE_LAST = _call("dtype", "Any", "jnp.float32")
_IN_AXIS = _call("in_axis", "int", "-2")
_OUT_AXIS = _call("out_axis", "int", "-1")


def _factory(name: str, *arguments: Argument) -> Function:
    path = f"initializers.{name}"
    return Function(name, (path,), "same", path, arguments, "initializer")


def _initializer(name: str) -> Function:
    path = f"initializers.{name}"
    arguments = (_call("key", role="key"), _call("shape", "Sequence[int]"), _DTYPE_LAST)
    return Function(name, (path,), "same", path, arguments, "array", "initializer")


_FANS = (_IN_AXIS, _OUT_AXIS, _DTYPE_LAST)
_INITIALIZERS = (
    _initializer("zeros"),
    _initializer("ones"),
    _factory("kaiming_normal", *_FANS),
    _factory("kaiming_uniform", *_FANS),
    _factory("lecun_normal", *_FANS),
    _factory("lecun_uniform", *_FANS),
    _factory("xavier_normal", *_FANS),
    _factory("xavier_uniform", *_FANS),
    _factory("normal", _call("stddev", "float", "0.01"), _DTYPE_LAST),
    _factory("uniform", _call("scale", "float", "0.01"), _DTYPE_LAST),
    _factory(
        "orthogonal",
        _call("scale", "float", "1.0"),
        _call("column_axis", "int", "-1"),
        _DTYPE_LAST,
    ),
    _factory(
        "delta_orthogonal",
        _call("scale", "float", "1.0"),
        _call("column_axis", "int", "-1"),
        _DTYPE_LAST,
    ),
    _factory(
        "variance_scaling",
        _call("scale", "float"),
        _call("mode", "str"),
        _call("distribution", "str"),
        *_FANS,
    ),
)

_WINDOW = (
    _input("inputs"),
    _call("window_shape", "Sequence[int]"),
    _call("strides", "Sequence[int]", "None"),
    _call("padding", "Any", "'VALID'"),
)

_POOLING = (
    Function("avg_pool", ("avg_pool", "pooling.avg_pool"), "same", "avg_pool", _WINDOW, "array"),
    Function("max_pool", ("max_pool", "pooling.max_pool"), "same", "max_pool", _WINDOW, "array"),
    Function(
        name="pool",
        paths=("pooling.pool",),
        kind="same",
        linen="pooling.pool",
        arguments=(
            _input("inputs"),
            _call("init"),
            _call("reduce_fn", CALLABLE),
            _call("window_shape", "Sequence[int]"),
            _call("strides", "Sequence[int]"),
            _call("padding"),
        ),
        returns="array",
    ),
)

_STOCHASTIC = (
    Function(
        name="dropout",
        paths=("dropout", "stochastic.dropout"),
        kind="special",
        linen="Dropout",
        arguments=(
            _input("inputs"),
            _field("rate", "float"),
            _FLAG,
            _call("rng", "Any", "None", role="key"),
        ),
        returns="array",
        note="Linen wants `deterministic` always",
    ),
    Function("make_rng", ("make_rng", "stochastic.make_rng"), "special", None, (), "key"),
    Function(
        name="is_stochastic",
        paths=("is_stochastic", "stochastic.is_stochastic"),
        kind="special",
        linen=None,
        returns="static",
        note="self.has_rng('dropout')",
    ),
    # `nn.stochastic` is this function: it hides the submodule of the same name, which
    # only an import statement reaches (from flax.nn.stochastic import make_rng).
    Function(
        name="stochastic",
        paths=("stochastic", "stochastic.stochastic"),
        kind="toplevel",
        linen=None,
        arguments=(_special("rng", role="key"),),
        returns="static",
        value="context",
    ),
)

_ATTENTION_FUNCTIONS = (
    Function(
        name="dot_product_attention",
        paths=("dot_product_attention", "attention.dot_product_attention"),
        kind="special",
        linen="dot_product_attention",
        arguments=(
            _input("query"),
            _input("key"),
            _input("value"),
            replace(_call("dtype", "Any", "jnp.float32"), linen_default="None"),
            _input("bias", default="None"),
            _special("axis", "None"),
            _call("broadcast_dropout", "bool", "True"),
            _call("dropout_rng", "Any", "None", role="key"),
            _call("dropout_rate", "float", "0.0"),
            _call("deterministic", "bool", "False", role="flag"),
            _call("precision", "Any", "None"),
        ),
        returns="array",
    ),
    Function(
        name="make_padding_mask",
        paths=("attention.make_padding_mask",),
        kind="special",
        linen="make_attention_mask",
        arguments=(
            _input("padding_mask_query", "query_input"),
            _input("padding_mask_key", "key_input"),
            _special("query_shape", type_="Sequence[int]"),
            _special("key_shape", type_="Sequence[int]"),
            _special("attention_axis", "None"),
            _special("segmentation_mask", "False", "bool"),
        ),
        returns="array",
    ),
    Function(
        name="_make_causal_mask",
        paths=("attention._make_causal_mask",),
        kind="special",
        linen="make_causal_mask",
        arguments=(
            _special("key", role="array"),
            _special("attention_axis", "None"),
            _special("self_mask", "False", "bool"),
        ),
        returns="array",
        note="legacy's key has heads and features, Linen's argument has neither",
    ),
    Function(
        name="scan_in_dim",
        paths=("attention.scan_in_dim",),
        kind="renamed",
        linen="flax.jax_utils.scan_in_dim",
        arguments=(
            _call("body_fn", CALLABLE),
            _call("init", role="tree"),
            _call("xs", role="tree"),
            _call("axis", "Any", "(0,)"),
            _call("keepdims", "bool", "False"),
        ),
        returns="tree",
        note="`keepdims` by keyword only: `unroll` now stands in its place",
    ),
    Function(
        name="_invert_perm",
        paths=("attention._invert_perm",),
        kind="gone",
        linen=None,
        arguments=(_special("perm", type_="Sequence[int]"),),
        returns="static",
        note="numpy.argsort of a permutation inverts it",
    ),
    Function(
        name="Cache",
        paths=("attention.Cache",),
        kind="toplevel",
        linen=None,
        arguments=(_special("state", "None"),),
        returns="collection",
        value="class",
        note="the 'cache' collection of a module with decode=True",
    ),
    Function(
        name="_CacheEntry",
        paths=("attention._CacheEntry",),
        kind="gone",
        linen=None,
        arguments=tuple(_special(name, role="array") for name in ("key", "value", "i")),
        value="class",
        note="cached_key, cached_value and cache_index of the 'cache' collection",
    ),
)

_LINEAR_FUNCTIONS = (
    Function(
        name="default_kernel_init",
        paths=("linear.default_kernel_init", "attention.default_kernel_init"),
        kind="same",
        linen="linear.default_kernel_init",
        arguments=_INITIALIZERS[0].arguments,
        returns="array",
        value="initializer",
    ),
    Function(
        name="default_embed_init",
        paths=("linear.default_embed_init",),
        kind="same",
        linen="linear.default_embed_init",
        arguments=_INITIALIZERS[0].arguments,
        returns="array",
        value="initializer",
    ),
    Function(
        name="_conv_dimension_numbers",
        paths=("linear._conv_dimension_numbers",),
        kind="same",
        linen="linear._conv_dimension_numbers",
        arguments=(_call("input_shape", "Sequence[int]"),),
        returns="static",
    ),
    Function(
        name="_normalize_axes",
        paths=("linear._normalize_axes",),
        kind="gone",
        linen=None,
        arguments=(_special("axes", type_="Sequence[int]"), _special("ndim", type_="int")),
        returns="static",
        note="Linen's helper of this name sorts the axes, legacy's kept their order",
    ),
    Function(
        name="_absolute_dims",
        paths=("normalization._absolute_dims",),
        kind="gone",
        linen=None,
        arguments=(_special("rank", type_="int"), _special("dims", type_="Sequence[int]")),
        returns="static",
        note="Linen's `_canonicalize_axes` drops duplicates and forgets the order",
    ),
    Function(
        name="_no_init",
        paths=("normalization._no_init",),
        kind="gone",
        linen=None,
        value="initializer",
    ),
)


def _exported(name: str) -> tuple[str, ...]:
    return name, f"base.{name}"


def _private(home: str, value: str, *names: str) -> tuple[Function, ...]:
    return tuple(Function(name, (f"{home}.{name}",), "gone", None, value=value) for name in names)


_BASE = (
    Function("Module", _exported("Module"), "special", "Module", value="class"),
    Function(
        name="Model",
        paths=_exported("Model"),
        kind="toplevel",
        linen=None,
        arguments=(_special("module", role="module"), _special("params", role="tree")),
        returns="model",
        value="class",
    ),
    Function(
        name="Collection",
        paths=_exported("Collection"),
        kind="toplevel",
        linen=None,
        arguments=(_special("state", "None"),),
        returns="collection",
        value="class",
    ),
    Function(
        name="module",
        paths=_exported("module"),
        kind="special",
        linen=None,
        arguments=(_special("fun"),),
        returns="module",
        value="decorator",
    ),
    Function(
        name="module_method",
        paths=_exported("module_method"),
        kind="special",
        linen=None,
        arguments=(_special("fn"),),
        returns="module",
        value="decorator",
    ),
    Function(
        name="stateful",
        paths=_exported("stateful"),
        kind="toplevel",
        linen=None,
        arguments=(
            _special("state", "None", role="collection"),
            _special("mutable", "True", "bool"),
        ),
        returns="collection",
        value="context",
    ),
    Function("get_state", _exported("get_state"), "toplevel", None, returns="collection"),
    Function(
        name="capture_module_outputs",
        paths=_exported("capture_module_outputs"),
        kind="toplevel",
        linen=None,
        returns="collection",
        value="context",
        note="apply(..., capture_intermediates=True, mutable=['intermediates'])",
    ),
    Function(
        name="is_stateful",
        paths=("base.is_stateful",),
        kind="special",
        linen=None,
        returns="static",
        note="self.is_mutable_collection('batch_stats')",
    ),
    Function(
        name="ModuleState",
        paths=("base.ModuleState",),
        kind="renamed",
        linen="Variable",
        arguments=(_special("collection", role="collection"), _special("name", type_="str")),
        value="class",
        note="what `self.state` gives; nobody builds one by hand",
    ),
    Function(
        name="RNNCellBase",
        paths=("recurrent.RNNCellBase",),
        kind="special",
        linen="RNNCellBase",
        value="class",
        note="Linen cells also define `num_feature_axes`, and `initialize_carry` on instances",
    ),
    *_private("base", "class", "TransparentModule", "TruncatedModule"),
    *_private("base", "class", "_ModuleFrame", "_ModuleMeta"),
    *_private("base", "function", "iterate_collection", "collection_from_iterable"),
    *_private("base", "function", "_collection_from_state_dict", "_collection_state_dict"),
    *_private("base", "function", "_fn_parameters", "_fold_in_str", "_top_frame", "_track_outputs"),
    *_private("base", "static", "MODULE_CLASSMETHODS", "_module_output_trackers"),
    *_private("base", "static", "_module_stack", "_state_stack"),
    *_private("stochastic", "class", "_PRNGFrame"),
    *_private("stochastic", "static", "_prng_stack"),
    *_private("utils", "class", "CallStack"),
    *_private("utils", "decorator", "classproperty"),
    *_private("utils", "function", "_current_trace", "_level_of_value", "_mains", "_masters"),
    *_private("utils", "function", "_trace_level"),
)

# What the class `Module` of every release from 0.1.0 to 0.3.6 had for itself.
PRIVATE_MEMBERS = frozenset(
    {
        *("_get_construction_frame", "_with_instance", "_check_name", "_extend_kwargs"),
        *("_pre_process_params", "_post_process_params", "_is_transparent", "_is_shared"),
        "_default_name",
    }
)

_OWNERS: Mapping[str, tuple[str, ...]] = {
    "Module": ("Module", "base.Module"),
    "ModuleState": ("base.ModuleState",),
    "Model": ("Model", "base.Model"),
    "Collection": ("Collection", "base.Collection", "attention.Cache"),
    "Cache": ("attention.Cache",),
}


def _member(
    path: str,
    kind: str,
    linen: str | None,
    arguments: tuple[Argument, ...] = (),
    returns: str = "any",
) -> Function:
    owner, _, name = path.partition(".")
    paths = tuple(f"{each}.{name}" for each in _OWNERS[owner])
    return Function(name, paths, kind, linen, arguments, returns)


def _property(path: str, kind: str, linen: str | None, returns: str) -> Function:
    return replace(_member(path, kind, linen, returns=returns), value="property")


# Takes what the module takes, after arguments of its own.
def _applying(path: str, kind: str, linen: str | None, *own: Argument, returns: str) -> Function:
    name = _call("name", "str", "None")
    return replace(_member(path, kind, linen, (*own, name), returns), forwards=True)


_RNG = _special("_rng", role="key")
_SPECS = _special("input_specs", type_="Sequence[Any]")
_PARAMS = _special("params", role="tree")

# Results: (y, params) of `init`, (y, model) of `create`.
_MEMBERS = (
    _member("Module.apply", "special", "Module.__call__"),
    _applying("Module.partial", "special", "functools.partial", returns="module"),
    _applying("Module.shared", "special", None, returns="module"),
    _applying("Module.create", "toplevel", None, _RNG, returns="any"),
    _applying("Module.create_by_shape", "toplevel", None, _RNG, _SPECS, returns="any"),
    _applying("Module.init", "toplevel", "Module.init_with_output", _RNG, returns="any"),
    _applying("Module.init_by_shape", "toplevel", "Module.lazy_init", _RNG, _SPECS, returns="any"),
    _applying("Module.call", "toplevel", "Module.apply", _PARAMS, returns="any"),
    _member(
        "Module.param",
        "special",
        "Module.param",
        (
            _call("name", "str"),
            _special("shape", type_="Sequence[int]"),  # after the initializer in Linen
            Argument("initializer", Slot.CALL, "init_fn", None, CALLABLE, "initializer"),
        ),
        "array",
    ),
    _member("Module.get_param", "special", "Module.get_variable", (_call("name", "str"),), "array"),
    _member(
        "Module.state",
        "special",
        "Module.variable",
        (
            _call("name", "str"),
            _special("shape", "None", "Sequence[int]"),
            Argument("initializer", Slot.CALL, "init_fn", "None", CALLABLE, "initializer"),
            _special("collection", "None", role="collection"),
        ),
    ),
    _member("Module.is_stateful", "special", "Module.is_mutable_collection", returns="static"),
    _member("Module.is_initializing", "same", "Module.is_initializing", returns="static"),
    _property("ModuleState.name", "same", "Variable.name", "static"),
    _property("ModuleState.value", "same", "Variable.value", "array"),
    _property("Model.module", "toplevel", None, "module"),
    _property("Model.params", "toplevel", None, "tree"),
    _member("Model.replace", "toplevel", None, returns="model"),
    _member("Model.truncate_at", "gone", None, (_special("module_path"),), "model"),
    _property("Collection.state", "toplevel", None, "tree"),
    _member("Collection.as_dict", "toplevel", None, returns="tree"),
    replace(_member("Collection.mutate", "toplevel", None, returns="collection"), value="context"),
    _member("Collection.retrieve", "special", None, (_special("default", "None"),)),
    _member("Collection.store", "special", None, (_special("value", role="tree"),)),
    _member(
        "Cache.initialize_cache",
        "toplevel",
        None,
        (_special("shape", type_="Sequence[int]"), _special("dtype", "None")),
        "collection",
    ),
)

FUNCTIONS: tuple[Function, ...] = (
    *_ACTIVATIONS,
    *_INITIALIZERS,
    *_POOLING,
    *_STOCHASTIC,
    *_ATTENTION_FUNCTIONS,
    *_LINEAR_FUNCTIONS,
    *_BASE,
    *_MEMBERS,
)

# --- looking things up -----------------------------------------------------------------

SUBMODULES = frozenset(
    {
        *("activation", "attention", "base", "initializers", "linear", "normalization"),
        *("pooling", "recurrent", "stochastic", "utils"),
    }
)


def _index(entries: Iterable[Layer | Function]) -> Mapping[str, Layer | Function]:
    return MappingProxyType({path: entry for entry in entries for path in entry.paths})


_BY_PATH = _index((*LAYERS, *FUNCTIONS))

# What `from flax.nn import *` brings.
EXPORTED = tuple(sorted(path for path in _BY_PATH if "." not in path and path[0] != "_"))

# Names that a submodule imported from others.
_IMPORTED: Mapping[str, str] = MappingProxyType(
    {
        f"attention.{name}": f"{home}.{name}"
        for home, names in {
            "activation": ("softmax",),
            "base": ("Collection", "Module", "collection_from_iterable", "iterate_collection"),
            "initializers": ("zeros",),
            "linear": ("DenseGeneral",),
            "stochastic": ("make_rng",),
        }.items()
        for name in names
    }
)


def resolve(path: str) -> Layer | Function | None:
    """The entry for a dotted path below ``flax.nn``.

    Submodules import each other, so ``linear.initializers.zeros`` and
    ``attention.DenseGeneral`` are found too.
    """
    path = _IMPORTED.get(path, path)
    if path in _BY_PATH:
        return _BY_PATH[path]
    head, _, rest = path.partition(".")
    if head in SUBMODULES and rest.partition(".")[0] in SUBMODULES:
        return resolve(rest)
    return None


def layer(name: str) -> Layer | None:
    """The layer at a path below ``flax.nn``."""
    entry = resolve(name)
    return entry if isinstance(entry, Layer) else None


def function(path: str) -> Function | None:
    """What else is at a path below ``flax.nn``."""
    entry = resolve(path)
    return entry if isinstance(entry, Function) else None


def means_the_same(target: str) -> bool:
    """Whether a name below ``flax.nn`` may stand as it is once its import has moved."""
    entry = resolve(target.removeprefix("flax.nn."))
    if entry is None or isinstance(entry, Layer):
        return True
    return entry.kind in {"same", "renamed"} or entry.name in {"Module", "dot_product_attention"}
