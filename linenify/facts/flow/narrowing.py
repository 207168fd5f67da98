"""What a test lets through: the kinds that a variable may be where it holds, or does not.

Only what is sure is kept out; whatever is not known passes on both sides.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from linenify.facts.flow.conditions import Condition
from linenify.facts.flow.kinds import (
    NOTHING,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Model,
    Module,
    Optimizer,
    OptimizerDef,
    Parameter,
    Partial,
    Static,
    Transformed,
    Value,
)
from linenify.facts.legacy.externals import MODEL
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

_OPTIMIZERS = frozenset({"flax.optim.Optimizer", "flax.optim.base.Optimizer"})
_PLAIN: dict[str, type] = {
    "None": type(None),
    **{each.__name__: each for each in (int, float, bool, str, bytes, complex)},
}
_BUILTIN: dict[str, type] = {
    each.__name__: each for each in (*_PLAIN.values(), list, tuple, dict, set, frozenset, object)
}
_DISPLAYS: dict[type[ast.AST], type] = {
    ast.Tuple: tuple,
    ast.List: list,
    ast.Dict: dict,
    ast.Set: set,
}
_RUN = (Function, Bound, Partial, Transformed)  # functions in one way or another
_TRUE = (*_RUN, Class, Module, Model, Optimizer, OptimizerDef)  # objects that are never false


def passing(flow: Machine, value: Value, test: Condition, holds: bool, scope: Scope) -> Value:
    """The part of a value that is let through."""
    match test.kind, test.among:
        case (("isinstance" | "issubclass"), ast.expr() as among):
            return _of_classes(flow, value, test, among, holds, scope)
        case "hasattr", ast.Constant(value=str(name)):
            return _kept(value, holds, lambda atom: _has(atom, name))
        case "none", _:
            return _kept(value, holds, _is_none)
        case "true", _:
            return _kept(value, holds, _is_true)
        case "callable", _:
            return _kept(value, holds, _is_callable)
    return value


def _kept(value: Value, holds: bool, answer: Callable[[Atom], bool | None]) -> Value:
    return frozenset(atom for atom in value if answer(atom) is not (not holds))


def _is_none(atom: Atom) -> bool | None:
    match atom:
        case Static(type="Any") | Parameter() | External():
            return None
        case Static(type=type_):
            return type_ == "None"
    return False


def _is_true(atom: Atom) -> bool | None:
    match atom:
        case Static(type="None"):
            return False
        case Static(type=("int" | "float" | "bool" | "str"), literal=str(text)):
            return bool(ast.literal_eval(text))
    return True if isinstance(atom, _TRUE) else None


def _is_callable(atom: Atom) -> bool | None:
    match atom:
        case Static(type=type_) if type_ in _PLAIN:
            return False
        case Container(node=node) if type(node) in _DISPLAYS:
            return False
        case Class() | Module() | Model():
            return True
    return True if isinstance(atom, _RUN) else None


def _has(atom: Atom, name: str) -> bool | None:
    match atom:
        case Static(type=type_) if type_ in _PLAIN:
            return hasattr(_PLAIN[type_], name)
        case Container(node=node) if type(node) in _DISPLAYS:
            return hasattr(_DISPLAYS[type(node)], name)
        case Optimizer() if name in {"target", "state", "optimizer_def", "apply_gradient"}:
            return True
        case Optimizer() if name in {"params", "module"}:
            return False
        case Model() if name in {"params", "module"}:
            return True
    return None


def _of_classes(
    flow: Machine, value: Value, test: Condition, among: ast.expr, holds: bool, scope: Scope
) -> Value:
    """What is, or is not, of one of several classes."""
    asked = [flow.eval(each, scope) for each in _parts(among)]
    if not all(asked):
        return value if flow.is_answered() else NOTHING
    answer = _is_a if test.kind == "isinstance" else _derives
    kept: set[Atom] = set()
    for atom in value:
        answers = [{answer(flow, atom, each) for each in classes} for classes in asked]
        if holds and all(found == {False} for found in answers):
            continue
        if not holds and any(found == {True} for found in answers):
            continue
        kept.add(atom)
    return frozenset(kept)


def _parts(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Tuple(elts=elements):
            return [part for element in elements for part in _parts(element)]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return [*_parts(left), *_parts(right)]
    return [node]


def _is_a(flow: Machine, atom: Atom, class_: Atom) -> bool | None:
    """Whether a value of one kind is an instance of a class."""
    builtin = _builtin(class_)
    if builtin is object:
        return True
    legacy = _legacy(class_)
    told = bool(legacy or builtin) or _is_plain(flow, class_)
    match atom:
        case Model() if told:
            return legacy == "Model"
        case Optimizer() if told:
            return legacy == "Optimizer"
        case Static(type=type_) if type_ in _PLAIN and told:
            return builtin is not None and issubclass(_PLAIN[type_], builtin)
        case Container(node=ast.Dict()) if builtin is dict:
            return None  # it may have been frozen
        case Container(node=node) if type(node) in _DISPLAYS and told:
            return builtin is not None and issubclass(_DISPLAYS[type(node)], builtin)
        case Container() | Array() | Module() | OptimizerDef():
            return False if legacy else None
        case Instance(node=node) if legacy or builtin:
            return False if _is_closed(flow, node) else None
        case Instance(node=node) if isinstance(class_, Class):
            return _below(flow, node, class_.node)
    return False if isinstance(atom, _RUN) and told else None


def _derives(flow: Machine, atom: Atom, class_: Atom) -> bool | None:
    """Whether a class is derived from another one."""
    match atom, class_:
        case Module(definition=ast.ClassDef() as node), External(path="flax.nn.Module"):
            return True
        case Module(definition=str()), External(path="flax.nn.Module"):
            return True
        case Class(node=node), External(path="flax.nn.Module"):
            return False if _is_closed(flow, node) else None
        case (
            Module(definition=ast.ClassDef() as node) | Class(node=node),
            Module(definition=ast.ClassDef() as base) | Class(node=base),
        ):
            return _below(flow, node, base)
    return None


def _below(flow: Machine, node: ast.ClassDef, base: ast.ClassDef) -> bool | None:
    if base in flow.hierarchy.mro(node):
        return True
    return False if _is_closed(flow, node) else None


def _is_plain(flow: Machine, class_: Atom) -> bool:
    """Whether only objects of the class itself, or below it, are said to be of it."""
    return (
        isinstance(class_, Class)
        and not class_.node.keywords
        and class_.node not in flow.records.values()
        and _is_closed(flow, class_.node)
    )


def _is_closed(flow: Machine, node: ast.ClassDef) -> bool:
    """Whether all that a class derives from is seen."""
    for line in flow.hierarchy.mro(node):
        info = flow.hierarchy.infos[line]
        if len(info.bases) < len(line.bases) or line.decorator_list:
            return False
        for base in info.bases:
            if not base or not all(_is_seen(atom) for atom in base):
                return False
    return True


def _is_seen(base: Atom) -> bool:
    match base:
        case Class() | Module(definition=ast.ClassDef()):
            return True
        case External(path=path):
            return path in {"builtins.object", "flax.nn.Module"}
    return False


def _builtin(class_: Atom) -> type | None:
    match class_:
        case External(path=path) if path.startswith("builtins."):
            return _BUILTIN.get(path.removeprefix("builtins."))
    return None


def _legacy(class_: Atom) -> str:
    match class_:
        case External(path=path) if path == MODEL:
            return "Model"
        case External(path=path) if path in _OPTIMIZERS:
            return "Optimizer"
    return ""
