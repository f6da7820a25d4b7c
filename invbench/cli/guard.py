"""The verb ``guard``: make clamps for a trained flow from photographs, or read a file of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import UsageError

if TYPE_CHECKING:
    from invbench.cures.activations import Batch
    from invbench.cures.guard import Guard
    from invbench.cures.guarded import GuardedFlow
    from invbench.cures.photographs import Photographs
    from invbench.flows import ConditionalFlow

__all__ = ["guard"]

PATCHES = {"guard": 192, "gate": 1024, "prior": 3072}  # cure → crops that it is made of
ROUND = 192  # crops of a round through the photographs, while a prior is trained


def guard(
    flow: Annotated[
        str, typer.Argument(help="Trained flow: srflow, or a file or module that registers one.")
    ],
    coupling: Annotated[str, typer.Option(help="Coupling target.")] = "affine",
    calibrate: Annotated[
        str,
        typer.Option(
            help=(
                "Photographs: a folder, a data set, or embedded. In low light a folder with "
                "high and low, or LOL."
            )
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The guard's file, .safetensors.")
    ] = None,
    cure: Annotated[
        str,
        typer.Option(
            help="What is made: guard, gate (refuses far conditions) or prior (predicts latents)."
        ),
    ] = "guard",
    check: Annotated[
        Path | None, typer.Option(help="Read this guard, and tell whether it fits the flow.")
    ] = None,
    margin: Annotated[
        float, typer.Option(help="Widens each interval about its middle; 1 is the range seen.")
    ] = 1.0,
    quantile: Annotated[
        float | None,
        typer.Option(help="Quantile of the values seen, in (0.5, 1]. Default: the extremes."),
    ] = None,
    crop: Annotated[int, typer.Option(help="Side of the crops.")] = 64,
    patches: Annotated[
        int | None,
        typer.Option(
            help="How many crops are seen. Default: 192, of a gate 1024, of a prior 3072."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Size of the flow.")] = "mini",
    weights: Annotated[
        Path | None, typer.Option(help="Weights file. Default: your own or the shipped ones.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the weights and of the crops.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    allow_other_weights: Annotated[
        bool,
        typer.Option(
            "--allow-other-weights", help="Accept a guard that was calibrated with other weights."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Clamp each layer of a trained flow to the values that it has on photographs, without
    training; or make the file of another cure. Exit code 1 when a guard that is checked does not
    fit.

    An entry takes the file by name, as in `--entry "affine+guard(file='guard.safetensors')"`, or
    finds it beside the weights as `WEIGHTS.guard.safetensors`.

    Examples: `invbench guard srflow --calibrate photographs/ -o guard.safetensors`, `invbench guard
    srflow --check guard.safetensors`, `invbench guard llflow --calibrate LOL -o dark.safetensors
    --quantile 0.9999 --margin 1.5`
    """
    if bool(calibrate) == (check is not None):
        raise UsageError(
            "say --calibrate FOLDER -o FILE to make a guard, or --check FILE to read one"
        )
    if cure not in PATCHES:
        raise UsageError(f"--cure must be {', '.join(PATCHES)}, got {cure!r}")
    if check is not None and cure != "guard":
        raise UsageError("--check reads guards; a gate or prior is checked when it is used")
    if calibrate and (output is None or output.suffix != ".safetensors"):
        raise UsageError("say where the guard goes: -o guard.safetensors")
    from invbench.cures.guard_file import read_guard
    from invbench.cures.guarded import GuardedFlow
    from invbench.devices import allow_tf32, require_device
    from invbench.training.weights import load_flow

    require_device(device)
    allow_tf32(False)
    stored = read_guard(check) if check is not None else None
    loaded = load_flow(flow, coupling, size, weights, seed).to(device)
    head = {"flow": flow, "coupling": coupling, "size": size, "seed": seed}
    if stored is None:
        assert output is not None
        found = _Photographs(flow, loaded, calibrate, crop, patches or PATCHES[cure], seed)
        if cure != "guard":
            _make(cure, loaded, found, output, head, as_json)
            return
        guarded = _calibrated(loaded, found, margin, quantile)
        guarded.save(output)
        _say(head, guarded.guard, output, guarded, "", as_json)
        return
    assert check is not None
    try:
        stored.check(loaded, allow_other_weights)
    except UsageError as error:
        _say(head, stored, check, None, str(error), as_json)
        raise typer.Exit(1) from None
    _say(head, stored, check, GuardedFlow(loaded, stored), "", as_json)


