"""Which arguments of a module method are inputs, which are fields, and of what type.

Expectations read `inputs | fields`, a field with its inferred type unless that is `Any`.
"""

from __future__ import annotations

import textwrap

import pytest
from facts.support import facts_of


def roles(text, method="A.apply", **options):
    found = facts_of(text, **options).arguments(method)
    inputs = [name for name, (role, _, _) in found.items() if role == "input"]
    fields = [
        name if type_ == "Any" else f"{name}:{type_}"
        for name, (role, type_, _) in found.items()
        if role == "field"
    ]
    return f"{' '.join(inputs)} | {' '.join(fields)}".strip()


def module(signature, body):
    head = f"class A(nn.Module):\n    def apply(self, {signature}):\n"
    return head + textwrap.indent(textwrap.dedent(body).strip() + "\n", " " * 8)


# --- what the body does -------------------------------------------------------------------

BODIES = {
    # sizes, shapes and other structure
    "size_of_a_layer": ("x, n", "return nn.Dense(x, n)", "x | n:int"),
    "size_by_keyword": ("x, n", "return nn.Dense(x, features=n)", "x | n:int"),
    "size_before_the_input": ("n, x", "return nn.Dense(x, n)", "x | n:int"),
    "size_computed": ("x, n, k", "return nn.Dense(x, n * 2 // k)", "x | n k"),
    "size_in_a_tuple": ("x, n", "return nn.DenseGeneral(x, (n, 4))", "x | n"),
    "size_through_a_local": ("x, n", "m = n\nw = m + 1\nreturn nn.Dense(x, w)", "x | n:int"),
    "size_of_a_parameter": (
        "x, n",
        "return x @ self.param('w', (x.shape[-1], n), nn.initializers.ones)",
        "x | n:int",
    ),
    "size_of_a_reshape": ("x, n", "return x.reshape((-1, n))", "x | n"),
    "size_of_zeros": ("x, n", "return x + jnp.zeros((n, n))", "x | n"),
    "sizes_in_a_loop": (
        "x, widths",
        "for w in widths:\n    x = nn.Dense(x, w)\nreturn x",
        "x | widths:Sequence[int]",
    ),
    "sizes_enumerated": (
        "x, widths",
        "for i, w in enumerate(widths):\n    x = nn.Dense(x, w, name=f'd{i}')\nreturn x",
        "x | widths:Sequence[int]",
    ),
    "sizes_zipped": (
        "x, widths, names",
        "for w, n in zip(widths, names):\n    x = nn.Dense(x, w, name=n)\nreturn x",
        "x | widths:Sequence[int] names",
    ),
    "sizes_in_reverse": (
        "x, widths",
        "for w in reversed(widths):\n    x = nn.Dense(x, w)\nreturn x",
        "x | widths:Sequence[int]",
    ),
    "sizes_in_a_comprehension": (
        "x, widths",
        "return jnp.concatenate([nn.Dense(x, w) for w in widths], -1)",
        "x | widths:Sequence[int]",
    ),
    "sizes_split_off": (
        "x, widths",
        "*some, last = widths\nfor w in some:\n    x = nn.Dense(x, w)\nreturn nn.Dense(x, last)",
        "x | widths:Sequence[int]",
    ),
    "sizes_by_index": ("x, widths", "return nn.Dense(x, widths[0])", "x | widths:Sequence[int]"),
    "repetitions": ("x, k", "for _ in range(k):\n    x = nn.Dense(x, 3)\nreturn x", "x | k:int"),
    "repetitions_down": (
        "x, k",
        "while k > 0:\n    x = nn.Dense(x, 3)\n    k -= 1\nreturn x",
        "x | k",
    ),
    "number_of_heads": (
        "x, heads",
        "return nn.SelfAttention(x, num_heads=heads)",
        "x | heads:int",
    ),
    "window_and_strides": (
        "x, window, strides",
        "return nn.max_pool(x, window, strides=strides)",
        "x | window:Sequence[int] strides:Sequence[int]",
    ),
    "rate_of_dropout": ("x, rate", "return nn.dropout(x, rate)", "x | rate:float"),
    "name_in_a_comparison": (
        "x, kind",
        "if kind == 'relu':\n    return nn.relu(x)\nreturn x",
        "x | kind:str",
    ),
    "name_among_several": (
        "x, kind",
        "if kind in ('a', 'b'):\n    return nn.relu(x)\nreturn x",
        "x | kind:str",
    ),
    "name_in_a_table": (
        "x, kind",
        "table = {'a': nn.relu}\nif kind not in table:\n    return x\nreturn table[kind](x)",
        "x | kind",
    ),
    "name_of_a_function": ("x, kind", "return getattr(jax.nn, kind)(x)", "x | kind:str"),
    "name_as_a_key": ("x, kind", "return {'a': nn.relu, 'b': jnp.tanh}[kind](x)", "x | kind"),
    "name_matched": (
        "x, kind",
        "match kind:\n    case 'relu':\n        return nn.relu(x)\n    case _:\n        return x",
        "x | kind:str",
    ),
    "prefix_of_a_name": ("x, prefix", "return nn.Dense(x, 3, name=f'{prefix}_d')", "x | prefix"),
    "name_of_a_parameter": (
        "x, key",
        "return x * self.param(key, (3,), nn.initializers.ones)",
        "x | key:str",
    ),
    "axis": ("x, axis", "return jnp.sum(x, axis=axis)", "x | axis"),
    "type_of_numbers": (
        "x, dtype",
        "return nn.Dense(x.astype(dtype), 3, dtype=dtype)",
        "x | dtype",
    ),
    "asserted": ("x, n", "assert n > 2\nreturn nn.Dense(x, 3)", "x | n"),
    "condition": ("x, flag", "if flag:\n    x = nn.relu(x)\nreturn x", "x | flag"),
    "condition_negated": (
        "x, flag",
        "return nn.BatchNorm(x, use_running_average=not flag)",
        "x | flag:bool",
    ),
    "condition_of_an_expression": ("x, flag", "return nn.relu(x) if flag else x", "x | flag"),
    # callables
    "activation": ("x, act", "return act(nn.Dense(x, 3))", "x | act:Callable"),
    "initializer": ("x, init", "return nn.Dense(x, 3, kernel_init=init)", "x | init:Callable"),
    "initializer_of_a_parameter": (
        "x, init",
        "return x * self.param('w', (3,), init)",
        "x | init:Callable",
    ),
    "objects_of_settings": ("x, config", "return nn.Dense(x, config.width)", "x | config"),
    "settings_by_key": ("x, config", "return nn.Dense(x, config['width'])", "x | config"),
    "settings_spread": ("x, options", "return nn.Dense(x, 3, **options)", "x | options"),
    # arrays
    "two_inputs": ("x, y", "return nn.Dense(x, 3) + nn.Dense(y, 3)", "x y |"),
    "input_of_an_operation": ("x, y", "return nn.Dense(x, 3) + y", "x y |"),
    "input_of_a_matrix_product": ("x, w", "return nn.Dense(x, 3) @ w", "x w |"),
    "input_of_jnp": ("x, y", "return nn.Dense(jnp.concatenate([x, y], -1), 3)", "x y |"),
    "input_after_a_size": ("x, n, y", "return nn.Dense(x, n) * y", "x y | n:int"),
    "input_with_a_shape": ("x, n, y", "b, t = y.shape\nreturn nn.Dense(x, n)", "x y | n:int"),
    "input_that_is_sliced": ("x, n, y", "return nn.Dense(x, n) + y[:, None]", "x y | n:int"),
    "optional_mask": (
        "x, n, mask=None",
        "x = nn.Dense(x, n)\nif mask is not None:\n    x = jnp.where(mask, x, 0)\nreturn x",
        "x mask | n:int",
    ),
    "optional_mask_multiplied": (
        "x, n, mask=None",
        "x = nn.Dense(x, n)\nif mask is not None:\n    x = x * mask\nreturn x",
        "x mask | n:int",
    ),
    "optional_mask_of_attention": (
        "x, heads, mask=None",
        "return nn.SelfAttention(x, num_heads=heads, padding_mask=mask)",
        "x mask | heads:int",
    ),
    "optional_input_added": (
        "x, n, skip=None",
        "x = nn.Dense(x, n)\nreturn x if skip is None else x + skip",
        "x skip | n:int",
    ),
    "optional_input_to_a_layer": (
        "x, n, y=None",
        "if y is None:\n    y = x\nreturn nn.Dense(x, n) + nn.Dense(y, n)",
        "x y | n:int",
    ),
    "optional_key": (
        "x, n, rng=None",
        "rng = rng or nn.make_rng()\nreturn nn.Dense(x, n) + jax.random.normal(rng, (n,))",
        "x rng | n:int",
    ),
    "ids": ("ids, n", "return nn.Embed(ids, num_embeddings=n, features=3)", "ids | n:int"),
    "a_pair_of_inputs": ("xs, n", "x, y = xs\nreturn nn.Dense(x, n) + y", "xs | n:int"),
    "a_record_of_inputs": ("obs, n", "return nn.Dense(obs['image'], n)", "obs | n:int"),
    "a_list_of_inputs": (
        "xs, n",
        "return sum(nn.Dense(x, n) for x in xs)",
        "xs | n:int",
    ),
    "a_carry": (
        "carry, x, n",
        "carry, y = nn.LSTMCell(carry, x)\nreturn carry, nn.Dense(y, n)",
        "carry x | n:int",
    ),
    "a_carry_taken_apart": (
        "carry, x, n",
        "c, h = carry\nreturn (c, h), nn.Dense(h + x, n)",
        "carry x | n:int",
    ),
    "input_in_a_nested_function": (
        "x, y, n",
        "def inner(z):\n    return nn.Dense(z, n) + y\nreturn inner(x)",
        "x y | n:int",
    ),
    "input_in_a_lambda": ("x, y, n", "return (lambda z: nn.Dense(z, n))(x) + y", "x y | n:int"),
    "input_through_vmap": (
        "x, n",
        "return jax.vmap(lambda z: z * 2)(nn.Dense(x, n))",
        "x | n:int",
    ),
    "input_of_a_scan": (
        "x, xs, n",
        "h, _ = jax.lax.scan(lambda c, e: (c + e, None), x, xs)\nreturn nn.Dense(h, n)",
        "x xs | n:int",
    ),
    "input_that_is_assigned_to": ("x, n", "x += 1\nx = x.T\nreturn nn.Dense(x, n)", "x | n:int"),
    "unused_among_the_inputs": ("x, y, n", "del y\nreturn nn.Dense(x, n)", "x y | n:int"),
    "input_of_walrus": ("x, n", "if (y := nn.Dense(x, n)) is not None:\n    return y", "x | n:int"),
    # constants as defaults
    "a_number": ("x, scale=1.0", "return x * scale", "x | scale:float"),
    "a_number_that_divides": ("x, t=2", "return x / t", "x | t:int"),
    "epsilon": ("x, eps=1e-6", "return x / (jnp.sum(x) + eps)", "x | eps:float"),
    "negative": ("x, axis=-1", "return jnp.sum(x, axis)", "x | axis:int"),
    "power": ("x, n=2 ** 4", "return nn.Dense(x, n)", "x | n:int"),
    "half": ("x, n=1 / 2", "return x * n", "x | n:float"),
    "flag": (
        "x, train=True",
        "return nn.dropout(x, 0.1, deterministic=not train)",
        "x | train:bool",
    ),
    "word": ("x, mode='SAME'", "return nn.Conv(x, 3, (3,), padding=mode)", "x | mode:str"),
    "tuple_of_sizes": ("x, k=(3, 3)", "return nn.Conv(x, 3, k)", "x | k:Sequence[int]"),
    "list_of_sizes": ("x, k=[3, 3]", "return nn.Conv(x, 3, k)", "x | k:Sequence[int]"),
    "tuple_of_pairs": ("x, k=((1, 1),)", "return nn.Conv(x, 3, (3,), padding=k)", "x | k"),
    "empty_tuple": (
        "x, k=()",
        "for w in k:\n    x = nn.Dense(x, w)\nreturn x",
        "x | k:Sequence[int]",
    ),
    "dict": ("x, k={}", "return nn.Dense(x, 3, **k)", "x | k"),
    "function_of_a_library": ("x, act=nn.relu", "return act(x)", "x | act:Callable"),
    "function_of_jnp": ("x, act=jnp.tanh", "return act(x)", "x | act:Callable"),
    "lambda_": ("x, act=lambda v: v", "return act(x)", "x | act:Callable"),
    "made_initializer": (
        "x, init=nn.initializers.normal(1.0)",
        "return nn.Dense(x, 3, kernel_init=init)",
        "x | init:Callable",
    ),
    "bare_initializer": (
        "x, init=nn.initializers.ones",
        "return x * self.param('w', (3,), init)",
        "x | init:Callable",
    ),
    "type_": ("x, dtype=jnp.float32", "return nn.Dense(x, 3, dtype=dtype)", "x | dtype"),
    "precision": (
        "x, p=jax.lax.Precision.HIGHEST",
        "return nn.Dense(x, 3, precision=p)",
        "x | p",
    ),
    "nothing_and_unused": ("x, k=None", "return nn.Dense(x, 3)", "x | k"),
    "nothing_and_a_size": ("x, n=None", "return nn.Dense(x, n or x.shape[-1])", "x | n"),
    "nothing_and_called": (
        "x, act=None",
        "return act(x) if act is not None else x",
        "x | act",
    ),
    "int_for_a_float": ("x, rate=0", "return nn.dropout(x, rate)", "x | rate:float"),
    # forms of signatures
    "keyword_only": ("x, *, n, y", "return nn.Dense(x, n) + y", "x y | n:int"),
    "positional_only": ("x, y, /, n", "return nn.Dense(x, n) + y", "x y | n:int"),
}


