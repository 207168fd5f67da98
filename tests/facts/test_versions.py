"""Which assignments a read can see: all that can really reach it, and no more than need be."""

from __future__ import annotations

import ast
import contextlib
import random
import textwrap

import pytest
from facts.support import HEADER, facts_of, project_of, source_of

from linenify.facts.flow.conditions import assignments
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import Model, Params, Static
from linenify.facts.flow.versions import Versions
from linenify.project.scopes import Scopes

# --- against Python itself: programs put together by chance --------------------------------


class Programs:
    """Functions that bind `x` in every way; each value says by which statement it was bound."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.functions = 0

    def number(self) -> int:
        self.count += 1
        return self.count

    def text(self) -> str:
        body = self.block(depth=3, loop=False, inner=False)
        return "def f(x):\n" + textwrap.indent(body, "  ") + "\n"

    def block(self, depth: int, *, loop: bool, inner: bool) -> str:
        count = self.random.randint(1, 4)
        return "\n".join(self.statement(depth, loop=loop, inner=inner) for _ in range(count))

    def read(self) -> str:
        return f"see({self.number()}, x)"

    def statement(self, depth: int, *, loop: bool, inner: bool) -> str:
        simple = [self.bind, self.bind, self.read, self.read, self.walrus, self.augmented]
        simple += [lambda: "boom()", lambda: "del x", self.lambda_, self.comprehension]
        simple += [self.generator, lambda: "run()", lambda: "x if may() else boom()"]
        if loop:
            simple += [lambda: "if may(): break", lambda: "if may(): continue"]
        simple += [lambda: "if may(): return"]
        if depth == 0 or self.random.random() < 0.45:
            return self.random.choice(simple)()

        def nested(*, within: bool = loop) -> str:
            body = self.block(depth - 1, loop=within, inner=inner)
            return textwrap.indent(body, "  ")

        n = self.number
        shapes = [
            lambda: f"if may():\n{nested()}\nelse:\n{nested()}",
            lambda: f"if x is None or may():\n{nested()}",
            lambda: f"if not isinstance(x, str):\n{nested()}\nelif may():\n{nested()}",
            lambda: f"while may():\n{nested(within=True)}\nelse:\n{nested()}",
            lambda: f"while True:\n{nested(within=True)}\n  if may(): break\n  turn()",
            lambda: f"for x in ({(k := n())}, {k}):\n{nested(within=True)}\nelse:\n{nested()}",
            lambda: f"try:\n{nested()}\nexcept BoomError as x:\n{nested()}",
            lambda: f"try:\n{nested()}\nexcept BoomError:\n{nested()}\nelse:\n{nested()}",
            lambda: f"try:\n{nested()}\nfinally:\n{nested()}",
            lambda: f"try:\n{nested()}\nexcept BoomError:\n{nested()}\nfinally:\n{nested()}",
            lambda: f"with suppress(BoomError):\n{nested()}",
            lambda: f"with given({n()}) as x:\n{nested()}",
            lambda: f"match may():\n  case True:\n{_more(nested())}\n  case x:\n    x = {n()}",
            lambda: f"class K:\n  y = x\n{nested(within=False)}" if not loop else self.read(),
        ]
        return self.random.choice(shapes)()

    def bind(self) -> str:
        return f"x = {self.number()}"

    def walrus(self) -> str:
        return f"see({self.number()}, [(x := {self.number()}) if may() else 0, x][1])"

    def augmented(self) -> str:
        return f"x ^= x ^ {self.number()}"

    def lambda_(self) -> str:
        return f"later(lambda: see({self.number()}, x))"

    def comprehension(self) -> str:
        return f"[see({self.number()}, x) for _ in range(2) if may()]"

    def generator(self) -> str:
        return f"later(iter(see({self.number()}, x) for _ in range(9)).__next__)"


def _more(text: str) -> str:
    return textwrap.indent(text, "  ")


class BoomError(Exception):
    """What may happen anywhere."""


def runs(text: str, seed: int) -> set[tuple[int, int]]:
    """Runs a program with other decisions each time: which read saw which assignment."""
    seen: set[tuple[int, int]] = set()
    chance = random.Random(seed)
    pending: list = []
    steps = [0]

    def turn() -> None:
        steps[0] += 1
        if steps[0] > 60:
            raise BoomError

    def may() -> bool:
        turn()
        if pending and chance.random() < 0.3:
            run()
        return chance.random() < 0.5

    def boom() -> None:
        if may():
            raise BoomError

    def run() -> None:
        with contextlib.suppress(NameError, StopIteration, ValueError, TypeError):
            chance.choice(pending)() if pending else None

    def see(place: int, value: object) -> None:
        if isinstance(value, bool | int):
            seen.add((place, int(value)))

    @contextlib.contextmanager
    def given(value):
        yield value

    names = {
        "BoomError": BoomError, "see": see, "may": may, "boom": boom, "run": run, "given": given,
        "later": pending.append, "suppress": contextlib.suppress, "turn": turn,
    }  # fmt: skip
    exec(compile(text, "<program>", "exec"), names)
    for _ in range(12):
        steps[0] = 0
        pending.clear()
        with contextlib.suppress(BoomError, NameError, TypeError):
            names["f"](0)
        for each in pending:
            with contextlib.suppress(BoomError, NameError, TypeError, StopIteration, ValueError):
                each()
    return seen


def expected(text: str) -> dict[int, set[int]]:
    """For each read the values that the analysis says it may see; none where all may be."""
    source = source_of(text)
    scopes = Scopes(source)
    versions = Versions()
    versions.add(scopes, lambda manager, _: ast.unparse(manager).startswith("given"))
    numbers: dict[ast.AST, int] = {}
    for node in ast.walk(source.tree):
        match node:
            case ast.Assign(targets=[ast.Name() as target], value=ast.Constant(value=int(n))):
                numbers[target] = n
            case ast.NamedExpr(target=target, value=ast.Constant(value=int(n))):
                numbers[target] = n
            case ast.AugAssign(target=target, value=ast.BinOp(right=ast.Constant(value=int(n)))):
                numbers[target] = n
            case ast.For(target=target, iter=ast.Tuple(elts=[ast.Constant(value=int(n)), *_])):
                numbers[target] = n
            case ast.withitem(
                context_expr=ast.Call(args=[ast.Constant(value=int(n))]),
                optional_vars=ast.Name() as target,
            ):
                numbers[target] = n
            case ast.FunctionDef():
                numbers[node] = 0
    found: dict[int, set[int]] = {}
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id="see"), args=[ast.Constant(value=place), shown]):
                name = shown.value.elts[1] if isinstance(shown, ast.Subscript) else shown
                reaching = versions.reaching.get(name)
                if reaching is not None:
                    found[place] = {numbers[v] for v in assignments(reaching) if v in numbers}
    return found


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_what_a_run_sees_is_among_what_the_text_lets_a_read_see(first):
    met = 0
    for seed in range(first, first + 50):
        text = Programs(seed).text()
        with contextlib.suppress(SyntaxError):  # `case x` before others, `break` in a class
            compile(text, "<program>", "exec")
            allowed = expected(text)
            for place, value in runs(text, seed):
                assert value in allowed.get(place, {value}), f"{place} sees {value}:\n{text}"
                met += place in allowed
    assert met > 100


# --- kinds at places ------------------------------------------------------------------------

NET = "class Net(nn.Module):\n  def apply(self, x):\n    return nn.Dense(x, 2)\n\n\n"


def kinds(body: str, text: str = "see(x)", place: int = 0) -> set[str]:
    """What the argument of a call may be, in a word for each."""
    header = HEADER + "from lib import see, params, may, suppress, other\n" + NET
    project = project_of(header + textwrap.dedent(body))
    flow = Interpreter(project)
    flow.run()
    wanted = ast.unparse(ast.parse(text))
    calls = [
        node
        for node in ast.walk(project.sources[0].tree)
        if isinstance(node, ast.Call) and ast.unparse(node) == wanted
    ]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    words = set()
    for atom in flow.values[calls[place].args[0]]:
        match atom:
            case Static(type=word):
                words.add(word)
            case _:
                words.add(type(atom).__name__)
    return words


@pytest.mark.parametrize(
    ("body", "found"),
    {
        "later": ("x = 1\nx = nn.Model(Net, params)\nsee(x)\n", {"Model"}),
        "before": ("x = 1\nsee(x)\nx = nn.Model(Net, params)\n", {"int"}),
        "of itself": ("x = nn.Model(Net, params)\nx = x.params\nsee(x)\n", {"Params"}),
        "branch": ("x = 1\nif may():\n  x = 'a'\nsee(x)\n", {"int", "str"}),
        "both": ("x = 1\nif may():\n  x = 'a'\nelse:\n  x = 2.\nsee(x)\n", {"str", "float"}),
        "next round": ("x = 1\nfor _ in may():\n  see(x)\n  x = 'a'\n", {"int", "str"}),
        "round and out": ("x = 1\nwhile may():\n  x = 'a'\n  continue\nsee(x)\n", {"int", "str"}),
        "while else": (
            "x = 1\nwhile may():\n  x = 'a'\n  break\nelse:\n  x = 2.\nsee(x)\n", {"str", "float"}
        ),
        "no way out": ("x = 1\nwhile True:\n  x = 'a'\n  if may():\n    break\nsee(x)\n", {"str"}),
        "returned": (
            "def f(x=1):\n  if may():\n    x = 'a'\n    return x\n  see(x)\nf()\n",
            {"int", "Parameter"},
        ),
        "handler": (
            "x = 1\ntry:\n  x = 'a'\n  may()\n  x = 2.\nexcept OSError:\n  see(x)\n",
            {"int", "str", "float"},
        ),
        "after a handler": (
            "x = 1\ntry:\n  x = 'a'\nexcept OSError:\n  x = 2.\nsee(x)\n", {"str", "float"}
        ),
        "finally": ("x = 1\ntry:\n  x = 'a'\nfinally:\n  see(x)\n", {"int", "str"}),
        "after finally": ("x = 1\ntry:\n  x = 'a'\nfinally:\n  may()\nsee(x)\n", {"str"}),
        "a library's context": ("x = 1\nwith nn.stochastic(may()):\n  x = 'a'\nsee(x)\n", {"str"}),
        "a context that swallows": (
            "import contextlib\nx = 1\nwith contextlib.suppress(OSError):\n  x = 'a'\nsee(x)\n",
            {"int", "str"},
        ),
        "walrus": ("x = 1\nif (x := 'a') and may():\n  see(x)\n", {"str"}),
        "a skipped walrus": ("x = 1\nmay() and (x := 'a')\nsee(x)\n", {"int", "str"}),
        "deleted": ("x = 1\ndel x\nx = 'a'\nsee(x)\n", {"str"}),
        "unpacked": ("x = 1\nx, y = 'a', 2.\nsee(x)\n", {"str"}),
        "closure called before": (
            "x = 1\ndef f():\n  see(x)\nf()\nx = 'a'\n", {"int", "str"}
        ),
        "closure over the last": ("x = 1\nx = 'a'\ndef f():\n  see(x)\nf()\n", {"str"}),
        "lambda in a loop": (
            "x = 1\nfor _ in may():\n  f = lambda: see(x)\n  x = 'a'\n", {"int", "str"}
        ),
        "global": (
            "x = 1\ndef f():\n  global x\n  x = 'a'\nx = 2.\nf()\nsee(x)\n", {"int", "str", "float"}
        ),
        "nonlocal": (
            "def g():\n  x = 1\n  def f():\n    nonlocal x\n    x = 'a'\n  x = 2.\n  see(x)\n",
            {"int", "str", "float"},
        ),
        "generator asked late": (
            "x = 1\ng = (see(x) for _ in may())\nx = 'a'\nlist(g)\n", {"int", "str"}
        ),
        "generator asked at once": (
            "x = 1\nx = 'a'\nlist(see(x) for _ in may())\nx = 2.\n", {"str"}
        ),
        "class body": ("x = 1\nx = 'a'\nclass C:\n  y = see(x)\nx = 2.\n", {"str"}),
        "a class that has its own": ("x = 1\nclass C:\n  x = 'a'\nsee(x)\n", {"int"}),
        "a default": ("x = 1\ndef f(y=see(x)):\n  pass\nx = 'a'\n", {"int"}),
        "a decorator": ("x = 1\n@see(x)\ndef f():\n  pass\nx = 'a'\n", {"int"}),
        "augmented": ("x = 'a'\nx = 1\nx += 1\nsee(x)\n", {"int"}),
        "recursion": (
            "def f(x):\n  see(x)\n  x = 'a'\n  f(x)\nf(1)\n", {"int", "str", "Parameter"}
        ),
        "match": (
            "x = 1\nmatch may():\n  case 0:\n    x = 'a'\n  case _:\n    x = 2.\nsee(x)\n",
            {"str", "float"},
        ),
    }.values(),
)  # fmt: skip
def test_a_read_sees_the_assignments_that_can_reach_it(body, found):
    assert kinds(body) == found


def test_an_assignment_of_which_nothing_is_known_may_be_what_the_variable_is_elsewhere():
    body = "x = nn.Model(Net, params)\nx = other(x)\nsee(x)\n"
    assert kinds(body) == {"Model"}


def test_an_exception_is_nothing_that_the_variable_was_before():
    body = "x = nn.Model(Net, params)\ntry:\n  may()\nexcept OSError as x:\n  see(x)\n"
    assert kinds(body) == set()


def test_all_that_a_variable_ever_is_can_still_be_asked():
    project = project_of(HEADER + NET + "x = nn.Model(Net, {})\nx = x.params\n")
    flow = Interpreter(project)
    flow.run()
    module = flow.scopes["main"].module
    assert {type(atom) for atom in flow.env[module, "x"]} == {Model, Params}


def test_other_files_see_all_assignments_of_a_module():
    project = project_of({"a": "x = 1\nx = 'a'\n", "b": "from a import x\nimport a\ny = a.x\n"})
    flow = Interpreter(project)
    flow.run()
    scope = flow.scopes["b"].module
    for name in ("x", "y"):
        assert {atom.type for atom in flow.env[scope, name]} == {"int", "str"}


# --- what it is good for ----------------------------------------------------------------------


def test_a_model_whose_name_is_used_for_its_params_afterwards_is_migrated():
    world = facts_of(
        NET
        + "def evaluate(key, x):\n"
        + "  _, model = Net.create(key, x)\n"
        + "  y = model(x)\n"
        + "  model = model.params\n"
        + "  return y, model\n"
    )
    assert world.refusals() == []
    assert world.silent() == []


def test_a_partial_whose_name_is_used_for_what_it_gives_is_migrated():
    world = facts_of(
        "class Block(nn.Module):\n"
        "  def apply(self, inputs, width):\n"
        "    x = nn.Dense.partial(features=width)\n"
        "    x = x(inputs)\n"
        "    return x.reshape((x.shape[0], -1))\n"
    )
    assert world.refusals() == []
    assert world.silent() == []


# --- what tests tell ---------------------------------------------------------------------------

SEVERAL = """\
class Plain:
  pass
