"""`--keep-names`: submodules are called what legacy called them.

A number that is the same in every run is written down, one that grows with a
loop as an f-string.  Where it depends on a branch or on another loop, it is
drawn from a counter as in legacy.  A module class in which that cannot be
proven keeps automatic names for all its children, and is flagged once.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from linenify.facts import catalogue
from linenify.facts.arguments import fill_plain, text
from linenify.facts.construction import drawn_once, keeps_order, units
from linenify.facts.counts import Count, Number
from linenify.facts.frames import follow
from linenify.facts.kinds import Atom, Bound, Function, Module, ModuleApi, Parameter
from linenify.facts.places import in_block, is_path
from linenify.facts.plan import Plan
from linenify.facts.rendering import rendered
from linenify.facts.sites import Bind, EnumeratedLoop, ModuleCall, ParameterSite
from linenify.facts.support import is_taken, require
from linenify.facts.takers import is_named, takers
from linenify.facts.walking import Passed, Record
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

RULE = "LN701"
_CODE = "LN790"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_COUNTERS = ("numbers", "child_numbers", "module_numbers")
_CLASS_NAME = "class_name"  # a support function
_HOLES = frozenset({"func", "owner", "linen", "jnp", "node", "result", "value"})

Definition = ast.ClassDef | ast.FunctionDef


@dataclass(eq=False, slots=True)
class _Frame:
    """A module method as it runs for one class: the class itself, or one below it."""

    definition: Definition
    method: ast.FunctionDef
    record: Record

    @property
    def functions(self) -> set[FunctionNode]:
        """All functions that take numbers in it."""
        return {self.method, *self.record.callers}

    @property
    def takes(self) -> bool:
        """Whether a number was seen to be taken."""
        return bool(self.record.numbers or self.record.passed)


class _Unprovable(Exception):  # noqa: N818 - an answer, not an error
    """A function in which numbers can neither be written down nor drawn."""

    def __init__(self, function: FunctionNode, why: str) -> None:
        super().__init__(why)
        self.function = function
        self.why = why


def emit_kept_names(plan: Plan) -> None:
    """Names every submodule, or says why not."""
    if plan.keep_names:
        _Names(plan).emit()


class _Names:
    """All frames of a project, and how each taker of a number gets its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [*self._frames()]
        self.bad: dict[_Frame, str] = {}
        self.drawing = _Drawing(plan, [])

    def emit(self) -> None:
        self._judge()
        while True:
            good = [f for f in self.frames if f not in self.bad]
            try:
                self.drawing = _Drawing(self.plan, good)
                self.drawing.close()
                self.drawing.check()
                break
            except _Unprovable as problem:
                self._spoil(problem.function, problem.why)
        for frame in good:
            self.plan.kept.add(frame.definition)
        self.plan.kept -= {frame.definition for frame in self.bad}
        self.drawing.emit()
        self._flag()

    def _frames(self) -> Iterator[_Frame]:
        plan = self.plan
        for definition in plan.classes:
            if isinstance(definition, ast.FunctionDef):
                yield _Frame(definition, definition, follow(plan, None, definition))
                continue
            seen: set[str] = set()
            for ancestor in plan.flow.hierarchy.mro(definition):
                above = plan.classes.get(ancestor)
                for method in above.methods if above is not None else ():
                    if method.name not in seen:
                        seen.add(method.name)
                        yield _Frame(definition, method, follow(plan, definition, method))

    # --- what stands in the way ------------------------------------------------------------

    def _judge(self) -> None:
        for frame in self.frames:
            if self.plan.classes[frame.definition].refused is not None:
                self.bad[frame] = ""  # flagged already
                continue
            why = next(iter(frame.record.obstacles.values()), None) or self._unwritten(frame)
            if why is None and frame.takes:
                why = next(iter(frame.record.doubts.values()), None)
            if why is not None:
                self.bad[frame] = why
        self._spread()

    def _unwritten(self, frame: _Frame) -> str | None:
        """A submodule that linenify does not construct itself, or cannot call by its class."""
        seen = {*frame.record.numbers, *frame.record.idle}
        seen |= {passed.maker for passed in frame.record.passed.values()}
        for function in frame.functions:
            for call in takers(self.plan, function):
                if call not in seen and not is_named(self.plan, call):
                    return f"it is not clear when `{text(call.func)}` runs"
        for call, passed in frame.record.passed.items():
            if any(count is not None and not count.is_constant for count in passed.numbers):
                return f"`{text(passed.maker.func)}` may or may not be given a name"
            if self.plan.site_at(self.plan.source(call), call) is not None:
                return f"`{text(passed.maker.func)}` may or may not be given a name"
        makers = [passed.maker for passed in frame.record.passed.values()]
        for call in [*frame.record.numbers, *makers]:
            if not _is_rewritten(self.plan, call):
                return f"`{text(call.func)}` is not migrated"
            if _shares(self.plan, call):
                continue
            if _stem_text(self.plan, call) is None:
                return f"`{text(call.func)}` may be one of several classes"
            if "Dropout" in {_stem(m) for m in _modules(self.plan, call)}:
                return "a class is called `Dropout`, as a layer of Linen is"
        return None

    def _spoil(self, function: FunctionNode, why: str) -> None:
        for frame in self.frames:
            if function in frame.functions:
                self.bad.setdefault(frame, why)
        self._spread()

    def _spread(self) -> None:
        """What shares a function with a class that is not named is not named either."""
        while True:
            # All methods of a class are named, or none.
            classes = {f.definition: why for f, why in self.bad.items()}
            fresh = {
                f: classes[f.definition]
                for f in self.frames
                if f not in self.bad and f.definition in classes
            }
            shared = {f: each for each in self.bad for f in each.functions}
            for frame in self.frames:
                common = sorted(frame.functions & shared.keys(), key=lambda f: f.lineno)
                common = [f for f in common if any(True for _ in takers(self.plan, f))]
                if common and frame not in self.bad and frame not in fresh:
                    other = shared[common[0]].definition.name
                    fresh[frame] = f"it shares code with `{other}`, where names are not known"
            if not fresh:
                return
            self.bad |= fresh

    def _flag(self) -> None:
        reasons: dict[Definition, str] = {}
        for frame, why in self.bad.items():
            if why and (frame.takes or frame.record.obstacles):
                reasons.setdefault(frame.definition, why)
        for definition, why in reasons.items():
            source = self.plan.source(definition)
            self.plan.refuse(source, definition, _CODE, f"the names of legacy are not kept: {why}")
        reached = {call for frame in self.frames for call in frame.record.numbers}
        reached |= {p.maker for frame in self.frames for p in frame.record.passed.values()}
        reached |= {call for frame in self.frames for call in frame.record.idle}
        self._flag_strangers(reached)

    def _flag_strangers(self, reached: set[ast.Call]) -> None:
        """Functions that make submodules, and that no module of the project calls."""
        spoilt = {f for frame in self.bad for f in frame.functions}
        for function, code in self.plan.flow.code.items():
            if not isinstance(function, ast.FunctionDef) or function in spoilt:
                continue
            if code.owner is not None and self.plan.flow.hierarchy.is_module(code.owner.node):
                continue
            for call in takers(self.plan, function):
                if call in reached or not _is_rewritten(self.plan, call):
                    continue
                if is_named(self.plan, call):
                    continue
                why = (
                    "the names of legacy are not kept: no module of the project is seen to call it"
                )
                self.plan.refuse(code.source, function, _CODE, why)
                break