@pytest.mark.parametrize(("signature", "body", "expected"), BODIES.values(), ids=BODIES)
def test_the_body_tells(signature, body, expected):
    assert roles(module(signature, body)) == expected


# --- annotations ----------------------------------------------------------------------------

ANNOTATIONS = {
    "array": ("x, y: jnp.ndarray, n", "return nn.Dense(x, n)", "x y | n:int"),
    "optional_array": ("x, n, y: Optional[jnp.ndarray] = None", "return nn.Dense(x, n)",
                       "x y | n:int"),
    "array_or_none": ("x, n, y: 'jnp.ndarray | None' = None", "return nn.Dense(x, n)",
                      "x y | n:int"),
    "alias": ("x, n, y: Array = None", "return nn.Dense(x, n)", "x y | n:int"),
    "key": ("x, n, y: jax.random.PRNGKey = None", "return nn.Dense(x, n)", "x y | n:int"),
    "record_of_arrays": ("x, y: Dict[str, jnp.ndarray], n", "return nn.Dense(x, n)",
                         "x y | n:int"),
    "function_of_arrays": (
        "x, f: Callable[[jnp.ndarray], jnp.ndarray]",
        "return nn.Dense(x, 3)",
        "x | f:Callable",
    ),
    "number": ("x, y: int, n", "return nn.Dense(x, n)", "x | y n:int"),
    "flag_without_default": ("x, train: bool", "return nn.dropout(x, 0.1, deterministic=train)",
                             "x | train"),
    "scale_as_a_plain_number": ("x, scale: float", "return nn.Dense(x, 3) * scale", "x | scale"),
}  # fmt: skip


