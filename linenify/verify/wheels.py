"""The legacy Flax sources, fetched once by pinned hash.

Only the sources are wanted, never an installation: a directory that holds the
contents of one wheel.  The package client of the user does the download, so
that mirrors, proxies and credentials are the client's business, and checks the
hash on the way.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

DEFAULT_VERSION = "0.3.6"
"""The last release with `flax.nn`; what `--legacy` means unless a version is named."""

OVERRIDE = "LINENIFY_LEGACY_WHEEL"
"""Environment variable: a wheel file, or a directory that holds an unzipped wheel."""

HASHES = {
    "0.1.0": "2f5c21e8006e938fdf37b2748a802403fe13e90d4691e59531c5c2fa2cf5f0d0",
    "0.2.0": "e7f4d0d5cec83dec2bb51f4a35b97422dd23cbb17603d57a9633e17113838c16",
    "0.2.2": "e24fd49226e432a44e3796737e9da203c7c41f8303b50fb0bc1c87641a07ffa6",
    "0.3.0": "0ab0269815069f763fd3e387e78d434ac2611fe5bf1cb9b78d64e6ccf44f7591",
    "0.3.1": "d1dc79d008b02ea4110f1eaf7e97f1b3e085e45a0bfe62f2f6e26930d3750fdd",
    "0.3.2": "599073b19e7c6f7091a4e2464c50e99d6eb265725f8bb9d2ceb667ed6237a3cb",
    "0.3.3": "974741671a7e3ddddb9b9803605784af0df2e1e9c84fc74eb9a0c54ab4bda0dd",
    "0.3.4": "7c3820d9a556c0fe6d2fcc1175025010d3238e5d2ac6acd8fcc4c27f526941b2",
    "0.3.5": "7c2c4eefd8576d911d845fe859f5defae288cc264a8353018202d901f7510fa5",
    "0.3.6": "8c1c3e181ed7f30aabe761b81bbfad1499173a5480ef5073082183b7469a9f0e",
}
"""SHA-256 of `flax-<version>-py3-none-any.whl`."""


class WheelUnavailableError(Exception):
    """The legacy sources cannot be had; the message says what to do."""


def legacy_sources(version: str = DEFAULT_VERSION) -> Path:
    """The directory that holds the legacy package `flax`, fetched if need be."""
    if given := os.environ.get(OVERRIDE):
        return _given(Path(given))
    if version not in HASHES:
        known = ", ".join(HASHES)
        raise WheelUnavailableError(f"flax {version} has no pinned hash; known are {known}")
    home = cache_home() / "legacy" / f"flax-{version}-{HASHES[version][:12]}"
    if not _holds_flax(home):
        _fill(home, lambda fresh: _install(version, fresh))
    return home


def _given(path: Path) -> Path:
    if path.is_dir():
        if _holds_flax(path):
            return path
        raise WheelUnavailableError(f"{path} (from {OVERRIDE}) holds no package `flax`")
    if not path.is_file():
        raise WheelUnavailableError(f"{path} (from {OVERRIDE}) does not exist")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest not in HASHES.values():
        raise WheelUnavailableError(
            f"{path} (from {OVERRIDE}) is not a wheel linenify knows: sha256 {digest}; "
            "unzip it and name the directory if you trust it"
        )
    home = cache_home() / "legacy" / f"flax-given-{digest[:12]}"
    if not _holds_flax(home):
        _fill(home, lambda fresh: _unzip(path, fresh))
    return home


def cache_home() -> Path:
    """Where linenify keeps what it can make again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "linenify"


def _holds_flax(directory: Path) -> bool:
    return (directory / "flax" / "__init__.py").is_file()


def _fill(home: Path, make: Callable[[Path], None]) -> None:
    """Makes a directory beside its final place, then moves it there in one step."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fresh-") as scratch:
        fresh = Path(scratch) / "wheel"
        make(fresh)
        try:
            fresh.rename(home)
        except OSError:
            if not _holds_flax(home):  # else another process was faster
                raise


def _unzip(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)


def _install(version: str, into: Path) -> None:
    """Lets a package client unpack the wheel; it refuses one with another hash."""
    requirements = into.parent / "requirements.txt"
    requirements.write_text(f"flax=={version} --hash=sha256:{HASHES[version]}\n")
    complaints = []
    for client in _clients():
        command = [
            *client,
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--target", str(into), "-r", str(requirements)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0 and _holds_flax(into):
            return
        shutil.rmtree(into, ignore_errors=True)
        complaints.append(f"{' '.join(client[:4])}: {_last_line(done.stderr or done.stdout)}")
    tried = "; ".join(complaints) or "neither uv nor pip was found"
    raise WheelUnavailableError(
        f"cannot fetch the sources of flax {version} ({tried}). "
        f"Set {OVERRIDE} to a flax-{version} wheel, or to a directory that holds it unzipped."
    )


def _clients() -> Iterator[list[str]]:
    """Commands that take `--target`, the likeliest first."""
    if importlib.util.find_spec("uv"):
        yield [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    elif uv := shutil.which("uv"):
        yield [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip", "install"]
    elif pip := shutil.which("pip"):
        yield [pip, "install"]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"
