"""The table of cures: each is an entry's suffix, as in ``affine+guard``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invbench.cures.clip import ClippedFlow
from invbench.cures.cure import Cure
from invbench.cures.cured import CuredFlow
from invbench.cures.gate import GatedFlow, load_gate
from invbench.cures.guard_file import load_guard
from invbench.cures.guarded import GuardedFlow
from invbench.cures.latents import CooledFlow, TruncatedFlow
from invbench.cures.learned_prior import PriorFlow, load_prior
from invbench.cures.redraw import RedrawnFlow
from invbench.cures.wide import WideFlow
from invbench.flows import ConditionalFlow
from invbench.registry import CURES, origin

__all__: list[str] = []


def _of_class(cured: type[CuredFlow]) -> Any:
    """``make`` of a cure that has no file."""

    def make(flow: ConditionalFlow, file: Path | None, **options: Any) -> CuredFlow:
        return cured(flow, **options)

    return make


def _guarded(flow: ConditionalFlow, file: Path | None, margin: float | None = None) -> GuardedFlow:
    assert file is not None
    return load_guard(flow, file, margin)


MADE_BY = "invbench guard FLOW --coupling DESIGN --calibrate FOLDER"
_TABLE = (
    Cure(
        "guard",
        "every layer clamped, per channel, to the values that it has on photographs",
        "photographs",
        _guarded,
        GuardedFlow,
        {"margin": 1.0},
        MADE_BY,
    ),
    Cure(
        "gate",
        "conditions whose OOD score is high are refused, or decoded from the mean latent",
        "photographs",
        load_gate,
        GatedFlow,
        {"refusals": 0.05, "then": "refuse"},
        f"{MADE_BY} --cure gate",
    ),
    Cure(
        "prior",
        "a small network predicts the latents from the condition (Tsao et al., 2024)",
        "a small network",
        load_prior,
        PriorFlow,
        made_by=f"{MADE_BY} --cure prior",
    ),
    Cure(
        "temperature",
        "latents are drawn at a lower temperature",
        "nothing",
        _of_class(CooledFlow),
        CooledFlow,
        {"tau": 0.5},
    ),
    Cure(
        "truncated",
        "latents are cut at a limit before the decode",
        "nothing",
        _of_class(TruncatedFlow),
        TruncatedFlow,
        {"limit": 1.5},
    ),
    Cure(
        "redraw",
        "a sample with an error pixel is drawn again",
        "nothing",
        _of_class(RedrawnFlow),
        RedrawnFlow,
        {"tries": 4, "tau": 0.9},
    ),
    Cure(
        "float64",
        "the decode runs in float64",
        "nothing",
        _of_class(WideFlow),
        WideFlow,
    ),
    Cure(
        "clip",
        "pixels are cut to [0, 1]: the baseline that only hides",
        "nothing",
        _of_class(ClippedFlow),
        ClippedFlow,
    ),
)
for _cure in _TABLE:
    CURES.register(_cure.name, _cure, {"formula": _cure.statement}, defined=origin(_cure.source))
