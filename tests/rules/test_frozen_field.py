"""Lists and dicts that become fields: what is left alone, what is made again, what is refused."""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests.support import migration

# What flows into `n`, a line of the body, and what becomes of the line; a code: it is refused.
PLACES = {
    # compared
    "text_and_text": ("'a', 'b'", "n == 'a'", "self.n == 'a'"),
    "text_or_list_and_text": ("'a', [1]", "n == 'a'", "self.n == 'a'"),
    "none_or_list_and_none": ("None, [1]", "n is not None", "self.n is not None"),
    "number_or_list_and_number": ("2, [1]", "n != 0", "self.n != 0"),
    "list_and_list": ("[1], [2]", "n == [1]", "list(self.n) == [1]"),
    "list_and_list_turned_around": ("[1], [2]", "[1] != n", "[1] != list(self.n)"),
    "list_or_none_and_list": ("[1], None", "n == [1]", "self.n == (1,)"),
    "list_and_tuple": ("[1], [2]", "n == (1,)", "list(self.n) == (1,)"),
    "list_or_tuple_and_another_tuple": ("[2], (3,)", "n == (1,)", "self.n == (1,)"),
    "list_or_tuple_and_its_equal": ("[1], (3,)", "n == (1,)", "LN281"),
    "list_or_tuple_and_list": ("[1], (1,)", "n == [1]", "LN281"),
    "list_among_lists": ("[1], [2]", "n in ([1], [3])", "list(self.n) in ([1], [3])"),
    "list_and_length": ("[1], [2]", "len(n) == 1", "len(self.n) == 1"),
    # asked for a type
    "list_or_number_asked": ("[1], 2", "isinstance(n, list)", "isinstance(self.n, (list, tuple))"),
    "list_asked_among_others": (
        "[1], 2",
        "isinstance(n, (int, list))",
        "isinstance(self.n, (int, (list, tuple)))",
    ),
    "list_or_tuple_asked_for_both": (
        "[1], (2,)",
        "isinstance(n, (list, tuple))",
        "isinstance(self.n, (list, tuple))",
    ),
    "list_or_tuple_asked_for_one": ("[1], (2,)", "isinstance(n, list)", "LN281"),
    "list_asked_for_a_tuple": ("[1], 2", "isinstance(n, tuple)", "LN281"),
    "unknown_asked": ("config.n, config.m", "isinstance(n, list)", "LN281"),
    "number_asked": ("[1], 2", "isinstance(n, int)", "isinstance(self.n, int)"),
    "dict_asked": (
        "{'a': 1}, 2",
        "isinstance(n, dict)",
        "isinstance(self.n, (dict, core.FrozenDict))",
    ),
    "type_asked": ("[1], 2", "type(n) is list", "type(self.n) is tuple"),
    "type_of_a_dict_asked": ("{'a': 1}, 2", "type(n) == dict", "type(self.n) == core.FrozenDict"),
    "type_of_either_asked": ("[1], (2,)", "type(n) is list", "LN281"),
    "class_asked": ("[1], 2", "n.__class__ is list", "self.n.__class__ is tuple"),
    "subclass_asked": (
        "[1], 2",
        "issubclass(type(n), list)",
        "issubclass(type(self.n), (list, tuple))",
    ),
    # added, sliced, repeated
    "both_added": ("[1], [2]", "n + (n or [1])", "list(self.n) + list(self.n or [1])"),
    "lists_summed": ("[[1]], [[2]]", "sum(n, [])", "sum(self.n, ())"),
    "added": ("[1], [2]", "n + [1]", "list(self.n) + [1]"),
    "added_to_a_list": ("[1], [2]", "[1] + n", "[1] + list(self.n)"),
    "tuple_added": ("(1,), (2,)", "n + (1,)", "self.n + (1,)"),
    "list_or_tuple_added_to_a_tuple": ("[1], (2,)", "n + (1,)", "self.n + (1,)"),
    "sliced_and_added": ("[1], [2]", "n[1:] + [1]", "list(self.n[1:]) + [1]"),
    "repeated_and_added": ("[1], [2]", "n * 2 + [1]", "list(self.n * 2) + [1]"),
    "default_and_added": ("[1], None", "(n or [2]) + [1]", "list(self.n or [2]) + [1]"),
    "none_or_list_added": ("[1], None", "n + [1]", "list(self.n) + [1]"),
    "inner_list_added": ("[[1]], [[2]]", "n[0] + [1]", "list(self.n[0]) + [1]"),
    "copied_and_added": ("[1], [2]", "n.copy() + [1]", "list(self.n) + [1]"),
    "made_anew_and_added": ("[1], [2]", "list(n) + [1]", "list(self.n) + [1]"),
    "in_a_text": ("[1], [2]", "f'{n}'", "f'{list(self.n)}'"),
    "in_a_message": ("[1], 2", "print(n)", "print(self.n)"),
    "in_a_text_at_times": ("[1], 2", "'%s' % n", "LN281"),
    # dicts
    "dict_copied": ("{'a': 1}, {'b': 1}", "n.copy()", "dict(self.n)"),
    "dict_merged": ("{'a': 1}, {'b': 1}", "n | {'c': 1}", "dict(self.n) | {'c': 1}"),
    "dict_spread": ("{'a': 1}, {'b': 1}", "{**n, 'c': 1}", "{**self.n, 'c': 1}"),
    "dict_compared": ("{'a': 1}, {'b': 1}", "n == {'a': 1}", "self.n == {'a': 1}"),
    "dict_walked": ("{'a': 1}, {'b': 1}", "[k for k in n.items()]", "[k for k in self.n.items()]"),
    "dict_counted": ("{'a': 1}, {'b': 1}", "len(n.items())", "len(dict(self.n).items())"),
    "dict_as_text": ("{'a': 1}, {'b': 1}", "json.dumps(n)", "json.dumps(dict(self.n))"),
    "deep_dict_as_text": (
        "{'a': {}}, {'b': {'c': 1}}",
        "json.dumps(n)",
        "json.dumps(core.unfreeze(self.n))",
    ),
    "dict_among_trees": (
        "{'a': 1}, {'a': 2}",
        "jax.tree_util.tree_map(f, {'a': 2}, n)",
        "jax.tree_util.tree_map(f, {'a': 2}, dict(self.n))",
    ),
    "list_among_trees": (
        "[1], [2]",
        "jax.tree_util.tree_map(f, [2], n)",
        "jax.tree_util.tree_map(f, [2], list(self.n))",
    ),
}  # fmt: skip


