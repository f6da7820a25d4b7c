"""The bounds against what they must reach: python benchmarks/bounds.py [--only NAME] [--output
results/benchmarks]

Every row is measured here, in a process of its own, on one thread: CPU seconds of the measured
call, and the largest memory that the process ever held. Images are embedded photographs; the flows
are the shipped ones.
"""

from __future__ import annotations

import json
import math
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch.nn import functional as F

import invbench
from invbench.bounds.lipschitz import (
    Interval,
    additive_jacobian_norm,
    block_norm,
    certify_flow,
    certify_layer,
    decoder,
    encoder,
    full_jacobian,
    largest_jacobian_norm,
)
from invbench.bounds.lipschitz.certified import parameters_over
from invbench.bounds.lipschitz.parameter_rules import RULES, over_box
from invbench.bounds.lipschitz.relaxation import Relaxed
from invbench.data.datasets import sr_pairs
from invbench.files import write_atomically
from invbench.flows import ActNorm, Conv1x1
from invbench.flows.example_layers import randomized
from invbench.registry import COUPLINGS
from invbench_models.srflow import SIZES, SRFlowSize, srflow

DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")
EPS = 8 / 255
Row = dict[str, Any]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = call()
    return found, time.process_time() - started


def flow_at(design: str, side: int = 64, image: int = 0) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """(trained flow, photograph (1, 3, side, side), its condition), in float64."""
    pair = sr_pairs("embedded", side, 1)[image]
    return (
        invbench.load_flow("srflow", design).double(),
        pair.high[None].double(),
        pair.low[None].double(),
    )


def row(what: str, target: str, measured: str, reached: bool, seconds: float) -> Row:
    return {
        "what": what,
        "target": target,
        "measured": measured,
        "reached": reached,
        "cpu_s": seconds,
    }


def random_cases() -> list[Row]:
    """10 000 blocks [[I, 0], [B, D]]: B and D random, the bounds from their norms; L0 ≤ truth ≤
    upper, both directions."""
    b, d = (
        normal(10_000, 4, 4) * torch.exp(normal(10_000, 1, 1, seed=1)),
        torch.exp(2 * normal(10_000, 4, seed=2)),
    )

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x[:, :4], (b @ x[:, :4, None])[..., 0] + d * x[:, 4:]), 1)

    def inverse(z: torch.Tensor) -> torch.Tensor:
        return torch.cat((z[:, :4], (z[:, 4:] - (b @ z[:, :4, None])[..., 0]) / d), 1)

    def measure() -> tuple[int, float, float]:
        worst, above, slack = 0, 0.0, math.inf
        for f, beta, delta in ((forward, b, d), (inverse, b / d[:, :, None], 1 / d)):
            low = largest_jacobian_norm(f, normal(10_000, 8, seed=3), 24).value
            betas, deltas = torch.linalg.matrix_norm(beta, 2).tolist(), delta.amax(1).tolist()
            up = torch.tensor(
                [block_norm(p, q) for p, q in zip(betas, deltas, strict=True)], dtype=torch.float64
            )
            worst += int((low > up * (1 + 1e-12)).sum())
            above, slack = (
                max(above, (low / up).max().item()),
                min(slack, (low / up).median().item()),
            )
        return worst, above, slack

    (worst, above, slack), seconds = timed(measure)
    measured = f"{worst} of 20 000; lower/upper at most {above:.9f}, median {slack:.3f}"
    return [
        row(
            "10 000 random blocks, both directions: lower above upper",
            "0",
            measured,
            worst == 0,
            seconds,
        )
    ]


def elementwise() -> list[Row]:
    """Slopes at 200 random parameter sets per design: the bound of the box rule over the extreme
    that a search over x attains."""

    def ratio(design: Any) -> tuple[float, float]:
        params = 2 * normal(design.n_params, 200)
        reach = torch.full((200,), 1e12, dtype=torch.float64)
        found = over_box(design, Interval(params, params), Interval(-reach, reach))
        ratios = [_extreme_slope(design, params, -1) / found.low]
        if found.high.isfinite().all():
            ratios.append(found.high / _extreme_slope(design, params, 1))
        return max(r.median().item() for r in ratios), max(r.max().item() for r in ratios)

    found, seconds = timed(lambda: {design.__name__: ratio(design()) for design in RULES})
    name = max(found, key=lambda n: found[n][1])
    over = [n for n, (_, most) in found.items() if most > 1.01]
    measured = (
        f"worst {found[name][1]:.5f} ({name}), {len(RULES) - len(over)} of {len(RULES)} "
        f"designs within 1.01"
    )
    return [
        row(
            "slopes of every design with a rule, at a point: upper/lower",
            "≤ 1.01",
            measured,
            not over,
            seconds,
        )
    ]


