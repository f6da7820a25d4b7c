"""Entries that misbehave beside honest ones: python benchmarks/evidence/hostile.py [--output
results/robustness]

Each hostile entry is measured on the slopes of track coupling between honest entries; hostile.md
says what became of its row, and whether the honest rows are those of an undisturbed run to the bit.
Exit code 1 when a row is lost, wrong, or an honest one has changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from invbench.console import err
from invbench.files import write_atomically
from invbench.runner.local_worker import Limits
from invbench.runner.run import options_of, plan
from invbench.runner.scheduler import run_cells
from invbench.store.cell import Cell, CellSpec
from invbench.store.provenance import provenance

HEAD = """
import ctypes, os, shutil, signal, socket, subprocess, sys, threading, time
import numpy, torch
import invbench


class Shift(invbench.Elementwise):
    n_params = 1

    def forward(self, x, params):
        self.misbehave()
        return x + params[0], torch.zeros_like(x)

    def inverse(self, y, params):
        return y - params[0], torch.zeros_like(y)

    def misbehave(self):
        pass
"""

# name → (what it does, the statuses that its row may have)
ZOO: dict[str, tuple[str, tuple[str, ...]]] = {
    "hangs": ("time.sleep(10**6)", ("timeout",)),
    "spins": ("while True: pass", ("timeout",)),
    "hangs-in-c": ("ctypes.CDLL(None).sleep(10**6)", ("timeout",)),
    "ignores-signals": (
        "[signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; time.sleep(10**6)",
        ("timeout",),
    ),
    "segfaults": ("ctypes.string_at(0)", ("error",)),
    "os-exit": ("os._exit(0)", ("error",)),
    "kills-itself": ("os.kill(os.getpid(), signal.SIGKILL)", ("error",)),
    "sys-exit": ("sys.exit(0)", ("error",)),
    "interrupts": ("raise KeyboardInterrupt", ("error",)),
    "recurses": ("f = lambda n: f(n + 1); f(0)", ("error",)),
    "eats-memory": ("kept = b'x' * (8 * 2**30); time.sleep(10**6)", ("oom",)),
    "asks-for-too-much": ("torch.empty(2**50)", ("error", "oom")),
    "forks": ("os.fork() or time.sleep(10**6)", ("ok", "error", "oom", "timeout")),
    "leaves-children": ("[subprocess.Popen(['sleep', '100000']) for _ in range(3)]", ("ok",)),
    "prints-megabytes": ("print('x' * 2**25)", ("ok", "timeout")),
    "changes-rng": ("torch.manual_seed(0); numpy.random.seed(0); torch.rand(5)", ("ok",)),
    "changes-dtype": ("torch.set_default_dtype(torch.float64)", ("ok", "error")),
    "patches-torch": ("torch.exp = torch.log = torch.sum = lambda *a, **k: None", ("ok", "error")),
    "deletes-its-folder": ("shutil.rmtree(os.getcwd(), ignore_errors=True)", ("ok", "error")),
    "closes-its-files": ("os.closerange(0, 64)", ("error",)),
    "lies-on-the-channel": ("[_w(fd) for fd in range(3, 64)]", ("error",)),
    "starts-threads": ("threading.Thread(target=lambda: time.sleep(10**6)).start()", ("ok",)),
}
EXTRA = """

def _w(fd):
    try:
        os.write(fd, b"\\x00\\x00\\x00\\x04null")
    except OSError:
        pass
"""
HONEST = ("affine", "additive", "rq-bounded")


def entries(folder: Path) -> list[str]:
    parts = [HEAD, EXTRA]
    for name, (code, _) in ZOO.items():
        parts.append(
            f"\n@invbench.coupling({name!r})\nclass C{len(parts)}(Shift):\n    def "
            f"misbehave(self):\n"
        )
        parts += [f"        {line}\n" for line in code.split("; ")]
    file = folder / "zoo.py"
    file.write_text("".join(parts))
    return [f"{file}:{name}" for name in ZOO]


def measured(specs: list[CellSpec], results: Path, limits: Limits) -> dict[str, Cell]:
    found: dict[str, Cell] = {}

    def done(cell: Cell) -> None:
        found[cell.spec.entry] = cell
        err.print(
            f"{cell.spec.entry}: {cell.status} {cell.reason[:100]}", markup=False, highlight=False
        )

    run_cells(specs, 2, results, done, limits)
    return found


def main(
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
    seconds: Annotated[float, typer.Option(help="Time limit of a cell.")] = 40.0,
    gigabytes: Annotated[float, typer.Option(help="Memory limit of a cell.")] = 4.0,
) -> None:
    options = options_of("smoke")
    limits = Limits(seconds, gigabytes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hostile = [s for s in plan(["coupling"], entries(folder), options) if s.case == "slopes"]
        honest = [s for s in plan(["coupling"], list(HONEST), options) if s.case == "slopes"]
        alone = measured(honest, folder / "alone", limits)
        mixed = hostile[:8] + honest[:1] + hostile[8:16] + honest[1:2] + hostile[16:] + honest[2:]
        beside = measured(mixed, folder / "beside", limits)
    rows = []
    for entry, (code, allowed) in ZOO.items():
        cell = beside.get(entry)
        status = cell.status if cell else "lost"
        reason = (cell.reason if cell else "").replace(str(folder), "")
        rows.append(
            {
                "entry": entry,
                "does": code,
                "status": status,
                "as it should be": status in allowed,
                "reason": reason[:110],
            }
        )
    for entry in HONEST:
        same = json.dumps(alone[entry].measures) == json.dumps(beside[entry].measures)
        rows.append(
            {
                "entry": entry,
                "does": "honest",
                "status": beside[entry].status,
                "as it should be": same,
                "reason": "measures unchanged to the bit" if same else "CHANGED",
            }
        )
    frame = pd.DataFrame(rows)
    wrong = int((~frame["as it should be"]).sum())
    text = frame.map(lambda v: str(v).replace("|", "\\|")).to_markdown(index=False)
    commit = provenance("cpu", 0.0, f"{__file__}:1")["commit"]
    note = (
        f"{len(ZOO)} hostile entries, {len(HONEST)} honest ones, two workers, limits "
        f"{seconds:g} s and {gigabytes:g} GiB; {wrong} rows are wrong."
    )
    stamp = (
        f"`python benchmarks/evidence/hostile.py`, commit {str(commit)[:12]}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}"
    )
    write_atomically(
        output / "hostile.md", f"# Hostile entries\n\n{note}\n\n{text}\n\n{stamp}\n".encode()
    )
    print(note)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
