"""A leaderboard of 100 000 cells: python benchmarks/evidence/many_cells.py [--cells 100000]
[--output results/benchmarks]

Writes that many synthetic cells of 50 entries into a temporary folder (tracks sr, lowlight, toy2d
and coupling, twelve or forty inputs each, as real cells have), then measures each command in a
process of its own: seconds of the wall and of the processor, and peak resident memory.
many_cells.md says which targets are reached.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from invbench.console import err
from invbench.corruptions import corruption_names
from invbench.files import write_atomically
from invbench.report.charts.evidence import MOST_DRAWN, MOST_RANKED
from invbench.report.site.data import MOST_TRACED
from invbench.store.case import case_named
from invbench.store.cell import Cell, CellSpec
from invbench.store.provenance import provenance
from invbench.store.store import Store

ENTRIES = 50
SHARES = {"sr": 0.72, "lowlight": 0.12, "toy2d": 0.13, "coupling": 0.03}
DATASETS = ("embedded", "BSD100", "Urban100", "Set14")
SECONDS = {"table": 5.0, "site": 20.0}  # targets, warm
MEGABYTES = 1000.0
ABOUT = {
    "torch": "synthetic",
    "python": "3",
    "platform": "none",
    "threads": 1,
    "commit": "0" * 40,
    "seconds": 1.0,
}


def image_cases(track: str) -> list[tuple[str, dict[str, Any]]]:
    """(case, settings) of one entry and seed: samples of every family and severity, sensitivity,
    attacks and radii."""
    found: list[tuple[str, dict[str, Any]]] = []
    for dataset in DATASETS if track == "sr" else DATASETS[:1]:
        conditions = [f"{family}-{s}" for family in corruption_names(track) for s in range(1, 6)]
        found += [(f"{dataset}/{condition}", {}) for condition in ["clean", *conditions]]
        if track == "sr":
            found += [(f"{dataset}/{family}-3#stretch", {}) for family in corruption_names(track)]
            found += [
                (f"{dataset}/attack-{name}-{e}", {})
                for name in ("both", "condition")
                for e in (1, 2, 4, 8, 16)
            ]
        found.append((f"{dataset}/clean#radius", {}))
    return found


CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "sr": image_cases("sr"),
    "lowlight": image_cases("lowlight"),
    "toy2d": [
        (case, {}) for case in ("in", *(f"shift-{0.2 * k:.1f}" for k in range(1, 11)), "in#radius")
    ],
    "coupling": [(case, {}) for case in ("soundness", "slopes", "speed")],
}


def measures(track: str, case: str, rate: float, rng: np.random.Generator) -> dict[str, Any]:
    """What a cell of ``case`` would say of an entry that fails on a share ``rate`` of its
    inputs."""
    if track == "coupling":
        values = {
            "soundness": {"sound": True},
            "slopes": {"slope_lo": 0.1, "slope_hi": 8.0, "displacement": float(rng.random())},
        }
        return values.get(
            case, {"forward_ns": float(rng.random()), "inverse_ns": 1.0, "train_ns": 2.0}
        )
    n = 20 if track == "toy2d" else 40 if case.startswith("BSD100") else 12
    names = {} if track == "toy2d" else {"names": [f"photo{i // 2}/{i % 2}" for i in range(n)]}
    if case.endswith("#radius"):
        return names | {
            "radius_error" if track == "toy2d" else "radius_F2": rng.uniform(0.1, 4, n).tolist()
        }
    if case.endswith("#stretch"):
        return {
            "names": names["names"][:4],
            "inv_lipschitz": rng.uniform(1, 9, 4).tolist(),
            "kappa": rng.uniform(1, 9, 4).tolist(),
        }
    found: dict[str, Any] = names | {
        "inf": [0] * n,
        "error": (rng.random(n) < rate).astype(int).tolist(),
    }
    found["max_abs_log10"] = rng.normal(0, 1, n).tolist()
    if track == "toy2d":
        return found | {
            "nll": float(rng.normal()),
            "outside_pct": float(rng.random()),
            "variance_ratio": float(rng.random()),
        }
    quality = (
        "psnr",
        "ssim",
        *(("lr_psnr_min", "lr_psnr_std") if track == "sr" else ("psnr_rescaled",)),
    )
    found |= {name: rng.normal(20, 1, n).tolist() for name in quality}
    return found | ({"rate": rng.random(n).tolist()} if "attack-condition" in case else {})


def synthetic(count: int) -> Iterator[Cell]:
    """About ``count`` cells; whole seeds of all entries, the last ones of a track cut off."""
    rng = np.random.default_rng(0)
    for track, share in SHARES.items():
        wanted = round(count * share)
        per_seed = ENTRIES * len(CASES[track])
        for k in range(wanted):
            seed, rest = divmod(k, per_seed)
            place, number = divmod(rest, ENTRIES)
            case, settings = CASES[track][place]
            digest = hashlib.sha256(f"{number}".encode()).hexdigest()[:16]
            about = {"flow": "srflow", "size": "mini", "samples": 10, "temperature": 0.9} | settings
            spec = CellSpec(
                track=track,
                entry=f"design-{number:02d}",
                **case_named(case).model_dump(),
                seed=seed,
                entry_digest=digest,
                settings=about,
            )
            found = measures(track, case, number / ENTRIES * rng.random(), rng)
            stamp = {
                "finished": f"2026-01-01T00:{k // 60 % 60:02d}:{k % 60:02d}+00:00",
                "origin": f"design_{number:02d}.py:3",
            }
            yield Cell(
                key=spec.key, spec=spec, status="ok", measures=found, provenance=ABOUT | stamp
            )


def write(cells: Iterator[Cell], folder: Path) -> None:
    """As the store does, but for the sync of every file, which would take an hour."""
    for cell in cells:
        path = folder / cell.spec.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(cell.model_dump_json(indent=1))


def timed(name: str, folder: Path, cache: Path, *arguments: str) -> dict[str, Any]:
    """One command in a process of its own."""
    command = [
        sys.executable,
        "-c",
        CHILD,
        "invbench",
        *arguments,
        "--results",
        str(folder / "results"),
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "INVBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    row = {
        "command": name,
        "wall_s": wall,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": int(done.stderr.splitlines()[-1]) / 1000,
        "load": os.getloadavg()[0],
    }
    err.print(str(row), highlight=False)
    return row


# the peak of this very process: what the children of the parent reached before does not count
CHILD = """
import resource, sys
from invbench.cli.main import main
sys.argv = sys.argv[1:]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def one_more(folder: Path, k: int) -> float:
    """Seconds that the store takes to write one more cell, and afterwards to find it."""
    spec = CellSpec(
        track="toy2d",
        entry="design-00",
        corruption="in",
        seed=10_000 + k,
        entry_digest=hashlib.sha256(b"0").hexdigest()[:16],
    )
    cell = Cell(
        key=spec.key,
        spec=spec,
        status="ok",
        measures=measures("toy2d", "in", 0.1, np.random.default_rng(k)),
        provenance=ABOUT,
    )
    store, started = Store(folder / "results"), time.perf_counter()
    store.write(cell)
    assert store.get(spec) is not None
    return time.perf_counter() - started