def _extreme_slope(design: Any, params: torch.Tensor, sign: int) -> torch.Tensor:
    """The largest (sign 1) or least c′ found per parameter set: a grid, then seven times a finer
    one around each of its 30 best points."""
    scales = torch.logspace(-12, 12, 1500, dtype=torch.float64)
    grid = (
        torch.cat((torch.linspace(-3.01, 3.01, 30_001, dtype=torch.float64), scales, -scales))
        .sort()
        .values
    )
    points, sets = grid[:, None].expand(-1, params.shape[1]), params.shape[1]
    best = torch.full_like(params[0], -math.inf)
    for zoom in range(8):
        with torch.no_grad():
            slope = sign * torch.cat(
                [
                    design(x, params[:, None].expand(-1, len(x), -1))[1].exp()
                    for x in points.split(1000)
                ]
            )
        best = torch.maximum(best, slope.amax(0))
        at = slope.topk(30 if zoom == 0 else 1, 0).indices.clamp(1, len(points) - 2)
        low, high = (points.gather(0, at + side).reshape(1, -1) for side in (-1, 1))
        if zoom == 0:
            params, best = params.repeat(1, 30), best.repeat(30)
        points = low + (high - low) * torch.linspace(0, 1, 51, dtype=torch.float64)[:, None]
    return sign * best.view(30, sets).amax(0)


def linear() -> list[Row]:
    def error() -> float:
        worst = 0.0
        for seed in range(100):
            conv, norm = (
                randomized(Conv1x1(12), seed, 0.3).double(),
                randomized(ActNorm(12), seed).double(),
            )
            values = torch.linalg.svdvals(conv.weight.detach())
            scales = norm.logs.detach().exp()
            m = normal(6, 6, seed=seed)
            block = torch.eye(12, dtype=torch.float64)
            block[6:, :6] = m
            truth = torch.linalg.svdvals(block)
            sizes = additive_jacobian_norm(torch.linalg.matrix_norm(m, 2).item())
            pairs = [
                (certify_layer(conv).forward, values[0]),
                (certify_layer(conv).inverse, 1 / values[-1]),
            ]
            pairs += [
                (certify_layer(norm).forward, scales.max()),
                (certify_layer(norm).inverse, 1 / scales.min()),
            ]
            pairs += [(sizes, truth[0]), (sizes, 1 / truth[-1])]
            worst = max(worst, *(abs(found / float(true) - 1) for found, true in pairs))
        return worst

    worst, seconds = timed(error)
    what = "1×1 convolutions, ActNorms, linear additive blocks, both directions: relative error"
    return [row(what, "≤ 1e-6", f"{worst:.1e}", worst <= 1e-6, seconds)]


def against_svd() -> list[Row]:
    """Products until σmax is within 1 % of the full SVD: images 12×12 (D = 432), three photographs,
    both directions, four flows."""
    needed: list[int] = []
    started = time.process_time()
    for design in DESIGNS:
        for image in range(3):
            flow, _, y = flow_at(design, 64, image)
            y = y[..., 4:7, 4:7]
            z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(image))
            decode, point = decoder(flow, z, y)
            with torch.no_grad():
                x = decode(point)
            for f, at in ((decode, point), (encoder(flow, y), x)):
                truth = torch.linalg.matrix_norm(full_jacobian(f, at), 2).item()
                needed.append(
                    next(
                        (
                            n
                            for n in range(4, 62, 2)
                            if largest_jacobian_norm(f, at, n).value >= 0.99 * truth
                        ),
                        99,
                    )
                )
    what = (
        "Lanczos against the full SVD, four trained mini flows, D = 432, both directions: "
        "products to 1 %"
    )
    measured = (
        f"at most {max(needed)}, median {sorted(needed)[len(needed) // 2]} ({len(needed)} cases)"
    )
    return [row(what, "≤ 30", measured, max(needed) <= 30, time.process_time() - started)]


