"""The cells of track ``sr`` that search: one per attack and radius, and the critical radius of the
clean conditions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from invbench.attacks import AttackResult, run_attack
from invbench.attacks.attack import Attack, standard_attacks
from invbench.attacks.case import Model, case_files
from invbench.bounds.lipschitz import decoder, largest_jacobian_norm
from invbench.data.datasets import Pair
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.kinds import RADIUS
from invbench.tracks.measuring.searches import Subject, search_settings
from invbench.tracks.track import RADIUS_SEARCH, Options

__all__ = ["STANDARD", "attack_specs", "measure_attack"]

EPS = (2, 4, 8, 16)  # in 1/255; the clean rate of the same cells is that of 0
STANDARD = 8  # the one eps of attacks that have no ladder, and of the table's pooled row
LADDER = ("condition",)
SAVED = "embedded"  # pictures of other data sets are not ours to pass on
PRODUCTS = 30


def attack_specs(clean: CellSpec, options: Options) -> list[CellSpec]:
    """The searches on one data set's clean photographs, whose cell is ``clean``: of its flow."""
    named = options.attacks or options.budget.attacks or standard_attacks()
    settings = search_settings(clean.settings, options)
    every = options.budget.attack != "smoke"
    specs = []
    for name in named:
        if name == RADIUS_SEARCH:
            continue
        attack: Attack = ATTACKS[name].obj
        ladder = options.eps or (EPS if name in LADDER and every else (STANDARD,))
        for eps in ladder if attack.uses_eps else (None,):
            specs.append(
                clean.at(corruption="", attack=name, eps=eps, settings=settings, batch_size=1)
            )
    if not options.attacks or RADIUS_SEARCH in options.attacks:
        specs.append(clean.at(measure=RADIUS, settings=settings, batch_size=1))
    return specs


def measure_attack(
    spec: CellSpec, target: Target, flow: ConditionalFlow, pairs: Sequence[Pair], scale: int = 4
) -> Measured:
    """One attack on every input, at the cell's budget. ``inf``, ``error`` and ``max_abs_log10`` are
    of the point found, by a plain decode."""
    subject = Subject.of(spec, flow)
    attacked, starts = [], []
    for seed, inputs in subject.inputs(pairs):
        radius = float(spec.eps or 0) / 255
        attacked.append(
            run_attack(
                spec.attack,
                subject.flow,
                inputs,
                subject.temperature,
                subject.budget,
                radius,
                seed,
                subject.twin,
                scale,
            )
        )
        starts.append(inputs)
    measures = {"names": [pair.name for pair in pairs], **_measures(attacked)}
    if spec.attack == "latent-stretch":
        measures["inv_lipschitz"] = [_confirmed_stretch(subject.twin, found) for found in attacked]
    kept = {}
    worst = max(range(len(attacked)), key=lambda k: attacked[k].verdicts[0].log10_x)
    found = attacked[worst]
    if (
        spec.dataset == SAVED
        and spec.eps in (None, STANDARD)
        and any(found.verdicts[0].levels.values())
    ):
        weights = Path(spec.weights) if spec.weights else None
        model = Model(
            str(spec.settings["flow"]), target, str(spec.settings["size"]), spec.seed, weights
        )
        source = f"{spec.dataset}/{pairs[worst].name}"
        folder, files = case_files(
            model, found, 0, starts[worst], subject.flow, subject.temperature, source, scale
        )
        kept[folder] = files
    return Measured(measures, "diverged" if any(measures["inf"]) else "ok", found=kept)


def _measures(attacked: Sequence[AttackResult]) -> dict[str, list]:  # type: ignore[type-arg]
    """Lists with one entry per input; levels as 0 and 1, counts to the first failure infinite where
    there was none."""
    verdicts = [found.verdicts[0] for found in attacked]
    measures: dict[str, list] = {  # type: ignore[type-arg]
        "inf": [int(v.levels["F1"]) for v in verdicts],
        "error": [int(v.error) for v in verdicts],
        "max_abs_log10": [v.log10_x for v in verdicts],
        "lr_psnr_min": [v.lr_psnr for v in verdicts],
        "round_trip": [v.round_trip for v in verdicts],
        "start_log10": [found.before[0].log10_x for found in attacked],
        "value": [found.value[0] for found in attacked],
        "evaluations": [found.evaluations[0] for found in attacked],
        "unconfirmed": [found.unconfirmed for found in attacked],
        "gradient_share": [found.share[0] for found in attacked],
        "steered": [int(found.steered[0]) for found in attacked],
        "searched": [int(found.searched[0]) for found in attacked],
    }
    for level in verdicts[0].levels:
        measures[level] = [int(v.levels[level]) for v in verdicts]
        measures[f"start_{level}"] = [int(found.before[0].levels[level]) for found in attacked]
    for level in attacked[0].first:
        measures[f"first_{level}"] = [found.first[level][0] for found in attacked]
        measures[f"step_{level}"] = [found.steps[level][0] for found in attacked]
    if attacked[0].ks:
        measures["ks"] = [found.ks[0] for found in attacked]
        measures["log10_p"] = [found.log10_p[0] for found in attacked]
    if attacked[0].rate:
        measures["rate"] = [found.rate[0] for found in attacked]
        measures["clean_rate"] = [found.clean_rate[0] for found in attacked]
    return measures


def _confirmed_stretch(twin: ConditionalFlow, found: AttackResult) -> float:
    """σmax of the decoder's Jacobian at the point found, in float64 by 30 products; infinite where
    the decode is not finite."""
    decode, z = decoder(twin, [z.double() for z in found.inputs.latents], found.inputs.y.double())
    return largest_jacobian_norm(decode, z, PRODUCTS).value.nan_to_num(torch.inf, torch.inf).item()
