"""What is read from a partial or asked of it: its class answers, or it is flagged."""

from __future__ import annotations

import textwrap

import pytest
from facts.support import HEADER, facts_of

CELL = """
class Cell(nn.Module):
    scale = 2.
    def apply(self, x, size=3):
        return nn.Dense(x, size)
    @staticmethod
    def start(n):
        return jnp.zeros((n,))
    @classmethod
    def warm(cls, n):
        return cls.start(n) + cls.scale
    @classmethod
    def wider(cls):
        return cls.partial(size=9)
    @classmethod
    def loss(cls, params, x):
        return jnp.sum(cls.call(params, x))
"""


def world(body, arguments="x, cell=Cell"):
    head = f"class Net(nn.Module):\n    def apply(self, {arguments}):\n"
    text = textwrap.indent(textwrap.dedent(body).strip() + "\n", " " * 8)
    users = "\nclass User(nn.Module):\n    def apply(self, x):\n"
    users += "        return Net(x, cell=Cell.partial(size=4))\n"
    return facts_of(HEADER + CELL + head + text + users)


def template(found, text):
    return found.site(text).template


@pytest.mark.parametrize("read", ["start", "warm", "scale", "__name__", "__qualname__"])
def test_a_partial_is_read_through_its_class(read):
    found = world(f"part = Cell.partial(size=2)\ny = part.{read}\nreturn part(x)")
    assert template(found, f"part.{read}") == f"{{owner}}.func.{read}"
    assert found.refusals() == []


@pytest.mark.parametrize("read", ["start", "warm", "scale", "__name__"])
def test_what_may_be_a_class_or_a_partial_is_read_through_either(read):
    found = world(f"y = cell.{read}\nreturn cell(x)")
    assert template(found, f"cell.{read}") == f"getattr({{owner}}, 'func', {{owner}}).{read}"
    assert found.refusals() == []


def test_a_class_is_read_as_it_was():
    found = world("return Cell(x) + Cell.scale + Cell.start(3)")
    assert found.site("Cell.scale") is None
    assert found.site("Cell.start") is None


def test_a_shared_instance_gives_what_its_class_has():
    found = world("unit = Cell.shared(name='unit')\nreturn unit(x) + unit.start(3) * unit.scale")
    assert found.site("unit.start") is None
    assert found.site("unit.scale") is None
    assert found.refusals() == []


@pytest.mark.parametrize("read", ["wider", "loss"])
def test_a_class_method_that_needs_what_is_bound_is_flagged(read):
    found = world(f"part = Cell.partial(size=2)\nf = part.{read}\nreturn part(x)")
    assert found.refusals() == ["LN381"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("issubclass(cell, nn.Module)", "{func}(getattr({0}, 'func', {0}), {1})"),
        ("isinstance(cell, type)", "{func}(getattr({0}, 'func', {0}), {1})"),
        ("hasattr(cell, 'start')", "{func}(getattr({0}, 'func', {0}), {1})"),
        ("getattr(cell, 'scale', 1.)", "{func}(getattr({0}, 'func', {0}), {1}, {2})"),
        ("inspect.isclass(cell)", "{func}(getattr({0}, 'func', {0}))"),
    ],
)
def test_a_question_is_put_to_the_class(question, expected):
    found = world(f"import inspect\nif {question}:\n    x = x + 1\nreturn cell(x)")
    assert template(found, question) == expected
    assert found.refusals() == []


@pytest.mark.parametrize(
    "question",
    [
        "type(cell) is type(Cell)",
        "isinstance(cell, functools.partial)",
        "issubclass(Cell, cell)",
        "getattr(cell, name)",
    ],
)
def test_a_question_that_would_be_answered_differently_is_flagged(question):
    found = world(f"name = str(len(x))\nif {question}:\n    x = x + 1\nreturn cell(x)")
    assert found.refusals() == ["LN381"]


def test_a_question_that_has_nothing_to_do_with_classes_stays():
    found = world("if isinstance(cell, (str, int)):\n    x = x + 1\nreturn cell(x)")
    assert found.site("isinstance(cell, (str, int))") is None
    assert found.refusals() == []


def test_a_class_that_derives_from_a_partial_is_flagged():
    found = facts_of(HEADER + CELL + "Wide = Cell.partial(size=9)\nclass Wider(Wide):\n    pass\n")
    assert "LN290" in found.refusals()