def main(
    cells: Annotated[int, typer.Option(help="Cells of the leaderboard.")] = 100_000,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
    kept: Annotated[
        Path | None,
        typer.Option(
            help="Keep the cells here, and use again what is there. Default: a temporary folder."
        ),
    ] = None,
) -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as cached:
        folder, cache = kept or Path(name), Path(cached)
        if not (folder / "results").is_dir():
            write(synthetic(cells), folder / "results")
        count = len(Store(folder / "results").entries())
        # in turn, so that both meet the same load of the machine
        pairs = [(one_more(Path(name) / "alone", k), one_more(folder, k)) for k in range(40)]
        write_alone, write_beside = map(min, zip(*pairs, strict=True))
        time.sleep(3)  # files younger than two seconds are read again
        rows.append(timed("table, no index yet", folder, cache, "table"))
        rows.append(timed("table", folder, cache, "table"))
        one_more(folder, 40)
        rows.append(timed("table, one cell more", folder, cache, "table"))
        time.sleep(3)
        rows.append(
            timed(
                "site, no chart or row of it yet", folder, cache, "site", "-o", str(folder / "site")
            )
        )
        rows.append(timed("site", folder, cache, "site", "-o", str(folder / "site")))
        for name in (
            "csv of all conditions of sr, no row of it yet",
            "csv of all conditions of sr",
        ):
            rows.append(timed(name, folder, cache, "table", "--track", "sr", "--format", "csv"))
        page = (folder / "site" / "index.html").stat().st_size / 1e6
        index = sum(p.stat().st_size for p in (cache / "index").glob("*")) / 1e6
    report(rows, count, (write_alone, write_beside), page, index, cells, output)