# --- counters --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Region:
    """The part of a function in which numbers are drawn: from one statement on."""

    start: int
    first: Count = field(default_factory=Count)


class _Drawing:
    """Which functions draw numbers from a counter, and how they come by it."""

    def __init__(self, plan: Plan, good: Sequence[_Frame]) -> None:
        self.plan = plan
        self.good = good
        self.roots: dict[FunctionNode, list[_Frame]] = defaultdict(list)
        self.numbers: dict[ast.Call, set[Number]] = defaultdict(set)
        self.callers: dict[FunctionNode, set[ast.Call]] = defaultdict(set)
        self.loops: dict[ast.For, tuple[str, bool]] = {}
        self.passed: dict[ast.Call, Passed] = {}
        for frame in good:
            self.roots[frame.method].append(frame)
            for call, numbers in frame.record.numbers.items():
                self.numbers[call] |= numbers
            for call, passed in frame.record.passed.items():
                self.numbers[call] |= passed.numbers
                self.passed[call] = passed
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
            _Unprovable: one of them cannot.
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
                why = f"`{_name(function)}` runs by itself and in the methods of others"
                raise _Unprovable(function, why)
            assert isinstance(function, ast.FunctionDef)
            index = next(i for i, s in enumerate(function.body) if call in {*ast.walk(s)})
            index, first = self._start(function, index)
            known = self.regions.get(function)
            if known is not None and known.start <= index:
                return []
            self.regions[function] = _Region(index, first)
            covered = function.body[index:]
        elif function in self.regions:
            return []
        else:
            self.regions[function] = _Region(0)
            body = [function.body] if isinstance(function, ast.Lambda) else function.body
            covered = [*body]
        inside = {n for s in covered for n in ast.walk(s) if isinstance(n, ast.Call)}
        more = [*self.callers.get(function, ())]
        more += [c for c in inside if c in self.numbers and self._home(c) is function]
        for other, calls in self.callers.items():
            if any(c in inside and self._home(c) is function for c in calls):
                more += [c for c in self.numbers if self._home(c) is other]
                more += [c for cs in self.callers.values() for c in cs if self._home(c) is other]
        return more

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
            _Unprovable: one cannot.
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
            _Unprovable: they cannot be drawn before it.
        """
        entering = {c for calls in self.callers.values() for c in calls} - self.passed.keys()
        calls = [*drawn_once(part, entering, self.numbers)]
        used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
        used |= {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
        free = [name for name in _ORDINALS if name not in used]
        alone = isinstance(part, ast.stmt) and in_block(self.plan, part)
        if not calls or len(calls) > len(free) or not alone:
            why = "calls in each other's arguments take numbers, behind a loop or branch"
            raise _Unprovable(function, why)
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
        inside = {*ast.walk(around.node)}
        return all(call in inside for call in self.callers[function])

    def _check_threaded(self, function: FunctionNode) -> None:
        """Whether a function, and what overrides it, can be given the counter.

        Raises:
            _Unprovable: it cannot.
        """
        plan = self.plan
        family = self._family(function)
        calls = {call for each in family for call in self.callers.get(each, ())}
        name = _name(function)
        for each in family:
            arguments = each.args
            plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
            source = plan.flow.code[each].source
            span = plan.span(source, each) if isinstance(each, ast.FunctionDef) else None
            changed = span is not None and (
                ("FunctionDef", span.line, span.column) in plan.files[source.name].definitions
            )
            if span is None or changed or not plain or plan.code(each) is not None:
                raise _Unprovable(function, f"`{name}` cannot be given a counter")
        for node, value in plan.flow.values.items():
            here = any(isinstance(a, Function | Bound) and a.node in family for a in value)
            if not here or not isinstance(node, ast.expr) or _is_store(node):
                continue
            call = plan.parents.get(node)
            if not isinstance(call, ast.Call) or call.func is not node:
                raise _Unprovable(function, f"`{name}` travels as a value")
            if call in self.passed:
                raise _Unprovable(function, f"a call of `{name}` is to be given a name, too")
            if call not in calls:
                raise _Unprovable(function, f"`{name}` is also called elsewhere")
            if plan.site_at(plan.source(call), call) is not None:
                raise _Unprovable(function, f"the calls of `{name}` change already")

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
            used |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
            used |= {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)}
        found = next((name for name in _COUNTERS if name not in used), None)
        if found is None:
            raise _Unprovable(next(iter(self.regions)), "no name is free for a counter")
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
        return any(node in {*ast.walk(s)} for s in function.body[region.start :])

    def _name(self, call: ast.Call, count: Number) -> str:
        known = next((names[call] for names in self.ahead.values() if call in names), None)
        number = count.text if count is not None else known or f"next({self.counter})"
        if _shares(self.plan, call):
            return f"'{number}'" if count is not None and count.is_constant else f"str({number})"
        made = self.passed[call].maker if call in self.passed else call
        stem = _stem_text(self.plan, made)
        if stem is not None and _CLASS_NAME in stem:
            require(self.plan, self.plan.source(call), [_CLASS_NAME], _CODE)
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


# --- facts about one call --------------------------------------------------------------------


def _is_written(numbers: Iterable[Number]) -> bool:
    found = {*numbers}
    count = found.pop()
    if found or count is None:
        return False
    return not any(name in _HOLES for name, _ in count.terms)


def _is_rewritten(plan: Plan, call: ast.Call) -> bool:
    site = plan.site_at(_source(plan, call), call)
    if isinstance(site, ModuleCall):
        return site.construct is not None
    return isinstance(site, Bind) and site.instance


def _source(plan: Plan, node: ast.AST) -> Source:
    return plan.source(node)


def _modules(plan: Plan, call: ast.Call) -> list[Module]:
    value = plan.flow.values.get(call.func, frozenset())
    return [a.module if isinstance(a, ModuleApi) else a for a in value if _is_module(a)]


def _is_module(atom: Atom) -> TypeGuard[Module | ModuleApi]:
    return isinstance(atom, Module | ModuleApi)


def _shares(plan: Plan, call: ast.Call) -> bool:
    value = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, ModuleApi) and a.name == "shared" for a in value)


def _stem(module: Module) -> str | None:
    """What legacy puts in front of the number."""
    if module.method != "apply":
        return module.method
    if isinstance(module.definition, str):
        layer = catalogue.layer(module.definition)
        return layer.stem if layer is not None else None
    return module.definition.name


def _stem_text(plan: Plan, call: ast.Call) -> str | None:
    """The same as text for an f-string: written out, or asked of the class that is called."""
    found = _modules(plan, call)
    stems = {_stem(m) for m in found}
    if None in stems:
        return None
    if len(stems) == 1 and not _is_open(plan, call):
        return stems.pop()
    source = _source(plan, call)
    site = plan.site_at(source, call)
    plain = isinstance(site, ModuleCall) and site.callee is None and site.wrap is None
    if not plain or not is_path(call.func) or any(not _keeps_class_name(m) for m in found):
        return None
    if is_taken(source.tree, _CLASS_NAME):
        return None
    try:
        return f"{{{_CLASS_NAME}({rendered(plan, source, call.func)})}}"
    except LookupError:
        return None


def _is_open(plan: Plan, call: ast.Call) -> bool:
    """Whether callers that nobody sees may have another class called."""
    value = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, Parameter) and plan.code(a.function) is None for a in value)


def _keeps_class_name(module: Module) -> bool:
    if module.method != "apply":
        return False
    layer = catalogue.layer(module.definition) if isinstance(module.definition, str) else None
    return not isinstance(module.definition, str) or (
        layer is not None and layer.linen == layer.stem
    )


def _name(function: FunctionNode) -> str:
    return "lambda" if isinstance(function, ast.Lambda) else function.name


def _is_store(node: ast.expr) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)
