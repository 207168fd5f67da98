"""Which files can matter, decided without parsing them."""

from __future__ import annotations

import pytest

from linenify.project.relevance import outline, relevant


def targets(text: str, name: str = "pkg.sub.mod", *, is_package: bool = False) -> set[str]:
    each = outline(text.encode(), name, is_package=is_package)
    return set(each.absolute | each.relative)


def kept(files: dict[str, str]) -> set[str]:
    """Files by dotted name; a name that ends in a dot is a package."""
    outlines = {
        name: outline(text.encode(), name.rstrip("."), is_package=name.endswith("."))
        for name, text in files.items()
    }
    return set(relevant(outlines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("import a", {"a"}, id="plain"),
        pytest.param("import a.b.c as d", {"a.b.c"}, id="dotted"),
        pytest.param("import a, b as x, c", {"a", "b", "c"}, id="several"),
        pytest.param("from a import b", {"a", "a.b"}, id="from"),
        pytest.param("from a.b import c, d as e", {"a.b", "a.b.c", "a.b.d"}, id="from_several"),
        pytest.param("from a import *", {"a"}, id="star"),
        pytest.param("from a import (\n  b,  # )\n  c,\n)", {"a.b", "a.c"}, id="parentheses"),
        pytest.param("from a import b, \\\n  c", {"a.b", "a.c"}, id="backslash"),
        pytest.param("from a \\\n  import b", {"a.b"}, id="backslash_before_import"),
        pytest.param("from . import x", {"pkg.sub", "pkg.sub.x"}, id="relative"),
        pytest.param("from .x import y", {"pkg.sub.x"}, id="relative_sibling"),
        pytest.param("from .. import x", {"pkg.x"}, id="relative_parent"),
        pytest.param("from ..x.y import z", {"pkg.x.y.z"}, id="relative_cousin"),
        pytest.param("from.x import y", {"pkg.sub.x"}, id="no_space"),
        pytest.param("try: import a\nexcept: import b", {"a", "b"}, id="after_colon"),
        pytest.param("x = 1; import a", {"a"}, id="after_semicolon"),
        pytest.param("def f():\n\timport a", {"a"}, id="indented"),
        pytest.param("import a\r\nimport b\rimport c", {"a", "b", "c"}, id="line_ends"),
        pytest.param("import ä.ö", {"ä.ö"}, id="unicode"),
    ],
)
def test_imports_are_seen_in_the_bytes(text, expected):
    assert expected <= targets(text)


def test_a_package_is_its_own_starting_point():
    assert "pkg.sub.x" in targets("from . import x", "pkg.sub", is_package=True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from flax import nn", (True, False)),
        ("import jax.numpy as jnp", (False, True)),
        ("import relax, flaxen, flax_models", (False, False)),
        ("", (False, False)),
    ],
)
def test_flax_and_jax_are_whole_words(text, names):
    each = outline(text.encode(), "a", is_package=False)
    assert (each.names_flax, each.names_jax) == names


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"a": "import os", "b": ""}, set(), id="nothing_to_do"),
        pytest.param({"a": "import flax", "b": "import os"}, {"a"}, id="seed_only"),
        pytest.param({"a": "import jax", "b": "import a"}, {"a"}, id="jax_alone_draws_no_users"),
        pytest.param({"a": "import jax, b", "b": ""}, {"a"}, id="without_flax_nothing_is_followed"),
        pytest.param(
            {"p.types": "import flax", "q.b": "import types", "p.c": "import types"},
            {"p.types", "p.c"},
            id="the_standard_library_is_shadowed_by_neighbours_only",
        ),
        pytest.param({"p.a": "import flax", "p.b": "import p.a"}, {"p.a", "p.b"}, id="user"),
        pytest.param(
            {"x.p.a": "import flax", "y.b": "from p.a import M"},
            {"x.p.a", "y.b"},
            id="any_sys_path",
        ),
        pytest.param(
            {"models": "import flax", "t": "import cifar.models"}, {"models", "t"}, id="root_inside"
        ),
        pytest.param(
            {"a": "import flax", "b": "from a import *", "c": "import b"},
            {"a", "b", "c"},
            id="chain",
        ),
        pytest.param(
            {"p.": "from .m import M", "p.m": "import flax", "t": "import p"},
            {"p.", "p.m", "t"},
            id="reexport",
        ),
        pytest.param(
            {"a": "import flax, helper", "helper": "import deep", "deep": "", "other": ""},
            {"a", "helper", "deep"},
            id="helpers_that_may_be_handed_a_module_class",
        ),
        pytest.param(
            {"a": "import flax, helper", "helper": "x = 1", "b": "import helper", "c": "import b"},
            {"a", "helper", "b", "c"},
            id="other_users_of_a_helper_that_may_be_rewritten",
        ),
        pytest.param(
            {"p.": "# (c)", "p.a": "import flax, p", "p.b": "import p"},
            {"p.a", "p."},
            id="an_empty_package_joins_nobody",
        ),
        pytest.param(
            {"p.a": "import flax, time", "p.q.time": "", "p.r.time": ""},
            {"p.a"},
            id="a_library_of_the_same_name_is_not_guessed",
        ),
    ],
)
def test_what_is_kept(files, expected):
    assert kept(files) == expected
