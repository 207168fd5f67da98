"""The `nn.stateful` and `nn.stochastic` contexts around every run of a module."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from linenify.facts import statehelpers
from linenify.facts.arguments import Unclear, as_given, fill_plain, text
from linenify.facts.effects import effects
from linenify.facts.kinds import (
    Atom,
    External,
    Function,
    Legacy,
    Model,
    Module,
    ModuleApi,
    Value,
    models,
)
from linenify.facts.places import can_go_before, free_name, is_pure, is_read
from linenify.facts.plan import Plan
from linenify.facts.rendering import rendered
from linenify.facts.selfcalls import plain_calls
from linenify.facts.sites import Added, Argument, ContextSite, ParameterSite, Reordered
from linenify.facts.statehelpers import StateHelper
from linenify.project.scopes import FunctionNode, Scope, all_arguments
from linenify.project.source import Source

_STATEFUL = External("flax.nn.stateful")
_STOCHASTIC = External("flax.nn.stochastic")
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMED = (ast.Name, ast.Attribute, ast.Subscript)
_HELD = {
    "rng": ("dropout_rng", "stochastic_rng", "context_rng"),
    "state": ("old_state", "given_state", "context_state"),
}
RUNS = frozenset({"init", "init_by_shape", "create", "create_by_shape", "call"})


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a `with` statement that opens a legacy context."""

    statement: ast.With
    place: int
    kind: str  # "state" or "rng"
    argument: ast.expr | None  # the state or the key
    captured: str | None = None
    mutable: bool = True


@dataclass(frozen=True, slots=True)
class Around:
    """The contexts that a run happens in; None where there is none of a kind."""

    state: Item | None = None
    rng: Item | None = None
    draw: int = 0  # how many runs have drawn from the key before
    threaded: bool = False  # the callers pass the key on, as the argument `rngs`
    split: tuple[str, str] | None = None  # the key is split before each run: its name, and the new


@dataclass(slots=True)
class _Use:
    runs: list[ast.Call] = field(default_factory=list)
    failed: str | None = None


