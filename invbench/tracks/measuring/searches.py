"""What cells that search a trained flow share: the flow without gradients to its parameters, its
inputs, and the critical radius."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from invbench.attacks import (
    ATTACK_BUDGETS,
    AttackBudget,
    Inputs,
    ThreatModel,
    critical_radii,
    frozen,
)
from invbench.data.datasets import Pair
from invbench.flows import ConditionalFlow
from invbench.store.cell import CellSpec, Measured, Number
from invbench.tracks.track import Options
from invbench.uniform import stream_seed

__all__ = ["CROP", "Subject", "measure_radius", "search_settings"]

CROP, CROPS = 64, 4
PREFIX = "attack_"


def search_settings(settings: dict[str, Number], options: Options) -> dict[str, Number]:
    """The settings of a search on the inputs of a cell of samples: smaller crops, fewer of them,
    and the budget of the search."""
    own = {
        **settings,
        "crop": CROP,
        "crops_per_image": CROPS,
        "limit": options.inputs or options.budget.attacked,
    }
    own.pop("samples")
    budget = ATTACK_BUDGETS[options.budget.attack]
    return own | {PREFIX + name: value for name, value in asdict(budget).items()}


@dataclass(frozen=True)
class Subject:
    """The flow of a cell without gradients to its parameters, its float64 twin, and the inputs one
    by one."""

    spec: CellSpec
    flow: ConditionalFlow
    twin: ConditionalFlow

    @classmethod
    def of(cls, spec: CellSpec, flow: ConditionalFlow) -> Subject:
        return cls(spec, *frozen(flow))

    @property
    def budget(self) -> AttackBudget:
        named = {
            k.removeprefix(PREFIX): v for k, v in self.spec.settings.items() if k.startswith(PREFIX)
        }
        return AttackBudget(**named)  # type: ignore[arg-type]

    @property
    def temperature(self) -> float:
        return float(self.spec.settings["temperature"] or 1.0)

    def inputs(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Inputs]]:
        """(seed, one input with a drawn latent): neither depends on the other inputs."""
        parameter = next(self.flow.parameters())
        for index, pair in enumerate(pairs):
            y, x = (t[None].to(parameter) for t in (pair.low, pair.high))
            seed = stream_seed(self.spec.seed, index)
            latents = self.flow.sample_latents(
                1, y, self.temperature, torch.Generator().manual_seed(seed)
            )
            yield seed, Inputs(y, latents, x)


def measure_radius(
    spec: CellSpec, flow: ConditionalFlow, pairs: Sequence[Pair], scale: int | None = 4
) -> Measured:
    """The critical radius of a drawn latent per input and level, in units of τ (infinite: none
    within 4τ), and log10 |x| against radius: among all latents with |z| ≤ 4τ (``radius_F2``) and
    among those of the typical set (``radius_typical_F2``).

    ``scale`` None: the condition is no smaller image of the result, and nothing is compared with
    it.
    """
    subject = Subject.of(spec, flow)
    radii: dict[str, list[float]] = {}
    evaluations, curves = [], {}
    budget = subject.budget
    for (_, inputs), pair in zip(subject.inputs(pairs), pairs, strict=True):
        spent = 0.0
        for kind, typical in (("", False), ("typical ", True)):
            space = ThreatModel(
                replace(inputs, x=None), ("latents",), subject.temperature, typical=typical
            )
            found = critical_radii(
                subject.flow,
                space,
                budget.radius_steps,
                budget.bisections,
                scale=scale,
                float64_reference=subject.twin,
            )
            for level, (radius,) in found.levels.items():
                radii.setdefault(f"radius_{kind.replace(' ', '_')}{level}", []).append(radius)
            spent += found.evaluations[0]
            curves[f"log10_x {kind}{pair.name}"] = {
                f"{r:.5g}": size for r, size in sorted(found.log10_x[0])
            }
        evaluations.append(spent)
    return Measured(
        {"names": [pair.name for pair in pairs], **radii, "evaluations": evaluations, **curves}
    )
