"""The standard ensemble: every attack on one model at a fixed budget, and whether the result can be
trusted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from invbench.attacks.attack import Attack
from invbench.attacks.budget import AttackBudget
from invbench.attacks.found import Found, run_attack
from invbench.attacks.space import Inputs
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS

__all__ = ["frozen", "run_ensemble", "sanity"]

CLEAR = 0.1  # decades by which random must beat the search before that is said


def frozen(flow: ConditionalFlow) -> tuple[ConditionalFlow, ConditionalFlow]:
    """(the flow in evaluation mode without gradients to its parameters, its float64 twin);
    copies."""
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
    done: Callable[[Found], None] = lambda found: None,
) -> list[Found]:
    """Every attack, or those in ``names``; those with a radius once per value of ``eps``. Attacks
    on the image are left out without one.

    ``progress`` is told what comes next, ``done`` what each has found, as soon as it has.
    """
    own, twin = frozen(flow)
    found = []
    for name in names or ATTACKS:
        attack: Attack = ATTACKS[name].obj
        if "x" in attack.moved and inputs.x is None:
            continue
        for radius in eps if attack.uses_eps else (0.0,):
            progress(f"{name} {255 * radius:.3g}/255" if attack.uses_eps else name)
            found.append(
                run_attack(name, own, inputs, temperature, budget, radius, seed, twin, scale)
            )
            done(found[-1])
    return found


def sanity(found: Sequence[Found]) -> list[str]:
    """What casts doubt on the searches, in words; empty when nothing does (after Carlini et al.,
    2019, and Croce and Hein, 2020)."""
    by_name = {f.attack: f for f in found}
    flags = []
    for f in found:
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