def program(flows, line):
    first, second = parts_of(flows)
    return textwrap.dedent(
        f"""\
        import json
        import jax
        from flax import nn
        from lib import config, f


        class Net(nn.Module):

          def apply(self, x, width, n):
            it = {line}
            return nn.Dense(x, width), it


        FIRST = Net.partial(width=2, n={first})
        SECOND = Net.partial(width=2, n={second})
        """
    )


def parts_of(flows):
    made = ast.parse(f"({flows})", mode="eval").body
    return [ast.unparse(each) for each in made.elts]


@pytest.mark.parametrize(("flows", "line", "expected"), PLACES.values(), ids=PLACES)
def test_a_field_is_what_code_needs_it_to_be(flows, line, expected):
    text = program(flows, line)
    result = migration(text)
    after = result.changes[0].after
    codes = [d.code for d in result.diagnostics]
    if expected.startswith("LN"):
        assert codes == [expected]
        assert result.diagnostics[0].span.line == 1 + text.splitlines().index(f"    it = {line}")
    else:
        assert codes == []
        assert f"    it = {expected}\n" in after


CHANGES = {
    "fresh_list": ("Net(x, [1])", "n.append(2)", "n = list(self.n)"),
    "fresh_dict": ("Net(x, {'a': 1})", "n['b'] = 2", "n = dict(self.n)"),
    "fresh_list_grown": ("Net(x, [1])", "n += [2]", "n = list(self.n)"),
    "made_anew_before": ("Net(x, [1])", "n = list(n); n.append(2)", "n = self.n"),
    "list_of_the_caller": ("Net(x, sizes)", "n.append(2)", "LN290"),
    "list_of_the_caller_grown": ("Net(x, sizes)", "n += [2]", "LN281"),
    "inner_list": ("Net(x, [[1]])", "n[0].append(2)", "LN281"),
    "another_name": ("Net(x, [1])", "m = n; m.append(2)", "LN281"),
}


@pytest.mark.parametrize(("call", "lines", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_field_that_is_changed_in_place_is_copied_where_nobody_sees_it(call, lines, expected):
    body = "\n    ".join(lines.split("; "))
    text = f"""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, n):
    {body}
    return nn.Dense(x, len(n))


class Top(nn.Module):

  def apply(self, x):
    sizes = [3]
    return {call} * len(sizes)
"""
    result = migration(text)
    codes = [d.code for d in result.diagnostics]
    if expected.startswith("LN"):
        assert expected in codes
    else:
        assert codes == []
        assert f"    {expected}\n" in result.changes[0].after


def test_what_helpers_do_to_a_field_counts():
    text = """\
from flax import nn


def grown(sizes):
  return sizes + [4]


class Net(nn.Module):

  def apply(self, x, n):
    for size in grown(n):
      x = nn.Dense(x, size)
    return x


NET = Net.partial(n=[1, 2])
"""
    assert "  return list(sizes) + [4]\n" in migration(text).changes[0].after


def test_what_a_table_elsewhere_holds_is_no_field():
    text = """\
from flax import nn

DEFAULTS = {'first': ['first', 'last'], 'pool': 'first'}


class Net(nn.Module):

  def apply(self, x, pool='first'):
    if pool == 'first':
      x = x[:, 0]
    return nn.Dense(x, 3)


NETS = [Net.partial(pool=DEFAULTS[key]) for key in ['pool']]
"""
    after = migration(text).changes[0].after
    assert "if self.pool == 'first':" in after
