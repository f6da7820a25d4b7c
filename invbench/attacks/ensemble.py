"""The standard ensemble: every attack on one flow at a fixed budget, and checks that the searches
worked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from invbench.attacks.attack import Attack, standard_attacks
from invbench.attacks.budget import AttackBudget
from invbench.attacks.result import AttackResult, run_attack
from invbench.attacks.threat_model import Inputs
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS

__all__ = ["frozen", "run_ensemble", "sanity"]

CLEAR = 0.1  # decades by which a random latent must beat the search to cast doubt on it


def frozen(flow: ConditionalFlow) -> tuple[ConditionalFlow, ConditionalFlow]:
    """Two copies of the flow in evaluation mode, whose parameters take no gradients: (in its own
    dtype, in float64)."""
    own = copy.deepcopy(flow).eval().requires_grad_(False)
    return own, copy.deepcopy(own).double()


def run_ensemble(
    flow: ConditionalFlow,
    inputs: Inputs,
    temperature: float,
    budget: AttackBudget,
    eps: Sequence[float],
    seed: int = 0,
    scale: int | None = 4,
    names: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
    done: Callable[[AttackResult], None] = lambda result: None,
) -> list[AttackResult]:
    """Run every attack of the ensemble, or those in ``names``, on every row of ``inputs``.

    An attack that needs a radius in pixels runs once per value of ``eps``. Attacks on the image are
    left out where ``inputs`` has none. ``progress`` is told the name of each attack before it
    starts, ``done`` gets each result as soon as it is there. ``scale``: as in ``run_attack``.
    """
    own, float64_reference = frozen(flow)
    results = []
    for name in names or standard_attacks():
        attack: Attack = ATTACKS[name].obj
        if "x" in attack.moved and inputs.x is None:
            continue
        for radius in eps if attack.uses_eps else (0.0,):
            progress(f"{name} {255 * radius:.3g}/255" if attack.uses_eps else name)
            results.append(
                run_attack(
                    name, own, inputs, temperature, budget, radius, seed, float64_reference, scale
                )
            )
            done(results[-1])
    return results


def sanity(results: Sequence[AttackResult]) -> list[str]:
    """Reasons to doubt that the searches worked, one sentence each; empty when there are none.

    After Carlini et al. (On evaluating adversarial robustness, 2019) and Croce and Hein (ICML
    2020): a row was not searched, no gradient led, random latents do better, or a search without
    gradients breaks what the gradient search does not (masked gradients).
    """
    by_name = {f.attack: f for f in results}
    flags = []
    for f in results:
        for count, what in (
            (
                f.searched.count(False),
                "did not search: no gradient, and nothing that was tried changed |x|",
            ),
            (
                sum(f.unled),
                "no gradient led the search; random squares, which find less, took its place",
            ),
        ):
            if count:
                flags.append(f"{f.attack}, {count} of {len(f.searched)} inputs: {what}")
    search = by_name.get("latent")
    if search is None:
        return flags
    for name in ("latent-random", "latent-squares"):
        other = by_name.get(name)
        if other is None:
            continue
        pairs = list(zip(other.verdicts, search.verdicts, strict=True))
        better = sum(o.log10_x > s.log10_x + CLEAR for o, s in pairs)
        if name == "latent-random" and better:
            flags.append(
                f"latent-random reaches larger values than the gradient search on {better} of "
                f"{len(pairs)} inputs"
            )
        alone = sum(o.levels["F2"] and not s.levels["F2"] for o, s in pairs)
        if alone:
            flags.append(
                f"masked: {name} makes {alone} of {len(pairs)} inputs fail (F2) on which the "
                f"gradient search does not"
            )
    return flags