@pytest.mark.parametrize(("signature", "body", "expected"), ANNOTATIONS.values(), ids=ANNOTATIONS)
def test_annotations_tell(signature, body, expected):
    found = roles(module(signature, body))
    inputs, _, fields = expected.partition("|")
    names = [field.split(":")[0] for field in fields.split()]
    assert found.partition("|")[0].strip() == inputs.strip()
    assert [field.split(":")[0] for field in found.partition("|")[2].split()] == names


# --- callers -----------------------------------------------------------------------------------

NEUTRAL = "class A(nn.Module):\n    def apply(self, x, v, w=None):\n        return B(x, v, w)\n"
UNSEEN = """
class B(nn.Module):
    def apply(self, x, v, w=None):
        return external(nn.Dense(x, 3), v, w)
"""
CALLERS = {
    "number_passed": ("return A(x, 3)", "x | v w"),
    "array_passed": ("return A(x, x)", "x v | w"),
    "shape_passed": ("return A(x, x.shape)", "x | v w"),
    "size_passed": ("return A(x, x.shape[-1])", "x | v w"),
    "fresh_array_passed": ("return A(x, jnp.zeros(3))", "x v | w"),
    "array_in_one_place_of_two": ("return A(x, 3) + A(x, x)", "x v | w"),
    "optional_array_passed": ("return A(x, 3, w=x * 2)", "x w | v"),
    "optional_array_passed_by_place": ("return A(x, 3, x)", "x w | v"),
    "array_from_a_layer": ("return A(x, nn.Dense(x, 3))", "x v | w"),
    "array_from_a_helper": ("return A(x, helper(x))", "x v | w"),
    "bound": ("return A.partial(v=3)(x)", "x | v w"),
    "bound_in_a_dict": ("return A(x, **{'v': 3})", "x | v w"),
    "bound_by_functools": ("return functools.partial(A, v=3)(x)", "x | v w"),
    "given_to_a_shared_instance": ("a = A.shared()\nreturn a(x, 3) + a(x, 4)", "x v | w"),
    "bound_to_a_shared_instance": ("a = A.shared(v=3)\nreturn a(x) + a(x)", "x | v w"),
    "flag_per_call_of_a_shared_instance": (
        "a = A.shared(v=3)\nreturn a(x) + a(x, w=True)",
        "x w | v",
    ),
    "module_passed": ("return A(x, nn.Dense)", "x | v w"),
    "partial_passed": ("return A(x, nn.Dense.partial(features=3))", "x | v w"),
    "instance_passed": ("return A(x, nn.Dense.shared(features=3))", "x | v w"),
    "function_passed": ("return A(x, nn.relu)", "x | v w"),
    "through_a_table": ("return {'a': A}['a'](x, x)", "x v | w"),
    "through_a_loop": ("for c in [A]:\n    x = c(x, x)\nreturn x", "x v | w"),
    "through_zip": ("for c, v in zip([A], [3]):\n    x = c(x, v)\nreturn x", "x | v w"),
    "through_a_helper": ("return call(A, x)", "x v | w"),
    "splat_of_arrays": ("xs = (x, x)\nreturn A(*xs)", "x v | w"),
}


