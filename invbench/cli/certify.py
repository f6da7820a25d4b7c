"""The verb ``certify``: the largest value that any condition can cause, or the layer without a
bound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table as RichTable

from invbench.cli.attack import parse_eps
from invbench.console import JsonFlag, out, print_json
from invbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.bounds import Certificate

__all__ = ["certify"]


def certify(
    flow: Annotated[
        str, typer.Argument(help="Trained flow: srflow, or a file or module that registers one.")
    ],
    coupling: Annotated[str, typer.Option(help="Coupling target.")] = "affine",
    size: Annotated[str, typer.Option(help="Size of the flow.")] = "mini",
    seed: Annotated[int, typer.Option(help="Seed of the weights.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(help="Weights file. Default: your own or the shipped ones.")
    ] = None,
    radius: Annotated[float, typer.Option(help="Largest |z| of a latent, in units of τ.")] = 4.0,
    temperature: Annotated[
        float | None,
        typer.Option(help="Temperature τ of the latents. Default: that of the flow."),
    ] = None,
    guard: Annotated[
        Path | None,
        typer.Option(help="A guard of the flow (invbench guard): certify the clamped flow."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="A picture as the condition: the bound holds for it and its size alone."),
    ] = None,
    eps: Annotated[str, typer.Option(help="Largest change of a pixel of that picture.")] = "0",
    layers: Annotated[bool, typer.Option("--layers", help="One row per layer.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bound the values of a decode for every condition. Exit code 1 when there is no bound; the
    layer and the reason are named.

    Examples: `invbench certify srflow --coupling rq-bounded`, `invbench certify llflow --coupling
    "rq-bounded(bins=4)" --layers`, `invbench certify srflow --image low.png --eps 1/255 --json`
    """
    from invbench.bounds import certify as certified
    from invbench.targets import guarded_by, resolve
    from invbench.training.weights import load_flow

    change = parse_eps(eps)
    if image is None and change:
        raise UsageError("--eps is the change of a picture; name the picture with --image FILE")
    known = resolve(flow, ("flow",)).entry.metadata
    target = resolve(coupling if guard is None else guarded_by(coupling, guard))
    tau = float(known.get("temperature", 1.0)) if temperature is None else temperature
    loaded = load_flow(flow, target, size, weights, seed)
    box = None if image is None else (_condition(image, loaded), change)
    found = certified(loaded, radius, tau, box)
    if as_json:
        print_json(
            {"flow": flow, "coupling": target.name, "size": size, "seed": seed, **found.as_dict()}
        )
    else:
        out.print(
            f"{flow}, {target.name}, {size}, seed {seed}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        for line in found.lines():
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        if layers:
            out.print(_table(found))
    if not found.finite:
        raise typer.Exit(1)


def _condition(image: Path, flow: object) -> Tensor:
    """The picture as (1, 3, h, w), its sides cut to what the flow takes."""
    from invbench.data.images import centre_crop, read_image

    spec = getattr(flow, "spec", None)
    multiple = int(getattr(spec, "divisor", 2 ** int(getattr(spec, "levels", 0))))
    picture = read_image(image)
    if min(picture.shape[-2:]) < multiple:
        raise UsageError(f"{image.name}: its sides must be at least {multiple} pixels")
    return centre_crop(picture, multiple)[None]


def _table(found: Certificate) -> RichTable:
    table = RichTable("layer", "max |value|", "largest sum", "move", "no bound because", box=None)
    for layer in found.layers:
        sizes = (
            f"{v:.4g}" if math.isfinite(v) else "Inf"
            for v in (layer.max_abs, layer.largest_sum, layer.move)
        )
        table.add_row(escape(layer.name), *sizes, escape(layer.reason))
    return table
