"""The independent oracle: legacy Flax in an environment of its own, on the JAX of 2023.

The environment is made by uv from a lock that is shipped, once, in the user's
cache.  There the legacy side runs under the same numbers; what it computes is
compared with what it computes beside the modern Flax.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from linenify.errors import UsageError
from linenify.verify.case import CaseError, read_case
from linenify.verify.run import Job, Limits, devices_of
from linenify.verify.wheels import WheelUnavailableError, cache_home, legacy_sources

LOCK = Path(__file__).with_name("isolated.lock")
PYTHON = "3.11"


def recorded(jobs: Sequence[Job], scratch: Path, limits: Limits) -> list[Job]:
    """The jobs, each with the file that holds what the isolated legacy side computed.

    Raises:
        UsageError: the environment cannot be made.
    """
    python = environment_python()
    return [
        _recorded(python, job, scratch / f"{number}.pickle", limits)
        for number, job in enumerate(jobs)
    ]


def _recorded(python: Path, job: Job, place: Path, limits: Limits) -> Job:
    try:
        sources = legacy_sources(job.flax or read_case(Path(job.case)).flax)
    except WheelUnavailableError as error:
        raise UsageError(str(error)) from error
    except CaseError:
        return job  # the verdict will say so
    package = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(sources), str(package)]),
        "JAX_PLATFORMS": "cpu",
        "JAX_DEFAULT_MATMUL_PRECISION": "float32",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    devices = devices_of(job)
    if devices > 1:
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    with tempfile.TemporaryDirectory(prefix="linenify-run-") as folder:
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                [python, "-P", "-m", "linenify.verify.independent", str(place)],
                input=json.dumps(dataclasses.asdict(job)),
                capture_output=True,
                text=True,
                check=False,
                cwd=folder,
                env=environment,
                timeout=limits.timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise UsageError(
                f"the isolated oracle gave no result after {limits.timeout:g} seconds"
            ) from error
    if done.returncode or not place.exists():
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"the isolated oracle failed: {reason}")
    return dataclasses.replace(job, independent=str(place))


def environment_python() -> Path:
    """The interpreter of the isolated environment, which is made if need be.

    Raises:
        UsageError: it cannot be made; the message says why and what to do.
    """
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = cache_home() / "oracle" / f"jax-0.4.13-{digest}"
    python = home / "bin" / "python"
    if not python.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        try:
            _make(home)
        except UsageError:
            shutil.rmtree(home, ignore_errors=True)
            raise
    return python


def _make(home: Path) -> None:
    uv = _uv()
    for command in (
        [*uv, "venv", "--quiet", "--python", PYTHON, str(home)],
        [
            *(*uv, "pip", "install", "--quiet", "--require-hashes"),
            *("--python", str(home / "bin" / "python"), "-r", str(LOCK)),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            reason = " ".join(done.stderr.strip().splitlines()[-3:]) or "no message"
            raise UsageError(
                f"the isolated oracle cannot be installed ({reason}). It needs a package index, "
                f"Python {PYTHON} and uv; without it, --oracle overlay is there"
            )


def _uv() -> list[str]:
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    if found := shutil.which("uv"):
        return [found]
    raise UsageError("--oracle isolated needs uv: pip install '.[verify]' in its checkout")
