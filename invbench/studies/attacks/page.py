"""What the searches of track sr found, from the stored cells.

attacks.csv   a row per design, data set and attack
radii.csv     critical radii per level
attacks.md    the same for people, with the targets of the attacks and what casts doubt on them
survival.png  inputs not yet broken, against the radius of a typical latent and against evaluations
eps.png       failure rate and largest |x| against the radius of the condition
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from invbench.report.rows import current_cells, other_model
from invbench.store.store import Store
from invbench.studies.attacks.figures import eps_figure, survival_figure
from invbench.studies.attacks.tables import (
    Cells,
    attack_rows,
    gap_rows,
    objective_rows,
    radius_rows,
    rate_rows,
    typical_rows,
)
from invbench.studies.attacks.targets import doubts, targets
from invbench.studies.picture import png
from invbench.studies.study import Made, Missing, Study

__all__ = ["attack_cells", "make"]


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of attacks."""
    cells = attack_cells(study.root)
    if not cells:
        raise Missing(f"no cells of attacks in {study.root}; {study.command('run --track sr')}")
    return Made(
        "\n".join(text(cells)),
        {"attacks": attack_rows(cells), "radii": radius_rows(cells)},
        {
            "survival": png(survival_figure(cells), dpi=110),
            "eps": png(eps_figure(cells), dpi=110),
        },
        whole=True,
    )


def attack_cells(results: Path) -> Cells:
    """The current cells of attacks by design, data set and attack, in order of the trainings."""
    cells, _ = Store(results).load()
    shown, _ = current_cells(c for c in cells if c.spec.track == "sr" and not other_model(c))
    found: Cells = {}
    for cell in sorted(shown, key=lambda c: c.spec.seed):
        spec = cell.spec
        attack = spec.condition.removeprefix("attack-") if spec.attack else ""
        if spec.measure == "radius" and spec.corruption == "clean":
            attack = "radius"
        if attack and cell.measures:
            found.setdefault((spec.entry, spec.dataset, attack), []).append(cell)
    return dict(sorted(found.items()))


def text(cells: Cells) -> Iterable[str]:
    every = [cell for own in cells.values() for cell in own]
    budget = every[0].spec.settings
    commits = sorted({str(c.provenance.get("commit", ""))[:12] for c in every})
    yield "# Attacks on the trained super-resolution flows\n"
    yield (
        f"Budget `default`: {budget['attack_steps']} gradient steps, half of them up the "
        f"growth of any layer over its own size at the start, half up "
        f"|x|; where these stay below 10, {budget['attack_steps']}/4 more from a random point "
        f"and random squares. {budget['attack_stretch_steps']} "
        f"on σmax(J⁻¹), {budget['attack_round_trip_steps']} on the round trip, "
        f"{budget['attack_condition_steps']} over {budget['attack_latents']} "
        "latents for conditions; searches without gradients get the evaluations of the "
        "gradient steps (a gradient counts 3). Crops of 64×64, "
        "float32, one latent per input, τ = 0.9. Any latent: ‖z‖ ≤ 1.05·τ√D, |z_i| ≤ 4τ. "
        "Typical latent: the values of a draw in each channel, in "
        "another order, and covariances between channels and neighbours that 99 of 100 draws "
        "do not exceed. Every level is that of a plain decode "
        "in float32. Brackets are 95 % intervals over photographs, and of shares and rates "
        "over trainings as well, where there are several "
        f"(docs/statistics.md). Measured at {', '.join(commits)}.\n"
    )
    goals = targets(cells)
    if len(goals):
        yield "## Targets\n\n" + goals.to_markdown(index=False) + "\n"
    yield "## Critical radius\n\n" + radius_rows(cells).to_markdown(index=False) + "\n"
    yield (
        "The least change at which the search reached the level (F1: not finite; F2: some |x| "
        "> 10; F4: LR-PSNR < 20 dB); ∞: not within 4τ.\n"
    )
    yield "## Is a found latent typical?\n\n" + typical_rows(cells).to_markdown(index=False) + "\n"
    yield (
        "KS: Kolmogorov–Smirnov distance of the latent's coordinates to N(0, τ²), a median "
        "over photographs; a draw has about 0.007. log10 P at "
        "most: of a draw as far away, 2 exp(−2nD²) (Massart 1990), median over inputs; 0 says "
        "that nothing is odd.\n"
    )
    yield (
        "## Gradient search against random latents\n\n"
        + gap_rows(cells).to_markdown(index=False)
        + "\n"
    )
    yield "## Failure rate of the condition\n\n" + rate_rows(cells).to_markdown(index=False) + "\n"
    yield "## Every attack\n\n" + attack_rows(cells).to_markdown(index=False) + "\n"
    yield (
        "Levels are of the point that an attack keeps: of the largest |x|, or for the others "
        "of their own objective.\n"
    )
    yield (
        "## Sensitivity and round trip, run to the end\n\n"
        + objective_rows(cells).to_markdown(index=False)
        + "\n"
    )
    flags = doubts(cells)
    yield (
        "## What casts doubt on the searches\n\n"
        + ("\n".join(f"- {flag}" for flag in flags) or "Nothing.")
        + "\n"
    )
