"""Decoding caches outside of modules: who makes one, which runs fill it, what it becomes.

A legacy Cache is Linen's `cache` collection.  The run that recorded its shapes
hands out the collection; a run that decodes takes one and gives the next one.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from linenify.facts.ask.arguments import in_module_code, text
from linenify.facts.ask.effects import RUNS
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.flow.kinds import Api, Legacy, Model, Module, ModuleApi, Parameter, Value
from linenify.facts.legacy.externals import CACHE_API
from linenify.facts.sites import ContextSite, ModuleCall, Reshaped, Unclear
from linenify.facts.training.stated import parted
from linenify.project.nodes import walk
from linenify.project.source import Source

CACHE = "cache"  # the collection
_HANDLE = Legacy("Cache")
_LEAVES = frozenset({"tree_leaves", "tree_flatten", "tree_structure", "ravel_pytree"})


@dataclass(frozen=True, slots=True)
class Opened:
    """An item of a `with` statement: `cache.mutate() as new_cache`.

    Attributes:
        owner: what is mutated.
        name: what holds the new cache.
    """

    statement: ast.With
    place: int
    owner: ast.expr
    name: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """How one run decodes.

    Attributes:
        opened: the cache that it changes.
        field: the field of its module that says so.
        cache: the text of the cache that it reads.
        kept: whether anything reads the new cache.
    """

    opened: Opened
    field: str
    cache: str
    kept: bool

    def instance(self, written: str) -> str:
        """The text of a module, with the field set."""
        if written.endswith("()"):
            return f"{written[:-1]}{self.field}=True)"
        if written.endswith(")"):
            return f"{written[:-1]}, {self.field}=True)"
        return f"{written}.clone({self.field}=True)"


@dataclass(frozen=True, slots=True)
class Recording:
    """How an initialising run makes a cache: the field, and the variable if it is read."""

    field: str
    name: str | None


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a run passes as its cache; `opened` is None for the constant None."""

    opened: Opened | None
    field: str
    records: bool  # initialises, so that it only records shapes