def containment() -> list[Row]:
    """1e5 samples of the kept half and features of a trained coupling, ±8/255, on an 8×8 image."""
    found = []
    for relax in (False, True):
        flow, x, y = flow_at("modified-rq", 64)
        layer = flow.layers["level2_step2_coupling"]
        kept, cond = _inputs(flow, x[..., :32, :32], y[..., :8, :8], "level2_step2_coupling")
        box = Interval.around(kept[:, : layer.kept], EPS), Interval.around(cond, EPS)
        if relax:
            network, layer.network = layer.network, Relaxed(layer.network)
            params, _ = parameters_over(layer, *box, tuple(kept.shape[2:]))
            layer.network = network
        else:
            params, _ = parameters_over(layer, *box, tuple(kept.shape[2:]))
        outside, started, seen = 0, time.process_time(), None
        centre = torch.cat((kept[:, : layer.kept], cond), 1)
        for seed in range(100):
            noise = EPS * (2 * uniform(1000, *centre.shape[1:], seed=seed) - 1)
            noise = noise.sign() * EPS if seed % 2 else noise  # half of them corners of the box
            with torch.no_grad():
                raw = (
                    layer.network(centre + noise)
                    .unflatten(1, (layer.coupling.n_params, -1))
                    .movedim(1, 0)
                )
            outside += int(((raw < params.lo) | (raw > params.hi)).flatten(2).any(2).any(0).sum())
            ends = raw.amin(1, keepdim=True), raw.amax(1, keepdim=True)
            seen = (
                ends
                if seen is None
                else (torch.minimum(seen[0], ends[0]), torch.maximum(seen[1], ends[1]))
            )
        assert seen is not None
        width = ((params.hi - params.lo) / (seen[1] - seen[0])).median().item()
        what = (
            f"parameters over a box, {'linear bounds' if relax else 'intervals'}: samples of "
            f"1e5 outside"
        )
        measured = f"{outside}; width {width:.1f} × that of the samples"
        found.append(row(what, "0", measured, outside == 0, time.process_time() - started))
    return found


def _inputs(
    flow: Any, x: torch.Tensor, y: torch.Tensor, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(data side of a layer for the image x, its features), at the layer's resolution."""
    with torch.no_grad():
        h = dict(flow.trace(flow.encode(x, y)[0], y))[name]
        return h, F.interpolate(flow.encoder(y), size=tuple(h.shape[2:]), mode="nearest")


def one_image() -> list[Row]:
    rows = []
    for design in DESIGNS:
        flow, _, y = flow_at(design)
        z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(0))
        decode, point = decoder(flow, z, y)
        with torch.no_grad():
            x = decode(point)
        encode = encoder(flow, y)
        (back, ahead), seconds = timed(
            lambda d=decode, p=point, e=encode, x=x: (
                largest_jacobian_norm(d, p, 30),
                largest_jacobian_norm(e, x, 30),
            )
        )
        long = [
            largest_jacobian_norm(f, at, 200, restarts=2).value.item()
            for f, at in ((decode, point), (encode, x))
        ]
        values = back.value.item(), ahead.value.item()
        worst = max(abs(1 - v / t) for v, t in zip(values, long, strict=True))
        again = back.confirmed(decode).item()
        rows.append(
            row(
                f"one 64×64 image, trained `{design}`, both σmax with 30 products each",
                "1 % of 200 products, ≤ 10 s, < 1 GB",
                (
                    f"σmax(J⁻¹) {values[0]:.4g}, σmax(J) {values[1]:.4g}, off by {100 * worst:.2f} "
                    f"%; replayed witness {again:.4g}"
                ),
                worst <= 0.01 and seconds <= 10 and _peak() < 1,
                seconds,
            )
        )
    return rows


