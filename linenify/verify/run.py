"""Compares cases in a subprocess that may take its time, hang or die.

    results = run_cases([Path("fixtures/running_statistics")])

Nothing here imports JAX: that happens in `linenify.verify.worker`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import linenify
from linenify.verify.case import CaseError, read_case
from linenify.verify.verdict import CaseResult, failed_case, from_json
from linenify.verify.wheels import cache_home


@dataclass(frozen=True, slots=True)
class Job:
    """A case file, and the two sides to run it on (a file or a folder each)."""

    case: str
    legacy: str
    linen: str
    flax: str = ""  # a legacy version other than the one the case names
    base: str = ""  # where relative paths in the case start, if not at its folder
    independent: str = ""  # a file with what another oracle computed
    locate: bool = True  # whether to look for the place where the sides part
    memory: str = ""  # a folder where results of the legacy side are kept for other jobs


def job_of(folder: Path) -> Job:
    """The job of a case folder as it is committed."""
    sides = [_side(folder, name) for name in ("legacy", "linen")]
    legacy, linen = map(str, sides)
    return Job(str(folder / "case.toml"), legacy, linen)


def _side(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder / f"{name}.py"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use.

    Attributes:
        timeout: seconds for one job.
        memory: bytes that a worker may allocate; 0 for no limit.
        platform: "cpu", "gpu" or "tpu".
        stubs: packages that user code imports, and nobody can install.
        workers: processes at a time; 0 for as many as the machine and the jobs are worth.
    """

    timeout: float = 300.0
    memory: int = 0
    platform: str = "cpu"
    workers: int = 0
    stubs: tuple[str, ...] = ()


def run_cases(folders: Iterable[Path], *, timeout: float = 300.0) -> list[CaseResult]:
    """The verdicts on case folders, in their order; `timeout` seconds for each."""
    return run_jobs([job_of(folder) for folder in folders], timeout=timeout)


