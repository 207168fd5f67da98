"""Writes down which names and parameters of old JAX, Flax and NumPy are gone today.

    python tools/old_api [--cache FOLDER]

Downloads the releases below with pip (their sources; nothing of them is run),
reads their names and signatures, compares them with the jax, flax and numpy that
are installed beside it, and writes `linenify/facts/legacy/old_api.json`.  It takes a few
minutes, and has to be run again when linenify moves to newer releases.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from comparing import Installed, Old, gone, gone_modules, merged, parameters, replacement
from reading import Release
from renamed import MOVED

from linenify.facts.jax.jaxforms import FORMS
from linenify.facts.legacy import catalogue, optimnames
from linenify.facts.legacy.jaxnames import CONSTANTS, SWITCHES
from linenify.facts.training.optimizers import OPTIMIZERS, TRAVERSALS, WRAPPERS

DATA = Path(__file__).resolve().parents[2] / "linenify" / "facts" / "old_api.json"
RELEASES: Mapping[str, tuple[str, ...]] = {
    "jax": (
        *("0.1.58", "0.1.62", "0.1.68", "0.1.73", "0.1.77", "0.2.0", "0.2.5", "0.2.9"),
        *("0.2.12", "0.2.17", "0.2.28", "0.3.25", "0.4.13"),
    ),
    "flax": ("0.1.0", "0.2.0", "0.2.2", "0.3.0", "0.3.3", "0.3.6"),
    "numpy": ("1.16.6", "1.18.5", "1.19.5", "1.21.6", "1.26.4"),
}
# What the catalogue of legacy Flax knows, name by name.
_ELSEWHERE = ("flax.nn", "flax.optim", "flax.deprecated")
# Which interpreter a wheel of NumPy is for: its C code is not looked at.
_PYTHON = {"1.16.6": "3.7", "1.18.5": "3.7", "1.19.5": "3.7", "1.21.6": "3.9", "1.26.4": "3.11"}
_PLATFORMS = ("manylinux1_x86_64", "manylinux2010_x86_64", "manylinux_2_17_x86_64")


def main() -> None:
    """Downloads, reads, compares and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cache", type=Path, help="keep the downloads here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        cache = options.cache or Path(made)
        releases = {
            package: {v: Release(source(package, v, cache), package) for v in versions}
            for package, versions in RELEASES.items()
        }
        DATA.write_text(text(document(releases)), encoding="utf-8")
    print(f"wrote {DATA}")


def source(package: str, version: str, cache: Path) -> Path:
    """The unpacked source of a release."""
    folder = cache / f"{package}-{version}"
    archive = next(archives(package, version, cache), None)
    if archive is None:
        pip = shutil.which("pip")
        command = [pip] if pip else [sys.executable, "-m", "pip"]
        command += ["download", "--quiet", "--no-deps", "--dest", str(cache)]
        if package == "numpy":
            command += ["--only-binary", ":all:", "--python-version", _PYTHON[version]]
            command += [part for each in _PLATFORMS for part in ("--platform", each)]
        else:
            command += ["--no-binary" if package == "jax" else "--only-binary", ":all:"]
        subprocess.run([*command, f"{package}=={version}"], check=True)
        archive = next(archives(package, version, cache))
    if not folder.exists():
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(cache, filter="data")
    return folder


def archives(package: str, version: str, cache: Path) -> Iterator[Path]:
    """What pip has left in a folder."""
    yield from cache.glob(f"{package}-{version}.tar.gz")
    yield from cache.glob(f"{package}-{version}-*.whl")


def document(releases: Mapping[str, Mapping[str, Release]]) -> dict[str, Any]:
    """Everything that linenify ships of it."""
    installed = Installed()
    result: dict[str, Any] = {
        "releases": {package: list(each) for package, each in releases.items()},
        "installed": {package: importlib.metadata.version(package) for package in releases},
        "names": {},
        "gone": {},
        "modules": {},
        "parameters": {},
    }
    for package, each in releases.items():
        old = merged(each)
        result["names"][package] = counted(old, installed)
        for path in [path for path in old.names if path.startswith(_ELSEWHERE)]:
            del old.names[path]
            old.signatures.pop(path, None)
            old.modules.discard(path)
        result["gone"].update(gone(old, installed))
        result["modules"].update(gone_modules(old, installed))
        result["parameters"].update(parameters(old, installed))
    return result


def counted(old: Old, installed: Installed) -> dict[str, int]:
    """How many public names there were, are gone, and are rewritten; others are flagged.

    What a module had only imported from elsewhere does not count.
    """
    counts = {"names": 0, "gone": 0, "rewritten": 0}
    for path in old.names:
        if path in old.outside or any(part.startswith("_") for part in path.split(".")):
            continue
        counts["names"] += 1
        legacy = path.startswith(_ELSEWHERE)
        if not legacy and installed.has(path):
            continue
        counts["gone"] += 1
        counts["rewritten"] += _is_rewritten(path, old, installed, legacy=legacy)
    return counts


def _is_rewritten(path: str, old: Old, installed: Installed, *, legacy: bool) -> bool:
    if not legacy:
        written = path in FORMS or path in CONSTANTS or path in SWITCHES or path in MOVED
        return written or bool(replacement(path, old, installed))
    if not path.startswith("flax.nn."):
        name = path.rpartition(".")[2]
        return (
            name in OPTIMIZERS
            or name in WRAPPERS | TRAVERSALS
            or path in optimnames.MODULES
            or path in optimnames.TARGETS
        )
    entry = catalogue.resolve(path.removeprefix("flax.nn."))
    if entry is None:
        return path.removeprefix("flax.nn.") in catalogue.SUBMODULES
    return isinstance(entry, catalogue.Layer) or entry.kind != "gone"


def text(document: Mapping[str, Any]) -> str:
    """JSON with a line for each module and each function, so that diffs can be read."""
    lines: list[str] = []
    for key, value in document.items():
        if not isinstance(value, dict):
            inner = json.dumps(value)
            lines.append(f"{json.dumps(key)}: {inner}")
            continue
        rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
        lines.append(f"{json.dumps(key)}: {{\n{rows}\n}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
