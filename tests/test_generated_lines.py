"""Generated expressions, broken into lines that fit."""

from __future__ import annotations

import ast
import textwrap

import libcst as cst
import pytest
from support import migrated

from linenify.syntax.layout import Place, laid_out
from linenify.syntax.listing import WIDTH

LONG = "the_longish_name_of_things"


def broken(text: str, indent: int = 0) -> str:
    """A statement `y = <text>`, with its value laid out."""
    place = Place(indent + len("y = "), indent, "    ", "    ")
    node = laid_out(cst.parse_expression(text), place)
    statement = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name("y"))], node)])
    after = cst.Module([statement]).code
    assert ast.unparse(ast.parse(after)) == ast.unparse(ast.parse(f"y = {text}"))
    return after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("f(a, b)", "y = f(a, b)\n", id="what_fits_stays"),
        pytest.param(
            f"f({LONG}, {LONG}, {LONG})",
            f"y = f(\n    {LONG}, {LONG}, {LONG})\n",
            id="all_arguments_on_the_next_line",
        ),
        pytest.param(
            f"f({LONG}, {LONG}, {LONG}, {LONG})",
            f"y = f(\n    {LONG},\n    {LONG},\n    {LONG},\n    {LONG})\n",
            id="each_argument_on_its_own_line",
        ),
        pytest.param(
            f"f(a, g({LONG}, {LONG}), b=1, c={LONG})",
            f"""y = f(
                a,
                g({LONG}, {LONG}),
                b=1,
                c={LONG})
            """,
            id="inner_calls_only_where_needed",
        ),
        pytest.param(
            f"f(lambda x: g({LONG}, {LONG}, {LONG}, x))(b=1)",
            f"""y = f(
                lambda x: g(
                    {LONG},
                    {LONG},
                    {LONG},
                    x))(b=1)
            """,
            id="what_is_called_first",
        ),
        pytest.param(
            f"f({{'a': {LONG}, 'b': g({LONG}, {LONG})}}, x)",
            f"""y = f(
                {{
                    'a': {LONG},
                    'b': g({LONG}, {LONG}),
                }},
                x)
            """,
            id="items_of_a_dict",
        ),
        pytest.param(
            f"f({LONG}, {LONG}, {LONG})['params'].x",
            f"y = f(\n    {LONG},\n    {LONG},\n    {LONG})['params'].x\n",
            id="below_subscripts",
        ),
        pytest.param(
            f"a if b else f({LONG}, {LONG}, {LONG})",
            f"y = a if b else f(\n    {LONG}, {LONG}, {LONG})\n",
            id="the_last_choice",
        ),
        pytest.param(
            f"{LONG} + {LONG} + {LONG} + {LONG}",
            f"y = {LONG} + {LONG} + {LONG} + {LONG}\n",
            id="nothing_to_break",
        ),
        pytest.param(
            f"f({LONG}, # why\n  {LONG}, {LONG}, {LONG}, {LONG})",
            f"y = f({LONG}, # why\n  {LONG}, {LONG}, {LONG}, {LONG})\n",
            id="lines_of_the_program_stay",
        ),
    ],
)
def test_lines(text, after):
    head, *rest = after.splitlines(keepends=True)
    assert broken(text) == head + _dedented(rest)


def _dedented(lines: list[str]) -> str:
    """Continuation lines, indented by four where they were indented with the test."""
    text = "".join(lines)
    if text.startswith(" " * 16):
        text = textwrap.indent(textwrap.dedent(text.rstrip(" ")), "    ")
    return text


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("indent", [0, 4, 20])
def test_no_line_is_too_long(count, indent):
    inner = f"g({', '.join([LONG] * count)})"
    text = broken(f"f({{'k': {inner}}}, lambda a: {inner}, key={inner})({inner}).x['y']", indent)
    assert max(len(line) for line in text.splitlines()) + indent <= WIDTH


def test_a_line_that_is_indented_more_than_its_statement_is_the_measure():
    text = """
from flax import nn, optim


def create(model, other):
  return dict(
      first=optim.Adam(learning_rate=0.001, beta1=0.5, beta2=0.99).create(model),
      second=1)


create(nn.Model(nn.Dense, {}), 2)
"""
    assert """
  return dict(
      first=train_state.TrainState.create(
          apply_fn=""" in migrated(text)
