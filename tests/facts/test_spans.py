"""Spans: the key of every fact, the same in the `ast` and the libcst tree of one text."""

from __future__ import annotations

import ast

import pytest
from facts.support import source_of

from linenify.project.spans import Spans
from linenify.syntax.positions import AST_NAMES, placed

TEXTS = {
    "plain": "x = nn.Dense(x, 3)\n",
    "no_final_newline": "x = nn.Dense(x, 3)",
    "umlauts_before": "ä, ö = f('ü', g(x)), nn.Dense(x, 3)\n",
    "wide_name": "größe = nn.Dense(größe, größe.shape[0])\n",
    "beyond_the_basic_plane": "s = '🦒𝒳' + f(x, y='🦒', z=g(x))\n",
    "combining_marks": "e\u0301 = f(e\u0301, g(e\u0301))\n",
    "right_to_left": "s = f('שלום', g(x)); y = h(s)\n",
    "windows_lines": "x = f(\r\n    ä,\r\n    g(x),\r\n)\r\ny = h(x)\r\n",
    "old_mac_lines": "x = f(ä)\ry = g(x)",
    "mixed_lines": "a = f(x)\r\nb = g('ß', a)\nc = h(b)\n",
    "tabs": "if x:\n\ty = f('é',\tg(x))\n\tif y:\n\t\tz = h(y)\n",
    "form_feed": "a = f(x)\n\x0c\nb = h('ö', a)\n",
    "form_feed_in_text": "a = f('\x0c', g(x))\nb = h('ö\x0c', a)\n",
    "line_separators_in_text": "a = f('\u2028\x85\x1c', g(x))\nb = h(a)\n",
    "continued": "a = f(x) + \\\n    g('ö') + h(x)\n",
    "comment_before": "# größer als 🦒\na = f(x)  # ß\nb = g(a)\n",
    "text_over_lines": 'a = f("""ä\nö""", g(x)); b = h(a)\n',
    "parentheses": "a = (f(('ä'), (g)(x)))\nb = (a.b).c((x))\n",
    "decorated": "@f('ä')\n@g\nclass A(h(x)):\n    @k\n    def m(self, ä=f(1)): pass\n",
    "asynchronous": "async def f(ä):\n    return await g(ä, h(ä))\n",
    "nested": "x = [f('é', y) for y in {g(z): lambda ö: h(ö) for z in q}]\n",
    "annotated": "ä: f(x) = g('ö')\n",
    "imports": "from ä import ö as ü, x\nimport é.b as c\n",
    "semicolons": "ä = 1; from a import b; import c; y = f(ä)\n",
    "marks_in_a_row": "a = -f('ü')**g(x)[h('ö'):k(1)]\n",
}
KINDS = {"Call", "Name", "Attribute", "Lambda", "Dict"}
NAMES = {kind: name for kind, name in AST_NAMES.items() if name in KINDS}


def expressions(text):
    return [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.expr)]


def cut(text, span):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column : span.end_column]
    inner = lines[span.line : span.end_line - 1]
    first, last = lines[span.line - 1][span.column :], lines[span.end_line - 1][: span.end_column]
    return "\n".join([first, *inner, last])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_span_cuts_out_its_own_expression(text):
    spans = Spans(text)
    for node in expressions(text):
        piece = cut(text, spans.of(node))
        if isinstance(node, ast.Tuple) and not piece.startswith("("):
            piece = f"({piece})"
        if isinstance(node, ast.Slice):
            continue
        again = ast.parse(f"({piece}\n)", mode="eval").body
        assert ast.unparse(again) == ast.unparse(node)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_both_parsers_put_an_expression_in_one_place(text):
    spans = Spans(text)
    ours = {
        (type(node).__name__, spans.of(node))
        for node in expressions(text)
        if type(node).__name__ in KINDS
    }
    tree = placed(text)
    assert tree.text == text
    theirs = {(NAMES[type(n)], tree.span(n)) for n in tree.ranges if type(n) in NAMES}
    assert ours <= theirs


@pytest.mark.parametrize("text", ["a = f(x)\n\x0cb = g(a)\n", "a = f(x)\rb = g(a)\r"])
def test_libcst_gives_back_another_text(text):
    assert placed(text).text != text  # so `migrate` leaves such a file alone


@pytest.mark.parametrize("name", ["decorated", "asynchronous", "imports", "semicolons"])
def test_both_parsers_start_a_definition_in_one_place(name):
    text = TEXTS[name]
    spans = Spans(text)
    wanted = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    ours = {
        (type(n).__name__.removeprefix("Async"), spans.of(n).line, spans.of(n).column)
        for n in ast.walk(ast.parse(text))
        if isinstance(n, wanted)
    }
    tree = placed(text)
    theirs = {
        (AST_NAMES[type(n)], tree.span(n).line, tree.span(n).column)
        for n in tree.ranges
        if type(n) in AST_NAMES
    }
    assert ours
    # libcst counts the decorators in, where `rewrite` looks at the name instead.
    without_decorators = {place for place in ours if name != "decorated"}
    assert without_decorators <= theirs


def test_a_span_reads_as_people_count():
    (node,) = [n for n in expressions("x = f(1)\n") if isinstance(n, ast.Call)]
    assert str(Spans("x = f(1)\n").of(node)) == "1:5"


def test_a_byte_order_mark_is_no_column():
    source = source_of("x = f('ä', g(x))\n")
    marked = source_of("\ufeffx = f('ä', g(x))\n")
    assert marked.bom
    first, second = (
        [Spans(s.text).of(n) for n in ast.walk(s.tree) if isinstance(n, ast.Call)]
        for s in (source, marked)
    )
    assert first == second
