"""Places that can tell a list from a tuple, or a dict from a FrozenDict.

A hyper-parameter that is a list becomes a tuple when it becomes a field, and a
dict becomes a FrozenDict.  Where the code needs what it was given, it is made
again; where that cannot be, the place is refused.
"""

from __future__ import annotations

import ast

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External
from linenify.facts.modules.frozenkinds import Held, Holding, nested, tells
from linenify.facts.modules.thawing import RULE, Conversions, Thawing
from linenify.facts.sites import AsTuple, Reshaped, Wrapped
from linenify.project.nodes import walk

_LIST_CHANGES = frozenset({"append", "extend", "insert", "sort", "reverse", "remove"})
_DICT_CHANGES = frozenset({"update", "setdefault", "popitem"})
_BOTH_CHANGE = frozenset({"pop", "clear"})
_TEXT = frozenset({"builtins.str", "builtins.repr", "builtins.format"})
_SAYS = frozenset({"print", "logging", "warnings", "absl", "log"})
_DUMPS = frozenset({"json.dumps", "json.dump", "yaml.dump", "pprint.pformat"})
_TREES = frozenset({"tree_map", "tree_multimap", "map"})
_LOOPS = frozenset({"scan", "while_loop", "fori_loop", "cond", "switch"})
_ABSTRACT = {
    "typing.List": "list",
    "typing.Tuple": "tuple",
    "typing.Dict": "dict",
    "collections.abc.MutableSequence": "list",
    "collections.abc.MutableMapping": "dict",
}


def conversions(plan: Plan) -> Conversions:
    """Decides every place of the project that can tell a field from what it was given."""
    if not plan.classes:
        return Conversions()  # there are no fields
    judge = _Judge(plan)
    for source in plan.project.sources:
        for node in walk(source.tree):
            judge.look(node)
    for class_plan in list(plan.classes.values()):
        for method in class_plan.methods:
            judge.check_growth(class_plan, method)
    return judge.found


