"""The verb ``run``: fill the leaderboard."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import UsageError

__all__ = ["run"]


def run(
    track: Annotated[list[str], typer.Option(help="Track; repeatable. Default: all.")] = [],  # noqa: B006
    entry: Annotated[list[str], typer.Option(help="Coupling target; repeatable. Default: the built-in ones.")] = [],  # noqa: B006
    budget: Annotated[str, typer.Option(help="smoke, default or full.")] = "default",
    seeds: Annotated[int | None, typer.Option(help="Seeds per entry. Default: the budget's.")] = None,
    data: Annotated[list[str], typer.Option(help="Data set of the tracks sr and lowlight; repeatable.")] = ["embedded"],  # noqa: B006
    condition: Annotated[list[str], typer.Option(help="OOD family of those tracks; repeatable. Default: all.")] = [],  # noqa: B006
    severity: Annotated[
        list[int], typer.Option(help="Severity 1 to 5 of those; repeatable. Default: the budget's.")
    ] = [],  # noqa: B006
    attacks: Annotated[
        list[str],
        typer.Option(
            "--attack", help="Attack of the sr track (invbench list attacks); repeatable. Default: the budget's."
        ),
    ] = [],  # noqa: B006
    inputs: Annotated[int | None, typer.Option(help="Inputs of each attack. Default: the budget's.")] = None,
    eps: Annotated[
        list[int], typer.Option(help="Radius of attacks on pixels, in 1/255; repeatable. Default: the budget's.")
    ] = [],  # noqa: B006
    flow: Annotated[
        str, typer.Option(help="Reference flow of one track, in place of its own (invbench list flows).")
    ] = "",
    size: Annotated[str, typer.Option(help="Size of that flow: mini, paper, …")] = "mini",
    weights: Annotated[
        Path | None, typer.Option(help="Its weights, of the one --entry: safetensors, or the authors' .pth.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    engine: Annotated[str, typer.Option(help="local.")] = "local",
    workers: Annotated[int | None, typer.Option(help="Worker processes. Default: one per core.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds that a cell may take. Default: 3600.")] = None,
    memory_limit: Annotated[
        float | None, typer.Option(help="GiB that a cell may use. Default: its share of the machine.")
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    retry: Annotated[list[str], typer.Option(help="Measure cells of this status again, e.g. error.")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the missing cells, run nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fill the leaderboard's missing cells, then show it. Interrupted, the same command goes on.

    Examples: `invbench run`, `invbench run --track coupling --track toy2d --entry my.py`,
    `invbench run --track sr --data BSD100 --data Urban100`, `invbench run --track sr --attack latent --inputs 24`,
    `invbench run --track sr --flow srflow --size paper --entry affine --weights SRFlow_DF2K_4X.pth`
    """
    from invbench.bench.engine import default_workers
    from invbench.bench.lane import Limits
    from invbench.bench.run import options_of, plan
    from invbench.bench.run import run as run_bench
    from invbench.bench.store import Store
    from invbench.bench.tracks import TRACKS
    from invbench.registry import FLOWS

    if engine != "local":
        raise UsageError(f"engine {engine!r} is not available; this version has: local")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be 1 or more, got {workers}")
    for name, limit in (("--time-limit", time_limit), ("--memory-limit", memory_limit)):
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} must be positive, got {limit:g}")
    tracks = track or ([str(FLOWS[flow].metadata["track"])] if flow else list(TRACKS))
    if dry_run:
        options = options_of(budget, seeds, dtype, device, data, condition, severity, attacks, inputs, eps)
        options = replace(options, flow=flow, model=size, weights=weights)
        store = Store(results)
        missing = [s for s in plan(tracks, entry, options) if (c := store.get(s)) is None or c.status in retry]
        if as_json:
            print_json([{"track": s.track, "entry": s.entry, "case": s.case, "seed": s.seed} for s in missing])
        else:
            for s in missing:
                out.print(f"{s.track} {s.entry} {s.case} seed {s.seed}", markup=False, highlight=False)
            err.print(f"{len(missing)} cells are missing")
        return
    with progress_bar() as progress:
        bar = progress.add_task("planning", total=None)

        def started(planned: int, missing: int) -> None:
            progress.update(bar, total=missing, description="measuring")
            progress.console.print(
                f"{planned} cells, {planned - missing} of them finished before, {missing} to measure"
            )

        def done(cell: Any) -> None:
            label = f"{cell.spec.track} {cell.spec.entry} {cell.spec.case}"
            progress.update(bar, advance=1, description=escape(label[:44].ljust(44)))

        outcome = run_bench(
            tracks,
            entry,
            budget,
            seeds,
            results,
            workers,
            dtype,
            device,
            data,
            condition,
            severity,
            attacks,
            inputs,
            eps,
            Limits.for_workers(workers or default_workers(), time_limit, memory_limit),
            retry,
            flow,
            size,
            weights,
            started,
            done,
        )
    if as_json:
        print_json(
            {
                "planned": outcome.planned,
                "finished_before": outcome.finished,
                "ran": outcome.ran,
                "failures": outcome.failures,
            }
        )
    else:
        _show_tables(tracks, results)
    for failure in outcome.failures:
        err.print(f"failed: {escape(failure)}", soft_wrap=True, highlight=False)
    if outcome.failures:
        err.print(
            f"{len(outcome.failures)} cells failed; once mended, the same command with --retry error measures them again"
        )
        raise typer.Exit(1)


def _show_tables(tracks: list[str], results: Path) -> None:
    from invbench.bench.run import unplanned
    from invbench.report.table import read_table, render

    for name in tracks:
        if not (results / name).is_dir():
            err.print(unplanned(name), soft_wrap=True, highlight=False)
            continue
        sys.stdout.write(f"\n## {name}\n\n" + render(read_table(name, results, pooled=True), "md", screen=True))