class Contexts:
    """Every legacy context of the project, with the runs that depend on it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.items: dict[ast.With, list[Item]] = {}
        self._uses: dict[ast.With, _Use] = defaultdict(_Use)
        self._around: dict[ast.Call, Around | Unclear] = {}
        self._conditional: set[ast.With] = set()  # where a run may be skipped, or come late
        self._callers: dict[FunctionNode, list[ast.Call]] | None = None
        self.splits: dict[ast.With, tuple[str, str]] = {}
        self.held: dict[Item, str] = {}  # arguments that are computed once, in front: their names
        self._looped: set[ast.Call] = set()  # calls that pass a key on, in a loop of its context
        self._order: dict[ast.Call, int | None] = {}  # of calls that pass a key on
        self.helpers: dict[FunctionNode, StateHelper] = {}
        self.threads: dict[FunctionNode, list[tuple[ast.Call, Item | None]]] = {}
        for source in plan.project.sources:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.With):
                    found = [*self._items(node)]
                    if found:
                        self.items[node] = found
        if self.items:
            self._associate()

    def around(self, call: ast.Call) -> Around:
        """The contexts of one run.

        Raises:
            Unclear: they differ from caller to caller, or cannot be reached from here.
        """
        found = self._around.get(call, Around())
        if isinstance(found, Unclear):
            raise found
        if found.rng is None or found.rng.statement not in self.splits:
            return found
        if self._home(call) is not self._home(found.rng.statement) or not can_go_before(
            self._plan, call
        ):
            why = "it draws in a loop, and also where no statement can go before"
            use = self._uses[found.rng.statement]
            use.failed = use.failed or why
            raise Unclear("LN590", why)
        return replace(found, split=self.splits[found.rng.statement])

    def fail(self, call: ast.Call, why: str) -> None:
        """A run could not be rewritten: the contexts that it needs stay."""
        for use in self._uses.values():
            if call in use.runs and use.failed is None:
                use.failed = why

    def opens(self, call: ast.Call) -> bool:
        """Whether a call of `nn.stateful` or `nn.stochastic` is an item of a `with`."""
        return any(
            item.statement.items[item.place].context_expr is call
            for items in self.items.values()
            for item in items
        )

    def finish(self) -> None:
        """Takes every context away whose runs have all been rewritten."""
        for statement, items in self.items.items():
            source = self._source(statement)
            use = self._uses[statement]
            failed = use.failed
            if failed is None and not use.runs:
                failed = "no run of a module was found inside"
            if failed is not None:
                call = text(statement.items[items[0].place].context_expr)
                self._plan.refuse(source, statement, "LN590", f"`with {call}`: {failed}")
                continue
            dropped = tuple(item.place for item in items)
            before: tuple[str, ...] = ()
            for item in items:
                if item in self.held and item.argument is not None:
                    value = rendered(self._plan, source, item.argument)
                    before = (*before, f"{self.held[item]} = {value}")
                if item.kind == "rng" and statement in self.splits and item.argument is not None:
                    key = self.held.get(item) or rendered(self._plan, source, item.argument)
                    before = (*before, f"{self.splits[statement][0]} = {key}")
                early = not item.mutable or statement in self._conditional
                if item.kind == "state" and early and item.captured is not None:
                    before = (*before, *self._kept(source, item))
            kinds = {item.kind for item in items}
            rule = "LN511" if kinds == {"rng"} else "LN510"
            self._plan.define(source, statement, ContextSite(dropped, before, rule))

    def _kept(self, source: Source, item: Item) -> tuple[str, ...]:
        """The state that an immutable context hands out is the one that it was given."""
        captured = item.captured or ""
        if not is_read(self._plan, item.statement, captured):
            return ()
        if item.argument is None:
            return (f"{captured} = {{}}",)
        state = self.held.get(item) or rendered(self._plan, source, item.argument)
        return (f"{captured} = {state}",) if state != captured else ()

    # --- what is there -----------------------------------------------------------------

    def _items(self, statement: ast.With) -> Iterator[Item]:
        for place, item in enumerate(statement.items):
            call = item.context_expr
            if not isinstance(call, ast.Call):
                continue
            callee = self._plan.flow.values.get(call.func, frozenset())
            given = {k.arg: k.value for k in call.keywords}
            captured = None
            if isinstance(item.optional_vars, ast.Name | ast.Attribute):
                captured = ast.unparse(item.optional_vars)
            if _STOCHASTIC in callee:
                key = call.args[0] if call.args else given.get("init_rng")
                yield Item(statement, place, "rng", key, captured)
            elif _STATEFUL in callee:
                state = call.args[0] if call.args else given.get("state")
                if isinstance(state, ast.Constant):
                    state = None
                flag = call.args[1] if len(call.args) > 1 else given.get("mutable")
                mutable = not isinstance(flag, ast.Constant) or bool(flag.value)
                # A flag that is computed may as well be true: a correct program
                # changes nothing where it is not.
                if item.optional_vars is not None and captured is None:
                    self._uses[statement].failed = "how it is opened is not spelled out"
                yield Item(statement, place, "state", state, captured, mutable)

    def _source(self, node: ast.AST) -> Source:
        top = node
        for ancestor in self._plan.ancestors(node):
            top = ancestor
        return next(s for s in self._plan.project.sources if s.tree is top)

    # --- which runs they are for -------------------------------------------------------

    def _associate(self) -> None:
        runs = [call for call in self._plan.flow.where if isinstance(call, ast.Call)]
        for call in runs:
            if self._runs(call):
                try:
                    self._around[call] = self._of(call, call, set())
                except Unclear as unclear:
                    self._around[call] = unclear
        self._check_single()
        self._count_draws()

    def _check_single(self) -> None:
        """A state that is handed out belongs to one run; the next would need what it left."""
        for statement, use in self._uses.items():
            items = [i for i in self.items.get(statement, ()) if i.kind == "state"]
            if not any(item.mutable and item.captured for item in items):
                continue
            stateful = [run for run in use.runs if self.keeps_state(run)]
            if any(not self._exclude(a, b) for a in stateful for b in stateful if a is not b):
                use.failed = use.failed or "several runs share the state that it hands out"
                for run in use.runs:
                    self._around[run] = Unclear("LN590", use.failed)

    def keeps_state(self, call: ast.Call) -> bool:
        """Whether a call runs a module that has collections besides its params."""
        callee = self._plan.flow.values.get(call.func, frozenset())
        return any(effects(self._plan, module).collections for module in run_modules(callee))

    def _exclude(self, one: ast.Call, other: ast.Call) -> bool:
        """Whether two runs stand in different branches of one `if`."""
        above = {*self._plan.ancestors(one)}
        for ancestor in self._plan.ancestors(other):
            if isinstance(ancestor, ast.If) and ancestor in above:
                in_body = {n for s in ancestor.body for n in ast.walk(s)}
                return (one in in_body) != (other in in_body)
        return False

    def _runs(self, call: ast.Call) -> bool:
        callee = self._plan.flow.values.get(call.func, frozenset())
        return any(
            isinstance(a, Model)
            or (isinstance(a, ModuleApi) and a.name in RUNS)
            or a == External("flax.nn.make_rng")
            for a in callee
        )

    def _count_draws(self) -> None:
        """Numbers everything that takes a key from one context, or from one `rngs`."""
        passed = {call: item for calls in self.threads.values() for call, item in calls}
        for statement, use in self._uses.items():
            drawing = [c for c in use.runs if self.draws(c) or c in passed]
            drawing.sort(key=lambda c: (c.lineno, c.col_offset))
            # Draws outside of modules alone can have the very keys of legacy: folded from 1.
            first = int(all(self._is_key(c) for c in drawing))
            for index, call in enumerate(drawing, first):
                if call in passed:
                    self._order[call] = index if len(drawing) > 1 else None
                    continue
                found = self._around[call]
                if not isinstance(found, Around) or found.rng is None:
                    continue
                if found.rng.statement is statement:
                    self._around[call] = Around(found.state, found.rng, index)
        by_function: dict[FunctionNode, list[ast.Call]] = defaultdict(list)
        for call, around in self._around.items():
            code = self._plan.code(call)
            threaded = isinstance(around, Around) and around.threaded
            if threaded and code is not None and self.draws(call):
                by_function[code.node].append(call)
        for calls in by_function.values():
            calls.sort(key=lambda c: (c.lineno, c.col_offset))
            for index, call in enumerate(calls):
                found = self._around[call]
                assert isinstance(found, Around)
                self._around[call] = Around(found.state, found.rng, index, threaded=True)

    def _is_key(self, call: ast.Call) -> bool:
        callee = self._plan.flow.values.get(call.func, frozenset())
        return External("flax.nn.make_rng") in callee

    def draws(self, call: ast.Call) -> bool:
        """Whether a run may draw a random key of its context."""
        callee = self._plan.flow.values.get(call.func, frozenset())
        if External("flax.nn.make_rng") in callee:
            return True
        return any(effects(self._plan, module).keys for module in run_modules(callee))

    def _of(
        self, node: ast.AST, run: ast.Call, seen: set[FunctionNode], *, keyed: bool = False
    ) -> Around:
        """The contexts around `node`, for the sake of `run` in it.

        With `keyed`, the key is known already and only the state is looked for.
        """
        state: Item | None = None
        rng: Item | None = None
        inner: ast.AST = node
        looped = deferred = conditional = False
        function: FunctionNode | None = None
        for ancestor in self._plan.ancestors(node):
            if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                function = ancestor
                break
            looped |= isinstance(ancestor, _LOOPS)
            deferred |= isinstance(ancestor, ast.GeneratorExp)
            conditional |= isinstance(ancestor, ast.If | ast.Try | ast.IfExp | ast.Match)
            if isinstance(ancestor, ast.With) and inner not in ancestor.items:
                for item in reversed(self.items.get(ancestor, ())):
                    if item.kind == "state" and state is None:
                        state = item
                    elif item.kind == "rng" and rng is None and not keyed:
                        rng = item
                    else:
                        continue
                    self._uses[ancestor].runs.append(run) if run not in self._uses[
                        ancestor
                    ].runs else None
                    if looped and item.kind == "state" and item.mutable and item.captured:
                        self._fail(ancestor, "a loop inside of it runs a module")
                    if looped and item.kind == "rng" and self.draws(run):
                        self._splitting(item)
                    self._check(item, node, deferred=deferred, looped=looped)
                    if conditional and item.kind == "state":
                        self._conditional.add(ancestor)
            inner = ancestor
        keyed = keyed or rng is not None
        if function is None or (state is not None and keyed):
            return Around(state, rng)
        if state is None and node is run and statehelpers.helper(self, self._plan, function, run):
            return self._of_helper(function, rng, keyed=keyed)
        if not keyed and self.draws(run) and self._threads(function):
            return Around(state, None, threaded=True)
        outer = self._of_callers(function, run, seen, keyed=keyed)
        if outer.threaded and function not in self.threads:
            for calls in self.threads.values():
                for _, passed in calls:
                    if passed is not None:
                        use = self._uses[passed.statement]
                        use.failed = use.failed or "its key goes through several functions"
            raise Unclear("LN590", "the key goes through several functions to get here")
        return Around(state or outer.state, rng or outer.rng, threaded=outer.threaded)

    def _belongs(self, call: ast.Call, item: Item) -> None:
        runs = self._uses[item.statement].runs
        if call not in runs:
            runs.append(call)

    def _of_helper(self, function: FunctionNode, rng: Item | None, *, keyed: bool) -> Around:
        """The contexts of the run in a function that takes the state of its callers."""
        made = self.helpers[function]
        for call, item in made.calls:
            self._belongs(call, item)
            self._check(item, call, deferred=False, looped=False)
        _, first = made.calls[0]
        state = replace(first, place=-1, captured=made.returned)  # not the one of the callers
        self.held[state] = made.parameter
        threaded = not keyed and self.draws(made.run) and self._threads(function, stateful=True)
        return Around(state, rng, threaded=threaded)

    def _check(self, item: Item, run: ast.AST, *, deferred: bool, looped: bool) -> None:
        """What must hold for the argument of a context to be read where the run is."""
        statement = item.statement
        place = _position(run)
        if deferred:
            self._fail(statement, "a generator runs a module, perhaps after it has ended")
        if item.argument is None:
            return
        named = {ast.unparse(n) for n in ast.walk(item.argument) if isinstance(n, _NAMED)}
        changed = {
            ast.unparse(n)
            for each in statement.body
            for n in ast.walk(each)
            if isinstance(n, _NAMED) and isinstance(n.ctx, ast.Store)
            if looped or _position(n) < place
        }
        if named & changed:
            self._hold(item, "what it is opened with changes inside of it")
        for call in ast.walk(item.argument):
            if isinstance(call, ast.Call) and not is_pure(self._plan, call):
                self._hold(item, "what it is opened with can be computed only once")
        if item.kind == "state" and item.captured is not None:
            for each in statement.body:
                for node in ast.walk(each):
                    if (
                        isinstance(node, _NAMED)
                        and ast.unparse(node) == item.captured
                        and _position(node) < place
                    ):
                        self._conditional.add(statement)

    def _hold(self, item: Item, why: str) -> None:
        """The argument of a context gets a name in front of what was its body."""
        if item in self.held:
            return
        place = item.statement
        home = self._home(place)
        ours = {n: i.statement for i, n in self.held.items() if self._home(i.statement) is home}
        around = {place, *self._plan.ancestors(place), *ast.walk(place)}
        for name in _HELD[item.kind]:
            busy = [n for n in ours if n == name and ours[n] in around]
            if name in ours and not busy:
                self.held[item] = name  # the context that it stood for has ended
                return
        try:
            self.held[item] = free_name(self._plan, place.items[0].context_expr, _HELD[item.kind])
        except Unclear:
            self._fail(place, why)

    def _splitting(self, item: Item) -> None:
        """A loop draws again and again: the key is split before each run."""
        if item.statement in self.splits:
            return
        home = self._home(item.statement)
        used = {n.id for n in ast.walk(home) if isinstance(n, ast.Name)}
        used |= {n.arg for n in ast.walk(home) if isinstance(n, ast.arg)}
        names = [
            next((n for n in candidates if n not in used), None)
            for candidates in (("rng", "stream", "next_rng"), ("key", "subkey", "next_key"))
        ]
        if names[0] is None or names[1] is None or item.argument is None:
            self._fail(item.statement, "a loop inside of it runs a module")
        self.splits[item.statement] = (str(names[0]), str(names[1]))

    def _home(self, node: ast.AST) -> ast.AST:
        code = self._plan.code(node)
        return code.node if code is not None else self._source(node).tree

    def _fail(self, statement: ast.With, why: str) -> None:
        use = self._uses[statement]
        use.failed = use.failed or why
        raise Unclear("LN590", why)

    def _of_callers(
        self, function: FunctionNode, run: ast.Call, seen: set[FunctionNode], *, keyed: bool
    ) -> Around:
        """The contexts that the callers of a function agree on."""
        if function in seen:
            return Around()
        seen = {*seen, function}
        if self.items and self._is_called_unseen(function):
            raise Unclear("LN590", "who runs it, and in which context, is not known")
        found = {self._of(call, run, seen, keyed=keyed) for call in self.callers(function)}
        if not found:
            return Around()
        if not self.draws(run):  # whatever key there may be, it is not for this run
            found = {replace(each, rng=None, threaded=False) for each in found}
        around = found.pop()
        if found:
            for each in (around, *found):
                for item in (each.state, each.rng):
                    if item is not None:
                        use = self._uses[item.statement]
                        use.failed = use.failed or "its runs also happen in other contexts"
            raise Unclear("LN590", "the contexts around this differ from caller to caller")
        calls = self.callers(function)
        if around.rng is not None and any(
            not self._exclude(a, b) for a in calls for b in calls if a is not b
        ):
            self._fail(around.rng.statement, "a function that draws runs more than once")
        for item in (around.state, around.rng):
            if item is None:
                continue
            if item.kind == "state" and item.mutable and item.captured:
                self._fail(item.statement, "the state changes in a function that it calls")
            if not self._is_visible(item, function):
                self._fail(item.statement, "the function that it calls cannot see its argument")
        return around

    # --- keys that callers pass on ------------------------------------------------------

    def _threads(self, function: FunctionNode, *, stateful: bool = False) -> bool:
        """Has a function take `rngs` from its callers, who disagree or are out of sight."""
        if function in self.threads:
            return True
        if not isinstance(function, ast.FunctionDef):
            return False
        calls = plain_calls(self._plan, function)
        around = [(call, self._opened_around(call)) for call in calls]
        items = {item for _, found in around for item in found if item is not None}
        direct = {item for item in items if item.kind == "rng"}
        nested = self._plan.code(function) is not None
        agreed = len(around) == 1 or len({found for _, found in around}) == 1
        visible = all(self._is_visible(item, function) for item in direct)
        once = len(calls) == 1 and not self._looped & set(calls)
        if not direct or (agreed and visible and nested and once):
            return False
        if any(a.arg == "rngs" for a in all_arguments(function.args)):
            return False
        if not stateful and any(item.kind == "state" for item in items):
            return False
        for call, (_, rng) in around:
            if rng is not None:
                self._check(rng, call, deferred=False, looped=call in self._looped)
        self.threads[function] = [(call, found[1]) for call, found in around]
        for call, (_, rng) in around:
            if rng is not None:
                self._belongs(call, rng)
                if call in self._looped:
                    self._splitting(rng)
        return True

    def _opened_around(self, call: ast.Call) -> tuple[Item | None, Item | None]:
        """The state and the key that are opened around a call, in its own function."""
        state: Item | None = None
        rng: Item | None = None
        inner: ast.AST = call
        looped = False
        for ancestor in self._plan.ancestors(call):
            if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                break
            looped |= isinstance(ancestor, _LOOPS)
            if isinstance(ancestor, ast.With) and inner not in ancestor.items:
                for item in self.items.get(ancestor, ()):
                    state = state or (item if item.kind == "state" else None)
                    if rng is None and item.kind == "rng":
                        rng = item
                        if looped:
                            self._looped.add(call)
            inner = ancestor
        return state, rng

    def emit_threads(self) -> None:
        """Signatures and calls of the functions that take `rngs`, or a state."""
        added: dict[ast.Call, list[Argument]] = defaultdict(list)
        for made in self.helpers.values():
            for call, item in made.calls:
                assert item.argument is not None
                place = self._plan.source(call)
                given = self.held.get(item) or rendered(self._plan, place, item.argument)
                added[call].append(Added(made.parameter, given))
        statehelpers.emit(self, self._plan)
        for calls in self.threads.values():
            for call, rng in calls:
                if rng is None or rng.argument is None:
                    continue
                place = self._plan.source(call)
                if rng.statement in self.splits:
                    self._emit_split(place, call, rng.statement)
                    continue
                key = self.held.get(rng) or rendered(self._plan, place, rng.argument)
                draw = self._order.get(call)
                if draw is not None:  # others fold the same key
                    key = f"{{spell:jax.random.fold_in}}({key}, {draw})"
                added[call].append(Added("rngs", "{'dropout': %s}" % key))
        for call, arguments in added.items():
            rule = "LN510" if len(arguments) > 1 or arguments[0].keyword != "rngs" else "LN511"
            site = Reordered((*as_given(call), *arguments), rule)
            self._plan.at(self._plan.source(call), call, site)
        for function in {**self.helpers, **self.threads}:
            source = self._plan.flow.code[function].source
            state = [self.helpers[function].parameter] if function in self.helpers else []
            keys = ["rngs=None"] if function in self.threads else []
            rule = "LN510" if state else "LN511"
            self._plan.define(source, function, ParameterSite(", ".join([*state, *keys]), rule))

    def _emit_split(self, source: Source, call: ast.Call, statement: ast.With) -> None:
        rng, key = self.splits[statement]
        if not can_go_before(self._plan, call):
            self._uses[statement].failed = "it draws where no statement can go before"
            return
        site = fill_plain(call, "rngs", "{'dropout': %s}" % key, "LN511")
        self._plan.at(source, call, replace(site, before=(split_line(rng, key),)))

    def _is_called_unseen(self, function: FunctionNode) -> bool:
        """Whether a function runs without a call: a property, or what an operator calls."""
        code = self._plan.flow.code[function]
        if code.owner is None or not isinstance(function, ast.FunctionDef):
            return False
        if self._plan.flow.is_property(function):
            return True
        special = function.name.startswith("__") and function.name.endswith("__")
        return special and function.name not in {"__init__", "__call__"}

    def callers(self, function: FunctionNode) -> list[ast.Call]:
        """The calls that run a function, itself or through a transform."""
        if self._callers is None:
            self._callers = self._all_callers()
        return self._callers.get(function, [])

    def _all_callers(self) -> dict[FunctionNode, list[ast.Call]]:
        found: dict[FunctionNode, list[ast.Call]] = defaultdict(list)
        for call in self._plan.flow.where:
            assert isinstance(call, ast.Call)
            callee = self._plan.flow.values.get(call.func, frozenset())
            here = {innermost(atom) for atom in callee}
            if any(isinstance(a, External) or _is_method(a) for a in callee) and (
                self._is_called(call)
            ):
                # `lax.scan(f, ...)` and `optimizer.optimize(f)` call it, too.
                for argument in [*call.args, *(k.value for k in call.keywords)]:
                    value = self._plan.flow.values.get(argument, frozenset())
                    here |= {innermost(a) for a in value}
            for function in here:
                if function is not None:
                    found[function].append(call)
        return found

    def _is_called(self, call: ast.Call) -> bool:
        """Whether a call runs what it is given, rather than making a function of it."""
        made = self._plan.flow.values.get(call, frozenset())
        return not any(hasattr(atom, "function") and not hasattr(atom, "part") for atom in made)

    def _is_visible(self, item: Item, function: FunctionNode) -> bool:
        """Whether a function reads the same variables as the header of the context."""
        if item.argument is None:
            return True
        if item in self.held:
            home = self._home(item.statement)
            return home in self._plan.ancestors(function)
        inner = self._plan.flow.code[function].scope
        outer = self._scope(item.statement)
        for node in ast.walk(item.argument):
            if isinstance(node, ast.Name) and inner.lookup(node.id) is not outer.lookup(node.id):
                return False
        names = {n.id for n in ast.walk(item.argument) if isinstance(n, ast.Name)}
        return not names & _assigned(item.statement.body)

    def _scope(self, node: ast.AST) -> Scope:
        code = self._plan.code(node)
        if code is not None:
            return code.scope
        return self._plan.flow.scopes[self._source(node).name].module


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def split_line(rng: str, key: str) -> str:
    """The statement that takes a new key from a stream."""
    return f"{rng}, {key} = {{spell:jax.random.split}}({rng})"


def run_modules(callee: Value) -> list[Module]:
    """The modules that a call runs, with the method that it calls on them."""
    found = [replace(m.module, method=m.method) for m in models(callee)]
    return [*found, *(a.module for a in callee if isinstance(a, ModuleApi))]


def _assigned(body: Sequence[ast.stmt]) -> set[str]:
    return {
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _is_method(atom: Atom) -> bool:
    receiver = getattr(atom, "receiver", None)
    return receiver is not None and not isinstance(receiver, Legacy | str)


def innermost(atom: Atom) -> FunctionNode | None:
    """The function of the project under partials and transforms."""
    inner: object = atom
    while not isinstance(inner, Function) and hasattr(inner, "function"):
        inner = inner.function
        if isinstance(inner, FunctionNode):
            return None
    if isinstance(inner, Function):
        return inner.node
    node = getattr(inner, "node", None)
    return node if isinstance(node, FunctionNode) else None