class _Judge(Thawing):
    """Looks for the places, and says what has to be made again."""

    def look(self, node: ast.AST) -> None:
        """Judges one node of the syntax."""
        match node:
            case ast.Compare():
                self._compared(node)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                self._added(left, right)
                self._added(right, left)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                for side in (left, right):
                    self._needs(side, "dict", lambda h: h.type == "dict")
            case ast.BinOp(left=left, op=ast.Mod(), right=right) if self._is_text(left):
                parts = right.elts if isinstance(right, ast.Tuple) else [right]
                for part in parts:
                    self._written(part)
            case ast.AugAssign(target=ast.Name() as target, op=ast.Add() | ast.BitOr()):
                self._grown(node, target)
            case ast.FormattedValue(value=value):
                self._written(value)
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()):
                self._changed(owner, frozenset({"list", "dict"}))
            case ast.Subscript(slice=ast.Name() as index):
                if self._surely(index, "list"):
                    self._needs(index, "list", lambda h: h.type == "list")
            case ast.Call():
                self._called(node)

    # --- what is asked -----------------------------------------------------------------

    def _is_text(self, node: ast.expr) -> bool:
        return any(h.type == "str" for h in self.values.of(node))

    def _paths(self, node: ast.expr) -> set[str]:
        value = self.plan.flow.values.get(node, frozenset())
        return {a.path for a in value if isinstance(a, External)}

    # --- calls -------------------------------------------------------------------------

    def _called(self, call: ast.Call) -> None:
        paths = self._paths(call.func)
        if "builtins.isinstance" in paths and len(call.args) == 2:
            self._asked_for_type(call.args[0], call.args[1])
            return
        if (
            "builtins.issubclass" in paths
            and len(call.args) == 2
            and self._is_type_of(call.args[0])
        ):
            self._asked_for_type(self._typed(call.args[0]), call.args[1])
            return
        if "builtins.sum" in paths and len(call.args) == 2:
            self._summed(*call.args)
        if isinstance(call.func, ast.Attribute):
            self._method(call, call.func)
        if paths & _TEXT:
            for argument in call.args[:1]:
                self._written(argument)
        if paths & _DUMPS:
            for argument in call.args[:1]:
                self._needs(argument, "dict", lambda h: h.type == "dict", deep=True)
        if any(_joins_trees(path, len(call.args)) for path in paths):
            for argument in call.args:
                for type_ in ("list", "dict"):
                    if self._surely(argument, type_):
                        self._needs(argument, type_, lambda h: h.changes)
                    elif any(h.changes and h.type == type_ for h in self._holding(argument)):
                        self._refuse(argument, type_, "is one pytree with others here")

    def _summed(self, every: ast.expr, start: ast.expr) -> None:
        """`sum(lists, [])`."""
        parts = self.values.elements(every, self.values.of(every))
        frozen = [h for h in parts if h.changes and h.type == "list"]
        if not frozen or not any(h.type == "list" and not h.frozen for h in self.values.of(start)):
            return
        if len(frozen) == len(parts) and isinstance(start, ast.List):
            self.found.others[start] = AsTuple(RULE)
        else:
            self._refuse(every, "list", "is summed")

    def _method(self, call: ast.Call, method: ast.Attribute) -> None:
        owner, name = method.value, method.attr
        if name == "items" and not self._is_walked(call):
            self._needs(owner, "dict", lambda h: h.type == "dict")
        elif name == "format" and self._is_text(owner):
            for argument in [*call.args, *(k.value for k in call.keywords)]:
                self._written(argument)
        elif name == "copy" and not call.args:
            held = self._holding(owner)
            types = {h.type for h in held if h.changes}
            if len(types) == 1 and {h.type for h in held} <= {*types, "None", "unknown"}:
                self.found.others[call] = Reshaped(f"{types.pop()}({{owner}})", RULE)
            elif types:
                self._refuse(owner, min(types), "is copied")
        elif name in _LIST_CHANGES:
            self._changed(owner, frozenset({"list"}))
        elif name in _DICT_CHANGES:
            self._changed(owner, frozenset({"dict"}))
        elif name in _BOTH_CHANGE:
            self._changed(owner, frozenset({"list", "dict"}))

    def _is_walked(self, call: ast.Call) -> bool:
        """Whether `x.items()` is walked through once; of a FrozenDict it is a generator."""
        parent = self.plan.parents.get(call)
        match parent:
            case ast.For() | ast.comprehension() | ast.Starred():
                return True
            case ast.Call(func=func):
                return not (self._paths(func) & {"builtins.len", "builtins.reversed"})
        return False

    # --- comparisons -------------------------------------------------------------------

    def _compared(self, test: ast.Compare) -> None:
        left = test.left
        for op, right in zip(test.ops, test.comparators, strict=True):
            match op:
                case ast.Eq() | ast.NotEq() | ast.Is() | ast.IsNot() | ast.In() | ast.NotIn() if (
                    self._is_type_of(left)
                ):
                    self._asked_for_class(self._typed(left), right)
                case ast.Eq() | ast.NotEq():
                    self._equal(left, right, self.values.of(right))
                case ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE():
                    self._added(left, right)
                    self._added(right, left)
                case ast.In() | ast.NotIn():
                    self._among(left, right)
            left = right

    def _is_type_of(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(func=func, args=[_]):
                return "builtins.type" in self._paths(func)
            case ast.Attribute(attr="__class__"):
                return True
        return False

    def _typed(self, node: ast.expr) -> ast.expr:
        """The value in `type(value)` and `value.__class__`."""
        if isinstance(node, ast.Call):
            return node.args[0]
        assert isinstance(node, ast.Attribute)
        return node.value

    def _among(self, left: ast.expr, right: ast.expr) -> None:
        """`left in right` compares with every element."""
        match right:
            case ast.List(elts=every) | ast.Tuple(elts=every) | ast.Set(elts=every):
                for each in every:
                    self._equal(left, each, self.values.of(each), fixed=True)
            case _:
                for held in self.values.of(right):
                    match held.node:
                        case ast.List(elts=every) | ast.Tuple(elts=every):
                            for each in every:
                                parts = {
                                    Held(h.type, h.frozen or held.frozen, h.node)
                                    for h in self.values.of(each)
                                }
                                self._equal(left, right, frozenset(parts), fixed=True)

    def _equal(
        self, left: ast.expr, right: ast.expr, other: Holding, *, fixed: bool = False
    ) -> None:
        """`left == right`; `fixed` says that only `left` stands alone."""
        mine = self.values.of(left)
        if not any(tells(a, b) for a in mine for b in other if a.frozen or b.frozen):
            return
        for side, there, opposite in ((left, mine, right), (right, other, left)):
            if fixed and side is right:
                continue
            against = other if side is left else mine
            if self._surely(side, "list") and not any(h.frozen for h in against):
                if any(nested(h) for h in there | against):
                    continue
                if self._make(side, "list"):
                    return
            plain = {h.type for h in there} <= {"list", "None", "str", "number", "other"}
            shown = isinstance(opposite, ast.List) and not any(nested(h) for h in against)
            if plain and shown and not (fixed and side is left):
                self.found.others[opposite] = AsTuple(RULE)
                return
        place = left if any(h.frozen for h in mine) else right
        self._refuse(place, "list", "is compared, and a tuple there is not what it was")

    def _asked_for_type(self, value: ast.expr, asked: ast.expr) -> None:
        """`isinstance(value, asked)`."""
        held = self._holding(value)
        names = self._classes(asked)
        if names is None:
            return
        types = frozenset(names.values())
        if not any((h.type in types) != (h.linen in types) for h in held) and not (
            any(h.type == "unknown" and h.frozen for h in held) and types & {"list", "dict"}
        ):
            return
        self._spell_types(held, names, value)

    def _spell_types(self, held: Holding, names: dict[ast.expr, str], value: ast.expr) -> None:
        """Asks for the frozen types, too; refuses where something else is of such a type."""
        types = frozenset(names.values())
        wanted = {"list": "tuple", "dict": "FrozenDict"}
        for type_, frozen in wanted.items():
            if type_ not in types and any(h.type == type_ and frozen in types for h in held):
                self._refuse(value, type_, f"would count as a {frozen} here")
                return
        if any(h.type == "unknown" for h in held):
            type_ = "list" if "list" in types else "dict"
            self._refuse(value, type_, "may be one, or not, and is asked here")
            return
        for name, type_ in names.items():
            frozen = wanted.get(type_, "")
            if frozen in types or not any(h.type == type_ and h.changes for h in held):
                continue
            if any(h.type == frozen for h in held):
                self._refuse(value, type_, f"is told from a {frozen} here")
                return
            spelt = frozen if frozen == "tuple" else "{spell:flax.core.FrozenDict}"
            self.found.others[name] = Wrapped(f"({{node}}, {spelt})", RULE)

    def _asked_for_class(self, value: ast.expr, asked: ast.expr) -> None:
        """`type(value) is asked`, and `type(value) in (asked, ...)`."""
        held = self._holding(value)
        names = self._classes(asked)
        if names is None:
            return
        types = frozenset(names.values())
        if not any((h.type in types) != (h.linen in types) for h in held):
            if any(h.type == "unknown" and h.frozen for h in held) and types & {"list", "dict"}:
                self._refuse(value, min(types), "may be one, or not, and is asked here")
            return
        for type_ in names.values():
            same = [h for h in held if h.type == type_]
            frozen = {"list": "tuple", "dict": "FrozenDict"}.get(type_, "")
            mixed = any(h.type in {frozen, "unknown"} for h in held)
            if mixed or any(not h.changes for h in same) or not frozen:
                self._refuse(value, "dict" if type_ == "dict" else "list", "is asked for its type")
                return
        for name, type_ in names.items():
            if any(h.type == type_ for h in held):
                spelt = "tuple" if type_ == "list" else "{spell:flax.core.FrozenDict}"
                self.found.others[name] = Wrapped(spelt, RULE)

    def _classes(self, asked: ast.expr) -> dict[ast.expr, str] | None:
        """The container types that are asked for, by where they are named."""
        every = asked.elts if isinstance(asked, ast.Tuple | ast.List) else [asked]
        found: dict[ast.expr, str] = {}
        for each in every:
            paths = self._paths(each)
            if len(paths) != 1:
                continue
            (path,) = paths
            name = _ABSTRACT.get(path, path.removeprefix("builtins."))
            if name in {"list", "tuple", "dict"}:
                found[each] = name
        return found or None

    # --- sums and texts ----------------------------------------------------------------

    def _added(self, side: ast.expr, other: ast.expr) -> None:
        """`side + other`, where `side` may have been frozen."""
        held = self._holding(side)
        if not held:
            return
        against = self.values.of(other)
        lists = [h for h in held if h.changes and h.type == "list"]
        open_ = [h for h in held if h.type == "unknown" and h.frozen]
        if not lists and not open_:
            return
        plain = any(h.type == "list" and not h.frozen for h in against)
        own = any(h.type == "list" and not h.frozen for h in held)
        plain = plain or (own and any(h.type == "list" for h in against))
        foreign = any(h.type in {"unknown", "array"} and not h.frozen for h in against)
        if not plain and not (lists and foreign):
            return
        if any(h.changes and h.type == "list" for h in against) and plain:
            every = {h.type for h in held | against} - {"None", "str", "number", "other"}
            if every != {"list"} or not self._make(side, "list"):
                self._refuse(side, "list", "meets a list that may be frozen, too")
            return
        if any(h.type == "array" for h in held):
            if lists:
                self._refuse(side, "list", "may be an array as well")
            return
        valid = {h.type for h in held if h.type not in {"None", "str", "number", "other"}}
        tuples = "tuple" in valid and any(h.type in {"tuple", "unknown"} for h in against)
        if tuples or (foreign and not plain and not self._surely(side, "list")):
            self._refuse(side, "list", "may be a tuple as well, and is added to something")
            return
        if not self._make(side, "list"):
            self._refuse(side, "list", "is added to a list")

    def _written(self, value: ast.expr) -> None:
        """A value that becomes text."""
        for type_ in ("list", "dict"):
            held = self._holding(value)
            if not any(h.changes and h.type == type_ for h in held):
                continue
            exact = self._surely(value, type_) and not any(nested(h) for h in held)
            if exact and self._make(value, type_):
                continue
            if not self._is_said(value):
                self._refuse(value, type_, "becomes text, and a frozen one reads otherwise")

    def _is_said(self, value: ast.expr) -> bool:
        """Whether a text is for people only."""
        for around in self.plan.ancestors(value):
            match around:
                case ast.Raise() | ast.Assert():
                    return True
                case ast.Call(func=func):
                    roots = {
                        p.removeprefix("builtins.").partition(".")[0] for p in self._paths(func)
                    }
                    if roots & _SAYS:
                        return True
                case ast.stmt():
                    return False
        return False

    # --- changes in place --------------------------------------------------------------

    def _grown(self, statement: ast.AugAssign, target: ast.Name) -> None:
        """`name += [...]`."""
        first, stores = self.values.reaching(target)
        function = self.values.parameter(target) if first else None
        added = {h.linen for h in self.values.of(statement.value)}
        type_ = "list" if isinstance(statement.op, ast.Add) else "dict"
        if type_ == "list" and added == {"tuple"}:
            return
        held: set[Held] = set()
        if function is not None and self.values.is_field(function, target.id):
            held |= self.values.field(function, target.id)
        for store in stores:
            if store is not target and self.values.value_of(store) is not None:
                held |= self.values.stored(store)
        if any(h.changes and h.type == type_ for h in held) and not self._thaw(target, type_):
            self._refuse(target, type_, "grows in place")

    def _changed(self, owner: ast.expr, types: frozenset[str]) -> None:
        """A value that is changed in place."""
        held = self._holding(owner)
        for type_ in sorted(types):
            if not any(h.changes and h.type == type_ for h in held):
                continue
            if not isinstance(owner, ast.Name) or not self._thaw(owner, type_):
                self._refuse(owner, type_, "is changed in place")


def _joins_trees(path: str, count: int) -> bool:
    """Whether a call holds pytrees against each other, which then have to be of one structure."""
    module, _, name = path.rpartition(".")
    if module in {"jax", "jax.tree_util", "jax.tree"}:
        return name in _TREES and count > len(("function", "tree"))
    return module == "jax.lax" and name in _LOOPS