def run_jobs(
    jobs: Sequence[Job],
    *,
    timeout: float = 300.0,
    limits: Limits | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[CaseResult]:
    """The verdicts on jobs, in their order.

    One process runs many jobs that want the same number of devices.  If it dies
    or hangs, that is the verdict on the job at hand, and another process goes
    on with the next one.
    """
    limits = limits or Limits(timeout)
    by_devices: dict[int, list[int]] = {}
    for index, job in enumerate(jobs):
        by_devices.setdefault(devices_of(job), []).append(index)
    crew = _Crew(jobs, limits, progress)
    shares = [
        (devices, indices[number::count])
        for devices, indices in by_devices.items()
        for count in [_workers(len(indices), limits)]
        for number in range(count)
    ]
    with ThreadPoolExecutor(_workers(len(jobs), limits)) as pool:
        try:
            for future in [pool.submit(crew.work, *share) for share in shares]:
                future.result()
        except BaseException:  # Ctrl-C, for one
            crew.stop()
            raise
    return [crew.results[index] for index in range(len(jobs))]


@dataclass
class _Crew:
    """What several workers do at the same time."""

    jobs: Sequence[Job]
    limits: Limits
    progress: Callable[[], None]
    results: dict[int, CaseResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def work(self, devices: int, waiting: Sequence[int]) -> None:
        """Runs some of the jobs, one after the other."""
        while waiting and not self._stopped:
            group = [self.jobs[index] for index in waiting[:_JOBS]]
            done = 0
            for result in _one_worker(group, self.limits, devices, self._running):
                self.results[waiting[done]] = result
                done += 1
                with self._lock:
                    self.progress()
            waiting = waiting[done:]

    def stop(self) -> None:
        """Ends all workers."""
        self._stopped = True
        for worker in list(self._running):
            worker.kill()


def _workers(jobs: int, limits: Limits) -> int:
    """How many processes to run so many jobs in: each costs the start of JAX, and memory."""
    if limits.workers or limits.platform != "cpu":
        return max(1, min(jobs, limits.workers))
    return max(1, min(os.cpu_count() or 1, _PROCESSES, jobs // _WORTH))


_PROCESSES = 4
_WORTH = 3  # jobs that are worth a process of their own

# What JAX has compiled stays in memory: after so many jobs a worker has earned its rest.
_JOBS = 40


def devices_of(job: Job) -> int:
    """How many devices a job asks for; one that cannot be read says so when it is run."""
    try:
        return read_case(Path(job.case)).devices
    except (CaseError, OSError):
        return 1


def environment(devices: int = 1, platform: str = "cpu") -> dict[str, str]:
    """What a worker needs, less what the user has set."""
    wanted = {
        "JAX_PLATFORMS": "cpu",
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        # Legacy code runs operation by operation: many small programs, worth keeping.
        "JAX_COMPILATION_CACHE_DIR": str(cache_home() / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    given = {name: os.environ.get(name, value) for name, value in wanted.items()}
    if platform != "cpu":
        # `cuda` or `rocm`: JAX knows both as `gpu`.  The host stays there for callbacks.
        given["JAX_PLATFORMS"] = f"{'cuda' if platform == 'gpu' else platform},cpu"
        flags = os.environ.get("XLA_FLAGS", "")
        given["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    if devices > 1:
        flag = f"--xla_force_host_platform_device_count={devices}"
        before = given.get("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
        given["XLA_FLAGS"] = f"{before} {flag}".strip()
    return given


def _one_worker(
    jobs: Sequence[Job], limits: Limits, devices: int, running: set[subprocess.Popen[str]]
) -> Iterator[CaseResult]:
    """Verdicts on the first jobs: on all of them, if nothing goes wrong."""
    command = [sys.executable, "-P", "-m", "linenify.verify.worker", "--json"]
    command += [word for name in limits.stubs for word in ("--stub", name)]
    if limits.memory:
        command += ["--memory", str(limits.memory)]
    package = str(Path(linenify.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        tempfile.TemporaryFile("w+") as errors,
        tempfile.TemporaryDirectory(prefix="linenify-run-") as folder,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,  # what user code writes to relative paths goes with it
            env=os.environ
            | environment(devices, limits.platform)
            # Nor does what it leaves in temporary folders outlive it, however it ends.
            | {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": folder},
        ) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        answers: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_forward, args=(worker.stdout, answers))
        reader.start()
        running.add(worker)
        try:
            with contextlib.suppress(BrokenPipeError), worker.stdin:  # a missing answer says so
                json.dump([dataclasses.asdict(_absolute(job)) for job in jobs], worker.stdin)
            yield from _answered(jobs, answers, worker, errors, limits.timeout)
        finally:
            running.discard(worker)
            worker.kill()
            reader.join()


def _absolute(job: Job) -> Job:
    """The same job, wherever the worker is started."""
    case, legacy, linen = (os.path.abspath(path) for path in (job.case, job.legacy, job.linen))  # noqa: PTH100 - links stay
    return dataclasses.replace(job, case=case, legacy=legacy, linen=linen)


def _answered(
    jobs: Sequence[Job],
    answers: queue.Queue[str | None],
    worker: subprocess.Popen[str],
    errors: IO[str],
    timeout: float,
) -> Iterator[CaseResult]:
    """One verdict for each job, up to the one that brought the worker down."""
    for job in jobs:
        try:
            answer = answers.get(timeout=timeout)
        except queue.Empty:
            worker.send_signal(signal.SIGUSR1)
            time.sleep(_MOMENT)
            place = _last_place(_said(errors), job)
            message = f"no result after {timeout:g} seconds"
            yield failed_case(job.case, f"{message}: the {place}" if place else message)
            return
        if answer is None:
            yield failed_case(job.case, f"the process died: {_end(worker.wait(), errors, job)}")
            return
        yield from_json(CaseResult, json.loads(answer))


_MOMENT = 1.0  # seconds, to write down where it is


def _last_place(stack: str, job: Job) -> str:
    """The innermost user code of a stack as `faulthandler` writes it; "" if there is none."""
    sides = {"linen": Path(job.linen).resolve(), "legacy": Path(job.legacy).resolve()}
    for name, line, function in re.findall(r'File "(.+)", line (\d+) in (.+)', stack):
        for side, path in sides.items():
            if Path(name).is_relative_to(path):
                home = path if path.is_dir() else path.parent
                return f"{side} side is at {Path(name).relative_to(home)}:{line} in {function}"
    return ""


def _end(status: int, errors: IO[str], job: Job) -> str:
    """How a worker ended, and where, or what it said last."""
    said, _, stack = _said(errors).partition("Fatal Python error: ")
    place = _last_place(stack, job)
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    last = " | ".join(said.strip().splitlines()[-3:])
    return "; ".join(filter(None, [how, place and f"the {place}", last]))


def _forward(stream: IO[str], answers: queue.Queue[str | None]) -> None:
    for line in stream:
        answers.put(line)
    answers.put(None)


def _said(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read()