class _Photographs:
    """The photographs that a cure is made of, ``patches`` crops of them."""

    def __init__(
        self, name: str, loaded: ConditionalFlow, folder: str, crop: int, patches: int, seed: int
    ) -> None:
        from invbench.cli.attack import MULTIPLE, SCALE
        from invbench.targets import resolve

        self.track = str(resolve(name, ("flow",)).entry.metadata.get("track", "sr"))
        spec = getattr(loaded, "spec", None)
        self.scale = int(getattr(spec, "scale", SCALE)) if self.track == "sr" else 1
        multiple = max(MULTIPLE, self.scale * int(getattr(spec, "divisor", 1)))
        if crop < multiple or crop % multiple:
            raise UsageError(f"--crop must be a multiple of {multiple}, got {crop}")
        self.folder, self.crop, self.patches, self.seed = folder, crop, patches, seed

    def drawn(self, patches: int, seed: int) -> Photographs:
        from invbench.cures.photographs import photographs

        return photographs(self.folder, self.track, self.scale, self.crop, patches, seed=seed)

    def rounds(self) -> tuple[int, Iterator[Batch]]:
        """(number of batches, batches) with the photographs mixed: ``ROUND`` crops at a time."""
        from invbench.uniform import stream_seed  # brings numpy, which --help needs not

        rounds = max(1, self.patches // ROUND)
        seeds = [stream_seed(self.seed, k) for k in range(rounds)]
        drawn = [self.drawn(min(ROUND, self.patches), seed) for seed in seeds]
        return sum(one.count for one in drawn), chain.from_iterable(one.batches for one in drawn)


def _calibrated(
    loaded: ConditionalFlow, found: _Photographs, margin: float, quantile: float | None
) -> GuardedFlow:
    from invbench.cures.guard import guard as guard_flow

    drawn = found.drawn(found.patches, found.seed)
    rounds = 1 if quantile is None or quantile == 1 else 2
    with progress_bar() as progress:
        bar = progress.add_task("encoding", total=rounds * drawn.count)
        return guard_flow(
            loaded,
            drawn.batches,
            margin,
            quantile,
            drawn.source,
            lambda done: progress.update(bar, completed=done),
        )


def _make(
    cure: str,
    loaded: ConditionalFlow,
    found: _Photographs,
    output: Path,
    head: dict[str, Any],
    as_json: bool,
) -> None:
    """Make a gate or a learned prior, write it, and say so."""
    with progress_bar() as progress:
        if cure == "gate":
            from invbench.cures.gate import fit_gate

            drawn = found.drawn(found.patches, found.seed)
            bar = progress.add_task("encoding conditions", total=drawn.count)
            fit_gate(
                loaded,
                drawn.batches,
                drawn.source,
                lambda done: progress.update(bar, completed=done),
            ).save(output)
        else:
            from invbench.cures.learned_prior import fit_prior, save_prior

            total, batches = found.rounds()
            bar = progress.add_task("training the prior", total=total)
            say = lambda done: progress.update(bar, completed=done)  # noqa: E731
            source = f"{found.patches} crops of {found.folder}, seed {found.seed}"
            save_prior(fit_prior(loaded, batches, say, found.seed), output, source)
    record = {"cure": cure, "file": str(output), "bytes": output.stat().st_size}
    if as_json:
        print_json(head | record)
        return
    line = f"{output}: {record['bytes']} bytes, a {cure} of {head['flow']} {head['coupling']}"
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _say(
    head: dict[str, Any],
    guard: Guard,
    path: Path,
    guarded: GuardedFlow | None,
    reason: str,
    as_json: bool,
) -> None:
    """Print what the guard holds, and its certificate, or why it does not fit."""
    bound = guarded.bound() if guarded is not None else None
    record = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "places": len(guard.seen),
        "intervals": guard.channels,
        "pairs": guard.pairs,
        "source": guard.source,
        "margin": guard.margin,
        "quantile": guard.quantile,
        "weights": guard.weights,
        "fits": not reason,
        "reason": reason,
        "max_abs": bound.max_abs if bound else None,
        "max_intermediate": bound.max_intermediate if bound else None,
        "layers": bound.layers if bound else None,
    }
    if as_json:
        print_json(head | record)
        return
    ends = "extremes" if guard.quantile is None else f"quantile {guard.quantile:g}"
    lines = [
        f"{path}: {record['bytes']} bytes, {guard.channels} intervals at {len(guard.seen)} places",
        (
            f"seen: {guard.source or f'{guard.pairs} pairs'}; {ends}, margin {guard.margin:g}; "
            f"weights {guard.weights}"
        ),
    ]
    if bound:
        lines += [f"fits {head['flow']} {head['coupling']} ({head['size']}, seed {head['seed']})"]
        lines += [
            (
                f"any latents, any condition: |x| ≤ {bound.max_abs:.4g}, between layers ≤ "
                f"{bound.max_intermediate:.4g}"
            )
        ]
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if reason:
        err.print(f"does not fit: {reason}", markup=False, highlight=False, soft_wrap=True)
