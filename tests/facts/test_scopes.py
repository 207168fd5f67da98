"""Scopes: the same answer that Python gives."""

from __future__ import annotations

import argparse
import ast
import asyncio.base_events
import contextlib
import dataclasses
import enum
import functools
import inspect
import symtable
import textwrap
import typing
from pathlib import Path

import pytest
from facts.support import source_of

from linenify.project.scopes import Scopes, all_arguments, defaults_by_name

# --- against Python's own symbol tables -------------------------------------------------

TEXTS = {
    "assignments": "def f(a, *b, c=1, **d):\n  e = a\n  (g, [h, *i]) = e\n  j: int\n  k += 1",
    "loops": "def f():\n  for a, (b, *c) in d: pass\n  with e as g, h as (i, j): pass",
    "imports": "def f():\n  import a.b, c as d\n  from e import g, h as i",
    "handlers": "def f():\n  try: pass\n  except A as b: pass\n  except (C, D) as e: pass",
    "deletes": "def f():\n  a = 1\n  del a, b[0], c.d",
    "definitions": "def f():\n  def g(): pass\n  class H: pass\n  async def i(): pass",
    "walrus": "def f():\n  if (a := 1): pass\n  return [b := c for c in d]",
    "walrus_through_two": "def f():\n  return [[a := b for b in c] for c in d]",
    "global": "def f():\n  global a, b, g, H\n  a = 1\n  import b\n  def g(): 1\n  class H: 1",
    "global_unbound": "def f():\n  global a\n  a = 1\ndef g(): return a",
    "nonlocal": "def f():\n  a = 1\n  def g():\n    nonlocal a\n    a = 2\n    def h(): return a",
    "global_between": "def f():\n  a = 1\n  def g():\n    global a\n    def h(): return a",
    "comprehensions": "def f():\n return [a for a in b if a], {c: d for c, d in e}, {g for g in a}",
    "nested_comprehension": "def f():\n  return [[b for b in a] for a in c for d in a]",
    "generators": "def f():\n  return (a for a in (b for b in c))",
    "lambdas": "def f():\n  return lambda a, b=c, *d, e=lambda: g, **h: a",
    "defaults_outside": "def f(a=[b for b in c], *, d: (e := 1) = 2): return a",
    "class_body": "class A:\n  a = 1\n  def b(self): return a\n  c = [a for d in a]\n  import e",
    "class_in_function": "def f(a):\n  class A(a):\n    b = a\n    def g(self): return a, b",
    "decorated": "def f():\n  @a\n  def g(): pass\n  @(b := 1)\n  class H: pass",
    "match": (
        "def f(x):\n  match x:\n    case [a, *b]: pass\n    case {'k': c, **d}: pass\n"
        "    case E(g, h=i) as j if (k := 1): pass\n    case l | (1 as l): pass\n    case _: pass"
    ),
    "asynchronous": "async def f():\n  async for a in b: pass\n  async with c as d: await e",
    "star_except": "def f():\n  try: pass\n  except* A as b: pass",
    "for_else": "def f():\n  for a in b: pass\n  else: c = 1\n  while d: e = 1\n  else: g = 1",
    "annotation_only": "def f():\n  a: int\n  b.c: int\n  d[0]: int = 1",
}
MODULES = [argparse, ast, asyncio.base_events, contextlib, dataclasses, enum, functools]
MODULES += [inspect, typing, textwrap]
BY_KIND = {"function": "function", "class": "class"}


def python_says(text):
    """Bound names by (kind, line, name) of every scope; several when a line has several."""
    found: dict[tuple[int, str], list[set[str]]] = {}

    def visit(table):
        if table.get_type() in BY_KIND:
            names = {s.get_name() for s in table.get_symbols() if s.is_local()}
            key = (table.get_lineno(), table.get_name())
            found.setdefault(key, []).append({n for n in names if not n.startswith(".")})
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(text, "<text>", "exec"))
    return {key: sorted(map(sorted, names)) for key, names in found.items()}


COMPREHENSIONS = {
    ast.ListComp: "listcomp",
    ast.SetComp: "setcomp",
    ast.DictComp: "dictcomp",
    ast.GeneratorExp: "genexpr",
    ast.Lambda: "lambda",
}


