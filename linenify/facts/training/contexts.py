"""The `nn.stateful` and `nn.stochastic` contexts around every run of a module."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import replace
from functools import cached_property

from linenify.facts.ask import places
from linenify.facts.ask.arguments import text
from linenify.facts.ask.callers import Callers, is_called_unseen
from linenify.facts.ask.effects import draws, keeps_state, runs_module, takes_key
from linenify.facts.ask.places import LOOPS, can_go_before, is_read
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.sites import ContextSite, Stem, Unclear
from linenify.facts.training import keyhelpers, statehelpers
from linenify.facts.training.opened import Opened
from linenify.facts.training.withitems import Around, Item
from linenify.project.relevance import reachable
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source


class Contexts(Opened):
    """Every legacy context of the project, with the runs that depend on it."""

    def __init__(self, plan: Plan, callers: Callers) -> None:
        super().__init__(plan)
        self._callers = callers
        self._around: dict[ast.Call, Around | Unclear] = {}
        # Of the run that is asked for: what the callers of each function agree on.
        self._answers: dict[tuple[FunctionNode, bool], Around | Unclear] = {}
        # Of functions that no context ever reaches: the same for every run.
        self._beyond: dict[tuple[FunctionNode, bool], Around | Unclear] = {}
        self._in_circle = False
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
        if places.home(self._plan, call) is not places.home(
            self._plan, found.rng.statement
        ) or not can_go_before(self._plan, call):
            why = "it draws in a loop, and also where no statement can go before"
            use = self.uses[found.rng.statement]
            use.failed = use.failed or why
            raise Unclear("LN590", why)
        return replace(found, split=self.splits[found.rng.statement])

    def fail(self, call: ast.Call, why: str, stem: Stem) -> None:
        """A run could not be rewritten: the contexts that it needs stay."""
        for use in self.uses.values():
            if call in use.runs and use.failed is None:
                use.failed, use.stem = why, stem

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
            source = self._plan.source(statement)
            use = self.uses[statement]
            failed = use.failed
            if failed is None and not use.runs:
                failed = "no run of a module was found inside"
            if failed is not None:
                call = text(statement.items[items[0].place].context_expr)
                why = f"`with {call}`: {failed}"
                self._plan.refuse(source, statement, "LN590", why, because=use.stem)
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

    # --- which runs they are for -------------------------------------------------------

    def _associate(self) -> None:
        runs = [call for call in self._plan.flow.where if isinstance(call, ast.Call)]
        for call in runs:
            if runs_module(self._plan, call):
                self._answers.clear()
                try:
                    self._around[call] = self._of(call, call, set())
                except Unclear as unclear:
                    self._around[call] = unclear
        self._check_single()
        self._count_draws()

    @cached_property
    def _reached(self) -> frozenset[FunctionNode]:
        """The functions that may run inside of a context."""
        under: set[FunctionNode] = set()
        called: dict[FunctionNode, list[FunctionNode]] = defaultdict(list)
        for function in self._plan.flow.code:
            for call in self._callers.of(function):
                for ancestor in self._plan.ancestors(call):
                    if ancestor in self.items:
                        under.add(function)
                    elif isinstance(ancestor, FunctionNode):
                        called[ancestor].append(function)
                        break
        return reachable(under, lambda function: called.get(function, ()))

    def _check_single(self) -> None:
        """A state that is handed out belongs to one run; the next would need what it left."""
        for statement, use in self.uses.items():
            items = [i for i in self.items.get(statement, ()) if i.kind == "state"]
            if not any(item.mutable and item.captured for item in items):
                continue
            stateful = [run for run in use.runs if keeps_state(self._plan, run)]
            if any(
                not places.exclude(self._plan, a, b)
                for a in stateful
                for b in stateful
                if a is not b
            ):
                use.failed = use.failed or "several runs share the state that it hands out"
                for run in use.runs:
                    self._around[run] = Unclear(
                        "LN590", use.failed, because=(statement, use.failed)
                    )

    def _count_draws(self) -> None:
        """Numbers everything that takes a key from one context, or from one `rngs`."""
        passed = {call: item for calls in self.threads.values() for call, item in calls}
        for statement, use in self.uses.items():
            drawing = [c for c in use.runs if draws(self._plan, c) or c in passed]
            drawing.sort(key=lambda c: (c.lineno, c.col_offset))
            # Draws outside of modules alone can have the very keys of legacy: folded from 1.
            first = int(all(takes_key(self._plan, c) for c in drawing))
            for index, call in enumerate(drawing, first):
                if call in passed:
                    self.order[call] = index if len(drawing) > 1 else None
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
            if threaded and code is not None and draws(self._plan, call):
                by_function[code.node].append(call)
        for calls in by_function.values():
            calls.sort(key=lambda c: (c.lineno, c.col_offset))
            for index, call in enumerate(calls):
                found = self._around[call]
                assert isinstance(found, Around)
                self._around[call] = Around(found.state, found.rng, index, threaded=True)

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
            looped |= isinstance(ancestor, LOOPS)
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
                    self.belongs(run, item)
                    if looped and item.kind == "state" and item.mutable and item.captured:
                        self._fail(ancestor, "a loop inside of it runs a module")
                    if looped and item.kind == "rng" and draws(self._plan, run):
                        self.split_key(item)
                    self.check(item, node, deferred=deferred, looped=looped)
                    if conditional and item.kind == "state":
                        self._conditional.add(ancestor)
            inner = ancestor
        keyed = keyed or rng is not None
        if function is None or (state is not None and keyed):
            return Around(state, rng)
        if state is None and node is run and statehelpers.helper(self, self._plan, function, run):
            return self._of_helper(function, rng, keyed=keyed)
        if not keyed and draws(self._plan, run) and keyhelpers.helper(self, self._plan, function):
            return Around(state, None, threaded=True)
        outer = self._of_callers(function, run, seen, keyed=keyed)
        if outer.threaded and function not in self.threads:
            for calls in self.threads.values():
                for _, passed in calls:
                    if passed is not None:
                        use = self.uses[passed.statement]
                        use.failed = use.failed or "its key goes through several functions"
            raise Unclear("LN590", "the key goes through several functions to get here")
        return Around(state or outer.state, rng or outer.rng, threaded=outer.threaded)

    def _of_helper(self, function: FunctionNode, rng: Item | None, *, keyed: bool) -> Around:
        """The contexts of the run in a function that takes the state of its callers."""
        made = self.helpers[function]
        for call, item in made.calls:
            self.belongs(call, item)
            self.check(item, call, deferred=False, looped=False)
        _, first = made.calls[0]
        state = replace(first, place=-1, captured=made.returned)  # not the one of the callers
        self.held[state] = made.parameter
        threaded = (
            not keyed
            and draws(self._plan, made.run)
            and keyhelpers.helper(self, self._plan, function, stateful=True)
        )
        return Around(state, rng, threaded=threaded)

    def _of_callers(
        self, function: FunctionNode, run: ast.Call, seen: set[FunctionNode], *, keyed: bool
    ) -> Around:
        """The contexts that the callers of a function agree on; asked once for a run."""
        if function in seen:
            self._in_circle = True
            return Around()
        answers = self._answers if function in self._reached else self._beyond
        answer = answers.get((function, keyed))
        if answer is None:
            around, self._in_circle = self._in_circle, False
            try:
                answer = self._agreed(function, run, {*seen, function}, keyed=keyed)
            except Unclear as unclear:
                answer = unclear
            if not self._in_circle:
                answers[function, keyed] = answer
            self._in_circle |= around
        if isinstance(answer, Unclear):
            raise answer
        return answer

    def _agreed(
        self, function: FunctionNode, run: ast.Call, seen: set[FunctionNode], *, keyed: bool
    ) -> Around:
        if self.items and is_called_unseen(self._plan, function):
            raise Unclear("LN590", "who runs it, and in which context, is not known")
        found = {self._of(call, run, seen, keyed=keyed) for call in self._callers.of(function)}
        if not found:
            return Around()
        if not draws(self._plan, run):  # whatever key there may be, it is not for this run
            found = {replace(each, rng=None, threaded=False) for each in found}
        if not keeps_state(self._plan, run):  # nor is a state that comes out as it went in
            found = {
                replace(each, state=None)
                if each.state is not None and not (each.state.mutable and each.state.captured)
                else each
                for each in found
            }
        around = found.pop()
        if found:
            for each in (around, *found):
                for item in (each.state, each.rng):
                    if item is not None:
                        use = self.uses[item.statement]
                        use.failed = use.failed or "its runs also happen in other contexts"
            raise Unclear("LN590", "the contexts around this differ from caller to caller")
        calls = self._callers.of(function)
        if around.rng is not None and any(
            not places.exclude(self._plan, a, b) for a in calls for b in calls if a is not b
        ):
            self._fail(around.rng.statement, "a function that draws runs more than once")
        for item in (around.state, around.rng):
            if item is None:
                continue
            if item.kind == "state" and item.mutable and item.captured:
                self._fail(item.statement, "the state changes in a function that it calls")
            if not self.is_visible(item, function):
                self._fail(item.statement, "the function that it calls cannot see its argument")
        return around
