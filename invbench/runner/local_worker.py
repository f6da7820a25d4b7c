"""One worker process and what guards it: a time limit, a memory limit, its output kept, its end
when it misbehaves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from invbench.errors import HarnessError
from invbench.files import is_modest, write_atomically
from invbench.registry import COUPLINGS
from invbench.store.cell import FAILED, Cell, CellSpec, Measured
from invbench.store.store import MAX_BYTES
from invbench.store.write_cell import record
from invbench.targets import absolute

__all__ = ["FOLDERS", "LOG_BYTES", "Lane", "Limits", "code_of"]

POLL, START_SECONDS = 0.2, 120.0
STARTS, ATTEMPTS = 4, 2  # of a process that does not come up, and of a cell whose process dies
LOG_BYTES = 64 * 1024  # of a cell's output, its end
FOLDERS = (
    "INVBENCH_DATA",
    "INVBENCH_CACHE",
    "INVBENCH_LPIPS",
)  # may be relative to where the user stands
# how torch says that the device failed: every later call of that process fails too
DEVICE_FAULT = re.compile(r"CUDA error|CUBLAS_STATUS|CUDNN_STATUS|device-side assert|HIP error")


class Answer(BaseModel):
    """What a worker says about its cell: the cell, or why it could not be written. Entries run in
    the worker: it is read with care."""

    model_config = ConfigDict(extra="forbid")
    cell: Cell | None = None
    harness: str = Field(default="", max_length=2000)

    @classmethod
    def read(cls, said: bytes) -> Answer:
        """Raises ``ValueError`` for what is no answer."""
        if not is_modest(said):
            raise ValueError("far more lists and objects than a cell has")
        return cls.model_validate_json(said)


@dataclass(frozen=True)
class Limits:
    """Of one cell: wall ``seconds``, and ``gigabytes`` of resident memory of its process and its
    children (pages they share count for each)."""

    seconds: float = 3600.0
    gigabytes: float = 8.0

    @classmethod
    def for_workers(
        cls, workers: int, seconds: float | None = None, gigabytes: float | None = None
    ) -> Limits:
        """An hour, and an equal share of 90 % of this machine's memory, where nothing else is asked
        for."""
        share = 0.9 * psutil.virtual_memory().total / 2**30 / workers
        return cls(seconds or cls.seconds, gigabytes or share)


class Lane:
    """Measures one cell after another in a spawned process. An entry from outside never shares its
    process with another entry."""

    def __init__(
        self, results: Path, limits: Limits, environment: Mapping[str, str] | None = None
    ) -> None:
        """``environment``: what its process has besides ours."""
        self.results, self.limits, self._environment = (
            results.absolute(),
            limits,
            dict(environment or {}),
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None
        self._output: deque[bytes] = deque()
        self.resident = ""  # whose code the process has run, empty when it was only ours
        self._served = 0  # cells that this process has answered
        self._folder = ""
        self._closed = False

    def prepare(self) -> None:
        """A process is started when there is a cell for it."""

    def measure(self, spec: CellSpec) -> Cell:
        """The cell, measured and written, whatever the entry does. Raises ``HarnessError`` when it
        cannot be written, or no worker starts."""
        cell: Cell | None = None
        for attempt in range(ATTEMPTS):
            cell, again = self._attempt(spec, last=attempt + 1 == ATTEMPTS)
            if not again:
                break
            self.close(final=False)
        if cell is None:
            raise HarnessError("the run was stopped")
        if cell.status in FAILED:
            self._keep_log(spec)
            self.close(final=False)  # a process in which something failed is not used again
        return cell

    def _inherited(self, cell: Cell) -> bool:
        """Whether the device failed in a process that had measured other cells, one of which may
        have broken it."""
        return (
            cell.status == "error" and self._served > 1 and bool(DEVICE_FAULT.search(cell.reason))
        )

    def _attempt(self, spec: CellSpec, last: bool) -> tuple[Cell | None, bool]:
        """(the cell, or None; whether to try again). A death is recorded the second time: the first
        may have come from outside."""
        code = code_of(spec)
        if self._process is None or (self.resident and self.resident != code):
            self._start()
        self.resident = code or self.resident
        self._output.clear()
        started = time.monotonic()
        try:
            assert self._channel is not None
            self._channel.send_bytes(_request(spec))
            cell = self._wait(spec, started)
            self._served += 1
            return cell, self._inherited(cell)
        except (OSError, EOFError, ValueError):  # the process is gone, or what it said is no answer
            if self._closed:
                return None, False
            if last:
                return self._lost(spec, started), False
            return None, True

    def _wait(self, spec: CellSpec, started: float) -> Cell:
        assert self._channel is not None and self._process is not None
        while not self._channel.poll(POLL):
            spent = time.monotonic() - started
            if spent > self.limits.seconds:
                return self._end(
                    spec,
                    "timeout",
                    f"still running after {spent:.0f} s; --time-limit allows more",
                    spent,
                )
            used = _resident_gigabytes(self._process.pid)
            if used > self.limits.gigabytes:
                reason = (
                    f"used {used:.1f} GiB of memory; --memory-limit allows more than "
                    f"{self.limits.gigabytes:.1f}"
                )
                return self._end(spec, "oom", reason, spent)
        answer = Answer.read(self._channel.recv_bytes(2 * MAX_BYTES))
        if answer.cell is None:
            # tried again from here: where the disk refuses, this raises; an entry's word alone does
            # not stop a run
            reason = f"the worker could not write its cell: {answer.harness}"
            return self._end(spec, "error", reason, time.monotonic() - started)
        if answer.cell.key != spec.key:
            raise ValueError("the answer is about another cell")
        return answer.cell

    def _lost(self, spec: CellSpec, started: float) -> Cell:
        code = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(1)
        how = (
            f"signal {-code}"
            if code is not None and code < 0
            else f"exit code {code}"
            if code is not None
            else "no answer"
        )
        reason = (
            f"the worker process died twice ({how}): a crash in native code, os._exit, or "
            f"killed for memory"
        )
        return self._end(spec, "error", reason, time.monotonic() - started)

    def _end(self, spec: CellSpec, status: str, reason: str, seconds: float) -> Cell:
        self.close(final=False)
        return record(spec, Measured({}, status, reason), self.results, seconds)  # type: ignore[arg-type]

    def _start(self) -> None:
        """A new process; one that ends before it is ready is started again, since no entry's code
        has run in it yet."""
        for attempt in range(STARTS):
            try:
                return self._restart()
            except HarnessError:
                if self._closed or attempt + 1 == STARTS:
                    raise

    def _restart(self) -> None:
        self.close(final=False)
        if self._closed:
            raise HarnessError("the run was stopped")
        ours, theirs = socket.socketpair()
        self._folder = tempfile.mkdtemp(prefix="invbench-")
        environment = {
            **os.environ,
            **self._environment,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path),
        }
        environment |= {
            name: os.path.abspath(environment[name]) for name in FOLDERS if environment.get(name)
        }
        # -u: the last words of an entry that ends the process are in the log
        serve = "from invbench.runner.worker_main import serve; serve()"
        command = [sys.executable, "-u", "-c", serve]
        command += [str(theirs.fileno()), str(os.getpid()), str(self.results)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # so that the whole group can be ended
            )
        self._channel, self._served = Connection(ours.detach()), 0
        self._output = deque()
        threading.Thread(
            target=_drain, args=(self._process.stdout, self._output), daemon=True
        ).start()
        started = time.monotonic()
        try:
            while not self._channel.poll(POLL):
                if self._process.poll() is not None or time.monotonic() - started > START_SECONDS:
                    raise EOFError
            self._channel.recv_bytes(100)  # its word that it is ready
        except (OSError, EOFError):
            said = b"".join(self._output).decode(errors="replace")[-500:]
            self.close(final=False)
            raise HarnessError(
                f"a worker process did not start: {said or 'it said nothing'}"
            ) from None

    def _keep_log(self, spec: CellSpec) -> None:
        """What the entry printed, beside its cell."""
        if text := b"".join(self._output)[-LOG_BYTES:]:
            write_atomically((self.results / spec.path).with_suffix(".log"), text)

    def close(self, final: bool = True) -> None:
        """End the process and all that it has started; ``final``: none is started any more."""
        self._closed = self._closed or final
        process, self._process = self._process, None
        if process is not None:
            family = _family(process.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            for member in family:
                with contextlib.suppress(psutil.Error):
                    member.kill()
            process.wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self.resident = ""
        shutil.rmtree(self._folder, ignore_errors=True)


def _request(spec: CellSpec) -> bytes:
    return json.dumps(
        {
            "spec": spec.model_dump(mode="json"),
            "target": absolute(spec.target),
            "weights": spec.weights,
        }
    ).encode()


def code_of(spec: CellSpec) -> str:
    """Whose code measuring the cell runs; empty when it ships with invbench."""
    name = spec.target.partition("(")[0]
    ours = name in COUPLINGS and COUPLINGS[name].obj.__module__.startswith("invbench.couplings.")
    return "" if ours else f"{spec.entry} {spec.entry_digest}"


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _resident_gigabytes(pid: int) -> float:
    total = 0
    for member in _family(pid):
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total / 2**30


def _drain(stream, kept: deque[bytes]) -> None:  # type: ignore[no-untyped-def]
    """Read all that the process prints, so that it never blocks, and keep the end."""
    size = 0
    with stream:
        while chunk := stream.read1(LOG_BYTES):
            kept.append(chunk)
            size = sum(map(len, kept))
            while size > 2 * LOG_BYTES and len(kept) > 1:
                size -= len(kept.popleft())
