"""The catalogue against the two libraries it describes.

Legacy Flax is read, not run: names and signatures come from the sources in its wheel.
Linen is the installed one.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from linenify.facts.legacy import catalogue
from linenify.facts.legacy.catalogue import (
    FUNCTIONS,
    LAYERS,
    SUBMODULES,
    Argument,
    Function,
    Layer,
    Method,
    Slot,
    Static,
    resolve,
)
from linenify.verify import wheels

jax = pytest.importorskip("jax")
linen = pytest.importorskip("flax.linen")

TYPES = {
    "Any",
    "int",
    "float",
    "bool",
    "str",
    "Callable[..., Any]",
    "Sequence[int]",
    "Sequence[Any]",
}
ROLES = {
    "array",
    "static",
    "initializer",
    "flag",
    "module",
    "key",
    "collection",
    "statistics",
    "tree",
}
KINDS = {"same", "renamed", "special", "toplevel", "gone"}
VALUES = {"function", "class", "decorator", "context", "property", "initializer", "static"}
RETURNS = {
    *("any", "array", "static", "key", "initializer", "model", "collection", "tree", "module"),
}

# --- the legacy side -------------------------------------------------------------------


@functools.cache
def sources(version: str = wheels.DEFAULT_VERSION) -> Mapping[str, ast.Module]:
    """The submodules of a release's `flax.nn`, parsed; the package itself is ''."""
    try:
        flax = wheels.legacy_sources(version) / "flax"
    except wheels.WheelUnavailableError as error:
        pytest.skip(str(error))
    folder = flax / "deprecated" / "nn" if version == "0.3.6" else flax / "nn"
    return {
        "" if path.stem == "__init__" else path.stem: ast.parse(path.read_text())
        for path in folder.glob("*.py")
    }


def own_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module defines, or gets from jax only to pass them on."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module takes from another legacy module, or re-exports from jax."""
    origins = {"jax.nn", "jax.numpy", "jax.nn.initializers"}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level or origin.startswith("flax.deprecated") or origin in origins:
                yield from (alias.asname or alias.name for alias in node.names)


def definition(path: str, version: str = wheels.DEFAULT_VERSION) -> ast.AST | None:
    """The definition at a path such as 'linear.Dense.apply', private ones included."""
    home, *names = path.split(".")
    node: ast.AST | None = sources(version).get(home)
    for name in names:
        body: list[ast.AST] = getattr(node, "body", [])
        node = next((each for each in body if getattr(each, "name", None) == name), None)
    return node


def signature(node: ast.AST | None) -> list[tuple[str, str | None]]:
    """Parameters with the source text of their defaults, without self, *args and **kwargs."""
    assert isinstance(node, ast.FunctionDef)
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + [*given.defaults]
    pairs = [*zip(positional, defaults, strict=True)]
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return [
        (each.arg, None if default is None else unqualified(ast.unparse(default)))
        for each, default in pairs
        if each.arg not in {"self", "cls", "class_"}
    ]


def as_written(arguments: tuple[Argument, ...]) -> list[tuple[str, str | None]]:
    return [(each.name, each.default and unqualified(each.default)) for each in arguments]


def unqualified(text: str) -> str:
    """Without the submodule: the catalogue always says it, legacy only across files."""
    return re.sub(rf"^({'|'.join(SUBMODULES)})\.", "", text)


NOISE = {"warnings", "jax_utils", "struct", "serialization"}
RELEASES = ["0.1.0", "0.2.2", "0.3.0", "0.3.6"]


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("home", ["", *sorted(SUBMODULES)])
def test_no_legacy_name_is_missing(home: str, version: str) -> None:
    tree = sources(version)[home]
    names = {*own_names(tree), *imported_names(tree)} - SUBMODULES - NOISE
    # The context manager hides the submodule.
    names |= {"stochastic"} if home == "" else set()
    assert {name for name in names if resolve(f"{home}.{name}".lstrip(".")) is None} == set()


def test_submodules_are_those_of_the_wheel() -> None:
    assert set(sources()) - {""} == SUBMODULES


@pytest.mark.parametrize("entry", [*LAYERS, *FUNCTIONS], ids=lambda each: each.paths[0])
def test_every_path_is_in_the_wheel(entry: Layer | Function) -> None:
    renamed_in_0_3_5 = {"utils._masters"}
    from_struct = {"Model.replace", "base.Model.replace"}
    for path in set(entry.paths) - renamed_in_0_3_5 - from_struct:
        head, *rest = path.split(".")
        home, names = (head, rest) if rest and head in SUBMODULES else ("", [head, *rest])
        tree = sources()[home]
        assert names[0] in {*own_names(tree), *imported_names(tree)}, path


