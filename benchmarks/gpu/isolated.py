"""One part in a process group of its own, with a limit: whatever it does, there is an outcome."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gpu.part import Answer, Part, Setting

__all__ = ["BAD", "Outcome", "run_part"]

BAD = ("failed", "hung", "died")
LOG_BYTES = 64 * 1024  # of a part's output, its end


@dataclass(frozen=True)
class Outcome:
    """``status``: passed, skipped, or one of ``BAD``; ``cpu_seconds``: of the processor, which a
    shared machine does not stretch; ``answer``: what the part had said by then."""

    part: Part
    status: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    log: str = ""


def run_part(part: Part, setting: Setting, environment: Mapping[str, str]) -> Outcome:
    """Run ``part.module`` in a child. One that fails, hangs or dies is said to have done so."""
    work = Path(setting.work)
    work.mkdir(parents=True, exist_ok=True)
    given = {n: getattr(setting, n) for n in ("device", "seconds", "work", "out", "answer")}
    command = [sys.executable, "-m", "gpu.child", part.module, json.dumps(given)]
    started, used = time.monotonic(), _used()
    with (work / "log").open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=work,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        code: int | None = None
        try:
            code = child.wait(timeout=setting.seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:  # whatever it has started ends with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return _outcome(part, setting, code, (time.monotonic() - started, _used() - used))


def _used() -> float:
    """Seconds of the processor that ended children took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _outcome(
    part: Part, setting: Setting, code: int | None, seconds: tuple[float, float]
) -> Outcome:
    answer = _read(Path(setting.answer))
    log = _end_of(Path(setting.work) / "log")
    if answer.finished:
        status = "failed" if answer.failures else "skipped" if answer.skipped else "passed"
        reasons = answer.failures or ([answer.skipped] if answer.skipped else [])
    elif code is None:
        status, reasons = "hung", [f"ended after {setting.seconds:.3g} s", *answer.failures]
    else:
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = next((line for line in reversed(log.splitlines()) if line.strip()), "no output")
        status, reasons = "died", [f"{how}: {last.strip()[:300]}", *answer.failures]
    return Outcome(part, status, *seconds, reasons, answer, log)


def _read(path: Path) -> Answer:
    try:
        return Answer(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Answer()


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")
