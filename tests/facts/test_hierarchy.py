"""Which classes are module classes, and what they inherit."""

from __future__ import annotations

import ast

import pytest
from facts.support import World, facts_of
from support import migration


def module_classes(world: World) -> set[str]:
    hierarchy = world.flow.hierarchy
    return {node.name for node in hierarchy.infos if hierarchy.is_module(node)}


def class_named(world: World, name: str) -> ast.ClassDef:
    return next(node for node in world.flow.hierarchy.infos if node.name == name)


BASE = "class Base(nn.Module):\n    def apply(self, x, n):\n        return nn.Dense(x, n)\n"
CLASSES = {
    "direct": ("class A(nn.Module): pass\n", {"A"}),
    "through_a_parent": ("class A(nn.Module): pass\nclass B(A): pass\nclass C(B): pass\n",
                         {"A", "B", "C"}),
    "of_a_layer": ("class A(nn.Conv): pass\n", {"A"}),
    "of_a_partial_layer": ("class A(nn.Dense): pass\nclass B(A): pass\n", {"A", "B"}),
    "plain": ("class A: pass\nclass B(A): pass\nclass C(object): pass\n", set()),
    "mixin_first": ("class M: pass\nclass A(M, nn.Module): pass\n", {"A"}),
    "mixin_last": ("class M: pass\nclass A(nn.Module, M): pass\n", {"A"}),
    "abstract": ("import abc\nclass A(nn.Module, abc.ABC): pass\n", {"A"}),
    "alias_of_the_base": ("M = nn.Module\nclass A(M): pass\n", {"A"}),
    "alias_of_a_class": ("class A(nn.Module): pass\nX = A\nclass B(X): pass\n", {"A", "B"}),
    "choice_of_bases": ("class A(nn.Module if FLAG else object): pass\n", {"A"}),
    "bases_in_a_tuple": ("BASES = (nn.Module,)\nclass A(*BASES): pass\n", {"A"}),
    "base_from_a_dict": ("T = {'m': nn.Module}\nclass A(T['m']): pass\n", {"A"}),
    "base_from_a_function": ("def base():\n    return nn.Module\nclass A(base()): pass\n", {"A"}),
    "base_as_an_argument": (
        BASE + "def make(parent):\n    class A(parent): pass\n    return A\nmake(Base)\n",
        {"Base", "A"},
    ),
    "in_a_function": ("def f():\n    class A(nn.Module): pass\n    return A\n", {"A"}),
    "in_a_class": ("class O:\n    class A(nn.Module): pass\nclass B(O.A): pass\n", {"A", "B"}),
    "in_a_method": (
        "class A(nn.Module):\n    def apply(self, x):\n        class B(nn.Module): pass\n",
        {"A", "B"},
    ),
    "under_if": ("if FLAG:\n    class A(nn.Module): pass\nelse:\n    class A: pass\n", {"A"}),
    "under_try": ("try:\n    class A(nn.Module): pass\nexcept E:\n    A = None\n", {"A"}),
    "under_with": ("with f():\n    class A(nn.Module): pass\n", {"A"}),
    "decorated": ("def d(c): return c\n@d\nclass A(nn.Module): pass\nclass B(A): 1\n", {"A", "B"}),
    "decorated_from_outside": ("import gin\n@gin.configurable\nclass A(nn.Module): pass\n", {"A"}),
    "before_its_base": (
        "def f():\n    class B(A): pass\n    return B\nclass A(nn.Module): pass\n",
        {"A", "B"},
    ),
    "shadowed_base": ("class Module: pass\nclass A(Module): pass\n", set()),
    "base_of_another_library": ("import torch\nclass A(torch.nn.Module): pass\n", set()),
    "derives_from_itself": ("class A(A): pass\nclass B(nn.Module): pass\n", {"B"}),
    "named_twice": ("class A(nn.Module): pass\nclass A(A): pass\n", {"A"}),
    "optimizer": ("import flax\nclass A(flax.optim.OptimizerDef): pass\n", set()),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CLASSES.values(), ids=CLASSES)
def test_module_classes_are_found(text, expected):
    world = facts_of(text)
    assert module_classes(world) == expected


def test_a_class_inherits_across_files():
    world = facts_of(
        {
            "pkg.": "from .base import Base\n",
            "pkg.base": "from flax import nn\nclass Base(nn.Module): pass\n",
            "pkg.a": "from . import Base\nclass A(Base): pass\n",
            "pkg.b": "from pkg import a\nclass B(a.A): pass\n",
            "pkg.c": "from .b import *\nclass C(B): pass\n",
        }
    )
    assert module_classes(world) == {"Base", "A", "B", "C"}