def certified() -> list[Row]:
    """U2 of each coupling of a trained flow on a 64×64 image: ±8/255 on its input and features; and
    U3 of the decoder."""
    rows = []
    for design in DESIGNS:
        flow, x, y = flow_at(design)
        for relax in (False, True):
            bounds, times = [], []
            for name in flow.layers:
                if name.endswith("_coupling"):
                    h, cond = _inputs(flow, x, y, name)
                    boxes = Interval.around(h, EPS), Interval.around(cond, EPS)
                    layer = flow.layers[name]
                    found, seconds = timed(
                        lambda a=layer, b=boxes, r=relax: certify_layer(a, *b, relax=r)
                    )
                    bounds.append(found.inverse)
                    times.append(seconds)
            how = "linear bounds" if relax else "intervals"
            bounds.sort()
            measured = (
                f"{max(times):.3f} s at most; ‖J⁻¹‖ ≤ {bounds[0]:.3g} … "
                f"{bounds[-1]:.3g}, median {bounds[len(bounds) // 2]:.3g}"
            )
            target = "≤ 0.2 s, < 1 GB" if not relax else "optional"
            fits = relax or (max(times) <= 0.2 and _peak() < 1)
            rows.append(
                row(
                    f"U2 of a trained `{design}` coupling, 8/255, {how}",
                    target,
                    measured,
                    fits,
                    max(times),
                )
            )
        with torch.no_grad():
            latents, _ = flow.encode(x, y)
        whole, seconds = timed(
            lambda f=flow, z=latents, y=y: certify_flow(
                f, [Interval(v, v) for v in z], Interval(y, y)
            )
        )
        label = "vacuous" if whole.vacuous else "not vacuous"
        rows.append(
            row(
                f"U3 of the trained `{design}` decoder at a point",
                "labelled",
                f"{whole.value:.3g}, {label}",
                True,
                seconds,
            )
        )
    return rows


def paper_size() -> list[Row]:
    """SRFlow's numbers (L = 3, K = 16, width 64, 320 features), fresh weights, zero heads; the
    encoder is plain, not yet RRDB."""
    SIZES["paper"] = SRFlowSize(levels=3, steps=16, width=64, features=320)
    rows = []
    for side in (64, 160):
        flow = srflow(COUPLINGS["affine"].obj, "paper", 0).eval()
        y = uniform(1, 3, side // 4, side // 4).float()
        z = flow.sample_latents(1, y, 0.9, torch.Generator().manual_seed(0))
        decode, point = decoder(flow, z, y)
        found, seconds = timed(lambda d=decode, p=point: largest_jacobian_norm(d, p, 10))
        count = sum(p.numel() for p in flow.parameters()) / 1e6
        measured = (
            f"{_peak():.1f} GB; σmax(J⁻¹) {found.value.item():.3g}; {count:.1f} M "
            f"parameters, float32, 10 products"
        )
        what = f"paper size (plain encoder, fresh weights), one {side}×{side} patch: peak memory"
        rows.append(
            row(
                what,
                "< 24 GB",
                measured,
                _peak() < 24 and math.isfinite(found.value.item()),
                seconds,
            )
        )
        sys.stdout.write(json.dumps(rows[-1] | {"peak_gb": _peak()}) + "\n")
        sys.stdout.flush()
    return []


def _peak() -> float:
    """Largest resident memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


MEASURED: dict[str, Callable[[], list[Row]]] = {
    f.__name__: f
    for f in (
        random_cases,
        elementwise,
        linear,
        against_svd,
        containment,
        one_image,
        certified,
        paper_size,
    )
}


def main(
    only: Annotated[
        str, typer.Option(help=f"One of {', '.join(MEASURED)}: prints its rows as JSON.")
    ] = "",
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/benchmarks"),
) -> None:
    torch.set_num_threads(1)
    if only:
        for found in MEASURED[only]():
            typer.echo(json.dumps(found | {"peak_gb": _peak()}))
        return
    rows: list[Row] = []
    for name in MEASURED:  # each in a process of its own, for its memory
        done = subprocess.run(
            [sys.executable, __file__, "--only", name],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        rows += [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode:
            rows.append(
                row(name, "", f"the process ended with code {done.returncode}", False, math.nan)
            )
        typer.echo(f"{name}: {len(rows)} rows", err=True)
    table = pd.DataFrame(rows)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    note = f"{time.strftime('%Y-%m-%d')}, one thread, CPU seconds, {platform.machine()}, {versions}"
    text = (
        f"{table.to_markdown(index=False, floatfmt='.3g')}\n\n{note}; peak_gb: of the "
        f"process, 0.3 of it torch itself\n"
    )
    typer.echo(text)
    write_atomically(output / "bounds.md", text.encode())
    write_atomically(output / "bounds.csv", table.to_csv(index=False, float_format="%.4g").encode())


if __name__ == "__main__":
    typer.run(main)
