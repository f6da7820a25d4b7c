"""Run one attack and judge what it found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from invbench.attacks.attack import Attack
from invbench.attacks.budget import AttackBudget
from invbench.attacks.failure_rate import failures
from invbench.attacks.judge import Verdict, judge
from invbench.attacks.outcome import Outcome
from invbench.attacks.space import Inputs, Space
from invbench.attacks.typical import kolmogorov
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS

__all__ = ["Found", "run_attack"]

# seeds of the latents that a search over conditions sees, and of those that judge it
SEARCHED, FRESH = 1, 2


@dataclass
class Found:
    """What one attack found on B inputs; lists have one entry per input.

    ``verdicts``: of the point found, by a plain decode in the flow's own dtype; ``before``: of the
    start. For an attack on conditions both are of the latent that comes out worst among ``fresh``
    unseen ones, ``rate`` is the share of these that fail (F2), ``clean_rate`` the same under the
    clean condition. ``value``: the objective's best. ``first[level]``: evaluations until |x|
    reached the level, ``steps[level]`` likewise, infinite where it never did. ``unconfirmed``:
    levels that the search saw and the plain decode does not show; they do not count. ``share``: of
    the coordinates that had a gradient, the median over steps; ``steered``: whether a gradient led
    the search; ``searched``: whether anything did, or else nothing is known. ``ks``, ``log10_p``:
    distance of the latents found to N(0, τ²) and what bounds the probability of a draw as far away
    (``kolmogorov``).
    """

    attack: str
    eps: float
    inputs: Inputs
    verdicts: list[Verdict]
    before: list[Verdict]
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
        return [verdict.levels[level] for verdict in self.verdicts]

    @property
    def unled(self) -> list[bool]:
        """Where an attack that goes by gradients had none to go by, searched all the same, and
        ended finite."""
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
    twin: ConditionalFlow | None = None,
    scale: int | None = 4,
) -> Found:
    """The attack ``name`` on every row of ``inputs``, which hold a drawn latent each, and the image
    where the attack moves it.

    ``flow`` in evaluation mode, with parameters that take no gradients; ``twin``: the same in
    float64, or None. ``scale``: x is that many times as large as y, for LR-PSNR (level F4); None:
    no such comparison. Raises ``UsageError`` for an unknown attack, for eps < 0, and when the image
    is missing.
    """
    attack: Attack = ATTACKS[name].obj
    if "x" in attack.moved and inputs.x is None:
        raise UsageError(f"attack {name!r} moves the image, and there is none")
    origin = inputs if "x" in attack.moved else replace(inputs, x=None)
    if attack.over_latents:
        origin = replace(
            origin, latents=_latents(flow, inputs.y, budget.latents, temperature, seed)
        )
    space = Space(
        origin,
        attack.moved,
        temperature,
        eps=eps if attack.uses_eps else 0.0,
        typical=attack.typical,
    )
    outcome = attack.search(flow, twin, space, budget, seed)
    found = space.unpack(outcome.worst if attack.keeps == "x" else outcome.best)
    start = space.unpack(space.start)
    rates: dict[str, Any] = {}
    if attack.over_latents:
        clean, start = failures(flow, inputs.y, budget.fresh, temperature, FRESH + 10 * seed)
        dirty, found = failures(flow, found.y, budget.fresh, temperature, FRESH + 10 * seed)
        rates = {"fresh": budget.fresh, "rate": dirty, "clean_rate": clean}
    compare = None if scale is None else inputs.y
    verdicts, before = (judge(flow, some, compare, scale or 1) for some in (found, start))
    seen = {level: first.isfinite().tolist() for level, first in outcome.first.items()}
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
    return _found(attack, eps, found, verdicts, before, outcome, unconfirmed, rates)


def _found(
    attack: Attack,
    eps: float,
    inputs: Inputs,
    verdicts: list[Verdict],
    before: list[Verdict],
    outcome: Outcome,
    unconfirmed: int,
    rates: dict[str, Any],
) -> Found:
    return Found(
        attack.name,
        eps if attack.uses_eps else 0.0,
        inputs,
        verdicts,
        before,
        outcome.value.tolist(),
        outcome.evaluations.tolist(),
        {level: v.tolist() for level, v in outcome.first.items()},
        {level: v.tolist() for level, v in outcome.first_step.items()},
        outcome.share.tolist(),
        outcome.steered.tolist(),
        outcome.searched.tolist(),
        unconfirmed,
        **rates,
    )


def _latents(
    flow: ConditionalFlow, y: Tensor, count: int, temperature: float, seed: int
) -> list[Tensor]:
    """(B, count, …) per part, row i from stream i."""
    rows = []
    for row in range(y.shape[0]):
        generator = torch.Generator().manual_seed((SEARCHED + 10 * seed) * 1_000_003 + row)
        rows.append(flow.sample_latents(count, y[row : row + 1], temperature, generator))
    return [torch.stack(parts) for parts in zip(*rows, strict=True)]
