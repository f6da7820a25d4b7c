"""Calls of a stranger's code: with a time limit, in silence, and with exceptions as data."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType

import torch

__all__ = ["LIMIT", "TookTooLong", "guarded", "origin_of"]

LIMIT = 60.0  # seconds for one law on one case


class TookTooLong(BaseException):
    """A call exceeded its time limit. Not an ``Exception``, which the code that hangs may catch."""


PATIENT = 3.0  # times the limit in real time, on a machine with other work
AGAIN, IMPORTS = 0.25, 240  # an import is waited for: seconds until the next look, and how often
IMPORTLIB = "<frozen importlib._bootstrap>"


@contextlib.contextmanager
def guarded(limit: float = LIMIT) -> Iterator[None]:
    """Prints and warnings go nowhere. A call of more than ``limit`` seconds of processor time, or
    three times that in real time, raises ``TookTooLong``.

    The limit works in the main thread of systems with timers. It interrupts Python code, not a
    single call into C, and no import: half a module would stay behind, and the next who needs it
    would fail (torch imports its compiler when an optimiser is made). An import is waited for,
    ``IMPORTS`` times ``AGAIN`` seconds at most.
    """
    waits = iter(range(IMPORTS))
    caller = sys._getframe(2)  # over the generator and contextlib

    def ring(number: int, frame: FrameType | None) -> None:
        if _importing(frame, caller) and next(waits, None) is not None:
            real = number == signal.SIGALRM
            signal.setitimer(signal.ITIMER_REAL if real else signal.ITIMER_PROF, AGAIN)
            return
        raise TookTooLong(f"no result after {limit:g} s")

    recording = torch.is_grad_enabled()
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not timed:
            try:
                yield
            finally:
                torch.set_grad_enabled(recording)
            return
        timers = (
            (signal.ITIMER_PROF, signal.SIGPROF, limit),
            (signal.ITIMER_REAL, signal.SIGALRM, PATIENT * limit),
        )
        # timers of others: of pytest-timeout, say, or of a guard around this one
        before = [
            (signal.signal(number, ring), signal.setitimer(timer, length))
            for timer, number, length in timers
        ]
        try:
            yield
        finally:
            torch.set_grad_enabled(recording)  # a timer may ring inside a no_grad
            for (timer, number, _), (handler, length) in zip(timers, before, strict=True):
                signal.setitimer(timer, 0)
                signal.signal(number, handler)
                signal.setitimer(timer, *length)


def _importing(frame: FrameType | None, caller: FrameType) -> bool:
    """Whether a module is being imported between the guard's caller and the frame."""
    while frame is not None and frame is not caller:
        if frame.f_code.co_filename == IMPORTLIB:
            return True
        frame = frame.f_back
    return False


def origin_of(error: BaseException) -> str:
    """(file:line) of the innermost frame of an exception."""
    trace = error.__traceback__
    last = None
    while trace is not None:
        last, trace = trace, trace.tb_next
    return f" ({last.tb_frame.f_code.co_filename}:{last.tb_lineno})" if last else ""
