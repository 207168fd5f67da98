"""Variables whose old name would lie: a `model` that holds params, and the like."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator

from linenify.facts.deciding.placing import in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Api,
    Class,
    External,
    Function,
    Instance,
    Super,
    SuperMethod,
    Value,
)
from linenify.facts.sites import Renamed, StatementSite
from linenify.project.nodes import walk
from linenify.project.scopes import Scope
from linenify.project.source import Source, Span

RULE = "LN613"
Mention = tuple[Source, ast.Name | ast.arg]


class Renames:
    """New names of variables, by the scope that binds them; decided once, then only read."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._names: dict[tuple[Scope, str], str] = {}
        self._mentions: dict[tuple[Scope, str], list[Mention]] = defaultdict(list)
        self._words: dict[Source, list[tuple[ast.AST, str]]] = {}
        self._aliases: dict[tuple[Scope, str], ast.Assign] = {}
        self._seen: dict[ast.AST, Scope] = {}  # where a name is mentioned, comprehensions too
        for source in plan.project.sources:
            for node, scope in plan.flow.scopes[source.name].mentions:
                name = node.id if isinstance(node, ast.Name) else node.arg
                home = scope.lookup(name)
                if home is not None:
                    self._mentions[home, name].append((source, node))
                    self._seen[node] = scope

    def decide(self, wanted: Callable[[Value], tuple[tuple[str, ...], str] | None]) -> None:
        """Renames every variable for which `wanted` gives what its name says and should say.

        `(("model",), "params")`: `target_model` becomes `target_params`.
        """
        every = sorted(
            self._plan.flow.env.items(), key=lambda entry: (entry[0][0].qualname, entry[0][1])
        )
        lying = [(key, words) for key, value in every if (words := wanted(value)) is not None]
        lying = [(key, words) for key, words in lying if self._may_change(*key)]
        for (scope, name), (_, new_word) in lying:
            found = self._other_name(scope, name) if new_word == "params" else None
            if found is not None:
                self._names[scope, name] = found[1]
                self._aliases[scope, name] = found[0]
        for (scope, name), words in lying:
            if (scope, name) in self._aliases:
                continue
            new = self._free(scope, name, *words)
            if new is not None:
                self._names[scope, name] = new

    def emit(self) -> None:
        """Puts a site wherever a renamed variable is mentioned."""
        for statement in self._aliases.values():
            home = self._plan.source(statement)
            self._plan.files[home.name].statements[statement.lineno] = StatementSite(RULE)
        for key, new in self._names.items():
            for source, node in self._mentions[key]:
                span = self._span(source, node)
                table = self._plan.files[source.name].expressions
                table.setdefault(("Name", span), Renamed(new, RULE))

    def name(self, scope: Scope, name: str) -> str:
        """What the variable `name` is called in the end."""
        return self._names.get((scope, name), name)

    def seen(self, scope: Scope, name: str) -> str:
        """What the variable that `name` means in `scope` is called in the end."""
        home = scope.lookup(name)
        return self.name(home, name) if home is not None else name

    # --- whether -----------------------------------------------------------------------

    def _may_change(self, scope: Scope, name: str) -> bool:
        if not name.strip("_") or scope.kind == "class":
            return False
        if scope.kind == "module" and self._is_imported(scope, name):
            return False
        mentions = self._mentions[scope, name]
        bound = [n for _, n in mentions if isinstance(n, ast.arg) or isinstance(n.ctx, ast.Store)]
        if not bound or any(self._plan.in_text(node) is not None for _, node in mentions):
            return False
        if any(
            self._plan.site_at(s, n) is not None for s, n in mentions if isinstance(n, ast.Name)
        ):
            return False
        for node in walk(scope.node):
            match node:
                case ast.Global(names=names) | ast.Nonlocal(names=names) if name in names:
                    return False
                case ast.ExceptHandler(name=other) | ast.MatchAs(name=other) if other == name:
                    return False
                case (
                    ast.FunctionDef(name=other) | ast.ClassDef(name=other) | ast.alias(asname=other)
                ) if other == name and node is not scope.node:
                    return False
                case ast.Call(func=ast.Name(id="locals" | "vars")):
                    return False
        if any(isinstance(node, ast.arg) for _, node in mentions):
            return not self._given_by_name(scope, name)
        return True

    def _is_imported(self, scope: Scope, name: str) -> bool:
        """Whether another file may reach a global."""
        if len(self._plan.project.sources) > 1:
            return True
        for node in walk(scope.source.tree):
            match node:
                case ast.Constant(value=other) | ast.Attribute(attr=other) if other == name:
                    return True
                case ast.Name(id="globals" | "eval" | "exec" | "vars"):
                    return True
        return False

    def _given_by_name(self, scope: Scope, name: str) -> bool:
        """Whether a caller may pass a parameter by its name."""
        function = scope.node
        for call in self._plan.flow.where:
            assert isinstance(call, ast.Call)
            named = any(k.arg is None or k.arg == name for k in call.keywords)
            named |= any(
                isinstance(k.value, ast.Constant | ast.Tuple | ast.List)
                and any(isinstance(c, ast.Constant) and c.value == name for c in walk(k.value))
                for k in call.keywords
            )
            if not named:
                continue
            callee = self._plan.flow.values.get(call.func, frozenset())
            spelt = any(k.arg == name for k in call.keywords)
            if spelt and (
                not callee or any(isinstance(a, Super | SuperMethod | Api) for a in callee)
            ):
                return True  # whoever it is
            for value in (call.func, *call.args):
                atoms = self._plan.flow.values.get(value, frozenset())
                if any(self._runs(_innermost(a)) is function for a in atoms):
                    return True
        if isinstance(function, ast.FunctionDef):
            return any(
                isinstance(c, ast.Constant) and c.value == name
                for decorator in function.decorator_list
                for c in walk(decorator)
            )
        return False

    def _runs(self, atom: object) -> object:
        """The function that a call of an atom runs."""
        runs: dict[type, str] = {Class: "__init__", Instance: "__call__"}
        name = runs.get(type(atom))
        node = getattr(atom, "node", None)
        if name is None or not isinstance(node, ast.ClassDef):
            return node
        found = self._plan.flow.hierarchy.find(node, name)
        return found[1] if found is not None else None

    # --- what has a name already -------------------------------------------------------

    def _other_name(self, scope: Scope, name: str) -> tuple[ast.Assign, str] | None:
        """The params of a Model may have a variable: with it, another is not needed.

        params = net.init(key, x)        params = net.init(key, x)
        model = nn.Model(net, params)    # and `params` for `model` from here on
        """
        statement = self._only_store(scope, name)
        match statement:
            case ast.Assign(
                targets=[ast.Name()], value=ast.Call(func=func, args=[_, ast.Name(id=given)])
            ):
                pass
            case _:
                return None
        if self._plan.flow.values.get(func) != frozenset({External("flax.nn.Model")}):
            return None
        first = self._only_store(scope, given)
        if first is None or not in_block(self._plan, statement):
            return None
        if isinstance(first, ast.stmt) and not self._same_block(first, statement):
            return None
        for source, node in self._mentions[scope, name]:
            if source is not scope.source or self._seen[node].lookup(given) is not scope:
                return None
        return statement, given

    def _same_block(self, first: ast.stmt, second: ast.stmt) -> bool:
        """Whether two statements run one after the other, be the first in a context."""
        parent = self._plan.parents[first]
        while isinstance(parent, ast.With):
            parent = self._plan.parents[parent]
        return parent is self._plan.parents[second] and first.lineno < second.lineno

    def _only_store(self, scope: Scope, name: str) -> ast.stmt | ast.arg | None:
        """The one place that binds a variable: a statement that assigns, or a parameter."""
        bound = [
            node
            for _, node in self._mentions[scope, name]
            if isinstance(node, ast.arg) or not isinstance(node.ctx, ast.Load)
        ]
        if len(bound) != 1:
            return None
        (node,) = bound
        if isinstance(node, ast.arg):
            return node
        statement = self._plan.statement(node)
        plain = isinstance(node.ctx, ast.Store) and isinstance(statement, ast.Assign)
        return statement if plain else None

    # --- which name --------------------------------------------------------------------

    def _free(self, scope: Scope, name: str, says: tuple[str, ...], new: str) -> str | None:
        for candidate in _candidates(name, says, new):
            if not self._is_taken(scope, candidate):
                return candidate
        return None

    def _is_taken(self, scope: Scope, name: str) -> bool:
        """Whether `name` means something where the variable is seen, or would capture."""
        source = scope.source
        if source not in self._words:
            self._words[source] = [*_words(source.tree)]
        inside = set(walk(scope.node))
        if any(
            self._names[key] == name and any(node in inside for _, node in self._mentions[key])
            for key in self._aliases
        ):
            return True
        if any(word == name for node, word in self._words[source] if node in inside):
            return True
        return any(
            new == name
            and key not in self._aliases
            and (
                key[0] is scope or key[0] in [*scope.ancestors()] or scope in [*key[0].ancestors()]
            )
            for key, new in self._names.items()
        )

    def _span(self, source: Source, node: ast.Name | ast.arg) -> Span:
        span = self._plan.span(source, node)
        if isinstance(node, ast.Name):
            return span
        return Span(span.line, span.column, span.line, span.column + len(node.arg))


def _innermost(atom: object) -> object:
    while hasattr(atom, "function") and not isinstance(atom, Function):
        atom = atom.function
    return atom


def _candidates(name: str, says: tuple[str, ...], new: str) -> Iterator[str]:
    """New names, best first: `target_model` is `target_params`, `net` is `net_params`."""
    parts = name.split("_")
    if any(part in says for part in parts):
        candidate = "_".join(_said_once([new if part in says else part for part in parts], new))
        if candidate != name:
            yield candidate
        if name not in says:
            return
    ending = next((old for old in says if name.endswith(old) and name != old), None)
    if ending is not None and not any(part in says for part in parts):  # gmodel
        yield f"{name.removesuffix(ending)}_{new}"
    elif (new not in parts and new == "params") or (new not in parts and name not in says):
        yield f"{name}_{new}"


def _said_once(parts: list[str], word: str) -> Iterator[str]:
    """The parts of a name without a word that follows itself: `opt_state`, `state_state`."""
    for before, part in zip([None, *parts], parts, strict=False):
        if part != word or before != word:
            yield part


def _words(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every name that is read or bound in a file, with its node."""
    for node in walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                yield node, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node, name
            case ast.alias(name=name, asname=local):
                yield node, local or name.partition(".")[0]
