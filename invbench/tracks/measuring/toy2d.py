"""Cells of track ``toy2d``: a toy is trained in the cell, or read from the user's cache."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from invbench.attacks import ATTACK_BUDGETS, Inputs, ThreatModel, critical_radii, frozen
from invbench.cures.guard import guard
from invbench.cures.guarded import GuardedFlow
from invbench.errors import InvbenchError
from invbench.files import LARGEST_TEXT, cache_dir, parse_json, read_limited
from invbench.flows import ConditionalFlow
from invbench.measures.depth import variance_profile
from invbench.measures.explosion import explosion
from invbench.measures.round_trip import round_trip_error
from invbench.store.case import Case
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.kinds import CERTIFICATE, RADIUS
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.track import Options
from invbench.training.loop import train
from invbench.training.toy2d import toy2d
from invbench.training.toy2d.recipe import RECIPES, batches, draw
from invbench.training.weights import load_weights, save_weights, weights_name

__all__ = ["measure", "plan", "trained_toy"]

INPUTS, SAMPLES, TEST_STREAM = 200, 10, 10**6
# y + shift·(1, −1); the paper's is 0.8
CLEAN, SHIFTS = Case(corruption="in"), (0.2, 0.4, 0.8, 1.6, 3.2)
CASES = (CLEAN, *(Case(corruption="shift", severity=shift) for shift in SHIFTS))
BOX = 1.0
SEARCHED, RADIUS_INPUTS = (None, 0.8, 1.6), 20  # shifts whose critical radius is measured
# that change latents or layers; the others look at pixels
CURES_OF_A_TOY = ("guard", "temperature", "truncated", "float64")
SEEN, QUANTILE = 24, 0.999  # batches that a toy's guard is made of
MARGIN = 1.0  # half of the box's width, as 0.5 is of the image range [0, 1]


def plan(target: Target, options: Options) -> list[CellSpec]:
    """The box, shifts of its condition, critical radii, certificates. None for a cure that is of
    photographs alone."""
    if target.cure and target.cure.entry.name not in CURES_OF_A_TOY:
        return []
    seeds = options.seeds if options.seeds is not None else options.budget.toy_seeds
    settings: dict[str, Any] = {"inputs": INPUTS, "samples": SAMPLES, "temperature": 1.0}
    recipe = asdict(RECIPES["mini"])
    settings |= {key: recipe[key] for key in ("data", "iterations", "batch", "lr", "clip")}
    cells = [
        CellSpec(
            track="toy2d",
            entry=target.name,
            **case.model_dump(),
            seed=seed,
            entry_digest=target.digest,
            dtype="float32",
            device="cpu",
            batch_size=INPUTS * SAMPLES,
            settings=settings,
            target=target.spec,
        )
        for case in CASES
        for seed in range(seeds)
    ]
    budget = ATTACK_BUDGETS[options.budget.attack]
    own = {
        **settings,
        "inputs": RADIUS_INPUTS,
        "steps": budget.radius_steps,
        "bisections": budget.bisections,
    }
    own.pop("samples")
    radii = [
        cell.at(measure=RADIUS, settings=own, batch_size=RADIUS_INPUTS)
        for cell in cells
        if cell.severity in SEARCHED
    ]
    return cells + radii + certificates_of(cells)


def measure(spec: CellSpec, target: Target) -> Measured:
    trained, log = trained_toy(target.design, spec.seed)
    flow = _cured(trained, target, spec.seed)
    if spec.measure == CERTIFICATE:
        return measure_certificate(spec, flow)
    x, y = draw(INPUTS, spec.seed, TEST_STREAM)
    if spec.measure == RADIUS:
        return _radii(spec, flow, y[:RADIUS_INPUTS])
    shift = (spec.severity or 0.0) * torch.tensor([1.0, -1.0])
    generator = torch.Generator().manual_seed(spec.seed)
    latents = flow.sample_latents(INPUTS * SAMPLES, y, 1.0, generator)
    repeated = y.repeat_interleave(SAMPLES, 0)
    with torch.no_grad():
        samples = flow.decode(latents, repeated + shift).reshape(INPUTS, SAMPLES, 2)
        nll = -flow.log_prob(x, y + shift).double() / 2
    inside = variance_profile(flow, latents, repeated)
    outside = variance_profile(flow, latents, repeated + shift)
    ratios = [
        o / i if 0 < i < math.inf else math.inf
        for (_, i), (_, o) in zip(inside, outside, strict=True)
    ]
    found = [explosion(sample, -BOX - MARGIN, BOX + MARGIN) for sample in samples]
    measures = {
        "inputs": INPUTS,
        "inf": [int(e.inf) for e in found],
        "error": [int(e.error) for e in found],
        "max_abs_log10": [e.max_abs_log10 for e in found],
        "plus_inf": sum(e.plus_inf for e in found),
        "minus_inf": sum(e.minus_inf for e in found),
        "nan": sum(e.nan for e in found),
        "range_errors": sum(e.out_of_range for e in found),
        "outside_pct": 100 * _outside(samples),
        "nll": nll.mean().item(),
        "variance_ratio": max(ratios),
        "variance_by_layer": {f"{i:02d} {name}": v for i, (name, v) in enumerate(outside)},
        "round_trip_max": round_trip_error(flow, x, y + shift).max().item(),
        "train_nll": log["nll"],
        "train_non_finite_steps": log["non_finite_steps"],
    }
    return Measured(measures, "diverged" if any(e.inf for e in found) else "ok")


def _radii(spec: CellSpec, flow: ConditionalFlow, y: Tensor) -> Measured:
    """Critical radius of one drawn latent per condition, in units of τ = 1: some |x| beyond the
    widened box, or not finite."""
    own, twin = frozen(flow)
    y = y + (spec.severity or 0.0) * torch.tensor([1.0, -1.0])
    latents = own.sample_latents(len(y), y, 1.0, torch.Generator().manual_seed(spec.seed))
    space = ThreatModel(Inputs(y, latents), ("latents",))
    steps, bisections = (int(spec.settings[name] or 1) for name in ("steps", "bisections"))
    levels = {
        "error": lambda v: v.log10_x > math.log10(BOX + MARGIN),
        "F1": lambda v: v.levels["F1"],
    }
    found = critical_radii(
        own, space, steps, bisections, levels, scale=None, float64_reference=twin
    )
    radii = {f"radius_{level}": values for level, values in found.levels.items()}
    return Measured({"inputs": len(y), **radii, "evaluations": found.evaluations})


def _outside(samples: Tensor) -> float:
    """Share of samples outside [−1, 1]², non-finite ones included."""
    return 1 - ((samples.abs() <= BOX).all(-1)).double().mean().item()


def _cured(flow: ConditionalFlow, target: Target, seed: int) -> ConditionalFlow:
    """The toy behind the target's cure. Its guard is made of the first batches of its training."""
    if target.cure is None:
        return flow
    if target.cure.entry.name == "guard" and target.cure.file(None) is None:
        draw_batch = batches("mini", seed)
        seen = guard(flow, map(draw_batch, range(SEEN)), quantile=QUANTILE)
        margin = target.cure.options.get("margin", 1.0)
        return GuardedFlow(flow, seen.guard.with_margin(margin)).eval()
    cured: ConditionalFlow = target.cure.apply(flow, None).eval()
    return cured


@lru_cache(maxsize=2)
def trained_toy(target: Target, seed: int) -> tuple[ConditionalFlow, dict[str, Any]]:
    """The toy of this design and seed, trained now or read from the user's cache."""
    recipe = RECIPES["mini"]
    flow = toy2d(target.make, "mini", seed)
    path = (
        cache_dir()
        / "toy2d"
        / f"{target.digest}-{recipe.digest}"
        / weights_name(target.name, "mini", seed)
    )
    try:
        card = parse_json(read_limited(path.with_suffix(".json"), LARGEST_TEXT))
        return load_weights(flow, path), {
            "nll": card["nll"],
            "non_finite_steps": card["non_finite_steps"],
        }
    except (OSError, ValueError, TypeError, KeyError, InvbenchError):
        log = train(flow, batches("mini", seed), recipe)
    card = {"nll": log.final, "non_finite_steps": log.non_finite_steps, "seconds": log.seconds}
    save_weights(flow, card, path)
    return flow, card
