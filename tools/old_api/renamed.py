"""Names that are called differently today and mean the same: same arguments, same result.

What merely moved is found by reflection; here stands what was given another name,
each checked by hand against the old source and the new one.
"""

from __future__ import annotations

from collections.abc import Mapping

# Modules whose members are found under the same names in another one.
MOVED: Mapping[str, str] = {
    "jax.core": "jax.extend.core",
    "jax.experimental.optimizers": "jax.example_libraries.optimizers",
    "jax.experimental.stax": "jax.example_libraries.stax",
    "jax.lib.xla_bridge": "jax.extend.backend",
    "jax.linear_util": "jax.extend.linear_util",
}
_TREE = ("tree_map", "tree_leaves", "tree_flatten", "tree_unflatten", "tree_structure")
_TREE += ("tree_transpose", "tree_reduce", "tree_all")
_JNP = {
    "alltrue": "all",
    "cumproduct": "cumprod",
    "fix": "trunc",
    "infty": "inf",
    "product": "prod",
    "round_": "round",
    "row_stack": "vstack",
    "sometrue": "any",
    "trapz": "trapezoid",
}
_NUMPY = {
    **_JNP,
    "Inf": "inf",
    "Infinity": "inf",
    "NAN": "nan",
    "NaN": "nan",
    "PINF": "inf",
    "RankWarning": "exceptions.RankWarning",
    "bool8": "bool_",
    "bytes0": "bytes_",
    "cfloat": "complex128",
    "clongfloat": "clongdouble",
    "complex_": "complex128",
    "float_": "float64",
    "int0": "intp",
    "longcomplex": "clongdouble",
    "longfloat": "longdouble",
    "mat": "asmatrix",
    "object0": "object_",
    "singlecomplex": "complex64",
    "str0": "str_",
    "string_": "bytes_",
    "uint0": "uintp",
    "unicode_": "str_",
    "void0": "void",
}
RENAMED: Mapping[str, str] = {
    **{f"jax.{name}": f"jax.tree.{name.removeprefix('tree_')}" for name in _TREE},
    **{f"jax.numpy.{old}": f"jax.numpy.{new}" for old, new in _JNP.items()},
    **{f"numpy.{old}": f"numpy.{new}" for old, new in _NUMPY.items()},
    "jax.core.TypedJaxpr": "",  # takes other arguments than ClosedJaxpr
    "jax.interpreters.sharded_jit.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.experimental.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.experimental.pjit.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.experimental.maps.Mesh": "jax.sharding.Mesh",
    "jax.interpreters.pxla.Mesh": "jax.sharding.Mesh",
    "jax.interpreters.pxla.PartitionSpec": "jax.sharding.PartitionSpec",
    "jax.interpreters.xla.DeviceArray": "jax.Array",
    "jax.interpreters.xla._DeviceArray": "jax.Array",
    "jax.nn.normalize": "jax.nn.standardize",
    "jax.numpy.DeviceArray": "jax.Array",
    "jax.ops.index": "jax.numpy.index_exp",
    "jax.profiler.StepTraceContext": "jax.profiler.StepTraceAnnotation",
    "jax.profiler.TraceContext": "jax.profiler.TraceAnnotation",
    "jax.profiler.trace_function": "jax.profiler.annotate_function",
    "jax.tree_multimap": "jax.tree.map",
    "jax.tree_util.tree_multimap": "jax.tree_util.tree_map",
    "numpy.complex": "builtins.complex",
    "numpy.float": "builtins.float",
    "numpy.int": "builtins.int",
    "numpy.object": "builtins.object",
    "numpy.str": "builtins.str",
    "numpy.unicode": "builtins.str",
    "numpy.safe_eval": "ast.literal_eval",
}
