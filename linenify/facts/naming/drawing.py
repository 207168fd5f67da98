"""Numbers of submodules: which are written down, and which are drawn from a counter.

A function that draws starts a counter of its own, sees the one of the function
around it, or is given one by its callers.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from linenify.facts.ask.arguments import fill_plain
from linenify.facts.deciding.placing import in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import Bound, Function
from linenify.facts.naming.construction import drawn_once, keeps_order, units
from linenify.facts.naming.counts import Count, Number
from linenify.facts.naming.stems import CLASS_NAME, shares, stem_text
from linenify.facts.naming.walking import Passed, Record
from linenify.facts.sites import Bind, EnumeratedLoop, ModuleCall, ParameterSite
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode

RULE = "LN701"
_REFUSED = "LN790"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_COUNTERS = ("numbers", "child_numbers", "module_numbers")
_HOLES = frozenset({"func", "owner", "linen", "jnp", "node", "result", "value"})


@dataclass(eq=False, slots=True)
class Frame:
    """A module method as it runs for one class: the class itself, or one below it."""

    definition: ast.ClassDef | ast.FunctionDef
    method: ast.FunctionDef
    record: Record

    @property
    def functions(self) -> set[FunctionNode]:
        """All functions that take numbers in it."""
        return {self.method, *self.record.callers, *self.record.touched}

    @property
    def takes(self) -> bool:
        """Whether a number was seen to be taken."""
        return bool(self.record.numbers or self.record.passed)


class Unprovable(Exception):  # noqa: N818 - an answer, not an error
    """A function in which numbers can neither be written down nor drawn."""

    def __init__(self, function: FunctionNode, why: str) -> None:
        super().__init__(why)
        self.function = function
        self.why = why


@dataclass(slots=True)
class _Region:
    """The part of a function in which numbers are drawn: from one statement on."""

    start: int
    first: Count = field(default_factory=Count)


class Drawing:
    """Which functions draw numbers from a counter, and how they come by it."""

    def __init__(self, plan: Plan, good: Sequence[Frame]) -> None:
        self.plan = plan
        self.good = good
        self.roots: dict[FunctionNode, list[Frame]] = defaultdict(list)
        self.numbers: dict[ast.Call, set[Number]] = defaultdict(set)
        self.callers: dict[FunctionNode, set[ast.Call]] = defaultdict(set)
        self.loops: dict[ast.For, tuple[str, bool]] = {}
        self.passed: dict[ast.Call, Passed] = {}
        self.tellable: dict[ast.Call, Passed] = {}
        self.told: dict[FunctionNode, ast.Call] = {}
        for frame in good:
            self.roots[frame.method].append(frame)
            for call, numbers in frame.record.numbers.items():
                self.numbers[call] |= numbers
            for call, passed in frame.record.passed.items():
                self.numbers[call] |= passed.numbers
                self.passed[call] = passed
            for call, tellable in frame.record.tellable.items():
                known = self.tellable.setdefault(call, Passed("name", tellable.maker))
                known.numbers |= tellable.numbers
            for function, calls in frame.record.callers.items():
                self.callers[function] |= calls
            self.loops |= frame.record.loops
        self.regions: dict[FunctionNode, _Region] = {}
        self.ahead: dict[ast.stmt, dict[ast.Call, str]] = {}
        self.counter = ""

    # --- which functions draw --------------------------------------------------------------

    def close(self) -> None:
        """Finds all functions that have to draw.

        Raises:
            Unprovable: one of them cannot.
        """
        queue: list[ast.Call] = [
            call for call, numbers in self.numbers.items() if not _is_written(numbers)
        ]
        done: set[ast.Call] = set()
        while queue:
            call = queue.pop()
            if call in done:
                continue
            done.add(call)
            function = self._home(call)
            queue += self._draw(function, call)

    def _home(self, call: ast.Call) -> FunctionNode:
        code = self.plan.code(call)
        assert code is not None
        return code.node

    def _draw(self, function: FunctionNode, call: ast.Call) -> list[ast.Call]:
        """Has a function draw from the statement of `call` on; gives calls that must, too."""
        if function in self.roots:
            if function in self.callers:
                why = f"`{name_of(function)}` runs by itself and in the methods of others"
                raise Unprovable(function, why)
            assert isinstance(function, ast.FunctionDef)
            index = next(i for i, s in enumerate(function.body) if call in {*walk(s)})
            index, first = self._start(function, index)
            known = self.regions.get(function)
            if known is not None and known.start <= index:
                return []
            self.regions[function] = _Region(index, first)
            covered = function.body[index:]
        elif function in self.regions or function in self.told:
            return []
        elif self._can_be_told(function):
            return self._tell(function)
        else:
            self.regions[function] = _Region(0)
            body = [function.body] if isinstance(function, ast.Lambda) else function.body
            covered = [*body]
        inside = {n for s in covered for n in walk(s) if isinstance(n, ast.Call)}
        more = [*self.callers.get(function, ())]
        more += [c for c in inside if c in self.numbers and self._home(c) is function]
        for other, calls in self.callers.items():
            if any(c in inside and self._home(c) is function for c in calls):
                more += [c for c in self.numbers if self._home(c) is other]
                more += [c for cs in self.callers.values() for c in cs if self._home(c) is other]
        return more

    def _can_be_told(self, function: FunctionNode) -> bool:
        """Whether all callers of a function can pass the name of the one module it makes."""
        plan = self.plan
        calls = self.callers[function]
        if not isinstance(function, ast.FunctionDef) or not calls <= self.tellable.keys():
            return False
        stem = stem_text(plan, self.tellable[next(iter(calls))].maker)
        if stem is None or "{" in stem or len(self._family(function)) > 1:
            return False
        try:
            self._check_mentions({function}, calls)
        except Unprovable:
            return False
        return not self._is_defined(function)

    def _tell(self, function: FunctionNode) -> list[ast.Call]:
        """Has the callers of a function name its module; gives those that have to draw."""
        calls = self.callers[function]
        for call in calls:
            self.passed[call] = self.tellable[call]
            self.numbers[call] = set(self.tellable[call].numbers)
            self.told[function] = self.tellable[call].maker
        self.numbers.pop(self.told[function], None)
        return [call for call in calls if not _is_written(self.numbers[call])]

    def _start(self, function: ast.FunctionDef, index: int) -> tuple[int, Count]:
        """The last statement, up to a place, in front of which the count is one number."""
        while True:
            statement = function.body[index]
            found = {f.record.before[statement] for f in self.roots[function]}
            count = found.pop()
            if not found and count is not None:
                return index, count
            index -= 1

    # --- whether they can ------------------------------------------------------------------

    def check(self) -> None:
        """Looks at every function that draws.

        Raises:
            Unprovable: one cannot.
        """
        takers = set(self.numbers) | {c for calls in self.callers.values() for c in calls}
        for function, region in self.regions.items():
            body = [function.body] if isinstance(function, ast.Lambda) else function.body
            source = self.plan.flow.code[function].source
            for part in (each for s in body[region.start :] for each in units(s)):
                if not keeps_order(self.plan, source, part, takers):
                    self._draw_ahead(function, part)
            if function not in self.roots and not self._captures(function):
                self._check_threaded(function)
        self.counter = self._free_name()

    def _draw_ahead(self, function: FunctionNode, part: ast.AST) -> None:
        """Has a statement draw all its numbers before it runs, in the order of legacy.

        Raises:
            Unprovable: they cannot be drawn before it.
        """
        entering = {c for calls in self.callers.values() for c in calls} - self.passed.keys()
        calls = [*drawn_once(part, entering, self.numbers)]
        used = {n.id for n in walk(function) if isinstance(n, ast.Name)}
        used |= {n.arg for n in walk(function) if isinstance(n, ast.arg)}
        free = [name for name in _ORDINALS if name not in used]
        alone = isinstance(part, ast.stmt) and in_block(self.plan, part)
        if not calls or len(calls) > len(free) or not alone:
            why = "calls in each other's arguments take numbers, behind a loop or branch"
            raise Unprovable(function, why)
        assert isinstance(part, ast.stmt)
        self.ahead[part] = dict(zip(calls, free, strict=False))

    def _of(self, node: ast.AST) -> FunctionNode:
        code = self.plan.code(node)
        assert code is not None
        return code.node

    def _captures(self, function: FunctionNode) -> bool:
        """Whether a function sees the counter of the one around it."""
        around = self.plan.code(function)
        while around is not None and around.node not in self.regions:
            around = self.plan.code(around.node)
        if around is None:
            return False
        inside = {*walk(around.node)}
        return all(call in inside for call in self.callers[function])

    def _check_threaded(self, function: FunctionNode) -> None:
        """Whether a function, and what overrides it, can be given the counter.

        Raises:
            Unprovable: it cannot.
        """
        plan = self.plan
        family = self._family(function)
        calls = {call for each in family for call in self.callers.get(each, ())}
        name = name_of(function)
        for each in family:
            arguments = each.args
            plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
            nested = isinstance(each, ast.Lambda) or plan.code(each) is not None
            if nested or not plain or self._is_defined(each):
                raise Unprovable(function, f"`{name}` cannot be given a counter")
        self._check_mentions(family, calls)

    def _is_defined(self, function: FunctionNode) -> bool:
        """Whether the definition of a function changes already."""
        source = self.plan.flow.code[function].source
        span = self.plan.span(source, function)
        key = (type(function).__name__, span.line, span.column)
        return key in self.plan.files[source.name].definitions

    def _check_mentions(self, family: set[FunctionNode], calls: set[ast.Call]) -> None:
        """Whether functions are called by calls that can be given an argument, and no others.

        Raises:
            Unprovable: they are not.
        """
        plan = self.plan
        function = next(iter(family))
        name = name_of(function)
        for node, value in plan.flow.values.items():
            here = any(isinstance(a, Function | Bound) and a.node in family for a in value)
            if not here or not isinstance(node, ast.expr) or _is_store(node):
                continue
            call = plan.parents.get(node)
            if not isinstance(call, ast.Call) or call.func is not node:
                raise Unprovable(function, f"`{name}` travels as a value")
            if call in self.passed:
                raise Unprovable(function, f"a call of `{name}` is to be given a name, too")
            if call not in calls:
                raise Unprovable(function, f"`{name}` is also called elsewhere")
            if plan.site_at(plan.source(call), call) is not None:
                raise Unprovable(function, f"the calls of `{name}` change already")

    def _family(self, function: FunctionNode) -> set[FunctionNode]:
        """A method with all those that override it, or that it overrides."""
        owner = self.plan.flow.code[function].owner
        if owner is None or isinstance(function, ast.Lambda):
            return {function}
        hierarchy = self.plan.flow.hierarchy
        lines = [hierarchy.mro(node) for node in hierarchy.infos]
        related = {node for line in lines if owner.node in line for node in line}
        related |= {node for line in lines if related & {*line} for node in line}
        found = [hierarchy.infos[node].methods.get(function.name) for node in related]
        return {function, *(each for each in found if each is not None)}

    def _free_name(self) -> str:
        used: set[str] = set()
        for function in self.regions:
            used |= {n.id for n in walk(function) if isinstance(n, ast.Name)}
            used |= {n.arg for n in walk(function) if isinstance(n, ast.arg)}
        found = next((name for name in _COUNTERS if name not in used), None)
        if found is None:
            raise Unprovable(next(iter(self.regions)), "no name is free for a counter")
        return found

    # --- what is written -------------------------------------------------------------------

    def emit(self) -> None:
        """Writes all names, counters and indices."""
        counted: set[ast.For] = set()
        for call, numbers in self.numbers.items():
            source = self.plan.source(call)
            drawn = self._is_drawn(call)
            count = None if drawn else next(iter(numbers))
            name = self._name(call, count)
            variables = {variable for variable, _ in count.terms} if count is not None else set()
            counted |= {
                loop
                for loop in self.plan.ancestors(call)
                if isinstance(loop, ast.For)
                and loop in self.loops
                and self.loops[loop][0] in variables
            }
            if call in self.passed:
                given = fill_plain(call, self.passed[call].parameter, name, RULE)
                self.plan.at(source, call, given)
                continue
            site = self.plan.site_at(source, call)
            assert isinstance(site, ModuleCall | Bind)
            self.plan.at(source, call, replace(site, name=name))
        for loop in counted:
            self.plan.define(self.plan.source(loop), loop, EnumeratedLoop(*self.loops[loop]))
        for function, maker in self.told.items():
            source = self.plan.source(maker)
            site = self.plan.site_at(source, maker)
            assert isinstance(site, ModuleCall | Bind)
            self.plan.at(source, maker, replace(site, name="name"))
            spelt = "*, name" if function.args.defaults else "name"
            assert isinstance(function, ast.FunctionDef)
            self.plan.define(source, function, ParameterSite(spelt, RULE))
        for statement, names in self.ahead.items():
            draws = ", ".join(f"next({self.counter})" for _ in names)
            self._insert(statement, f"{', '.join(names.values())} = {draws}")
        for function, region in self.regions.items():
            if function in self.roots:
                self._start_counter(function, region)
            elif not self._captures(function):
                self._thread(function)

    def _is_drawn(self, node: ast.AST) -> bool:
        function = self._of(node)
        region = self.regions.get(function)
        if region is None:
            return False
        if function not in self.roots:
            return True
        assert isinstance(function, ast.FunctionDef)
        return any(node in {*walk(s)} for s in function.body[region.start :])

    def _name(self, call: ast.Call, count: Number) -> str:
        known = next((names[call] for names in self.ahead.values() if call in names), None)
        number = count.text if count is not None else known or f"next({self.counter})"
        if shares(self.plan, call):
            return f"'{number}'" if count is not None and count.is_constant else f"str({number})"
        made = self.passed[call].maker if call in self.passed else call
        stem = stem_text(self.plan, made)
        if stem is not None and CLASS_NAME in stem:
            require(self.plan, self.plan.source(call), [CLASS_NAME], _REFUSED)
        if count is not None and count.is_constant and stem is not None and "{" not in stem:
            return f"'{stem}_{number}'"
        shown = number if count is not None and count.is_constant else f"{{{number}}}"
        return f"f'{stem}_{shown}'"

    def _start_counter(self, function: FunctionNode, region: _Region) -> None:
        assert isinstance(function, ast.FunctionDef)
        given = region.first.text if region.first != Count() else ""
        line = f"{self.counter} = {{spell:itertools.count}}({given})"
        self._insert(function.body[region.start], line, first=True)

    def _insert(self, statement: ast.stmt, line: str, *, first: bool = False) -> None:
        decorators = getattr(statement, "decorator_list", [])
        start = min([statement.lineno, *(d.lineno for d in decorators)])
        facts = self.plan.files[self.plan.source(statement).name]
        lines = facts.inserted.setdefault(start, [])
        lines.insert(0 if first else len(lines), line)

    def _thread(self, function: FunctionNode) -> None:
        plan = self.plan
        for each in self._family(function):
            assert isinstance(each, ast.FunctionDef)
            spelt = f"*, {self.counter}" if each.args.defaults else self.counter
            plan.define(plan.flow.code[each].source, each, ParameterSite(spelt, RULE))
        for call in self.callers[function]:
            plan.at(plan.source(call), call, fill_plain(call, self.counter, self.counter, RULE))


def _is_written(numbers: Iterable[Number]) -> bool:
    found = {*numbers}
    count = found.pop()
    if found or count is None:
        return False
    return not any(name in _HOLES for name, _ in count.terms)


def name_of(function: FunctionNode) -> str:
    """What people call a function."""
    return "lambda" if isinstance(function, ast.Lambda) else function.name


def _is_store(node: ast.expr) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)
