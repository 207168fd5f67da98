"""Imports between the files of a project."""

from __future__ import annotations

from linenify.project.source import Project, Source


class Imports:
    """Finds the file that an import statement means.

    A dotted name is looked up from the importing file's own folder outwards,
    so that scripts side by side, `src/` layouts and packages below any root
    all resolve without knowing `sys.path`.
    """

    def __init__(self, project: Project) -> None:
        self.by_name: dict[str, str] = {source.name: source.name for source in project.sources}

    def absolute(self, importer: Source, module: str, level: int) -> str:
        """The dotted name that `from <dots><module> import` starts from."""
        if level == 0:
            return module
        parts = importer.name.split(".") if importer.name else []
        if not importer.is_package:
            parts = parts[:-1]
        parts = parts[: len(parts) - (level - 1)] if level > 1 else parts
        return ".".join([*parts, *([module] if module else [])])

    def find(self, name: str, importer: Source) -> str | None:
        """The project file called `name` as seen from `importer`, if there is one."""
        if not name:
            return None
        parts = importer.name.split(".")[:-1] if importer.name else []
        if importer.is_package and importer.name:
            parts = importer.name.split(".")
        for length in range(len(parts), -1, -1):
            candidate = ".".join([*parts[:length], name])
            if candidate in self.by_name and candidate != importer.name:
                return candidate
        return self._outer(name)

    def _outer(self, name: str) -> str | None:
        # `import project.models` from inside `project/`, when `project/` itself
        # is what was given on the command line.
        parts = name.split(".")
        for start in range(1, len(parts)):
            candidate = ".".join(parts[start:])
            if candidate in self.by_name:
                return candidate
        return None