def scopes_say(text):
    found: dict[tuple[int, str], list[set[str]]] = {}
    scopes = Scopes(source_of(text))
    for node, scope in scopes.by_node.items():
        if scope.kind == "module":
            continue
        name = getattr(node, "name", None) or COMPREHENSIONS[type(node)]
        found.setdefault((node.lineno, name), []).append(scope.names)
    return {key: sorted(map(sorted, names)) for key, names in found.items()}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_scope_binds_what_python_binds_there(text):
    assert scopes_say(text) == python_says(text)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_standard_library_agrees(module):
    text = Path(module.__file__).read_text("utf-8")
    ours, theirs = scopes_say(text), python_says(text)
    assert ours.keys() == theirs.keys()
    for key, names in theirs.items():
        mangled = any(name.startswith("_") and "__" in name[1:] for each in names for name in each)
        if not mangled:
            assert ours[key] == names, key


# --- where a name is found --------------------------------------------------------------


def home(text):
    """The scope that binds the name which stands alone as an expression statement."""
    source = source_of(textwrap.dedent(text))
    scopes = Scopes(source)
    parents = {c: n for n in ast.walk(source.tree) for c in ast.iter_child_nodes(n)}
    (read,) = [
        n.value
        for n in ast.walk(source.tree)
        if isinstance(n, ast.Expr) and isinstance(n.value, ast.Name)
    ]
    node: ast.AST = read
    while node not in scopes.by_node:
        node = parents[node]
    found = scopes[node].lookup(read.id)
    return None if found is None else found.qualname or "<module>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("nn = 1\ndef f():\n  nn", "<module>", id="from_a_function"),
        pytest.param("nn = 1\ndef f(nn):\n  nn", "f", id="parameter"),
        pytest.param("nn = 1\ndef f():\n  nn\n  nn = 2", "f", id="assigned_later"),
        pytest.param("nn = 1\nclass A:\n  nn = 2\n  nn", "A", id="class_body"),
        pytest.param("nn = 1\nclass A:\n  nn = 2\n  def f(self):\n    nn", "<module>", id="method"),
        pytest.param("class A:\n  nn = 2\n  def f(self):\n    nn", None, id="builtin_or_nothing"),
        pytest.param("def f():\n  nn = 1\n  class A:\n    nn", "f", id="class_in_a_function"),
        pytest.param("def f():\n  def g():\n    nn\n  nn = 1", "f", id="closure"),
        pytest.param("nn = 1\ndef f():\n  nn = 2\n  def g():\n    global nn\n    nn", "<module>",
                     id="global"),
        pytest.param("def f():\n  global nn\n  nn = 2\ndef g():\n  nn", "<module>",
                     id="global_bound_elsewhere"),
        pytest.param("def f():\n  global nn\n  import nn\ndef g():\n  nn", "<module>",
                     id="global_import"),
        pytest.param("def f():\n  nn = 1\n  def g():\n    nonlocal nn\n    nn = 2\n    nn", "f",
                     id="nonlocal"),
        pytest.param("def f():\n  [nn for nn in x]\n  nn", None, id="not_out_of_a_comprehension"),
        pytest.param("def f():\n  [(nn := y) for y in x]\n  nn", "f", id="out_by_walrus"),
        pytest.param("def f():\n  try: pass\n  except E as nn:\n    nn", "f", id="handler"),
        pytest.param("def f(x):\n  match x:\n    case {**nn}:\n      nn", "f", id="rest_of_a_map"),
    ],
)  # fmt: skip
def test_a_name_is_found_where_python_finds_it(text, expected):
    assert home(text) == expected


# --- parameters ---------------------------------------------------------------------------


def signature(text):
    (node,) = ast.parse(f"def f({text}): pass").body
    assert isinstance(node, ast.FunctionDef)
    return node.args


def test_parameters_come_in_order():
    arguments = signature("a, /, b, *c, d, **e")
    assert [a.arg for a in all_arguments(arguments)] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a, b", {}),
        ("a, b=1", {"b": "1"}),
        ("a=1, /, b=2", {"a": "1", "b": "2"}),
        ("a, /, b=2, *, c, d=3", {"b": "2", "d": "3"}),
        ("*a, b=1, **c", {"b": "1"}),
    ],
)
def test_defaults_belong_to_the_last_parameters(text, expected):
    found = {k: ast.unparse(v) for k, v in defaults_by_name(signature(text)).items()}
    assert found == expected
