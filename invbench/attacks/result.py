"""Run one attack, and judge the point that it found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from invbench.attacks.attack import Attack
from invbench.attacks.budget import AttackBudget
from invbench.attacks.failure_rate import failures
from invbench.attacks.judge import AttackVerdict, judge
from invbench.attacks.search_trace import SearchTrace
from invbench.attacks.threat_model import Inputs, ThreatModel
from invbench.attacks.typical import kolmogorov
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS
from invbench.uniform import stream_seed

__all__ = ["AttackResult", "run_attack"]

# seeds of the latents: those that a search over conditions sees, and those that judge it
SEARCHED, FRESH = 1, 2


@dataclass
class AttackResult:
    """What one attack found on B inputs. Lists have one entry per input.

    ``inputs``: the points found. ``verdicts``: on those points, by a plain decode in the flow's own
    dtype; ``before``: on the start. ``value``: the objective's largest. ``first[level]``,
    ``steps[level]``: evaluations and steps until |x| reached the level, infinite where it never
    did. ``unconfirmed``: how many levels the search saw that the plain decode does not show; they
    do not count. ``share``: of the coordinates that had a gradient, the median over steps.
    ``steered``: whether a gradient led the search. ``searched``: whether anything did; where not,
    nothing is known.

    Of an attack on conditions: ``verdicts`` and ``before`` are on the worst of ``fresh`` unseen
    latents, ``rate`` is the share of these that fail (F2), ``clean_rate`` that under the clean
    condition. Of an attack on latents: ``ks``, ``log10_p`` are their distance to N(0, τ²) and a
    bound on the probability of a draw as far away (``kolmogorov``).
    """

    attack: str
    eps: float
    inputs: Inputs
    verdicts: list[AttackVerdict]
    before: list[AttackVerdict]
    value: list[float]
    evaluations: list[float]
    first: dict[str, list[float]]
    steps: dict[str, list[float]]
    share: list[float]
    steered: list[bool]
    searched: list[bool]
    unconfirmed: int = 0
    fresh: int = 0
    rate: list[float] = field(default_factory=list)
    clean_rate: list[float] = field(default_factory=list)
    ks: list[float] = field(default_factory=list)
    log10_p: list[float] = field(default_factory=list)

    def reached(self, level: str) -> list[bool]:
        """Which inputs reach the level at the point found."""
        return [verdict.levels[level] for verdict in self.verdicts]

    @property
    def unled(self) -> list[bool]:
        """Inputs on which an attack that follows gradients had none to follow, searched all the
        same, and ended finite."""
        if not ATTACKS[self.attack].obj.gradient:
            return [False] * len(self.steered)
        finite = [math.isfinite(v.log10_x) for v in self.verdicts]
        return [
            s and not g and f for s, g, f in zip(self.searched, self.steered, finite, strict=True)
        ]

    @property
    def gain(self) -> list[float]:
        """log10 of max |x| found over that at the start."""
        return [v.log10_x - b.log10_x for v, b in zip(self.verdicts, self.before, strict=True)]


def run_attack(
    name: str,
    flow: ConditionalFlow,
    inputs: Inputs,
    temperature: float,
    budget: AttackBudget,
    eps: float = 0.0,
    seed: int = 0,
    float64_reference: ConditionalFlow | None = None,
    scale: int | None = 4,
) -> AttackResult:
    """Run the attack ``name`` on every row of ``inputs``: each has a drawn latent, and an image
    where the attack moves it.

    ``flow``: in evaluation mode, with parameters that take no gradients; ``float64_reference``: the
    same in float64, or None (``frozen`` makes both). ``eps``: largest change of a pixel in [0, 1].
    ``scale``: x has ``scale`` times the side of y, for LR-PSNR (level F4); None for no such
    comparison. Raises ``UsageError`` for an unknown attack, for eps < 0, and when the image is
    missing.
    """
    attack: Attack = ATTACKS[name].obj
    if "x" in attack.moved and inputs.x is None:
        raise UsageError(f"attack {name!r} moves the image, and there is none")
    origin = inputs if "x" in attack.moved else replace(inputs, x=None)
    if attack.over_latents:
        origin = replace(
            origin, latents=_latents(flow, inputs.y, budget.latents, temperature, seed)
        )
    threat = ThreatModel(
        origin,
        attack.moved,
        temperature,
        eps=eps if attack.uses_eps else attack.reach,
        typical=attack.typical,
        pixels=attack.pixels,
    )
    trace = attack.search(flow, float64_reference, threat, budget, seed)
    found = threat.unpack(trace.worst if attack.keeps == "x" else trace.best)
    start = threat.unpack(threat.start)
    rates: dict[str, Any] = {}
    if attack.over_latents:
        clean, start = failures(flow, inputs.y, budget.fresh, temperature, FRESH + 10 * seed)
        dirty, found = failures(flow, found.y, budget.fresh, temperature, FRESH + 10 * seed)
        rates = {"fresh": budget.fresh, "rate": dirty, "clean_rate": clean}
    compare = None if scale is None else inputs.y
    verdicts, before = (judge(flow, some, compare, scale or 1) for some in (found, start))
    seen = {level: first.isfinite().tolist() for level, first in trace.first.items()}
    unconfirmed = 0
    if attack.keeps == "x":
        unconfirmed = sum(
            hit and not v.levels[level]
            for level, hits in seen.items()
            for hit, v in zip(hits, verdicts, strict=True)
        )
    if "latents" in attack.moved:
        ks, log10_p = kolmogorov(torch.cat([z.flatten(1) for z in found.latents], 1), temperature)
        rates |= {"ks": ks.tolist(), "log10_p": log10_p.tolist()}
    return _result(attack, eps, found, verdicts, before, trace, unconfirmed, rates)


def _result(
    attack: Attack,
    eps: float,
    inputs: Inputs,
    verdicts: list[AttackVerdict],
    before: list[AttackVerdict],
    trace: SearchTrace,
    unconfirmed: int,
    rates: dict[str, Any],
) -> AttackResult:
    return AttackResult(
        attack.name,
        eps if attack.uses_eps else 0.0,
        inputs,
        verdicts,
        before,
        trace.value.tolist(),
        trace.evaluations.tolist(),
        {level: v.tolist() for level, v in trace.first.items()},
        {level: v.tolist() for level, v in trace.first_step.items()},
        trace.share.tolist(),
        trace.steered.tolist(),
        trace.searched.tolist(),
        unconfirmed,
        **rates,
    )


def _latents(
    flow: ConditionalFlow, y: Tensor, count: int, temperature: float, seed: int
) -> list[Tensor]:
    """Drawn latents, (B, count, …) per part; row i comes from stream i of ``seed``."""
    rows = []
    for row in range(y.shape[0]):
        generator = torch.Generator().manual_seed(stream_seed(SEARCHED + 10 * seed, row))
        rows.append(flow.sample_latents(count, y[row : row + 1], temperature, generator))
    return [torch.stack(parts) for parts in zip(*rows, strict=True)]
