"""The verb ``attack``: the standard ensemble on one trained flow and one picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table as RichTable

from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from invbench.attacks import AttackResult

__all__ = ["attack", "parse_eps"]

SCALE = 4  # of a super-resolution flow that does not state its own
MULTIPLE = 16  # of the sides of a crop: reduced by 4, and squeezed twice
DEFAULT = "china"


def parse_eps(text: str) -> float:
    """The number in ``8/255`` or ``0.03``. Raises ``UsageError`` for anything else, and outside
    [0, 1]."""
    over, slash, under = text.partition("/")
    try:
        eps = float(over) / float(under) if slash else float(over)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--eps {text!r} is not a number; write 8/255 or 0.03") from None
    if not 0 <= eps <= 1:
        hint = f"; {text}/255 perhaps?" if eps > 1 and not slash else ""
        raise UsageError(f"--eps {text}: must lie between 0 and 1, as pixels do{hint}")
    return eps


def attack(
    flow: Annotated[
        str, typer.Argument(help="Trained flow: srflow, or a file or module that registers one.")
    ],
    coupling: Annotated[str, typer.Option(help="Coupling target.")] = "affine",
    image: Annotated[
        Path | None, typer.Option(help="Your picture. Default: an embedded photograph.")
    ] = None,
    as_condition: Annotated[
        bool,
        typer.Option("--as-condition", help="The picture is the low-resolution condition itself."),
    ] = False,
    crop: Annotated[
        int, typer.Option(help="Side of the centre crop of the high-resolution image.")
    ] = 64,
    eps: Annotated[
        str, typer.Option(help="Largest change of a pixel of the condition or image.")
    ] = "8/255",
    name: Annotated[
        list[str],
        typer.Option("--attack", help="Attack (invbench list attacks); repeatable. Default: all."),
    ] = [],  # noqa: B006
    budget: Annotated[
        str, typer.Option(help="How long to search: smoke, default or full.")
    ] = "default",
    temperature: Annotated[
        float | None,
        typer.Option(
            help=(
                "Temperature τ of the latents. Default: that of the flow, 0.9 in super-resolution, "
                "1 in low light."
            )
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Size of the flow.")] = "mini",
    weights: Annotated[
        Path | None, typer.Option(help="Weights file. Default: your own or the shipped ones.")
    ] = None,
    guard: Annotated[
        Path | None, typer.Option(help="A guard (invbench guard) that clamps the flow.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the latents and of the weights.")] = 0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    results: Annotated[
        Path, typer.Option("--results", help="Cases that were found are saved below this folder.")
    ] = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """Search for inputs that break a trained flow on one picture. Exit code 1 when a decode is not
    finite or exceeds 10.

    Every case that is found is saved with a picture, and can be replayed. Ctrl-C keeps the saved
    cases.

    Examples: `invbench attack srflow`, `invbench attack srflow --coupling modified-rq --image
    photo.jpg --eps 8/255`, `invbench attack srflow --attack latent --budget smoke --json`
    """
    import torch

    from invbench.attacks import Inputs, attack_budget, run_ensemble, sanity
    from invbench.attacks.case import Model, case_files
    from invbench.devices import allow_tf32, require_device
    from invbench.laws.dtypes import parse_dtype
    from invbench.registry import ATTACKS
    from invbench.store.write_cell import save_case
    from invbench.targets import guarded_by, replay_command, resolve

    coupling = coupling if guard is None else guarded_by(coupling, guard)
    radius, chosen, number = parse_eps(eps), attack_budget(budget), parse_dtype(dtype)
    for wanted in name:
        ATTACKS[wanted]
    require_device(device)
    allow_tf32(False)
    model = Model(flow, resolve(coupling), size, seed, weights)
    known = resolve(flow, ("flow",)).entry.metadata
    track = str(known.get("track", "sr"))
    if track == "unconditional":
        raise UsageError(
            f"flow {flow!r} has no condition to attack under; invbench run --track unconditional"
        )
    temperature = float(known.get("temperature", 0.9)) if temperature is None else temperature
    loaded = model.load().to(device, number)
    spec = getattr(loaded, "spec", None)
    scale = int(getattr(spec, "scale", SCALE)) if track == "sr" else None
    multiple = max(MULTIPLE, (scale or 1) * int(getattr(spec, "divisor", 1)))
    source, low, high = _picture(image, as_condition, crop, scale, multiple)
    y, x = (None if part is None else part[None].to(device, number) for part in (low, high))
    assert y is not None
    latents = loaded.sample_latents(1, y, temperature, torch.Generator().manual_seed(seed))
    inputs = Inputs(y, latents, x)
    saved: list[Path] = []

    def keep(one: AttackResult) -> None:
        if any(one.verdicts[0].levels.values()):
            saved.append(
                save_case(
                    results, *case_files(model, one, 0, inputs, loaded, temperature, source, scale)
                )
            )

    with err.status("attacking …") as status:
        say = lambda name: status.update(f"{escape(model.coupling.name)}: {escape(name)}")  # noqa: E731
        found = run_ensemble(
            loaded, inputs, temperature, chosen, (radius,), seed, scale, name, say, keep
        )
    flags = sanity(found)
    if as_json:
        head = {
            "flow": flow,
            "coupling": model.coupling.name,
            "source": source,
            "eps": radius,
            "budget": budget,
        }
        records = [_record(one) for one in found]
        print_json(
            head | {"attacks": records, "sanity": flags, "saved": [str(path) for path in saved]}
        )
    else:
        _show(f"{flow}, {model.coupling.name}, {source}, budget {budget}", found, flags)
        for path in saved:
            out.print(str(path / "sheet.png"), markup=False, highlight=False, soft_wrap=True)
        if saved:
            err.print(
                replay_command(saved[0], coupling, flow),
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    if any(one.verdicts[0].levels["F2"] for one in found):
        raise typer.Exit(1)


def _picture(
    image: Path | None, as_condition: bool, crop: int, scale: int | None, multiple: int
) -> tuple[str, Tensor, Tensor | None]:
    """(where the picture comes from, condition, ground truth or None). Raises ``UsageError`` when
    it is too small.

    The sides of the image are cropped to multiples of ``multiple``. ``scale``: of super-resolution.
    It is None in low light, where the user's picture is the dark one, and an embedded photograph is
    darkened.
    """
    from invbench.corruptions import DEFAULT_DARKENING, corrupt
    from invbench.data.images import centre_crop, crops, embedded, read_image
    from invbench.data.resample import bicubic, quantise

    if crop < multiple or crop % multiple:
        raise UsageError(f"--crop must be a multiple of {multiple}, got {crop}")
    picture = embedded(DEFAULT) if image is None else read_image(image)
    source = f"embedded {DEFAULT}" if image is None else image.name
    times = scale if as_condition and scale else 1  # the image is so many times larger
    side, multiple = crop // times, multiple // times
    if min(picture.shape[-2:]) < multiple:
        height, width = picture.shape[-2:]
        raise UsageError(
            f"{source} has {width}×{height} pixels; this needs at least {multiple}×{multiple}"
        )
    # a smaller picture is taken whole, but for sides that the flow cannot take
    part = centre_crop(crops(picture, side, 1)[0], multiple)
    if scale is None and image is None:
        return source, corrupt(*DEFAULT_DARKENING, [part])[0], part
    if scale is None or as_condition:
        return source, part, None
    return source, quantise(bicubic(part, 1 / scale)), part


def _record(one: AttackResult) -> dict[str, object]:
    verdict, before = one.verdicts[0], one.before[0]
    return {
        "attack": one.attack,
        "eps": one.eps,
        "levels": verdict.levels,
        "max_abs_log10": verdict.log10_x,
        "start_log10": before.log10_x,
        "round_trip": verdict.round_trip,
        "lr_psnr": verdict.lr_psnr,
        "value": one.value[0],
        "evaluations": one.evaluations[0],
        "first_F1": one.first["F1"][0],
        "first_F2": one.first["F2"][0],
        "gradient_share": one.share[0],
        "steered": one.steered[0],
        "searched": one.searched[0],
        "ks": one.ks[0] if one.ks else None,
        "log10_p": one.log10_p[0] if one.ks else None,
        "rate": one.rate[0] if one.rate else None,
        "clean_rate": one.clean_rate[0] if one.rate else None,
        "fresh_latents": one.fresh,
    }


def _show(title: str, found: list[AttackResult], flags: list[str]) -> None:
    from invbench.attacks import LEVELS
    from invbench.attacks.judge import power

    out.print(title, markup=False, highlight=False, soft_wrap=True)
    table = RichTable("attack", "max |x|", "at start", "reached", "first F2", box=None)
    for one in found:
        verdict = one.verdicts[0]
        reached = " ".join(level for level, hit in verdict.levels.items() if hit)
        first = one.first["F2"][0]
        seen = (
            f"{first:.0f} of {one.evaluations[0]:.0f}"
            if math.isfinite(first)
            else f"– in {one.evaluations[0]:.0f}"
        )
        eps = f" {255 * one.eps:.3g}/255" if one.eps else ""
        sizes = power(verdict.log10_x), power(one.before[0].log10_x)
        table.add_row(escape(one.attack) + eps, *sizes, reached or "–", seen)
    out.print(table)
    for one in found:
        if one.rate:
            shares = (
                f"{one.rate[0]:.1%} of {one.fresh} fresh latents fail, "
                f"{one.clean_rate[0]:.1%} under the clean condition"
            )
            out.print(f"{one.attack}: {shares}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        "first F2: evaluations of the flow until the search saw it", markup=False, highlight=False
    )
    for level, statement in LEVELS.items():
        out.print(f"  {level}: {statement}", markup=False, highlight=False)
    for flag in flags:
        out.print(f"[yellow]doubt[/] {escape(flag)}", highlight=False, soft_wrap=True)
