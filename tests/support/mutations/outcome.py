"""What became of one file: read, refused by name, or one of the things that must not happen."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from invbench.errors import InvbenchError
from tests.support.mutations.kinds import Kind
from tests.support.mutations.payloads import MARKER

__all__ = ["Outcome", "judged"]

SECONDS, GIGABYTES = 1.0, 1.0


@dataclass(frozen=True)
class Outcome:
    """``what``: read or refused; or crash, executed, hang (over 1 s of processor time), memory
    (peak of the process over 1 GiB)."""

    what: str
    seconds: float
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.what in ("read", "refused")


def peak_gigabytes() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def judged(kind: Kind, data: bytes, folder: Path) -> Outcome:
    """Write ``data`` where files of this kind lie below ``folder``, which is the working folder
    too, and read it."""
    started = time.process_time()
    try:
        refusal = kind.read(data, folder)
        what, detail = ("refused", refusal) if refusal else ("read", "")
    except InvbenchError as error:
        what, detail = "refused", str(error)
    except BaseException as error:
        what, detail = "crash", f"{type(error).__name__}: {error}"
    seconds = time.process_time() - started
    if (folder / MARKER).exists():
        what = "executed"
    elif what != "crash" and seconds > SECONDS:
        what, detail = "hang", f"{seconds:.1f} s, then {what}: {detail}"
    elif what != "crash" and peak_gigabytes() > GIGABYTES:
        what, detail = "memory", f"{peak_gigabytes():.2f} GiB, then {what}: {detail}"
    return Outcome(what, seconds, detail[:300])
