"""What the counter of a legacy module says at every place that takes a number.

Legacy has one counter for each run of a module method.  A module class called
in it takes a number, also in the plain functions and methods that it calls; so
does an unnamed `.shared()`.  A frame follows one such run through all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.ask.arguments import splat_keys, text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Atom,
    External,
    Module,
    ModuleApi,
    Parameter,
    Self,
    Static,
    Transformed,
    Value,
    modules,
)
from linenify.facts.modules.transforms import INERT
from linenify.facts.naming.counts import DEAD, Count, State, Unreachable, met, number
from linenify.facts.naming.takers import (
    code_of,
    in_order,
    is_special,
    only_raises,
    own_nodes,
    runs_once,
    takes,
)
from linenify.facts.naming.walking import Passed, Record, Run, Walker
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode, all_arguments, defaults_by_name

_NOTHING: Value = frozenset()


def follow(plan: Plan, owner: ast.ClassDef | None, method: ast.FunctionDef) -> Record:
    """Runs a method of a module class, or an `@nn.module` function."""
    frame = _Frame(plan, owner)
    frame.run(method)
    return frame.record


class _Frame(Walker):
    """One run of a module method."""

    def __init__(self, plan: Plan, owner: ast.ClassDef | None) -> None:
        super().__init__(plan)
        self.owner = owner
        # Partials that became instances take their number where they are made: the
        # same one as at their call, if no other is taken in between.
        self._made_early: set[ast.Call | None] = set()
        self._overtaken: set[ast.Call | None] = set()
        self._active: dict[FunctionNode, bool] = {}

    def run(self, method: ast.FunctionDef) -> None:
        """Follows the whole run, statement by statement."""
        self.runs.append(Run(method, None, {}))
        state: State = Count()
        for statement in method.body:
            self.record.before[statement] = number(state)
            state = self.statement(statement, state)
        self.runs.pop()

    def attribute(self, node: ast.Attribute) -> None:
        """A property runs where it is read."""
        if self.owner is None or not self._is_self(node.value):
            return
        found = self.plan.flow.hierarchy.find(self.owner, node.attr)
        if found is None or not self.plan.flow.is_property(found[1]):
            return
        if self._is_active(found[1]):
            self._stop(node, f"the property `{node.attr}` makes submodules", found[1])

    def call(self, call: ast.Call, state: State) -> State:
        """Takes a number, or runs what is called."""
        callee = self.plan.flow.values.get(call.func, _NOTHING)
        found = modules(callee)
        made = [m for m in found if not m.shared and m.origin in self.plan.promoted]
        early = {m.origin for m in made}
        called = {m.origin for m in made if m.method == "apply"}
        # `Embed.attend` of a table that is not shared was an error.
        others = any(m.method != "apply" and not isinstance(m.definition, str) for m in made)
        if called & self._overtaken or others:
            self._stop(call, f"`{text(call.func)}` is made in another place than it is called")
            return None
        new = [m for m in found if not m.shared and m.origin not in early]
        kinds = ("shared", "partial") if call in self.plan.promoted else ("shared",)
        shares = [a.module for a in callee if isinstance(a, ModuleApi) and a.name in kinds]
        if any(m.receiver == "self" for m in new):
            self._stop(call, f"`{text(call.func)}` is a module method that is called on the module")
            return None
        if new or shares:
            return self._taken(call, callee, [*new, *shares], state)
        self._check_handed(call, callee)
        functions = self._functions(call, callee)
        active = [f for f in functions if self._is_active(f)]
        if not active:
            return DEAD if functions and all(map(only_raises, functions)) else state
        if len(functions) > 1 or any(isinstance(a, Transformed | External) for a in callee):
            self._stop(call, f"`{text(call.func)}` may be one of several functions", *active)
            return None
        if any(self.plan.code(a.function) is None for a in self.plan.flow.origins.of(callee)):
            self.record.doubts[call] = f"`{text(call.func)}` may be another function"
        return self._enter(functions[0], call, state)

    def _taken(self, call: ast.Call, callee: Value, found: Sequence[Module], state: State) -> State:
        others = [a for a in callee if not isinstance(a, Module | ModuleApi | Parameter | Static)]
        others = [a for a in others if a != External("builtins.None")]
        shared = [a for a in callee if isinstance(a, Module) and a.shared]
        if others or shared:
            self._stop(call, f"`{text(call.func)}` makes a submodule only at times")
            return None
        self._overtaken |= self._made_early
        if call in self.plan.promoted:
            self._made_early.add(call)
        if isinstance(state, Unreachable):
            self.record.idle.add(call)
            return state
        told = self._told(call)
        if told is not None and not any(m.named for m in found):
            run = self.runs[-1]
            assert run.call is not None
            passed = self.record.passed.setdefault(run.call, Passed(told, call))
            if passed.maker is not call or not runs_once(self.plan, call, run.function):
                self._stop(call, f"`{text(call.func)}` may or may not be given a name")
            if self.trials:
                self.numbers.setdefault(call, set())
            else:
                passed.numbers.add(number(state))
            return state.plus(1) if isinstance(state, Count) else state
        kinds = {self._is_named(call, module) for module in found}
        if kinds == {True}:
            self.record.idle.add(call)
            return state
        if kinds != {False}:
            self._stop(call, f"`{text(call.func)}` may or may not be given a name")
            return None
        self.numbers.setdefault(call, set()).add(number(state))
        return state.plus(1) if isinstance(state, Count) else state

    def _told(self, call: ast.Call) -> str | None:
        """The parameter by which the caller could name a module, and does not."""
        run = self.runs[-1]
        kwarg = run.function.args.kwarg
        if run.call is None or isinstance(run.function, ast.Lambda):
            return None
        for keyword in call.keywords:
            value = keyword.value
            if not isinstance(value, ast.Name) or _loads(run.function, value.id) != 1:
                continue
            given = {k.arg for k in run.call.keywords}
            if keyword.arg == "name" and value.id not in given and run.named.get(value.id) is False:
                names = [a.arg for a in all_arguments(run.function.args)]
                index = names.index(value.id) - (
                    self.plan.flow.code[run.function].owner is not None
                )
                return value.id if len(run.call.args) <= index else None
            splat = keyword.arg is None and kwarg is not None and kwarg.arg == value.id
            if splat and run.named.get("**") is False:
                return "name"
        return None

    def _is_named(self, call: ast.Call, module: Module) -> bool | None:
        """Whether a module is given a name; None where that is open."""
        for keyword in call.keywords:
            if keyword.arg == "name":
                given = self._is_name(keyword.value)
                constant = isinstance(keyword.value, ast.Constant)
                return given if given or constant else None
            if keyword.arg is None:
                if self._is_own_splat(keyword.value) and self.runs[-1].named.get("**"):
                    return True
                keys = splat_keys(self.plan, keyword.value)
                if keys is None or "name" in keys:
                    return None
        if not module.named:
            return False
        origin: ast.Call | None = module.origin
        while origin is not None:
            for keyword in origin.keywords:
                if keyword.arg == "name":
                    return True if self._is_name(keyword.value) else None
            func = origin.func.value if isinstance(origin.func, ast.Attribute) else origin.func
            bound = modules(self.plan.flow.values.get(func, _NOTHING))
            origin = bound[0].origin if len(bound) == 1 else None
        return None

    def _is_own_splat(self, node: ast.expr) -> bool:
        kwarg = self.runs[-1].function.args.kwarg
        return isinstance(node, ast.Name) and kwarg is not None and node.id == kwarg.arg

    def _is_name(self, node: ast.expr) -> bool | None:
        """Whether an expression gives a name: True, None for open, False for `None`."""
        match node:
            case ast.Constant(value=constant):
                return isinstance(constant, str)
            case ast.JoinedStr():
                return True
            case ast.BinOp(left=ast.Constant(value=str()) | ast.JoinedStr()):
                return True
            case ast.BinOp(right=ast.Constant(value=str()) | ast.JoinedStr()):
                return True
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()))):
                return True
            case ast.Name(id=name) if name in self.runs[-1].named:
                return self.runs[-1].named[name]
        value = self.plan.flow.values.get(node, _NOTHING)
        kinds = {a.type for a in value if isinstance(a, Static)}
        plain = all(isinstance(a, Static | Parameter) for a in value)
        return True if plain and kinds == {"str"} else None

    def _check_handed(self, call: ast.Call, callee: Value) -> None:
        """Functions that make submodules must not run where nobody sees it."""
        foreign = [a for a in callee if isinstance(a, External | Transformed)]
        unknown = not callee or all(isinstance(a, Parameter) for a in callee)
        if not unknown and not _calls_back(foreign):
            return
        for argument in in_order(call):
            for atom in self.plan.flow.values.get(argument, _NOTHING):
                if isinstance(atom, Module) and not atom.shared and not atom.named:
                    self._stop(call, f"`{text(call.func)}` is handed a module class")
                inner = code_of(self.plan.flow, atom)
                if inner is not None and self._is_active(inner):
                    self._stop(call, f"`{text(call.func)}` runs code that makes submodules", inner)
        direct = isinstance(call.func, ast.Name | ast.Subscript | ast.Call)
        lost = direct or self._may_take(call.func)
        if unknown and lost:
            self.record.doubts[call] = f"`{text(call.func)}` is not known: it may make submodules"

    def _may_take(self, node: ast.expr) -> bool:
        """Whether an attribute of something unknown may be a function that takes numbers."""
        if not isinstance(node, ast.Attribute):
            return False
        return any(
            isinstance(function, ast.FunctionDef)
            and function.name == node.attr
            and self._is_active(function)
            for function in self.plan.flow.code
        )

    def _functions(self, call: ast.Call, callee: Value) -> list[FunctionNode]:
        """The functions of the project that a call may run in this frame."""
        if isinstance(call.func, ast.Attribute) and self._is_self(call.func.value):
            assert self.owner is not None or not callee
            found = self._method(call.func.attr)
            return [found] if found is not None else []
        nodes = [code_of(self.plan.flow, atom) for atom in callee]
        return [node for node in dict.fromkeys(nodes) if node is not None]

    def _method(self, name: str) -> ast.FunctionDef | None:
        if self.owner is None:
            return None
        found = self.plan.flow.hierarchy.find(self.owner, name)
        return found[1] if found is not None else None

    def _is_active(self, function: FunctionNode) -> bool:
        """Whether a function takes numbers, itself or through others."""
        if function in self._active:
            return self._active[function]
        self._active[function] = False  # while it is being looked at
        result = False
        for node in own_nodes(function):
            if not isinstance(node, ast.Call):
                continue
            callee = self.plan.flow.values.get(node.func, _NOTHING)
            if takes(self.plan, node) or any(map(self._is_active, self._functions(node, callee))):
                result = True
                break
        self._active[function] = result
        return result

    def _enter(self, function: FunctionNode, call: ast.Call, state: State) -> State:
        """Runs a function of the project that takes numbers."""
        if any(run.function is function for run in self.runs):
            self._stop(call, f"`{text(call.func)}` calls itself")
            return None
        if is_special(self.plan, function):
            self._stop(call, f"`{text(call.func)}` is decorated, or runs later", function)
            return None
        self.record.callers.setdefault(function, set()).add(call)
        maker = self._sole_maker(function)
        if maker is not None and not self.trials and not isinstance(state, Unreachable):
            tellable = self.record.tellable.setdefault(call, Passed("name", maker))
            tellable.numbers.add(state)
        if isinstance(state, Count) and not state.is_constant:
            # The variables of the loop are not known over there.
            delta = self._inside(function, call, Count(), record=False)
            self._inside(function, call, None)
            return state.plus(delta.constant) if isinstance(delta, Count) else None
        if state is None:
            self._inside(function, call, None)
            return None
        return self._inside(function, call, state)

    def _sole_maker(self, function: FunctionNode) -> ast.Call | None:
        """The one call in a function that takes a number, if it always does and no other."""
        if isinstance(function, ast.Lambda):
            return None
        arguments = function.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            return None
        if "name" in {a.arg for a in all_arguments(arguments)}:
            return None
        found = []
        for node in own_nodes(function):
            if not isinstance(node, ast.Call):
                continue
            callee = self.plan.flow.values.get(node.func, _NOTHING)
            if takes(self.plan, node):
                found.append(node)
            elif any(map(self._is_active, self._functions(node, callee))):
                return None
        if len(found) != 1 or any(k.arg in {"name", None} for k in found[0].keywords):
            return None
        return found[0] if runs_once(self.plan, found[0], function) else None

    def _inside(
        self, function: FunctionNode, call: ast.Call, state: State, *, record: bool = True
    ) -> State:
        kept = self.numbers
        if not record:
            self.numbers, self.trials = {}, self.trials + 1
        run = Run(function, call, self._named_arguments(function, call))
        self.runs.append(run)
        if isinstance(function, ast.Lambda):
            end = self.expression(function.body, state)
        else:
            end = self.block(function.body, state)
        self.runs.pop()
        self.numbers = kept
        self.trials -= not record
        end = met(end, *run.ends)
        if isinstance(end, Count) and not end.is_constant:
            return None  # its expressions mean nothing outside
        return end

    def _named_arguments(self, function: FunctionNode, call: ast.Call) -> dict[str, bool | None]:
        """For every parameter, whether this call gives it a string: a name."""
        arguments = function.args
        names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        code = self.plan.flow.code[function]
        if code.owner is not None and self.plan.flow.receiver(code) != "static":
            names = names[1:]
        if any(isinstance(a, ast.Starred) for a in call.args):
            return {}
        if any(k.arg is None for k in call.keywords):
            return {}
        stored = {
            n.id for n in walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        given: dict[str, ast.expr] = defaults_by_name(arguments)
        given |= dict(zip(names, call.args, strict=False))
        given |= {k.arg: k.value for k in call.keywords if k.arg is not None}
        named = {name: self._is_name(value) for name, value in given.items() if name not in stored}
        own = {a.arg for a in all_arguments(arguments)}
        named["**"] = self._is_name(given["name"]) if "name" in given.keys() - own else False
        return named

    def _is_self(self, node: ast.expr) -> bool:
        return any(isinstance(a, Self) for a in self.plan.flow.values.get(node, _NOTHING))

    def _stop(self, node: ast.AST, why: str, *functions: FunctionNode) -> None:
        """Notes an obstacle, and what may run behind it."""
        self.record.obstacles.setdefault(node, why)
        pending = [*functions]
        while pending:
            function = pending.pop()
            if function in self.record.touched or not self._is_active(function):
                continue
            self.record.touched.add(function)
            for call in own_nodes(function):
                if isinstance(call, ast.Call):
                    callee = self.plan.flow.values.get(call.func, _NOTHING)
                    pending += self._functions(call, callee)


def _calls_back(foreign: Sequence[Atom]) -> bool:
    return any(not isinstance(a, External) or a.path not in INERT for a in foreign)


def _loads(function: FunctionNode, name: str) -> int:
    """How often a function reads a variable."""
    names = [n for n in walk(function) if isinstance(n, ast.Name) and n.id == name]
    return sum(isinstance(n.ctx, ast.Load) for n in names)