@pytest.mark.parametrize(("call", "expected"), CALLERS.values(), ids=CALLERS)
def test_callers_tell(call, expected):
    user = "class Net(nn.Module):\n    def apply(self, x):\n" + textwrap.indent(call, " " * 8)
    helpers = "def helper(x):\n    return x * 2\ndef call(cls, x):\n    return cls(x, jnp.sin(x))\n"
    found = roles(UNSEEN + NEUTRAL + helpers + user)
    without_types = [word.split(":")[0] for word in found.split()]
    assert " ".join(without_types) == expected


def test_what_is_passed_on_to_an_input_is_an_input():
    text = """
    class Leaf(nn.Module):
        def apply(self, a, n, b, c=None):
            return nn.Dense(a, n) + nn.Dense(b, n) + (0 if c is None else nn.Dense(c, n))
    class Middle(nn.Module):
        def apply(self, p, q, r, s=None):
            return Leaf(p, q, r, s)
    class A(nn.Module):
        def apply(self, u, v, w, t=None):
            return Middle(u, r=v, q=w, s=t)
    """
    assert roles(text, "Middle.apply") == "p r s | q:int"
    assert roles(text) == "u v t | w:int"


def test_what_is_passed_on_to_a_layer_keyword_is_a_field():
    text = """
    class A(nn.Module):
        def apply(self, x, **kwargs):
            return B(x, **kwargs)
    class B(nn.Module):
        def apply(self, x, n=3, act=nn.relu):
            return act(nn.Dense(x, n))
    """
    assert roles(text) == "x |"
    assert roles(text, "B.apply") == "x | n:int act:Callable"