@pytest.mark.parametrize("layer", LAYERS, ids=lambda each: each.name)
def test_layers_take_what_legacy_took(layer: Layer) -> None:
    path = f"{layer.home}.{layer.name}"
    if layer.name == "SelfAttention":  # a partial: `inputs_kv` has a value by then
        path = "attention.MultiHeadDotProductAttention"
    expected = signature(definition(f"{path}.apply"))
    if layer.name == "SelfAttention":
        expected = [(name, "None" if name == "inputs_kv" else text) for name, text in expected]
    assert as_written(layer.arguments) == expected
    members: list[Method | Static] = [*layer.methods, *layer.statics]
    for each in members:
        assert as_written(each.arguments) == signature(definition(f"{path}.{each.name}"))


@pytest.mark.parametrize("version", RELEASES)
def test_earlier_releases_took_the_same_in_the_same_order(version: str) -> None:
    for layer in LAYERS:
        node = definition(f"{layer.home}.{layer.name}.apply", version)
        if node is not None:  # a later one, or a partial
            expected = signature(node)
            assert as_written(layer.arguments)[: len(expected)] == [
                (name, text) for name, text in expected
            ]


def test_self_attention_takes_one_argument_by_position() -> None:
    [partial] = (
        node.value
        for node in sources()["attention"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SelfAttention"
    )
    assert ast.unparse(partial) == "MultiHeadDotProductAttention.partial(inputs_kv=None)"
    layer = catalogue.layer("SelfAttention")
    assert layer is not None
    assert layer.arguments[layer.positional or 0].name == "inputs_kv"
    assert layer.stem == "MultiHeadDotProductAttention"


def constructor(node: ast.AST) -> list[tuple[str, str | None]]:
    assert isinstance(node, ast.ClassDef)
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return signature(each)
    for base in node.bases:
        if isinstance(base, ast.Name) and (parent := definition(f"base.{base.id}")) is not None:
            return constructor(parent)
    return [
        (each.target.id, None)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def test_functions_take_what_legacy_took() -> None:
    delegated = {"scan_in_dim"}  # *args, **kwargs
    said, written = {}, {}
    for entry in FUNCTIONS:
        if entry.kind == "gone" or entry.value == "property" or entry.name in delegated:
            continue
        for path in entry.paths:
            node = definition(path)
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                said[path] = as_written(entry.arguments)
                is_class = isinstance(node, ast.ClassDef)
                written[path] = constructor(node) if is_class else signature(node)
    assert len(said) > 40
    assert said == written


# --- the Linen side --------------------------------------------------------------------


def modern(path: str) -> Any:
    """The object at an absolute dotted path."""
    module, *names = path.split(".")
    value: Any = importlib.import_module(module)
    for name in names:
        module = f"{module}.{name}"
        value = getattr(value, name) if hasattr(value, name) else importlib.import_module(module)
    return value


@pytest.mark.parametrize("layer", LAYERS, ids=lambda each: each.name)
def test_layers_know_their_linen_class(layer: Layer) -> None:
    target = modern(layer.target)
    fields = [each for each in dataclasses.fields(target) if each.name not in {"parent", "name"}]
    inputs = [*inspect.signature(target.__call__).parameters][1:]
    assert [each.name for each in fields] == [*layer.fields]
    assert inputs == [*layer.inputs]

    for each in layer.arguments:
        match each.slot:
            case Slot.INPUT | Slot.CALL:
                assert each.linen in inputs
            case Slot.FIELD:
                assert each.linen in layer.fields
            case Slot.SPECIAL:
                assert each.linen is None
    assert {keyword for keyword, _ in layer.required} <= {*layer.fields, *layer.inputs}
    assert {keyword for _, keyword, _ in layer.required_with} <= {*layer.fields, *layer.inputs}

    unset = dataclasses.MISSING
    wanted = {
        each.name for each in fields if each.default is unset and each.default_factory is unset
    }
    given = {each.linen for each in layer.arguments if each.default is None}
    assert wanted - given == {*layer.derived}

    for method in layer.methods:
        names = [*inspect.signature(getattr(target, method.linen)).parameters][1:]
        assert names == [each.linen for each in method.arguments]
    for static in layer.statics:
        names = [*inspect.signature(getattr(target, static.linen)).parameters][1:]
        assert names == ["rng", "input_shape"]
        assert {each.linen for each in static.arguments if each.slot is Slot.FIELD} <= {
            *layer.fields
        }


def same_default(legacy: Any, modern: Any) -> bool:
    if (legacy, modern) == (None, 1):  # strides and dilations
        return True
    if callable(legacy) and callable(modern) and legacy is not modern:
        key, shape = jax.random.key(0), (4, 4)
        return bool((legacy(key, shape) == modern(key, shape)).all())
    return bool(legacy == modern)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda each: each.name)
def test_defaults_agree_where_nothing_is_said(layer: Layer) -> None:
    names = {
        **{name: getattr(linen, name) for name in ("initializers", "linear", "activation")},
        "dot_product_attention": linen.dot_product_attention,
        "jnp": jax.numpy,
    }
    target = modern(layer.target)
    call = inspect.signature(target.__call__).parameters
    for each in layer.arguments:
        if each.linen is None or each.default is None:
            continue
        legacy = eval(each.default, names)
        ours = getattr(target, each.linen) if each.slot is Slot.FIELD else call[each.linen].default
        if each.linen_default is None:
            assert same_default(legacy, ours), each.name
        else:
            assert not same_default(legacy, ours), each.name
            assert ours == eval(each.linen_default, names), each.name


def of_kind(*kinds: str) -> list[Function]:
    return [each for each in FUNCTIONS if each.kind in kinds]


@pytest.mark.parametrize("entry", of_kind("same"), ids=lambda each: each.paths[0])
def test_same_names_mean_the_same_object_at_every_path(entry: Function) -> None:
    assert entry.target is not None
    if entry.value == "property":  # set by __init__: the class alone does not show it
        assert entry.name in {"name", "value"}
        return
    members = {path for path in entry.paths if path.startswith(("Module.", "base."))}
    for path in set(entry.paths) - members:
        assert modern(f"flax.linen.{path}") is modern(entry.target)


@pytest.mark.parametrize(
    "entry",
    [each for each in of_kind("same", "renamed", "special") if each.target and each.arguments],
    ids=lambda each: each.paths[0],
)
def test_linen_takes_the_keywords(entry: Function) -> None:
    assert entry.target is not None
    target = modern(entry.target)
    keywords = {each.linen for each in entry.arguments if each.linen is not None}
    if inspect.isclass(target) and issubclass(target, linen.Module):
        calls = {each.linen for each in entry.arguments if each.slot is not Slot.FIELD}
        assert calls <= {*inspect.signature(target.__call__).parameters}
        keywords -= calls
    if target is not functools.partial:
        assert keywords <= {*inspect.signature(target).parameters}


@pytest.mark.parametrize("entry", of_kind("toplevel"), ids=lambda each: each.paths[0])
def test_targets_of_training_code_exist(entry: Function) -> None:
    assert entry.target is None or modern(entry.target) is not None


def test_gone_is_gone() -> None:
    assert [each.name for each in of_kind("gone") if each.linen is not None] == []


# --- the catalogue itself --------------------------------------------------------------


def test_words_are_from_the_vocabulary() -> None:
    for entry in FUNCTIONS:
        assert entry.kind in KINDS
        assert entry.value in VALUES
        assert entry.returns in RETURNS
    described: list[Layer | Function | Method | Static] = [*LAYERS, *FUNCTIONS]
    described += [each for layer in LAYERS for each in layer.methods]
    described += [each for layer in LAYERS for each in layer.statics]
    arguments = [argument for each in described for argument in each.arguments]
    assert {each.type for each in arguments} <= TYPES
    assert {each.role for each in arguments} <= ROLES


def test_every_path_leads_to_one_entry() -> None:
    entries: list[Layer | Function] = [*LAYERS, *FUNCTIONS]
    paths = [path for entry in entries for path in entry.paths]
    assert sorted({path for path in paths if paths.count(path) > 1}) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Dense", "Dense"),
        ("linear.Dense", "Dense"),
        ("attention.DenseGeneral", "DenseGeneral"),
        ("linear.initializers.zeros", "zeros"),
        ("stochastic", "stochastic"),
        ("stochastic.make_rng", "make_rng"),
        ("Model.params", "params"),
        ("attention.Cache.mutate", "mutate"),
    ],
)
def test_paths_resolve(path: str, name: str) -> None:
    entry = resolve(path)
    assert entry is not None
    assert entry.name == name


@pytest.mark.parametrize(
    "path", ["", "zeros", "linear", "linear.zeros", "Dense.zeros", "jnp.zeros"]
)
def test_other_paths_do_not(path: str) -> None:
    assert resolve(path) is None


def test_layer_and_function_do_not_mix() -> None:
    assert catalogue.layer("dropout") is None
    assert catalogue.function("Dense") is None


def test_old_keywords_are_understood() -> None:
    layer = catalogue.layer("Conv")
    assert layer is not None
    assert layer.argument("rhs_dilation") == layer.argument("kernel_dilation")
    assert layer.argument("dilation") is None


def test_star_imports_bring_what_the_package_imported() -> None:
    assert {*catalogue.EXPORTED} == {*imported_names(sources()[""])}
