"""The verb ``run``: fill the leaderboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import TextColumn

from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import UsageError

__all__ = ["run"]


def run(
    track: Annotated[list[str], typer.Option(help=("Track; repeatable. Default: all."))] = [],  # noqa: B006
    entry: Annotated[
        list[str], typer.Option(help="Coupling target; repeatable. Default: the built-in ones.")
    ] = [],  # noqa: B006
    budget: Annotated[str, typer.Option(help="smoke, default or full.")] = "default",
    seeds: Annotated[
        int | None, typer.Option(help="Seeds per entry. Default: the budget's.")
    ] = None,
    data: Annotated[
        list[str], typer.Option(help="Data set of the tracks sr and lowlight; repeatable.")
    ] = ["embedded"],  # noqa: B006
    corruption: Annotated[
        list[str],
        typer.Option(
            "--corruption",
            "--condition",
            help="Corruption of the photographs (invbench list conditions); repeatable. Default: "
            "all.",
        ),
    ] = [],  # noqa: B006
    severity: Annotated[
        list[int], typer.Option(help="Severity 1 to 5 of those; repeatable. Default: the budget's.")
    ] = [],  # noqa: B006
    attacks: Annotated[
        list[str],
        typer.Option(
            "--attack",
            help=(
                "Attack of the sr track (invbench list attacks), or radius, the critical one; "
                "repeatable. Default: the budget's."
            ),
        ),
    ] = [],  # noqa: B006
    inputs: Annotated[
        int | None, typer.Option(help="Inputs of each attack. Default: the budget's.")
    ] = None,
    eps: Annotated[
        list[int],
        typer.Option(
            help="Radius of attacks on pixels, in 1/255; repeatable. Default: the budget's."
        ),
    ] = [],  # noqa: B006
    flow: Annotated[
        str,
        typer.Option(
            help="Reference flow of one track, in place of its own (invbench list flows)."
        ),
    ] = "",
    size: Annotated[str, typer.Option(help="Size of that flow: mini, paper, …")] = "mini",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights file of that flow with --entry: safetensors, or the authors' .pth."
        ),
    ] = None,
    guard: Annotated[
        Path | None,
        typer.Option(help="A guard (invbench guard) that clamps the flow of each --entry."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    engine: Annotated[str, typer.Option(help="local, or ray (extra [ray]).")] = "local",
    address: Annotated[
        str,
        typer.Option(
            help=(
                "Ray cluster: host:port, or auto. Default: RAY_ADDRESS, else a Ray on this machine."
            )
        ),
    ] = "",
    workers: Annotated[
        int | None,
        typer.Option(
            help="Worker processes. Default: one per core, or as many as the GPUs or cluster hold."
        ),
    ] = None,
    gpu_share: Annotated[
        float | None,
        typer.Option(
            help="Part of a GPU for each worker. Default: 8 GiB of it; on Ray a whole one."
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds that a cell may take. Default: 3600.")
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(help="GiB that a cell may use. Default: its share of the machine."),
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    retry: Annotated[
        list[str],
        typer.Option(help="Measure cells of this status again, e.g. error,timeout; repeatable."),
    ] = [],  # noqa: B006
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List the missing cells and how long they may take, run nothing."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Fill the leaderboard's missing cells, then show it. Interrupted, the same command goes on.

    Examples: `invbench run`, `invbench run --track coupling --track toy2d --entry my.py`, `invbench
    run --track sr --data BSD100 --data Urban100`, `invbench run --track sr --attack latent --inputs
    24`, `invbench run --track sr --flow srflow --size paper --entry affine --weights
    SRFlow_DF2K_4X.pth`, `invbench run --engine ray --address auto`
    """
    from invbench.runner.cost import Remaining
    from invbench.runner.engines import EngineConfig, require_engine
    from invbench.runner.run import measurable, options_of, survey
    from invbench.runner.run import run as run_bench
    from invbench.runner.scheduler import default_workers
    from invbench.targets import guarded_by, resolve

    if guard is not None:
        if not entry:
            raise UsageError("--guard is of one flow: name its design with --entry")
        entry = [guarded_by(spec, guard) for spec in entry]
    if workers is not None and workers < 1:
        raise UsageError(f"--workers must be 1 or more, got {workers}")
    for name, limit in (
        ("--time-limit", time_limit),
        ("--memory-limit", memory_limit),
        ("--gpu-share", gpu_share),
    ):
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} must be positive, got {limit:g}")
    require_engine(engine, address)
    tracks = track or (
        [str(resolve(flow, ("flow",)).entry.metadata["track"])] if flow else measurable()
    )
    retried = [status for group in retry for status in group.split(",")]
    options = options_of(
        budget,
        seeds,
        dtype,
        device,
        data,
        corruption,
        severity,
        attacks,
        inputs,
        eps,
        flow,
        size,
        weights,
    )
    if dry_run:
        found = survey(tracks, entry, options, results, retried)
        _show_missing(found.missing, found.costs, workers or default_workers(), as_json)
        return
    with progress_bar(TextColumn("{task.fields[left]}")) as progress:
        bar = progress.add_task("planning", total=None, left="")
        clock: list[Remaining] = []

        def started(planned: int, finished: int, left: Remaining) -> None:
            clock.append(left)
            progress.update(
                bar, total=len(left), description="measuring", left=str(left) if left else ""
            )
            progress.console.print(
                f"{planned} cells, {finished} of them finished before, {len(left)} to measure"
                + (f", {left}" if left else "")
            )

        def done(cell: Any) -> None:
            label = f"{cell.spec.track} {cell.spec.entry} {cell.spec.case}"
            left = str(clock[0]) if err.is_terminal else ""
            progress.update(bar, advance=1, description=escape(label[:44].ljust(44)), left=left)

        config = EngineConfig(engine, workers, time_limit, memory_limit, device, gpu_share, address)
        outcome = run_bench(tracks, entry, options, results, config, retried, started, done)
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
            f"{len(outcome.failures)} cells failed; mend what is wrong, then run the same command "
            f"with --retry error"
        )
        raise typer.Exit(1)


def _show_missing(missing: list[Any], costs: Any, workers: int, as_json: bool) -> None:
    from invbench.runner.cost import Remaining

    if as_json:
        keys = ("track", "entry", "case", "seed")
        print_json(
            [{k: getattr(s, k) for k in keys} | {"seconds": costs.seconds(s)} for s in missing]
        )
        return
    for s in missing:
        out.print(f"{s.track} {s.entry} {s.case} seed {s.seed}", markup=False, highlight=False)
    err.print(
        f"{len(missing)} cells are missing"
        + (f", {Remaining(missing, costs, workers)}" if missing else "")
    )


def _show_tables(tracks: list[str], results: Path) -> None:
    from invbench.report.table import read_table, render
    from invbench.report.terminal import print_short
    from invbench.runner.run import unplanned
    from invbench.store.store import Store

    for name in tracks:
        if not Store(results).holds(name):
            err.print(unplanned(name), soft_wrap=True, highlight=False)
            continue
        table = read_table(name, results, pooled=True)
        if out.is_terminal:
            print_short(table)
        else:
            sys.stdout.write(f"\n## {name}\n\n" + render(table, "md", screen=True))
