"""Which arguments of `apply` are inputs, and which are hyper-parameters."""

from __future__ import annotations

import ast
import enum
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from linenify.facts.ask.supercalls import left_to_defaults
from linenify.facts.flow.annotations import is_dtype, spelling, type_of
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import (
    Array,
    Container,
    External,
    Function,
    Legacy,
    Model,
    Module,
    Parameter,
    Static,
    Value,
)
from linenify.facts.flow.machine import Actual
from linenify.facts.flow.origins import Slot
from linenify.facts.legacy.externals import MUST_BE_CONFIGURED
from linenify.project.lineends import lines_of
from linenify.project.scopes import FunctionNode, all_arguments, defaults_by_name

# Evidence is weighed from strong to weak: what a value is where it is passed,
# what its default says, what the body does with it, what it flows into.

_CONFIGURED = "configured"
_COMMENT = re.compile(r"#\s*linenify:\s*(input|field)\b")
_ARRAY_TYPES = ("ndarray", "Array", "PRNGKey", "Tensor", "DeviceArray")
_PLAIN_TYPES = frozenset({"int", "float", "bool", "str", "Callable", "Sequence", "Dtype", "dtype"})


class Role(enum.StrEnum):
    """The two kinds of `apply` argument."""

    INPUT = "input"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one argument becomes, and why."""

    name: str
    role: Role
    why: str
    type: str  # inferred annotation
    default: ast.expr | None
    annotation: ast.expr | None
    is_cache: bool = False
    module: bool = False  # a module class or a shared instance is passed


class Decisions:
    """Roles of the arguments of every module method of the project."""

    def __init__(self, flow: Interpreter, overrides: Mapping[str, str]) -> None:
        self.flow = flow
        self.overrides = overrides
        self.actuals: dict[tuple[FunctionNode, str], list[Actual]] = defaultdict(list)
        for actual in flow.actuals.values():
            module = actual.callee.module if isinstance(actual.callee, Model) else actual.callee
            if isinstance(actual.callee, Model) and actual.callee.method != "apply":
                module = _method(module, actual.callee.method)
            function = flow.function_of(module)
            if function is not None:
                self.actuals[function, actual.parameter].append(actual)
        self._left = left_to_defaults(flow)
        self._given: dict[Slot, set[Slot]] = defaultdict(set)  # by what is handed on whole
        for slot, passed in self.actuals.items():
            for actual in passed:
                for atom in flow.origins.of(actual.value):
                    if not atom.mixed and not atom.part:
                        self._given[atom.function, atom.name].add(slot)
        self.of: dict[FunctionNode, dict[str, Decision]] = {}
        functions = [code.node for code in flow.code.values() if self._is_module_code(code.node)]
        undecided = {(function, name) for function in functions for name in self._names(function)}
        self._decide(functions, undecided)

    def __getitem__(self, function: FunctionNode) -> dict[str, Decision]:
        return self.of[function]

    def _is_module_code(self, node: FunctionNode) -> bool:
        flow = self.flow
        decorators = flow.decorators.get(node, frozenset())
        if any(isinstance(a, External) and a.path == "flax.nn.module" for a in decorators):
            return True
        owner = flow.code[node].owner
        if owner is None or not flow.hierarchy.is_module(owner.node):
            return False
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        return node.name == "apply" or flow.hierarchy.is_module_method(owner.node, node.name)

    def _names(self, node: FunctionNode) -> list[str]:
        names = [a.arg for a in all_arguments(node.args)]
        if self.flow.code[node].owner is not None:
            names = names[1:]
        special = {a.arg for a in (node.args.vararg, node.args.kwarg) if a is not None}
        return [name for name in names if name not in special]

    # --- the decision ----------------------------------------------------------------------

    def _decide(
        self, functions: list[FunctionNode], undecided: set[tuple[FunctionNode, str]]
    ) -> None:
        roles: dict[tuple[FunctionNode, str], tuple[Role, str]] = {}
        self.caches = self._caches(undecided)
        for key in sorted(undecided, key=lambda k: (k[0].lineno, k[0].col_offset, k[1])):
            decided = self._direct(*key)
            if decided is not None:
                roles[key] = decided
        # What flows from a decided parameter into an undecided one decides it, and back.
        for _ in range(20):
            fresh = {}
            for key in undecided - roles.keys():
                found = self._by_flow(key, roles)
                if found is not None:
                    fresh[key] = found
            if not fresh:
                break
            roles.update(fresh)
        self._agree(functions, roles)
        for function in functions:
            table: dict[str, Decision] = {}
            names = self._names(function)
            for name in names:
                role = roles.get((function, name)) or self._fallback(function, name, names, roles)
                table[name] = self._decision(function, name, *role)
            self.of[function] = table

    def _agree(
        self,
        functions: list[FunctionNode],
        roles: dict[tuple[FunctionNode, str], tuple[Role, str]],
    ) -> None:
        """Methods of one class take an argument of one name in one way."""
        by_class: dict[tuple[ast.ClassDef, str], list[FunctionNode]] = defaultdict(list)
        for function in functions:
            owner = self.flow.code[function].owner
            if owner is not None:
                for name in self._names(function):
                    by_class[owner.node, name].append(function)
        for (_, name), group in by_class.items():
            votes = [roles[f, name] for f in group if (f, name) in roles]
            said = [vote for vote in votes if vote[1] == _CONFIGURED]
            if said:
                roles.update(((f, name), said[0]) for f in group)
                continue
            differs = _defaults_differ([f for f in group if self._reads(f, name)], name)
            if len(group) < 2 or not (votes or differs):
                continue
            handle = [v for v in votes if v[1].startswith("a ")]
            if differs and not handle:
                votes = [(Role.INPUT, "methods give it different defaults")]
            inputs = [v for v in votes if v[0] is Role.INPUT]
            chosen = (handle or inputs or votes)[0]
            for function in group:
                roles[function, name] = chosen

    def _override(self, function: FunctionNode, name: str) -> str | None:
        """What configuration or a comment behind the parameter says."""
        qualname = self.qualname(function)
        for spelt in (f"{qualname}.{name}", f"{qualname.partition(':')[2]}.{name}"):
            if spelt in self.overrides:
                return self.overrides[spelt]
        parameter = next((a for a in all_arguments(function.args) if a.arg == name), None)
        if parameter is None:
            return None
        line = parameter.end_lineno or parameter.lineno
        behind = (a for a in all_arguments(function.args) if a.lineno == line)
        if any(a.col_offset > parameter.col_offset for a in behind):
            return None  # the comment stands behind another one
        said = _COMMENT.search(lines_of(self.flow.code[function].source.text)[line - 1])
        return said[1] if said else None

    def _caches(self, keys: set[tuple[FunctionNode, str]]) -> set[tuple[FunctionNode, str]]:
        """Arguments that carry a legacy cache, by what they are and what they flow into."""
        found = {
            key
            for key in keys
            if ("collection", "whole") in self.flow.evidence.get(key, set())
            or any(
                _has(a.value, Legacy) and not _has(a.value, Array)
                for a in self.actuals.get(key, [])
            )
        }
        while True:
            fresh = set()
            for key in keys:
                for actual in self.actuals.get(key, []):
                    for atom in self.flow.origins.of(actual.value):
                        if not atom.mixed and not atom.part:
                            source = (atom.function, atom.name)
                            if source in found:
                                fresh.add(key)
                            elif key in found and source in keys:
                                fresh.add(source)
            if fresh <= found:
                return found
            found |= fresh

    def _direct(self, function: FunctionNode, name: str) -> tuple[Role, str] | None:
        override = self._override(function, name)
        if override is not None:
            return Role(override), _CONFIGURED
        actuals = self.actuals.get((function, name), [])
        evidence = self.flow.evidence.get((function, name), set())
        default = defaults_by_name(function.args).get(name)
        annotation = self._annotation(function, name)
        spelt = spelling(annotation)
        if (function, name) in self.caches:
            return Role.FIELD, "a legacy handle is passed"
        if any(a.how == "super" and not self._hands_on(a, name) for a in actuals):
            return Role.INPUT, "a subclass passes another value"
        if (function, name) in self._left:
            return Role.INPUT, "a subclass leaves it to the default"
        if any(_has_module(a.value) for a in actuals) or self._default_is_module(function, name):
            return Role.FIELD, "a module is passed"
        runs = [a.callee for a in actuals if a.how == "instance"]
        by_class = all(isinstance(callee, Module) and not callee.shared for callee in runs)
        if by_class and default is not None and self._is_sentinel(default):
            return Role.FIELD, "a configuration gives it"
        as_array = ("array", "whole") in evidence and ("initializer", "whole") not in evidence
        if as_array and not _constant(default):
            return Role.INPUT, "used as an array"
        if runs:
            return Role.INPUT, "passed per call on one instance"
        if any(kind in spelt for kind in _ARRAY_TYPES):
            return Role.INPUT, "annotated as an array"
        passed = [a for a in actuals if a.how != "splat" and _has(a.value, Array)]
        if passed and not _constant(default):
            return Role.INPUT, "an array is passed"
        if _is_float(default) and any(_is_array(a.value) for a in passed):
            return Role.INPUT, "an array is passed"
        if spelt and (spelt & _PLAIN_TYPES):
            return Role.FIELD, "annotated as a plain value"
        if {("static", "whole"), ("initializer", "whole"), ("flag", "whole")} & evidence:
            return Role.FIELD, "decides structure"
        if {("static", "mixed"), ("static", "part")} & evidence and not (
            {("array", "part")} & evidence
        ):
            return Role.FIELD, "decides structure"
        if any(a.how == "bind" for a in actuals):
            return Role.FIELD, "bound by partial"
        if default is not None and _constant(default):
            return Role.FIELD, "has a plain default"
        if ("test", "whole") in evidence and not {("array", "part"), ("array", "mixed")} & evidence:
            return Role.FIELD, "is tested"
        if ("array", "part") in evidence:
            return Role.INPUT, "its parts are used as arrays"
        if ("callable", "whole") in evidence:
            return Role.FIELD, "is called"
        if ("sliced", "whole") in evidence and default is None:
            return Role.INPUT, "is sliced"
        if any(_has(a.value, Array) for a in actuals):
            return Role.INPUT, "a splat may pass an array"
        telling = [a for a in actuals if not _nothing(a.value)]
        if any(self._holds_arrays(a.value, set()) for a in telling):
            return Role.INPUT, "arrays are passed inside of it"
        if telling and all(_plain(a.value) for a in telling):
            return Role.FIELD, "plain values are passed"
        return None

    def _holds_arrays(self, value: Value, seen: set[ast.AST]) -> bool:
        """Whether a container has arrays in it, or other containers that do."""
        inside = {a.node for a in value if isinstance(a, Container)} - seen
        seen |= inside
        items = [item for node in inside for _, item in self.flow.held(node)]
        return any(_has(item, Array) or self._holds_arrays(item, seen) for item in items)

    def _is_sentinel(self, default: ast.expr) -> bool:
        """Whether a default says that a configuration has to give the argument."""
        value = self.flow.values.get(default, frozenset())
        return any(isinstance(a, External) and a.path in MUST_BE_CONFIGURED for a in value)

    def _hands_on(self, actual: Actual, name: str) -> bool:
        """Whether a call passes on the parameter of the same name, just as it was given."""
        callee = actual.callee.module if isinstance(actual.callee, Model) else actual.callee
        positional = takewhile(lambda a: not isinstance(a, ast.Starred), actual.node.args)
        given: dict[str | None, ast.expr] = {k.arg: k.value for k in actual.node.keywords}
        given |= zip(self.flow.positional_names(callee), positional, strict=False)
        node = given.get(name)
        if node is not None and not (isinstance(node, ast.Name) and node.id == name):
            return False
        return any(
            (a.name, a.mixed, a.part) == (name, False, "")
            and not (node is not None and self._is_rebound(a))
            for a in self.flow.origins.of(actual.value)
        )

    def _is_rebound(self, parameter: Parameter) -> bool:
        """Whether a function gives its parameter another value on the way."""
        mentions = self._mentions(parameter.function, parameter.name)
        return any(not isinstance(mention.ctx, ast.Load) for mention in mentions)

    def _reads(self, function: FunctionNode, name: str) -> bool:
        """Whether a function does anything with a parameter but delete it."""
        return any(isinstance(m.ctx, ast.Load) for m in self._mentions(function, name))

    def _mentions(self, function: FunctionNode, name: str) -> list[ast.Name]:
        home = self.flow.code[function].scope
        return [
            mention
            for mention, scope in self.flow.scopes[home.source.name].mentions
            if isinstance(mention, ast.Name)
            and mention.id == name
            and scope.lookup(mention.id) is home
        ]

    def _by_flow(
        self,
        key: tuple[FunctionNode, str],
        roles: Mapping[tuple[FunctionNode, str], tuple[Role, str]],
    ) -> tuple[Role, str] | None:
        found: set[Role] = set()
        for actual in self.actuals.get(key, []):
            for atom in self.flow.origins.of(actual.value):
                source = roles.get((atom.function, atom.name))
                if source is not None and not atom.mixed:
                    found.add(source[0])
        found |= {roles[other][0] for other in self._given.get(key, ()) if other in roles}
        if Role.INPUT in found:
            return Role.INPUT, "flows with an input"
        if Role.FIELD in found:
            return Role.FIELD, "flows with a hyper-parameter"
        return None

    def _fallback(
        self,
        function: FunctionNode,
        name: str,
        names: list[str],
        roles: Mapping[tuple[FunctionNode, str], tuple[Role, str]],
    ) -> tuple[Role, str]:
        evidence = self.flow.evidence.get((function, name), set())
        default = defaults_by_name(function.args).get(name)
        if default is None:
            if {("operand", "whole"), ("array", "mixed"), ("passed", "whole")} & evidence:
                return Role.INPUT, "computed with arrays"
            before = names[: names.index(name)]
            if all(
                roles.get((function, other), (Role.INPUT, ""))[0] is Role.INPUT for other in before
            ):
                return Role.INPUT, "stands among the inputs"
            return Role.FIELD, "stands after the inputs"
        if {("operand", "whole"), ("sliced", "whole"), ("array", "mixed")} & evidence:
            return Role.INPUT, "an optional array"
        return Role.FIELD, "nothing says that it is an array"

    # --- what is known about one parameter ------------------------------------------------

    def _decision(self, function: FunctionNode, name: str, role: Role, why: str) -> Decision:
        default = defaults_by_name(function.args).get(name)
        actuals = self.actuals.get((function, name), [])
        return Decision(
            name=name,
            role=role,
            why=why,
            type=self._type(function, name, default),
            default=default,
            annotation=self._annotation(function, name),
            is_cache=(function, name) in self.caches,
            module=any(_has_module(a.value) for a in actuals)
            or self._default_is_module(function, name),
        )

    def _type(self, function: FunctionNode, name: str, default: ast.expr | None) -> str:
        hints = self.flow.hints.get((function, name), set())
        evidence = self.flow.evidence.get((function, name), set())
        if isinstance(default, ast.Dict) or _is_none(default):
            return "Any"
        known = type_of(default)
        if known is not None:
            if known == "int" and "float" in hints:
                return "float"
            return known
        if default is not None and self._default_is_callable(default):
            return "Callable"
        if self._takes_instances(function, name):
            return "Any"
        plain = {hint.split("[")[0] for hint in hints}
        if len(plain) == 1:
            hint = next(iter(sorted(hints)))
            if hint.startswith("Callable"):
                return "Callable"
            if hint in {"int", "float", "bool", "str", "Sequence[int]"}:
                return hint
        if hints == {"int", "Sequence[int]"}:
            return "Any"
        if not hints and ("callable", "whole") in evidence and default is None:
            return "Callable"
        return self._type_passed(function, name) if not hints and default is None else "Any"

    def _type_passed(self, function: FunctionNode, name: str) -> str:
        """The one type of plain value that all callers pass."""
        passed: set[str] = set()
        for actual in self.actuals.get((function, name), []):
            for atom in actual.value:
                if not isinstance(atom, Parameter):
                    passed.add(atom.type if isinstance(atom, Static) else "Any")
        found = passed.pop() if len(passed) == 1 else "Any"
        return found if found in {"int", "bool", "str"} else "Any"

    def _takes_instances(self, function: FunctionNode, name: str) -> bool:
        return any(
            isinstance(atom, Module) and atom.shared
            for actual in self.actuals.get((function, name), [])
            for atom in actual.value
        )

    def _default_is_callable(self, default: ast.expr) -> bool:
        value = self.flow.values.get(default, frozenset())
        for atom in value:
            match atom:
                case External(path=path):
                    tail = path.rpartition(".")[2]
                    return not tail[:1].isupper() and not is_dtype(path)
                case Function() | Module() | Static(type="initializer"):
                    return True
        return False

    def _default_is_module(self, function: FunctionNode, name: str) -> bool:
        default = defaults_by_name(function.args).get(name)
        return default is not None and _has_module(self.flow.values.get(default, frozenset()))

    def _annotation(self, function: FunctionNode, name: str) -> ast.expr | None:
        return next((a.annotation for a in all_arguments(function.args) if a.arg == name), None)

    def qualname(self, function: FunctionNode) -> str:
        """How configuration names a method: `pkg.file:Class.apply`."""
        code = self.flow.code[function]
        return f"{code.source.name}:{code.scope.qualname}"


def _method(module: Module, method: str) -> Module:
    from dataclasses import replace

    return replace(module, method=method)


def _has(value: Value, kind: type) -> bool:
    return any(isinstance(atom, kind) for atom in value)


def _defaults_differ(functions: list[FunctionNode], name: str) -> bool:
    """Whether methods give an argument of one name different defaults."""
    found = (defaults_by_name(function.args).get(name) for function in functions)
    return len({ast.dump(default) for default in found if default is not None}) > 1


def _has_module(value: Value) -> bool:
    return _has(value, Module)


def _nothing(value: Value) -> bool:
    """Whether a value is just None, which stands for an array as well as for anything else."""
    return bool(value) and all(isinstance(a, Static) and a.type == "None" for a in value)


def _plain(value: Value) -> bool:
    return bool(value) and all(
        isinstance(a, Static | External | Function | Container) for a in value
    )


def _is_float(default: ast.expr | None) -> bool:
    return isinstance(default, ast.Constant) and isinstance(default.value, float)


def _is_array(value: Value) -> bool:
    """Whether a value is an array, or the number that one starts from."""
    plain = [a for a in value if not isinstance(a, Array | Parameter)]
    return _has(value, Array) and all(
        isinstance(a, Static) and a.type in {"float", "int"} for a in plain
    )


def _constant(node: ast.expr | None) -> bool:
    """Whether a default is a plain constant other than None."""
    match node:
        case None | ast.Constant(value=None):
            return False
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=operand):
            return _constant(operand)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return all(_constant(e) or isinstance(e, ast.Constant) for e in elements)
        case ast.Dict() | ast.Set() | ast.Lambda() | ast.Name() | ast.Attribute() | ast.Call():
            return True
        case ast.BinOp(left=left, right=right):
            return _constant(left) and _constant(right)
    return False


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
