"""The user's module class, and what to call it with."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linenify.checkpoint.errors import CheckpointError
from linenify.verify.inputs import Inputs
from linenify.verify.loading import UserFiles

if TYPE_CHECKING:
    from linenify.checkpoint.request import Request

_NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<spec>.*)", re.DOTALL)


@contextlib.contextmanager
def user_module(request: Request) -> Iterator[tuple[Any, list[Any], dict[str, Any]]]:
    """The module instance with its positional and named inputs; valid inside."""
    with named_object(request.module, request.project) as found:
        namespace = vars(sys.modules[getattr(found, "__module__", "builtins")])
        make = Inputs(namespace)
        fields = make.literals(request.fields)
        args, kwargs = arguments(request, make)
        if inspect.isclass(found):
            fields, call = _placed(found, fields, request.method or "__call__")
            yield found(**fields), args, {**kwargs, **call}
        else:  # an instance, or a function or partial that makes one
            instance = found(**fields) if callable(found) and not hasattr(found, "scope") else found
            yield instance, args, kwargs


def arguments(request: Request, make: Inputs) -> tuple[list[Any], dict[str, Any]]:
    """Inputs in a row and by name."""
    row, named = [], dict(request.named)
    for notation in request.inputs:
        found = _NAMED.fullmatch(notation) if isinstance(notation, str) else None
        if found is not None:
            named[found["name"]] = found["spec"]
        else:
            row.append(notation)
    args = make.positional(row)
    return args, make.named(named, args)


@contextlib.contextmanager
def named_object(name: str, project: str = "") -> Iterator[Any]:
    """What `pkg.file:name` or `path/file.py:name` stands for.

    Args:
        name: as above.
        project: the folder that imports start from; empty for that of the file, or of
            its package.

    Raises:
        CheckpointError: there is no such thing.
    """
    place, separator, attribute = name.rpartition(":")
    if not separator:
        place, _, attribute = name.rpartition(".")
    if not place or not attribute:
        raise CheckpointError(f"{name!r} is neither pkg.file:Class nor path/file.py:Class")
    if place.endswith(".py"):
        with _file(Path(place), project) as loaded:
            yield _attribute(loaded, attribute, name)
        return
    home = project or str(Path.cwd())
    sys.path.insert(0, home)
    try:
        try:
            loaded = importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise CheckpointError(f"{place} cannot be imported: {error}") from error
        yield _attribute(loaded, attribute, name)
    finally:
        sys.path.remove(home)


@contextlib.contextmanager
def _file(path: Path, project: str) -> Iterator[Any]:
    """A file, imported as part of its package, or of its project."""
    if not path.is_file() and project and (Path(project) / path).is_file():
        path = Path(project) / path
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist")
    path = path.resolve()
    if project and path.is_relative_to(Path(project).resolve()):
        files = UserFiles(Path(project))
    else:
        files = UserFiles(_root(path) or path)
    with files.active():
        yield files.load(path.relative_to(files.folder).as_posix())


def _root(path: Path) -> Path | None:
    """The top folder of the package that a file is in; None for a loose file."""
    folder = path.resolve().parent
    top = None
    while (folder / "__init__.py").is_file():
        top, folder = folder, folder.parent
    return top


def _attribute(loaded: Any, attribute: str, name: str) -> Any:
    value = loaded
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise CheckpointError(f"{name}: there is no `{part}`")
        value = getattr(value, part)
    return value


def _placed(
    module_class: Any, fields: Mapping[str, Any], method: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords as fields, or as arguments of the call, wherever the class takes them."""
    known = {each.name for each in dataclasses.fields(module_class) if each.init}
    signature = inspect.signature(getattr(module_class, method)).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in signature.values())
    call = {k: v for k, v in fields.items() if k not in known and (takes_all or k in signature)}
    return {k: v for k, v in fields.items() if k not in call}, call
