"""Programs that feed back into themselves: inference ends, and ends soon."""

from __future__ import annotations

import time

import pytest
from facts.support import facts_of

PROGRAMS = {
    "names_that_grow": "node = lib\nfor _ in x:\n    node = node.left or node.up.down\n",
    "functions_under_transforms": "def f(x): return x\nwhile x:\n    f = jax.jit(jax.vmap(f))\n",
    "functions_bound_again": "def f(*a): return a\nwhile x:\n    f = functools.partial(f, 1)\n",
    "partials_of_partials": "f = nn.Dense\nwhile x:\n    f = f.partial(bias=x).partial(name=x)\n",
    "methods_of_methods": "xs = []\nwhile x:\n    xs = xs.append.append or [xs]\n",
    "lists_in_lists": "xs = []\nwhile x:\n    xs = [xs, *xs, [xs]]\n    xs.append(xs)\n",
    "dicts_in_dicts": "d = {}\nwhile x:\n    d = {**d, 'a': d}\n    d['b'] = dict(d, c=d)\n",
    "iterators_of_themselves": (
        "class I:\n    def __iter__(self): return self\n    def __next__(self): return self\n"
        "for i in I():\n    for j in i: x = j[0]\n"
    ),
    "functions_that_return_themselves": "def f(x=None): return f\ny = f(f)(f)()(f)\n",
    "classes_in_a_circle": "class A(A): pass\nclass B(C): pass\nclass C(B): pass\n",
    "decorators_in_a_circle": "def d(f):\n    @d\n    def g(): return f\n    return g\nd(d)\n",
    "generators_in_a_circle": "def g():\n    yield from g()\n    yield g\nfor a in g(): a()\n",
    "records_in_a_circle": (
        "import collections\nP = collections.namedtuple('P', 'a b')\np = P(1, 2)\n"
        "while x:\n    p = P(p, p.a)\n    q, r = p\n"
    ),
    "modules_that_call_each_other": (
        "class A(nn.Module):\n    def apply(self, x, f, n): return f(x, A, n - 1)\n"
        "class B(nn.Module):\n    def apply(self, x, f, n): return A(x, f, n) + f(x, B, n)\n"
        "def main(x): return A(x, B, 3)\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_inference_ends(text):
    start = time.process_time()
    world = facts_of("import lib\n" + text)
    assert world.silent() == []
    assert time.process_time() - start < 5


def test_large_tables_take_no_time():
    rows = "\n".join(f"    ({i}, {{'a': [{i}, {i + 1}], 'b': ({i},)}})," for i in range(2000))
    start = time.process_time()
    facts_of(f"TABLE = [\n{rows}\n]\nfor a, b in TABLE:\n    print(a, b['a'][0])\n")
    assert time.process_time() - start < 10