def test_a_base_class_and_its_override_agree():
    text = """
    class Base(nn.Module):
        def apply(self, x, n, mask):
            raise NotImplementedError
    class A(Base):
        def apply(self, x, n, mask):
            return nn.Dense(x, n) * mask
    class Net(nn.Module):
        def apply(self, x, cls=A):
            return cls(x, 3, x > 0)
    """
    assert roles(text) == "x mask | n:int"


def test_methods_of_one_class_take_a_name_in_one_way():
    text = """
    class A(nn.Module):
        def apply(self, x, n, mask=None):
            return self.encode(x, n, mask)
        @nn.module_method
        def encode(self, x, n, mask=None):
            x = nn.Dense(x, n)
            return x if mask is None else x * mask
    """
    assert roles(text) == "x mask | n:int"
    assert roles(text, "A.encode") == "x mask | n:int"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param("model(x, train=True)", "x train | n:int", id="flag_by_keyword"),
        pytest.param("model(x)", "x | n:int train:bool", id="flag_never_passed"),
    ],
)
def test_what_a_model_is_called_with_is_an_input(call, expected):
    text = f"""
    class A(nn.Module):
        def apply(self, x, n, train=False):
            return nn.dropout(nn.Dense(x, n), 0.1, deterministic=not train)
    def main(params, x):
        model = nn.Model(A.partial(n=3), params)
        return {call}
    """
    assert roles(text) == expected