class Caches:
    """Every cache that is opened outside of modules, with the runs that take it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._items: dict[ast.With, list[Opened]] = {}
        self._taken: dict[ast.Call, _Taken | Unclear] = {}
        self._runs: dict[Opened, list[ast.Call]] = defaultdict(list)
        for source in plan.project.sources:
            for node in walk(source.tree):
                if isinstance(node, ast.With):
                    found = [*self._opened(node)]
                    if found:
                        self._items[node] = found
        for call in plan.flow.where:
            assert isinstance(call, ast.Call)
            self._associate(call)
        for opened, runs in self._runs.items():
            runs.sort(key=lambda run: (run.lineno, run.col_offset))
            records = {self._records(run) for run in runs}
            why = None
            if len(records) > 1:
                why = "one run records shapes in it, another one decodes with it"
            elif records == {True} and len(runs) > 1:
                why = "several runs record their shapes in it"
            if why is not None:
                for run in runs:
                    self._taken[run] = Unclear("LN490", f"`{opened.name}`: {why}")

    def decodes(self, call: ast.Call) -> bool:
        """Whether a run fills a cache."""
        taken = self._taken.get(call)
        return isinstance(taken, _Taken) and taken.opened is not None and not taken.records

    def opens(self, call: ast.Call) -> bool:
        """Whether a call is `x.mutate()`, or the `Cache()` in it, of a `with` that is known."""
        return any(
            call in (opened.owner, opened.statement.items[opened.place].context_expr)
            for items in self._items.values()
            for opened in items
            if self._concerns(opened)
        )

    def decoding(self, source: Source, call: ast.Call) -> Decoding | None:
        """How a run decodes; None for a run without a cache.

        Raises:
            Unclear: its cache does not come from a `with` in sight.
        """
        taken = self._of(call)
        if taken is None or taken.opened is None:
            return None
        opened = taken.opened
        if taken.records:
            raise Unclear("LN490", f"`{text(call.func)}` records shapes in a cache")
        if self._is_direct(opened):
            return Decoding(opened, taken.field, self._owner(source, opened), self._is_kept(opened))
        return Decoding(opened, taken.field, opened.name, kept=True)

    def recording(self, call: ast.Call) -> Recording | None:
        """How an initialising run records the shapes of a cache; None for one without.

        Raises:
            Unclear: its cache does not come from a `with` in sight.
        """
        taken = self._of(call)
        if taken is None or taken.opened is None:
            return None
        name = taken.opened.name if self._is_kept(taken.opened) else None
        return Recording(taken.field, name)

    def finish(self) -> None:
        """Takes every `with` of a cache away whose runs have all been rewritten."""
        for statement, items in self._items.items():
            source = self._plan.source(statement)
            dropped: list[int] = []
            before: list[str] = []
            for opened in items:
                call = text(statement.items[opened.place].context_expr)
                runs = self._runs.get(opened, [])
                why = None if runs else "no run of a module takes it"
                if any(self._plan.site_at(source, run) is None for run in runs):
                    why = "a run that takes it is flagged"
                if why is not None:
                    if self._concerns(opened):
                        self._plan.refuse(source, statement, "LN490", f"`with {call}`: {why}")
                    continue
                dropped.append(opened.place)
                named = ast.unparse(opened.owner) == opened.name
                if not (named or self._records(runs[0]) or self._is_direct(opened)):
                    before.append("%s = {%d}" % (opened.name, opened.place))
            if dropped:
                site = ContextSite(tuple(dropped), tuple(before), "LN404")
                self._plan.leave(source, statement, site)
        self._flag_leaves()

    def _flag_leaves(self) -> None:
        """Flags what takes the leaves of a cache apart: there are others now."""
        for call, scope in self._plan.flow.where.items():
            assert isinstance(call, ast.Call)
            name = ast.unparse(call.func).rpartition(".")[2]
            values = [self._plan.flow.values.get(node, frozenset()) for node in call.args]
            if name in _LEAVES and any(value == {_HANDLE} for value in values):
                why = f"`{text(call.func)}` lists the leaves of a cache, which are others now"
                self._plan.refuse(scope.source, call, "LN490", why)

    # --- what is there -----------------------------------------------------------------

    def _opened(self, statement: ast.With) -> Iterator[Opened]:
        for place, item in enumerate(statement.items):
            match item.context_expr, item.optional_vars:
                case (
                    ast.Call(func=ast.Attribute(value=owner, attr="mutate"), args=[], keywords=[]),
                    ast.Name(id=name),
                ) if self._may_be_cache(owner):
                    yield Opened(statement, place, owner, name)

    def _is_cache(self, node: ast.expr) -> bool:
        return _HANDLE in self._plan.flow.values.get(node, frozenset())

    def _concerns(self, opened: Opened) -> bool:
        """Whether what is mutated is a cache, as far as anything says so."""
        return bool(
            self._runs.get(opened) or self._is_cache(opened.owner) or self._is_handed_on(opened)
        )

    def _is_handed_on(self, opened: Opened) -> bool:
        """Whether something in a `with` is called with what it binds, in code that has caches."""
        calls = [
            node
            for line in opened.statement.body
            for node in walk(line)
            if isinstance(node, ast.Call)
        ]
        return bool(self._plan.decisions.caches) and any(
            isinstance(given, ast.Name) and given.id == opened.name
            for call in calls
            for given in [*call.args, *(keyword.value for keyword in call.keywords)]
        )

    def _may_be_cache(self, node: ast.expr) -> bool:
        value = self._plan.flow.values.get(node, frozenset())
        return _HANDLE in value or all(isinstance(atom, Parameter) for atom in value)

    def _associate(self, call: ast.Call) -> None:
        """Finds the cache that a run is given."""
        for module, records, skip in self._run(call):
            found = self._argument(call, module, skip)
            if found is None:
                continue
            name, node = found
            self._plan.given_caches.add(node)
            assert not isinstance(module.definition, str)
            field = self._plan.field(module.definition, name)
            if isinstance(node, ast.Constant) and node.value is None:
                self._taken.setdefault(call, _Taken(None, field, records))
                continue
            opened = self._found(call, node)
            if opened is None:
                why = f"the cache `{text(node)}` was not opened by a `with` around this run"
                self._taken[call] = Unclear("LN490", why)
                return
            self._taken[call] = _Taken(opened, field, records)
            if call not in self._runs[opened]:
                self._runs[opened].append(call)

    def _run(self, call: ast.Call) -> Iterator[tuple[Module, bool, int]]:
        """Modules that a call may run, whether it initialises, how many arguments are its own."""
        for atom in self._plan.flow.values.get(call.func, frozenset()):
            match atom:
                case Model(module=module, method=method):
                    yield replace(module, method=method), False, 0
                case ModuleApi(module=module, name=name) if name in RUNS:
                    by_shape = name.endswith("_by_shape")
                    yield module, name != "call", len(call.args) if by_shape else 1

    def _argument(self, call: ast.Call, module: Module, skip: int) -> tuple[str, ast.expr] | None:
        function = self._plan.flow.function_of(module)
        if function is None:
            return None
        # A method that makes no use of it takes the cache of its class all the same.
        owner = self._plan.flow.code[function].owner
        methods = [function, *(owner.methods.values() if owner is not None else ())]
        tables = [self._plan.decisions.of.get(method, {}) for method in methods]
        names = {name for table in tables for name, each in table.items() if each.is_cache}
        for keyword in call.keywords:
            if keyword.arg in names:
                assert keyword.arg is not None
                return keyword.arg, keyword.value
        places = zip(self._plan.flow.positional_names(module), call.args[skip:], strict=False)
        return next(((name, node) for name, node in places if name in names), None)

    def _found(self, call: ast.Call, node: ast.expr) -> Opened | None:
        """The item of a `with` around a run that binds what it is given."""
        inner: ast.AST = call
        for ancestor in self._plan.ancestors(call):
            if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return None
            if isinstance(ancestor, ast.With) and inner not in ancestor.items:
                for opened in self._items.get(ancestor, ()):
                    if isinstance(node, ast.Name) and node.id == opened.name:
                        return opened
            inner = ancestor
        return None

    def _of(self, call: ast.Call) -> _Taken | None:
        taken = self._taken.get(call)
        if isinstance(taken, Unclear):
            raise taken
        return taken

    def _records(self, run: ast.Call) -> bool:
        taken = self._taken[run]
        return isinstance(taken, _Taken) and taken.records

    # --- how it is read ----------------------------------------------------------------

    def _owner(self, source: Source, opened: Opened) -> str:
        try:
            return rendered(self._plan, source, opened.owner)
        except LookupError as problem:
            raise Unclear("LN490", f"`{text(opened.owner)}` is rewritten itself") from problem

    def _is_direct(self, opened: Opened) -> bool:
        """Whether the one run can read what the header names, and give the new cache."""
        runs = self._runs[opened]
        if len(runs) != 1 or not isinstance(opened.owner, ast.Name | ast.Attribute):
            return False
        block = self._plan.parents.get(self._plan.statement(runs[0]))
        while isinstance(block, ast.With) and block is not opened.statement:
            block = self._plan.parents.get(block)
        if block is not opened.statement:
            return False
        named = {n.id for n in walk(opened.owner) if isinstance(n, ast.Name)}
        for node in [n for line in opened.statement.body for n in walk(line)]:
            if not isinstance(node, ast.Name):
                continue
            if node.id in named - {opened.name} and isinstance(node.ctx, ast.Store):
                return False
            early = node.lineno < self._plan.statement(runs[0]).lineno
            if early and node.id == opened.name and self._is_other(node, runs):
                return False
        return True

    def _is_kept(self, opened: Opened) -> bool:
        """Whether anything but its runs reads the new cache."""
        code = self._plan.code(opened.statement)
        home: ast.AST = code.node if code is not None else self._plan.source(opened.statement).tree
        runs = self._runs[opened]
        for node in walk(home):
            match node:
                case ast.Global(names=names) | ast.Nonlocal(names=names) if opened.name in names:
                    return True
                case ast.Name(id=opened.name, ctx=ast.Load()) if self._is_other(node, runs):
                    return True
        return False

    def _is_other(self, node: ast.Name, runs: list[ast.Call]) -> bool:
        """Whether a variable is read by something else than these runs."""
        parent = self._plan.parents.get(node)
        return parent not in runs and not (
            isinstance(parent, ast.keyword) and self._plan.parents.get(parent) in runs
        )


# --- what becomes of it ----------------------------------------------------------------------


def handed_out(
    plan: Plan,
    source: Source,
    call: ast.Call,
    made: ModuleCall,
    decoding: Decoding,
    captured: str | None,
) -> ModuleCall:
    """`made`, whose pair of output and new variables is taken apart where the output was."""
    if captured is not None:
        raise Unclear("LN490", f"`{text(call.func)}` changes a state beside a cache")
    if not decoding.kept:
        return replace(made, after="{result}[0]")
    taken = f"{decoding.opened.name} = {{variables}}['{CACHE}']"
    return parted(plan, source, call, made, (taken,), "LN490")


def is_method(call: ast.Call, callee: Value) -> bool:
    """Whether a call is one of a legacy cache."""
    rest = [atom for atom in callee if not isinstance(atom, Parameter)]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else None
    if not rest:
        return name == "initialize_cache"
    of_cache = [atom for atom in rest if isinstance(atom, Api) and atom.receiver == _HANDLE]
    return len(of_cache) == len(rest) or (bool(of_cache) and name in CACHE_API)


def is_empty(plan: Plan, call: ast.Call) -> bool:
    """Whether `Cache()` is made for a `with` to come, outside of modules."""
    opened = isinstance(plan.parents.get(call), ast.Attribute)
    return not (call.args or call.keywords or opened or in_module_code(plan, call))


def emit_method(plan: Plan, source: Source, call: ast.Call) -> None:
    """`cache.initialize_cache((batch, length))`: zeros in the shape of other inputs."""
    assert isinstance(call.func, ast.Attribute)
    caches = plan.part(Caches)
    if caches is not None and caches.opens(call):
        return  # judged with its runs
    if call.func.attr != "initialize_cache":
        raise Unclear("LN490", f"`{text(call.func)}(...)` uses the legacy cache")
    places = dict(zip(("shape", "dtype"), range(len(call.args)), strict=False))
    nodes = dict(zip(("shape", "dtype"), call.args, strict=False))
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg not in {"shape", "dtype"}:
            raise Unclear("LN490", f"the arguments of `{text(call.func)}` are not spelled out")
        places[keyword.arg], nodes[keyword.arg] = index, keyword.value
    if "shape" not in places or any(isinstance(n, ast.Starred) for n in call.args):
        raise Unclear("LN490", f"the arguments of `{text(call.func)}` are not spelled out")
    if not isinstance(nodes["shape"], ast.Name | ast.Attribute | ast.Tuple | ast.Subscript):
        raise Unclear("LN490", f"the shape of `{text(call.func)}` is not spelled out")
    dtype = nodes.get("dtype")
    if dtype is None or (isinstance(dtype, ast.Constant) and dtype.value is None):
        spelt = "{jnp}.float32"
    else:
        spelt = "{%d}" % places["dtype"]
    used = {n.id for each in nodes.values() for n in walk(each) if isinstance(n, ast.Name)}
    leaf = next(name for name in ("x", "leaf", "entry", "stored") if name not in used)
    zeros = "{jnp}.zeros({%d} + %s.shape[-2:], %s)" % (places["shape"], leaf, spelt)
    template = "{spell:jax.tree.map}(lambda %s: %s if %s.ndim else %s, {owner})"
    plan.at(source, call, Reshaped(template % (leaf, zeros, leaf, leaf), "LN405"))