def report(
    rows: list[dict[str, Any]],
    count: int,
    writes: tuple[float, float],
    page: float,
    index: float,
    cells: int,
    output: Path,
) -> None:
    frame = pd.DataFrame(rows)
    tables = "table", "table, one cell more", "csv of all conditions of sr"
    targets = dict.fromkeys(tables, SECONDS["table"]) | {"site": SECONDS["site"]}
    frame["target_s"] = frame["command"].map(targets)
    reached = (
        (frame["wall_s"] <= frame["target_s"])
        .map({True: "yes", False: "no"})
        .where(frame["target_s"].notna(), "")
    )
    by_cpu = (
        (frame["cpu_s"] <= frame["target_s"])
        .map({True: "yes", False: "no"})
        .where(frame["target_s"].notna(), "")
    )
    shown = frame.assign(reached=reached, reached_cpu=by_cpu)
    formatted = shown.apply(
        lambda c: (
            c.map(lambda v: "" if pd.isna(v) else f"{v:.1f}")
            if pd.api.types.is_numeric_dtype(c)
            else c
        )
    )
    most = frame["peak_mb"].max()
    when = (
        f"commit {str(provenance('cpu', 0.0, f'{__file__}:1')['commit'])[:12]}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}"
    )
    text = f"""# {count} stored cells

{formatted.to_markdown(index=False, disable_numparse=True)}

- {count} cells of {ENTRIES} entries. Every command is a process of its own; imports (torch among them, 2 s) are in the times. wall_s: of the wall;
  cpu_s: of the processor, one thread; load: the machine's load average. Above the number of its cores, {os.cpu_count()}, the machine was shared, and
  wall_s says little. reached: by wall_s, reached_cpu: by cpu_s.
- The first table after so many new cells reads and checks every file; so does every one
  where the cache cannot be written. It is not part of the target; later ones read what is new. "no chart or row of it
  yet", "no row of it yet": with the index, before any command has ranked these cells; ranks are remembered.
- Peak memory {most:.0f} MB, target {MEGABYTES:.0f} MB: {"reached" if most <= MEGABYTES else "not reached"}.
- Writing one more cell and finding it: {1000 * writes[0]:.1f} ms in an empty folder, {1000 * writes[1]:.1f} ms beside {count} others
  (best of 40, in turn, synced to the disk).
- The index takes {index:.0f} MB of the user's cache; the page has {page:.1f} MB.
- Caps of the page: beyond {MOST_RANKED} rows of single conditions in a track these are not ranked, beyond {MOST_TRACED} they do not say
  where they are from (pooled rows always do); charts of curves draw {MOST_DRAWN} entries. Tables have no cap.

`python benchmarks/evidence/many_cells.py --cells {cells}`, {when}, {platform.machine()}, Python {platform.python_version()}
"""
    write_atomically(output / "many_cells.md", text.encode())
    write_atomically(
        output / "many_cells.csv", frame.to_csv(index=False, float_format="%.6g").encode()
    )
    print(text)


if __name__ == "__main__":
    typer.run(main)