def test_methods_are_looked_up_in_order():
    world = facts_of(
        "class M:\n    def f(self): pass\n"
        "class A(nn.Module):\n    def f(self): pass\n    def g(self): pass\n"
        "class B(M, A):\n    pass\n"
        "class C(B):\n    def g(self): pass\n"
    )
    hierarchy = world.flow.hierarchy
    c = class_named(world, "C")
    assert [node.name for node in hierarchy.mro(c)] == ["C", "B", "M", "A"]
    assert hierarchy.find(c, "f")[0].name == "M"
    assert hierarchy.find(c, "g")[0].name == "C"
    assert hierarchy.find_after(c, "g")[0].name == "A"
    assert hierarchy.find(c, "h") is None
    assert {node.name for node in hierarchy.descendants(class_named(world, "A"))} == {"B", "C"}


def test_a_base_that_two_parents_share_comes_last():
    world = facts_of(
        "class Top(nn.Module):\n    def f(self): pass\n"
        "class A(Top): pass\nclass B(Top):\n    def f(self): pass\nclass C(A, B): pass\n"
    )
    assert world.flow.hierarchy.find(class_named(world, "C"), "f")[0].name == "B"


def test_the_layer_behind_a_class():
    world = facts_of("class A(nn.Conv): pass\nclass B(A): pass\nclass C(nn.Module): pass\n")
    layers = {n.name: world.flow.hierarchy.layer(n) for n in world.flow.hierarchy.infos}
    assert layers == {"A": "Conv", "B": "Conv", "C": None}


# --- what is not migrated -----------------------------------------------------------------------

REFUSED = {
    "own_call": ("def __call__(self, x): pass\n", "LN290"),
    "own_init": ("def __init__(self): pass\n", "LN290"),
    "own_getattr": ("def __getattr__(self, name): pass\n", "LN290"),
    "decorated_apply": ("@jax.jit\ndef apply(self, x, n=3): return nn.Dense(x, n)\n", "LN291"),
    "locals": ("def apply(self, x, n=3): return f(**locals())\n", "LN296"),
    "attribute_that_stays": (
        "def apply(self, x):\n    if FLAG:\n        self.y = x\n    return x\n",
        "LN294",
    ),
}


@pytest.mark.parametrize(("body", "code"), REFUSED.values(), ids=REFUSED)
def test_a_class_of_another_form_is_refused(body, code):
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    tail = "" if "def apply" in body else "    def apply(self, x): return nn.Dense(x, 3)\n"
    world = facts_of(f"class A(nn.Module):\n{indented}{tail}")
    assert code in world.refusals()


@pytest.mark.parametrize(
    "header",
    [
        "class A(nn.Module, metaclass=Meta):",
        "import other\nclass A(other.Base, nn.Module):",
        "class A(unknown(), nn.Module):",
    ],
)
def test_a_class_of_unknown_ancestry_is_refused(header):
    world = facts_of(f"{header}\n    def apply(self, x): return nn.Dense(x, 3)\n")
    assert "LN290" in world.refusals()


def test_a_class_whose_base_was_refused_is_refused():
    world = facts_of(
        "class A(nn.Module):\n    def __call__(self, x): pass\n"
        "class B(A):\n    def apply(self, x): return nn.Dense(x, 3)\n"
        "class C(nn.Module):\n    def apply(self, x): return B(x)\n"
    )
    assert world.refusals().count("LN290") == 2
    assert world.refused("B(x)") == "LN398"


def test_a_stranger_that_calls_layers_is_refused():
    world = facts_of(
        "import other\nclass A(other.Base):\n    def apply(self, x): return nn.Dense(x, 3)\n"
    )
    assert world.refusals() == ["LN290"]


def test_a_plain_class_with_an_apply_is_left_alone():
    world = facts_of("class A:\n    def apply(self, x): return nn.relu(x)\n")
    assert world.refusals() == []


def test_a_wrapper_that_hands_on_everything_is_not_split():
    world = facts_of(
        BASE + "class Logged(Base):\n    def apply(self, x, *args):\n"
        "        return super().apply(x, *args)\n"
        "class Net(nn.Module):\n    def apply(self, x):\n        return Logged(x, 3)\n"
    )
    assert world.refused("Logged(x, 3)") is not None


def test_a_generic_class_is_a_module_class():
    world = facts_of(
        "from typing import Generic, TypeVar\nT = TypeVar('T')\n"
        "class A(nn.Module, Generic[T]):\n    def apply(self, x): return nn.Dense(x, 3)\n"
    )
    assert world.refusals() == []


@pytest.mark.parametrize(
    ("mixin", "code"),
    [
        ("    def apply(self, *a, **k):\n        return 2 * super().apply(*a, **k)\n", "LN290"),
        ("    @nn.module_method\n    def half(self, x):\n        return nn.Dense(x, 1)\n", "LN290"),
        ("    def keep(self, x):\n        self.kept = x\n", "LN294"),
        ("    def scale(self, x):\n        return x * 2\n", None),
        ("    def __init__(self, x):\n        self.x = x\n", None),
    ],
    ids=["apply", "module_method", "attribute", "helper", "constructor"],
)
def test_what_a_plain_class_may_bring_into_a_module(mixin, code):
    text = f"{BASE}class Mixin:\n{mixin}class A(Mixin, Base):\n    pass\n"
    found = {d.code for d in migration(f"from flax import nn\n{text}").diagnostics}
    assert found == ({code} if code else set())
