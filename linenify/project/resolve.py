"""Imports between the files of a project."""

from __future__ import annotations

from linenify.project.source import Project, Source
from linenify.project.syspath import search_folders

# A program that imports Flax has the JAX and NumPy that Flax imports, whatever
# its own folders are called.
_LIBRARIES = frozenset({"jax", "jaxlib", "numpy"})


class Imports:
    """Finds the file that an import statement means.

    A dotted name is looked up from the importing file's own folder outwards,
    so that scripts side by side, `src/` layouts and packages below any root
    all resolve; then in the folders that code puts on `sys.path`, and in
    folders called `src`.
    """

    def __init__(self, project: Project) -> None:
        self.by_name: dict[str, str] = {source.name: source.name for source in project.sources}
        for source in project.sources:
            for alias in source.aliases:
                self.by_name.setdefault(alias, source.name)
        self._roots = sorted({root for name in self.by_name if (root := _source_root(name))})
        self._folders = search_folders(project)

    def absolute(self, importer: Source, module: str, level: int) -> str:
        """The dotted name that `from <dots><module> import` starts from."""
        if level == 0:
            return module
        parts = importer.name.split(".") if importer.name else []
        if not importer.is_package:
            parts = parts[:-1]
        parts = parts[: len(parts) - (level - 1)] if level > 1 else parts
        return ".".join([*parts, *([module] if module else [])])

    def find(self, name: str, importer: Source, level: int = 0) -> str | None:
        """The project file called `name` as seen from `importer`, if there is one.

        Args:
            name: in full.
            importer: the file that imports it.
            level: how many dots it was written with; a file in a folder `jax` of the
                project may be meant by dots only.
        """
        if not name or (not level and name.partition(".")[0] in _LIBRARIES):
            return None
        parts = importer.name.split(".")[:-1] if importer.name else []
        if importer.is_package and importer.name:
            parts = importer.name.split(".")
        for length in range(len(parts), -1, -1):
            candidate = ".".join([*parts[:length], name])
            if self.by_name.get(candidate, importer.name) != importer.name:
                return self.by_name[candidate]
        return self._on_path(name, importer) or self._outer(name)

    def _on_path(self, name: str, importer: Source) -> str | None:
        """Below a folder that this file puts on `sys.path`, or else another one."""
        own = self._folders.get(importer.name, ())
        others = [
            f for file, found in self._folders.items() if file != importer.name for f in found
        ]
        own_name = importer.name
        for folders in (own, others, self._roots):
            found = {f"{folder}.{name}" if folder else name for folder in folders}
            found = {each for each in found if self.by_name.get(each, own_name) != own_name}
            if len(found) == 1 or (found and folders is own):
                return next(
                    self.by_name[each]
                    for folder in folders
                    if (each := f"{folder}.{name}" if folder else name) in found
                )
        return None

    def _outer(self, name: str) -> str | None:
        # `import project.models` from inside `project/`, when `project/` itself
        # is what was given on the command line.
        parts = name.split(".")
        for start in range(1, len(parts)):
            candidate = ".".join(parts[start:])
            if candidate in self.by_name:
                return self.by_name[candidate]
        return None


def _source_root(name: str) -> str:
    """The innermost `src` folder of a dotted name, which is meant to be on `sys.path`."""
    folders = name.split(".")[:-1]
    for end in range(len(folders), 0, -1):
        if folders[end - 1] == "src":
            return ".".join(folders[:end])
    return ""
