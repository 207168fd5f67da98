"""Attributes: what `owner.name` may be."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from linenify.facts.flow.importing import external
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Api,
    Array,
    Atom,
    Bound,
    Class,
    Container,
    External,
    File,
    Function,
    Instance,
    Legacy,
    Made,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    OptimizerDef,
    Parameter,
    Params,
    Self,
    SelfApi,
    Static,
    Super,
    SuperMethod,
    Transformed,
    Value,
    changed,
    static,
)
from linenify.facts.legacy import arrays, catalogue
from linenify.facts.legacy.externals import CACHE_API, MODEL, MODULE_API, SELF_API

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def attribute(flow: Machine, owner: Value, name: str) -> Value:
    """What `owner.name` may be."""
    result: set[Atom] = set()
    for atom in owner:
        result |= attribute_of(flow, atom, name)
    if any(isinstance(atom, Model) and atom.method == name for atom in result):
        # Where other Models have no such method, a correct program never asks for it.
        result = {a for a in result if not isinstance(a, Api) or not isinstance(a.receiver, Model)}
    return frozenset(result)


def attribute_of(flow: Machine, atom: Atom, name: str) -> Value:
    """What an attribute of one atom may be."""
    match atom:
        case External(path=path):
            return external(f"{path}.{name}")
        case File(name=file):
            return file_attribute(flow, file, name)
        case Parameter():
            return array_attribute(flow, atom, name)
        case Array():
            return array_attribute(flow, atom, name)
        case Self(owner=node):
            return self_attribute(flow, node, name)
        case Super(owner=node):
            found = flow.hierarchy.find_after(node, name)
            if found is not None and name != "apply":
                return frozenset({Bound(found[1], found[0], drops_first=True)})
            return frozenset({SuperMethod(node, name)})
        case Module():
            return module_attribute(flow, atom, name)
        case Model(module=module):
            return model_attribute(flow, atom, module, name)
        case Optimizer(created=created):
            return optimizer_attribute(flow, atom, created, name)
        case OptimizerDef():
            return frozenset({Api(atom, name)})
        case Legacy(type="OptimizerState"):
            return ARRAY if name == "step" else NOTHING
        case Class(node=node) | Instance(node=node):
            return object_attribute(flow, atom, node, name)
        case Function(node=function):
            return flow.items.get((function, name), NOTHING)
        case Container(node=made, type="namespace"):
            return flow.items.get((made, name), NOTHING) or frozenset({Api(atom, name)})
        case Api(receiver=Api()):
            return NOTHING
        case Made() if name in {"init", "apply"}:
            return frozenset({Api(atom, name)})
        case Container() | Legacy() | ModuleApi() | Api() | Transformed():
            return frozenset({Api(atom, name)})
        case Static(type="slice" | "str" | "shape" | "dtype" | "Any"):
            return static()
    return NOTHING


def file_attribute(flow: Machine, file: str, name: str) -> Value:
    """A name of a project file."""
    value = flow.env.get((flow.scopes[file].module, name), NOTHING)
    if value:
        return value
    submodule = flow.imports.by_name.get(f"{file}.{name}" if file else name)
    return frozenset({File(submodule)}) if submodule else NOTHING


def array_attribute(flow: Machine, atom: Array | Parameter, name: str) -> Value:
    """An attribute of an array, or of a parameter that may be one."""
    known = arrays.ARRAY_ATTRIBUTES.get(name)
    if isinstance(atom, Parameter):
        if name in CACHE_API and not atom.mixed:
            flow.note(frozenset({atom}), "collection")
        if known is None:
            return frozenset({Parameter(atom.function, atom.name, "attribute", atom.mixed)})
        if known.telling:
            flow.note(frozenset({atom}), "array")
        elif known.method:
            return frozenset({Parameter(atom.function, atom.name, "attribute", atom.mixed)})
    if known is None:
        return ARRAY
    if known.method:
        return frozenset({Api(Array(), name)})
    if known.result == "static":
        return static("shape" if name == "shape" else "dtype" if name == "dtype" else "int")
    return ARRAY


def self_attribute(flow: Machine, node: ast.ClassDef, name: str) -> Value:
    """An attribute of the receiver: a method, a class attribute, something set."""
    result: set[Atom] = set()
    for line in [node, *flow.hierarchy.descendants(node)]:
        found = flow.hierarchy.find(line, name)
        if found is not None:
            owner, method = found
            if flow.is_property(method):
                result |= flow.returns.get(method, NOTHING)
            elif flow.hierarchy.is_module_method(line, name):
                result.add(Module(line, method=name, receiver="self"))
            elif flow.receiver(flow.code[method]) == "class":
                result.add(Bound(method, owner, drops_first=True))
            else:
                drops = flow.receiver(flow.code[method]) != "static"
                result.add(Bound(method, owner, drops_first=drops))
        for ancestor in flow.hierarchy.mro(line):
            result |= flow.attributes.get((ancestor, name), NOTHING)
            result |= flow.env.get((flow.hierarchy.infos[ancestor].scope, name), NOTHING)
    result = {a for a in result if not isinstance(a, Function)}
    if not result and name in SELF_API:
        result.add(SelfApi(node, name))
    if not result and name == "__class__":
        return classes_of(flow, Self(node))
    return frozenset(result)


def classes_of(flow: Machine, atom: Atom) -> Value:
    """What `type(self)` may be."""
    match atom:
        case Self(owner=node):
            return frozenset(Module(n) for n in [node, *flow.hierarchy.descendants(node)])
        case Model():
            return frozenset({External(MODEL)})
    return NOTHING


def module_attribute(flow: Machine, module: Module, name: str) -> Value:
    """An attribute of a module class or instance."""
    if isinstance(module.definition, ast.ClassDef):
        found = flow.hierarchy.find(module.definition, name)
        if found is not None and name != "apply":
            owner, method = found
            if flow.hierarchy.is_module_method(module.definition, name):
                via = "shared" if module.shared else module.receiver
                return frozenset({changed(module, method=name, receiver=via)})
            drops = flow.receiver(flow.code[method]) == "class"
            return frozenset({Bound(method, owner, drops_first=drops)})
        for ancestor in flow.hierarchy.mro(module.definition):
            value = flow.env.get((flow.hierarchy.infos[ancestor].scope, name), NOTHING)
            value |= flow.attributes.get((ancestor, name), NOTHING)
            if value and name not in MODULE_API:
                return value
    if isinstance(module.definition, str):
        layer = catalogue.layer(module.definition)
        if layer and any(method.name == name for method in layer.methods):
            via = "shared" if module.shared else module.receiver
            return frozenset({changed(module, method=name, receiver=via)})
    if name in {"__name__", "__qualname__", "__module__", "__doc__"}:
        return static("str")
    return frozenset({ModuleApi(module, name)})


def model_attribute(flow: Machine, model: Model, module: Module, name: str) -> Value:
    """An attribute of a legacy Model."""
    if name == "module":
        return frozenset({changed(module, receiver="model")})
    if name == "__class__":
        return classes_of(flow, model)
    if name == "params":
        return frozenset({Params(module=module)})
    found = module_attribute(flow, module, name)
    for atom in found:
        if isinstance(atom, Module) and atom.method == name:
            return frozenset({replace(model, method=name)})
    return frozenset({Api(model, name)})


def optimizer_attribute(flow: Machine, optimizer: Optimizer, created: ast.Call, name: str) -> Value:
    """An attribute of a legacy optimizer."""
    match name:
        case "target":
            return flow.items.get((created, "target"), NOTHING)
        case "state":
            return frozenset({Legacy("OptimizerState")})
        case "optimizer_def":
            return flow.items.get((created, "definition"), NOTHING)
    return frozenset({Api(optimizer, name)})


def object_attribute(flow: Machine, atom: Class | Instance, node: ast.ClassDef, name: str) -> Value:
    """An attribute of a plain class or object."""
    found = flow.hierarchy.find(node, name)
    if found is not None:
        owner, method = found
        if isinstance(atom, Instance) and flow.is_property(method):
            return flow.returns.get(method, NOTHING)
        kind = flow.receiver(flow.code[method])
        instance = isinstance(atom, Instance)
        drops = kind == "class" or (instance and kind == "instance")
        return frozenset({Bound(method, owner, drops_first=drops)})
    result: set[Atom] = set()
    for line in flow.hierarchy.mro(node):
        result |= flow.attributes.get((line, name), NOTHING)
        result |= flow.env.get((flow.hierarchy.infos[line].scope, name), NOTHING)
    if not result and name in SELF_API | MODULE_API and flow.hierarchy.is_mixed_in(node):
        return NOTHING  # what the module gives that it is mixed into
    return frozenset(result) or frozenset({Api(atom, name)})


def fields(node: ast.ClassDef) -> list[str]:
    """The annotated names of a class, as dataclasses and named tuples count them."""
    return [
        s.target.id
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    ]
