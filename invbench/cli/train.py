"""The verb ``train``: train one flow, or all flows of the published results that have no
weights."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import UsageError

__all__ = ["train"]


def train(
    flow: Annotated[
        str,
        typer.Argument(
            help="Reference flow: srflow, fs_ncsr, llflow or glow, with options as in "
            '"srflow(conv1x1=orthogonal,split=bounded)".'
        ),
    ] = "",
    coupling: Annotated[str, typer.Option(help="Coupling target.")] = "",
    size: Annotated[
        str,
        typer.Option(
            help="mini, mini-8x (8 times larger images), medium (srflow, for a GPU), or a "
            "published size: paper, paper-8x, or small (llflow)."
        ),
    ] = "mini",
    seed: Annotated[int, typer.Option(help="Seed of weights and data order.")] = 0,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Train every flow of the published results that has no weights yet."
        ),
    ] = False,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder of the weights. Default: the user's cache.")
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compiled/--eager", help="Compile the couplings. Default: in long trainings."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    mixed: Annotated[
        bool,
        typer.Option(
            "--mixed-precision", help="Autocast to bfloat16. Needs --out: weights differ."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a flow with a coupling. After an interruption the same command continues.

    The size mini needs photographs of T91 or LOL, and half an hour on two cores. A published size
    needs a GPU, DIV2K and Flickr2K (or LOL), and days; medium a GPU, T91 and minutes.

    Examples: `INVBENCH_DATA=data invbench train srflow --coupling my.py`, `INVBENCH_DATA=data
    invbench train --all`, `INVBENCH_DATA=data invbench train srflow --coupling affine --size paper
    --device cuda`, `INVBENCH_DATA=data invbench train "srflow(conv1x1=orthogonal,split=bounded)"
    --coupling "cubic-rational-bounded(shift=2)"`
    """
    from invbench.targets import resolve
    from invbench.training.published import PublishedTraining, missing
    from invbench.training.train_flow import loss_text, train_flow

    if every == bool(flow) or (every and (coupling or out_dir or seed or size != "mini")):
        raise UsageError(
            "say which flow to train, and --coupling, or --all without either, without --out, "
            "--seed and --size"
        )
    if flow:
        resolve(flow, ("flow",))  # raises, with the nearest names
    if mixed and out_dir is None:
        raise UsageError(
            "--mixed-precision is another training than the published ones; say where to put "
            "it, with --out"
        )
    if not every and not coupling:
        raise UsageError(
            f"say which coupling: invbench train {shlex.quote(flow)} --coupling affine (invbench "
            f"list couplings)"
        )
    queue = missing() if every else [PublishedTraining(flow, coupling, seed, size)]
    cards = []
    with progress_bar() as progress:
        for place, one in enumerate(queue, 1):
            name = f"{one.flow} {one.size} {one.coupling} seed {one.seed}"
            if every:
                err.print(f"{place} of {len(queue)}: {name}", markup=False, highlight=False)
            bar = progress.add_task("starting", total=None)

            def report(log: Any, recipe: Any, bar: Any = bar) -> None:
                total = recipe.iterations
                skipped = (
                    f", {log.non_finite_steps} non-finite steps" if log.non_finite_steps else ""
                )
                words = loss_text(log, recipe) + skipped
                progress.update(bar, completed=log.step, total=total, description=words)
                if not err.is_terminal and log.step % 250 == 0:
                    err.print(f"step {log.step} of {total}, {words}, {log.seconds:.0f} s")

            path = train_flow(
                one.flow,
                one.coupling,
                one.size,
                one.seed,
                out_dir,
                report,
                compiled,
                device,
                mixed,
                err.print,
            )
            cards.append({"weights": str(path)} | json.loads(path.with_suffix(".json").read_text()))
            progress.remove_task(bar)
            if not as_json:
                out.print(f"weights: {escape(str(path))}", highlight=False, soft_wrap=True)
    if as_json:
        print_json(cards if every else cards[0])
    elif not cards:
        out.print("nothing is missing: all weights are there")
