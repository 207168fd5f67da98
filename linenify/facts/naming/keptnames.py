"""`--keep-names`: submodules are called what legacy called them.

A number that is the same in every run is written down, one that grows with a
loop as an f-string.  Where it depends on a branch or on another loop, it is
drawn from a counter as in legacy.  A module class in which that cannot be
proven keeps automatic names for all its children, and is flagged once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.naming.drawing import Drawing, Frame, Unprovable
from linenify.facts.naming.frames import follow
from linenify.facts.naming.stems import is_rewritten, modules_of, shares, stem_of, stem_text
from linenify.facts.naming.takers import is_named, takers
from linenify.facts.naming.walking import Record
from linenify.project.scopes import FunctionNode

_CODE = "LN790"


def emit_kept_names(plan: Plan) -> None:
    """Names every submodule, or says why not."""
    if plan.keep_names:
        _Names(plan).emit()


class _Names:
    """All frames of a project, and how each taker of a number gets its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.frames = [*self._frames()]
        self.bad: dict[Frame, str] = {}
        self.drawing = Drawing(plan, [])

    def emit(self) -> None:
        self._judge()
        while True:
            good = [f for f in self.frames if f not in self.bad]
            try:
                self.drawing = Drawing(self.plan, good)
                self.drawing.close()
                self.drawing.check()
                break
            except Unprovable as problem:
                self._spoil(problem.function, problem.why)
        for frame in good:
            self.plan.kept.add(frame.definition)
        self.plan.kept -= {frame.definition for frame in self.bad}
        self.drawing.emit()
        self._flag()

    def _frames(self) -> Iterator[Frame]:
        plan = self.plan
        for definition in plan.classes:
            if isinstance(definition, ast.FunctionDef):
                yield Frame(definition, definition, self._followed(None, definition))
                continue
            seen: set[str] = set()
            for ancestor in plan.flow.hierarchy.mro(definition):
                above = plan.classes.get(ancestor)
                for method in above.methods if above is not None else ():
                    if method.name not in seen:
                        seen.add(method.name)
                        yield Frame(definition, method, self._followed(definition, method))

    def _followed(self, owner: ast.ClassDef | None, method: ast.FunctionDef) -> Record:
        try:
            return follow(self.plan, owner, method)
        except Exception as problem:  # noqa: BLE001 - our own bug must not cost the other files
            self.plan.fail(self.plan.source(method), method, problem)
            return Record(obstacles={method: "linenify failed"})

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

    def _unwritten(self, frame: Frame) -> str | None:
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
            if "{" in (stem_text(self.plan, passed.maker) or ""):
                return f"`{text(passed.maker.func)}` may be one of several classes"
            if self.plan.site_at(self.plan.source(call), call) is not None:
                return f"`{text(passed.maker.func)}` may or may not be given a name"
        makers = [passed.maker for passed in frame.record.passed.values()]
        for call in [*frame.record.numbers, *makers]:
            if not is_rewritten(self.plan, call):
                return f"`{text(call.func)}` is not migrated"
            if shares(self.plan, call):
                continue
            if stem_text(self.plan, call) is None:
                return f"`{text(call.func)}` may be one of several classes"
            if "Dropout" in {stem_of(m) for m in modules_of(self.plan, call)}:
                return "a class is called `Dropout`, as a layer of Linen is"
        return None

    def _spoil(self, function: FunctionNode, why: str) -> None:
        good = [frame for frame in self.frames if frame not in self.bad]
        spoilt = [frame for frame in good if function in frame.functions]
        self.bad |= dict.fromkeys(spoilt or good, why)
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
        reasons: dict[ast.ClassDef | ast.FunctionDef, str] = {}
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
        why = "the names of legacy are not kept: no module of the project is seen to call it"
        for function, code in self.plan.flow.code.items():
            if function in spoilt or any(a in spoilt for a in self.plan.ancestors(function)):
                continue
            if code.owner is not None and self.plan.flow.hierarchy.is_module(code.owner.node):
                continue
            calls = [c for c in takers(self.plan, function) if c not in reached]
            calls = [c for c in calls if is_rewritten(self.plan, c) and not is_named(self.plan, c)]
            if calls:
                self.plan.refuse(code.source, function, _CODE, why)
