"""What a reader calls a value, and where it was made."""

from __future__ import annotations

import ast

from linenify.facts.flow.kinds import (
    Api,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    OptimizerDef,
    Params,
    Partial,
    Static,
    Transformed,
)


def described(atom: Atom) -> str:
    """What a reader calls an atom; empty where it says nothing about the others."""
    match atom:
        case Params():
            return "params"
        case Module(definition=definition):
            name = definition if isinstance(definition, str) else definition.name
            return f"the module class `{name}`"
        case ModuleApi(name=name):
            return f"`{name}` of a module class"
        case Model():
            return "a Model"
        case Optimizer():
            return "an optimizer"
        case OptimizerDef():
            return "the definition of an optimizer"
        case Array():
            return "an array"
        case Api(name=name):
            return f"a method `{name}`"
        case Legacy(type=type_):
            return f"a {type_}"
        case Function(node=ast.FunctionDef(name=name)):
            return f"the function `{name}`"
        case Function() | Bound() | Partial() | Transformed():
            return "a function"
        case Class(node=node) | Instance(node=node):
            return f"`{node.name}`" if isinstance(atom, Class) else f"an object of `{node.name}`"
        case External(path=path):
            return f"`{path}`"
        case Container(type=type_):
            return f"a {type_}"
        case Static(type=type_) if type_ not in {"Any", "None"}:
            return f"a value of type `{type_}`"
    return ""


def made_at(atom: Atom) -> ast.AST | None:
    """The expression or definition that an atom comes from, where it has one."""
    match atom:
        case Model(origin=ast.Call() as node) | Module(origin=ast.Call() as node):
            return node
        case Optimizer(created=node) | OptimizerDef(node=node) | Container(node=node):
            return node
        case Model(module=module) | ModuleApi(module=module):
            return made_at(module)
        case Module(definition=ast.ClassDef() | ast.FunctionDef() as node):
            return node
        case Function(node=node) | Bound(node=node) | Class(node=node) | Instance(node=node):
            return node
        case Api(receiver=inner) | Partial(function=inner) | Transformed(function=inner):
            return made_at(inner)
    return None