class Other(Plain):
  pass
def f(x):
  pass
x = nn.Model(Net, params)
if may(0): x = None
if may(1): x = 'a'
if may(2): x = Plain()
if may(3): x = f
if may(4): x = [1]
if may(5): x = 2
"""
ALL = {"Model", "None", "str", "Instance", "Function", "Container", "int"}


@pytest.mark.parametrize(
    ("body", "found"),
    {
        "is None": ("if x is None:\n  see(x)\n", {"None"}),
        "is not None": ("if x is not None:\n  see(x)\n", ALL - {"None"}),
        "otherwise": ("if x is None:\n  pass\nelse:\n  see(x)\n", ALL - {"None"}),
        "early return": (
            "def g(x):\n  if x is None:\n    return\n  see(x)\ng(x)\n",
            {*ALL, "Parameter"} - {"None"},
        ),
        "early raise": ("if x is None:\n  raise OSError\nsee(x)\n", ALL - {"None"}),
        "continue": (
            "for _ in may():\n  if x is None:\n    continue\n  see(x)\n", ALL - {"None"}
        ),
        "given one": ("if x is None:\n  x = 2.\nsee(x)\n", (ALL - {"None"}) | {"float"}),
        "assert": ("assert x is not None\nsee(x)\n", ALL - {"None"}),
        "true": ("if x:\n  see(x)\n", ALL - {"None"}),
        "not true": ("if not x:\n  see(x)\n", {"None", "Instance", "Container"}),
        "model": ("if isinstance(x, nn.Model):\n  see(x)\n", {"Model"}),
        "no model": ("if not isinstance(x, nn.Model):\n  see(x)\n", ALL - {"Model"}),
        "one of two": ("if isinstance(x, (str, nn.Model)):\n  see(x)\n", {"Model", "str"}),
        "none of two": (
            "if not isinstance(x, (str, nn.Model)):\n  see(x)\n", ALL - {"Model", "str"}
        ),
        "plain": ("if isinstance(x, Plain):\n  see(x)\n", {"Instance"}),
        "below": ("if isinstance(x, Other):\n  see(x)\n", set()),
        "list": ("if isinstance(x, (list, tuple)):\n  see(x)\n", {"Container"}),
        "class that is not seen": ("if isinstance(x, other):\n  see(x)\n", ALL),
        "class that is not known": ("if isinstance(x, may()):\n  see(x)\n", ALL),
        "own isinstance": (
            "def isinstance(a, b):\n  return True\nif isinstance(x, str):\n  see(x)\n", ALL
        ),
        "callable": ("if callable(x):\n  see(x)\n", {"Model", "Instance", "Function"}),
        "hasattr": ("if hasattr(x, 'params'):\n  see(x)\n", {"Model", "Instance", "Function"}),
        "and": ("if x is not None and may() and not isinstance(x, str):\n  see(x)\n",
                ALL - {"None", "str"}),
        "or": ("if x is None or isinstance(x, str):\n  see(x)\n", {"None", "str"}),
        "not or": ("if not (x is None or isinstance(x, str)):\n  see(x)\n", ALL - {"None", "str"}),
        "in the test": ("may(x is not None and see(x))\n", ALL - {"None"}),
        "conditional": ("y = see(x) if isinstance(x, str) else 0\n", {"str"}),
        "while": ("while x is None:\n  x = 2.\nsee(x)\n", (ALL - {"None"}) | {"float"}),
        "in a while": ("while isinstance(x, str):\n  see(x)\n  x = may()\n", ALL - ALL | {"str"}),
        "comprehension": ("y = [see(x) for _ in may() if x is None]\n", {"None"}),
        "closure": ("if isinstance(x, nn.Model):\n  def g():\n    see(x)\n", {"Model"}),
        "closure, assigned later": (
            "if isinstance(x, nn.Model):\n  def g():\n    see(x)\nx = 2.\n", {"Model", "float"}
        ),
        "after both": ("if x is None:\n  pass\nelse:\n  pass\nsee(x)\n", ALL),
        "assigned under it": ("if x is None:\n  x = 2.\n  see(x)\n", {"float"}),
        "walrus": ("if (x := may() and x) is not None:\n  see(x)\n", ALL - {"None"}),
        "handler": (
            "try:\n  assert isinstance(x, str)\nexcept AssertionError:\n  see(x)\n", ALL
        ),
        "another variable": ("y = x\nif y is None:\n  see(x)\n", ALL),
        "match and else": ("if x is None:\n  may()\nelif isinstance(x, str):\n  see(x)\n", {"str"}),
    }.values(),
)  # fmt: skip
def test_a_branch_knows_what_its_test_says(body, found):
    assert kinds(SEVERAL + body) == found


def test_a_class_that_is_found_late_narrows_as_one_that_is_found_at_once():
    project = project_of(
        {
            "a": "from b import Thing\nfrom flax import nn\n\n"
            "def take(x):\n  if isinstance(x, Thing):\n    return x\n  return None\n\n"
            "y = take(Thing())\nz = take('a')\n",
            "b": "from c import Thing\n",
            "c": "class Thing:\n  pass\n",
        }
    )
    flow = Interpreter(project)
    flow.run()
    (function,) = flow.code
    assert {type(atom).__name__ for atom in flow.returns[function]} == {
        "Instance", "Parameter", "Static",
    }  # fmt: skip
    assert Static("str", "'a'") not in flow.returns[function]