@pytest.mark.parametrize(
    "decorator_and_def",
    [
        "@nn.module\ndef A(x, n, y=None):",
        "@nn.module\ndef A(x, *, n, y=None):",
        "@nn.module\ndef A(n, x, y=None):",
    ],
)
def test_function_modules_are_no_different(decorator_and_def):
    body = "    x = nn.Dense(x, n)\n    return x if y is None else x + y\n"
    assert roles(f"{decorator_and_def}\n{body}", ":A") == "x y | n:int"


@pytest.mark.parametrize("receiver", ["self", "this", "m", "module", "_"])
def test_the_receiver_may_have_any_name(receiver):
    text = f"""
    class A(nn.Module):
        def apply({receiver}, x, n):
            return x * {receiver}.param('w', (n,), nn.initializers.ones)
    """
    assert roles(text) == "x | n:int"


def test_configuration_has_the_last_word():
    text = module("x, n, y", "return nn.Dense(x, n) + y")
    options = {"roles": {"main:A.apply.y": "field", "main:A.apply.n": "input"}}
    assert roles(text, **options) == "x n | y"


@pytest.mark.parametrize("role", ["field", "input"])
def test_a_comment_decides_where_methods_differ_in_their_defaults(role):
    text = f"""
    class A(nn.Module):
        def apply(self,
                  x,
                  n=4):  # linenify: {role}
            return nn.Dense(x, n)

        @nn.module_method
        def encode(self, x, n=8):
            return nn.Dense(x, n)
    """
    assert {facts_of(text).arguments(f"A.{m}")["n"][0] for m in ("apply", "encode")} == {role}


def test_a_handle_of_statistics_is_no_cache():
    text = module("x, stats=None", "return nn.BatchNorm(x, batch_stats=stats)")
    assert facts_of(text).arguments("A.apply")["stats"][2] != "a legacy handle is passed"


LEFT_OUT = {
    "same_default": ("n=1", "super().apply(x)", "x n |"),
    "other_default": ("n=2", "super().apply(x)", "x n |"),
    "handed_on": ("n=1", "super().apply(x, n)", "x | n:int"),
    "handed_on_by_keyword": ("n=1", "super().apply(x, n=n)", "x | n:int"),
    "in_a_starred_dict": ("**more", "super().apply(x, **more)", "x | n:int"),
    "named_beside_a_starred_dict": ("n=1, **more", "super().apply(x, **more)", "x n |"),
    "not_an_argument_at_all": ("", "super().apply(x)", "x | n:int"),
}


@pytest.mark.parametrize(("signature", "call", "expected"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_a_subclass_leaves_to_the_default_of_its_base(signature, call, expected):
    text = f"""
    class A(nn.Module):
        def apply(self, x, n=1):
            return nn.Dense(x, n)

    class B(A):
        def apply(self, x, {signature}):
            return {call}
    """
    assert roles(text) == expected


def test_reasons_are_given():
    found = facts_of(module("x, n", "return nn.Dense(x, n)")).arguments("A.apply")
    assert found["x"][2] == "used as an array"
    assert found["n"][2] == "decides structure"
