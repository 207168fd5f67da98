"""Asks the process that runs the user's code, or remembers what it said before.

An answer depends on the request, on the user's files that were read for it, and
on what is installed.  Where none of it has changed, JAX need not start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import linenify
from linenify.checkpoint.errors import CheckpointError
from linenify.checkpoint.opened import digest
from linenify.checkpoint.request import Request, as_json
from linenify.verify.wheels import OVERRIDE, cache_home

_TOLD = ("JAX_", "XLA_", "FLAX_", "PYTHONPATH", "XDG_CACHE_HOME", OVERRIDE)


def asked(request: Request, timeout: float = 600) -> Mapping[str, Any]:
    """The answer to one request.

    Raises:
        CheckpointError: the code raised, or took too long.
    """
    with Asking(timeout) as ask:
        return ask(request)


@dataclass
class Asking:
    """Answers requests; the process is started when the first one needs it.

    Attributes:
        timeout: seconds for one answer.
        remembering: whether answers are taken from the cache.
    """

    timeout: float = 600
    remembering: bool = True
    _worker: _Worker | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def begin(self, request: Request) -> None:
        """Starts the process already, if a request like this was never answered."""
        if not (self.remembering and _place(request, begun=True).is_file()):
            self._started(optimizer=bool(request.optimizer or request.tx))

    def __call__(self, request: Request) -> Mapping[str, Any]:
        """The answer.

        Raises:
            CheckpointError: the code raised, or took too long.
        """
        if self.remembering and (known := _remembered(request)) is not None:
            return known
        line = self._started().answer(as_json(request), self.timeout)
        if line is None:
            self._end()
            raise CheckpointError(f"the module was traced for {self.timeout:.0f} seconds; gave up")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            reason = self._started().last_words()
            self._end()
            raise CheckpointError(f"the module cannot be traced: {reason}") from None
        if "error" in answer:
            raise CheckpointError(f"the module cannot be traced: {answer['error']}")
        if "unconfirmed" not in answer:  # a missing wheel is not for ever
            _remember(request, answer)
        return answer

    def _started(self, *, optimizer: bool = False) -> _Worker:
        if self._worker is None:
            self._worker = _Worker(["optimizer"] if optimizer else [])
        return self._worker

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class _Worker:
    def __init__(self, needs: Sequence[str]) -> None:
        package = str(Path(linenify.__file__).parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                sys.executable,
                "-P",
                "-c",
                "from linenify.checkpoint.worker import main; main()",
                *needs,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**_compiled(os.environ), "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._forward, daemon=True)
        self._reader.start()

    def _forward(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def answer(self, line: str, timeout: float) -> str | None:
        """A line of answer, empty from a process that died; None if it takes too long."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        try:
            return self._answers.get(timeout=timeout)
        except queue.Empty:
            return None

    def last_words(self) -> str:
        """What a process that died said."""
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"the process ended with {self._process.returncode}"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()


def _compiled(environment: Mapping[str, str]) -> dict[str, str]:
    """Where JAX was installed without its bytecode, ours is kept: it takes as long to compile."""
    spec = find_spec("jax")
    if spec is None or (spec.cached and Path(spec.cached).exists()):
        return dict(environment)
    own = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {"PYTHONPYCACHEPREFIX": str(cache_home() / "bytecode"), **own}


# --- the cache -------------------------------------------------------------------------------


def _place(request: Request, *, begun: bool = False) -> Path:
    """Where the answer is kept; what the checkpoint adds to a request is left out at first."""
    data = json.loads(as_json(request))
    if begun:
        data |= {"optimizer": "", "tx": "", "per_step": [], "schedule": False, "loose": []}
        data["parts"] = {name: {**part, "under": []} for name, part in data["parts"].items()}
    told = sorted((k, v) for k, v in os.environ.items() if k.startswith(_TOLD))
    key = hashlib.sha256()
    for part in (json.dumps(data), str(Path.cwd()), sys.version, *_installed(), repr(told)):
        key.update(f"{part}\n".encode())
    ending = "begun" if begun else "json"
    return cache_home() / "traces" / f"{key.hexdigest()[:40]}.{ending}"


def _installed() -> Iterator[str]:
    """Names and versions of all distributions, and the state of our own files."""
    for folder in sys.path:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder or ".")):  # noqa: PTH208 - names are enough
                if name.endswith(".dist-info"):
                    yield name
    own = Path(linenify.__file__).parent
    for file in sorted(own.rglob("*.py")):
        status = file.stat()
        yield f"{file.relative_to(own)} {status.st_size} {status.st_mtime_ns}"


def _remembered(request: Request) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(_place(request).read_text())
        answer: Mapping[str, Any] = entry["answer"]
        known: Mapping[str, str] = entry["files"]
        if all(digest(Path(file)) == content for file, content in known.items()):
            return answer
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def _remember(request: Request, answer: Mapping[str, Any]) -> None:
    files: Sequence[str] = answer.get("files", ())
    entry = {"answer": answer, "files": {file: digest(Path(file)) for file in files}}
    place = _place(request)
    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to stop
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False) as stream:
            json.dump(entry, stream)
        Path(stream.name).replace(place)
        _place(request, begun=True).touch()
