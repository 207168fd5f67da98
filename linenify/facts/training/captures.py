"""`nn.capture_module_outputs()` around a run: what every submodule gave, by its path.

Linen collects the same under `intermediates`, nested by name.  The migrated
file turns that into the flat dict that legacy gave, so that what reads it
stays as it is.  This needs names that are the same on both sides: Linen
numbers submodules without a name differently.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.arguments import text
from linenify.facts.ask.effects import run_modules
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import Bound, External, Function, Model, Module, ModuleApi
from linenify.facts.sites import ContextSite, Unclear
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

COLLECTION = "intermediates"
SNIPPET = "outputs_by_path"
_CAPTURE = External("flax.nn.capture_module_outputs")
# Layers that call the same submodules in Linen, or none.
_ALIKE = frozenset(
    {
        *("Dense", "DenseGeneral", "Conv", "ConvTranspose", "Embed"),
        *("BatchNorm", "LayerNorm", "GroupNorm"),
        *("MultiHeadDotProductAttention", "SelfAttention"),
    }
)


class Captures:
    """Every context that collects outputs, by the run in it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._items: dict[ast.With, tuple[int, str | None]] = {}
        self._runs: dict[ast.With, list[ast.Call]] = {}
        for source in plan.project.sources:
            for node in walk(source.tree):
                if isinstance(node, ast.With):
                    self._take(node)
        for call in plan.flow.where if self._items else ():
            assert isinstance(call, ast.Call)
            statement = self._around(call) if self._is_run(call) else None
            if statement is not None:
                self._runs[statement].append(call)

    def opens(self, call: ast.Call) -> bool:
        """Whether a call is the `nn.capture_module_outputs()` of a `with`."""
        return any(s.items[place].context_expr is call for s, (place, _) in self._items.items())

    def of(self, source: Source, call: ast.Call) -> str | None:
        """The variable that gets the outputs of the submodules that a run calls.

        Raises:
            Unclear: they would have other names, or cannot be taken here.
        """
        statement = next((s for s, runs in self._runs.items() if call in runs), None)
        if statement is None:
            return None
        _, name = self._items[statement]
        if len(self._runs[statement]) > 1 or name is None:
            raise Unclear("LN491", "the captured outputs are not those of one run")
        callee = self._plan.flow.values.get(call.func, frozenset())
        modules = run_modules(callee)
        if any(isinstance(a, ModuleApi) and a.name != "call" for a in callee):
            raise Unclear("LN491", f"`{text(call.func)}` initialises while outputs are captured")
        for module in modules:
            for why in self._differences(module, set()):
                raise Unclear("LN491", f"paths of captured outputs: {why}")
        require(self._plan, source, [SNIPPET], "LN491")
        return name

    def finish(self) -> None:
        """Takes every `with` away whose run has been rewritten."""
        for statement, (place, _) in self._items.items():
            source = self._plan.source(statement)
            runs = self._runs[statement]
            if not runs or any(self._plan.site_at(source, run) is None for run in runs):
                why = "no run stands in it" if not runs else "the run in it is flagged"
                call = text(statement.items[place].context_expr)
                self._plan.refuse(source, statement, "LN491", f"`with {call}`: {why}")
                continue
            self._plan.leave(source, statement, ContextSite((place,), (), "LN512"))

    # --- what is there -----------------------------------------------------------------

    def _take(self, statement: ast.With) -> None:
        for place, item in enumerate(statement.items):
            call = item.context_expr
            if not isinstance(call, ast.Call):
                continue
            if _CAPTURE in self._plan.flow.values.get(call.func, frozenset()):
                bound = item.optional_vars
                name = bound.id if isinstance(bound, ast.Name) else None
                self._items[statement] = (place, name)
                self._runs[statement] = []

    def _is_run(self, call: ast.Call) -> bool:
        callee = self._plan.flow.values.get(call.func, frozenset())
        return any(
            isinstance(a, Model) or (isinstance(a, ModuleApi) and a.name != "partial")
            for a in callee
        )

    def _around(self, call: ast.Call) -> ast.With | None:
        inner: ast.AST = call
        for ancestor in self._plan.ancestors(call):
            if isinstance(ancestor, FunctionNode | ast.For | ast.While):
                return None
            entered = isinstance(ancestor, ast.With) and inner not in ancestor.items
            if entered and ancestor in self._items:
                return ancestor
            inner = ancestor
        return None

    # --- whether the names are the same ------------------------------------------------

    def _differences(self, module: Module, seen: set[FunctionNode]) -> Iterator[str]:
        """Why the paths in a module would be others, or more."""
        if module.method != "apply":
            yield f"Linen does not capture the method `{module.method}`"
            return
        function = self._plan.flow.function_of(module)
        if function is None:
            if module.definition not in _ALIKE:
                yield f"`{module.definition}` has other submodules"
            return
        yield from self._inside(function, seen)

    def _inside(self, function: FunctionNode, seen: set[FunctionNode]) -> Iterator[str]:
        if function in seen:
            return
        seen.add(function)
        for node in walk(function):
            if not isinstance(node, ast.Call):
                continue
            for atom in self._plan.flow.values.get(node.func, frozenset()):
                match atom:
                    case External(path="flax.nn.dropout"):
                        yield "Linen captures Dropout, too"
                    case Module():
                        if not atom.named and not any(k.arg == "name" for k in node.keywords):
                            yield f"`{text(node.func)}(...)` has no name"
                        yield from self._differences(atom, seen)
                    case Function(node=inner) | Bound(node=inner):
                        yield from self._inside(inner, seen)


def lines(name: str) -> tuple[str, ...]:
    """Statements that give a variable the captured outputs."""
    return (f"{name} = {SNIPPET}({{variables}}['{COLLECTION}'])",)
