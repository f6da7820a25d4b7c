"""Cells of track ``cures``: samples behind a cure, attacks through it, faulty conditions, and what
the decode costs."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from invbench.attacks import AttackResult, frozen, run_attack
from invbench.attacks.judge import judge, plain_output
from invbench.corruptions import corrupt, corruption_names
from invbench.cures.cured import CuredFlow
from invbench.cures.guarded import GuardedFlow
from invbench.data.datasets import Pair
from invbench.flows import ConditionalFlow
from invbench.measures.quality import displayable
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.kinds import CERTIFICATE, COST, FAULTY, RADIUS
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.measuring.samples import (
    cases_of,
    inputs_of,
    loaded,
    measure_samples,
    model_settings,
    spec_of,
    without_weights,
)
from invbench.tracks.measuring.searches import Subject, measure_radius
from invbench.tracks.measuring.sr import CROP, SAMPLES, TEMPERATURE, pairs_of
from invbench.tracks.measuring.sr import quality as sr_quality
from invbench.tracks.measuring.sr_attacks import STANDARD, attack_specs
from invbench.tracks.track import Options

__all__ = ["FAULTS", "measure", "plan"]

ATTACKED = ("latent", "condition", "both", "out-of-range")
SEVERITIES = (3,)
INPUTS = 4  # of each attack, and of each fault
PAIRS = 7  # decodes that are timed in turn
# what a condition may be by mistake: name → the condition
FAULTS = {
    "nan": lambda y: _with_pixel(y, math.nan),
    "inf": lambda y: _with_pixel(y, math.inf),
    "255-times": lambda y: 255 * y,
}


def _with_pixel(y: Tensor, value: float) -> Tensor:
    """y (3, h, w) with its middle pixel set."""
    y = y.clone()
    y[:, y.shape[1] // 2, y.shape[2] // 2] = value
    return y


def plan(target: Target, options: Options) -> list[CellSpec]:
    """Clean and changed conditions at severity 3, attacks, faulty conditions, cost, certificate.

    Named corruptions or severities leave the rest out, named attacks the corruptions, as in track
    ``sr``.
    """
    chosen = options if options.severities else replace(options, severities=SEVERITIES)
    narrowed = bool(options.corruptions or options.severities)
    corruptions = options.corruptions or options.budget.families or corruption_names("sr")
    cases = cases_of(chosen, () if options.attacks and not narrowed else corruptions)
    settings: dict[str, Any] = {
        **model_settings(options, "srflow"),
        "crop": CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    specs = [
        spec_of("cures", target, chosen, settings | inputs_of(chosen, case), case, seed, SAMPLES)
        for case in cases
        for seed in range(options.seeds or 1)
    ]
    clean = [spec for spec in specs if spec.corruption == "clean"]
    more: list[CellSpec] = []
    for spec in clean:
        if not narrowed or options.attacks:
            more += _attacks(spec, options)
        if not (narrowed or options.attacks):
            few = {
                "crops_per_image": 1,
                "limit": min(INPUTS, int(spec.settings["limit"] or INPUTS)),
            }
            more.append(spec.at(measure=FAULTY, settings=spec.settings | few))
            timed = spec.settings | {"crops_per_image": 1, "limit": 1, "pairs": PAIRS}
            more.append(spec.at(measure=COST, settings=timed, exclusive=True))
    return specs + more + certificates_of(specs)


def _attacks(clean: CellSpec, options: Options) -> Iterator[CellSpec]:
    """As in track ``sr``, of fewer inputs, and at 8/255 where no eps is asked for."""
    chosen = replace(options, attacks=options.attacks or ATTACKED, eps=options.eps or (STANDARD,))
    few = {
        "limit": options.inputs or min(INPUTS, options.budget.attacked),
        "crops_per_image": 1,
    }
    for spec in attack_specs(clean, chosen):
        yield spec.at(settings=spec.settings | few)


def measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    if spec.measure == CERTIFICATE:
        return measure_certificate(spec, flow)
    pairs, scale = pairs_of(spec, flow)
    if spec.attack:
        return _attacked(spec, flow, pairs, scale)
    if spec.measure == RADIUS:
        return measure_radius(spec, flow, pairs, scale)
    if spec.measure == COST:
        return _cost(spec, flow, pairs[0].low[None])
    quality = partial(_quality, flow=flow, scale=scale)
    if spec.measure == FAULTY:
        named = [(pair, name, fault(pair.low)) for name, fault in FAULTS.items() for pair in pairs]
        wrong = [Pair(f"{pair.name}#{name}", pair.high, pair.low) for pair, name, _ in named]
        return measure_samples(spec, flow, wrong, [y for _, _, y in named], quality)
    conditions = corrupt(spec.corruption, int(spec.severity or 1), pairs, spec.seed)
    return measure_samples(spec, flow, pairs, conditions, quality)


def _quality(samples: Tensor, pair: Pair, flow: ConditionalFlow, scale: int) -> dict[str, float]:
    """As in track ``sr``, with how often the cure acted, the diversity of the samples (standard
    deviation of a pixel over them, mean over pixels), and the largest distance of a sample to the
    median sample (root mean square over pixels), on samples as a screen shows them."""
    shown = displayable(samples)
    median = shown.median(0).values
    apart = (shown - median).square().flatten(1).mean(1).sqrt()
    return sr_quality(samples, pair, scale) | {
        "acted": flow.activity if isinstance(flow, CuredFlow) else 0.0,
        "diversity": shown.std(0, correction=0).mean().item(),
        "median_distance": apart.max().item(),
    }


def _searched(flow: ConditionalFlow) -> list[ConditionalFlow]:
    """The flows that an attack on ``flow`` searches: itself; with clamps also straight through
    them; with a cure also the flow without it."""
    found = [flow]
    if isinstance(flow, GuardedFlow):
        through = GuardedFlow(flow.unguarded, flow.guard)
        through.straight_through = True
        found.append(through)
    if isinstance(flow, CuredFlow):
        found.append(flow.uncured)
    return found


def _attacked(spec: CellSpec, flow: ConditionalFlow, pairs: Sequence[Pair], scale: int) -> Measured:
    """One attack on every input, searched in each of ``_searched``, judged through the cure: per
    input the worst. ``by``: which search found it. ``half_log10``: log10 of the largest |x| of the
    same point in float16; a float16 decode that is not finite counts as infinite."""
    subjects = [Subject(spec, *frozen(one)) for one in _searched(flow)]
    own = subjects[0].flow
    half = frozen(flow)[0].half()
    rows: dict[str, list[float]] = {}
    names = ("own gradient", "straight through", "without the cure")
    by = names if len(subjects) == 3 else (names[0], names[2])
    found_by = []
    for seed, inputs in subjects[0].inputs(pairs):
        best: tuple[float, int, AttackResult, Any] | None = None
        spent = 0.0
        for index, subject in enumerate(subjects):
            found = run_attack(
                spec.attack,
                subject.flow,
                inputs,
                subject.temperature,
                subject.budget,
                float(spec.eps or 0) / 255,
                seed,
                subject.twin,
                scale,
            )
            spent += found.evaluations[0]
            (verdict,) = found.verdicts if index == 0 else judge(own, found.inputs, inputs.y, scale)
            if best is None or verdict.log10_x > best[0]:
                best = verdict.log10_x, index, found, verdict
        assert best is not None
        log10_x, index, found, verdict = best
        found_by.append(by[index])
        row = {
            "inf": int(verdict.levels["F1"]),
            "error": int(verdict.error),
            "max_abs_log10": log10_x,
            "lr_psnr_min": verdict.lr_psnr,
            "start_log10": found.before[0].log10_x,
            "evaluations": spent,
            "half_log10": _half(half, found),
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    measures: dict[str, Any] = {"names": [pair.name for pair in pairs], **rows}
    measures |= {f"found_by {name}": found_by.count(name) for name in by[: len(subjects)]}
    return Measured(measures, "diverged" if any(rows["inf"]) else "ok")


@torch.no_grad()
def _half(flow: ConditionalFlow, found: AttackResult) -> float:
    x = plain_output(flow, found.inputs.to(torch.float16)).float().abs().max().item()
    return math.log10(max(x, 1e-30)) if math.isfinite(x) else math.inf


@torch.no_grad()
def _cost(spec: CellSpec, flow: ConditionalFlow, y: Tensor) -> Measured:
    """The median over pairs of the seconds of a decode through the cure over those without it, in
    turn; 1 for a flow without a cure."""
    y = y.to(next(flow.parameters()))
    latents = flow.sample_latents(SAMPLES, y, TEMPERATURE, torch.Generator().manual_seed(spec.seed))
    rows = y.expand(SAMPLES, -1, -1, -1)

    def seconds(one: ConditionalFlow) -> float:
        started = time.perf_counter()
        one.decode(latents, rows)
        return time.perf_counter() - started

    plain = flow.uncured if isinstance(flow, CuredFlow) else flow
    if plain is flow:
        return Measured({"decode_ratio": 1.0})
    seconds(plain), seconds(flow)
    ratios = [seconds(flow) / seconds(plain) for _ in range(int(spec.settings["pairs"] or 1))]
    return Measured({"decode_ratio": statistics.median(ratios), "ratios": ratios})
