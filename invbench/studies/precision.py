"""Digits left after a round trip, per design and dtype.

Couplings: the corpus of raw parameters of the coupling track (its recipes at 256 rows of six
elements). Flows: the trained super-resolution flows on the embedded photographs. Beside what is
measured stands u·κ, what one rounding of y may cost: κ = σmax(J⁻¹)·‖y‖/‖x‖.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from invbench.console import progress_bar
from invbench.data.datasets import sr_pairs
from invbench.measures.precision import PRECISIONS, Loss, coupling_loss, flow_loss
from invbench.registry import COUPLINGS
from invbench.studies.study import Made, Study
from invbench.tracks.measuring.coupling import CORPUS
from invbench.training.weights import load_flow

__all__ = ["make"]

FLOWS = ("affine", "affine-floor", "additive", "modified-rq")
HERE = [name for name, p in PRECISIONS.items() if p.device == "any"]
ROWS, ELEMENTS, IMAGES = 256, 6, 4


def summary(losses: list[Loss]) -> dict[str, float]:
    """Over rows: digits left (median and least), measured loss and u·κ (median and largest),
    largest T and η."""
    frame = pd.DataFrame([vars(loss) | {"digits": loss.digits} for loss in losses])
    return {
        "rows": len(frame),
        "digits_median": frame.digits.median(),
        "digits_min": frame.digits.min(),
        "predicted_median": frame.predicted.median(),
        "measured_median": frame.measured.median(),
        "predicted_max": frame.predicted.max(),
        "measured_max": frame.measured.max(),
        "kappa_max": frame.kappa.max(),
        "T_max": frame["T"].max(),
        "eta_max": frame.eta.max(),
        "not_finite": int((~frame.measured.map(math.isfinite)).sum()),
    }


def couplings(advance: Callable[[], None]) -> list[dict[str, Any]]:
    found = []
    for name in COUPLINGS:
        design = COUPLINGS[name].obj()
        for precision in HERE:
            losses: list[Loss] = []
            for recipe in CORPUS:
                case = replace(recipe, rows=ROWS)
                x, params = case.materialise(
                    (ELEMENTS,), (design.n_params, ELEMENTS), torch.float64
                )
                assert params is not None
                losses += coupling_loss(
                    design, x, params.movedim(1, 0).contiguous(), PRECISIONS[precision]
                )
            found.append(
                {"subject": name, "kind": "coupling", "precision": precision} | summary(losses)
            )
        advance()
    return found


def flows(advance: Callable[[], None]) -> list[dict[str, Any]]:
    pairs = sr_pairs("embedded", 64, 1)[:IMAGES]
    x, y = torch.stack([pair.high for pair in pairs]), torch.stack([pair.low for pair in pairs])
    found = []
    for name in FLOWS:
        for precision, losses in flow_loss(load_flow("srflow", name), x, y, HERE).items():
            found.append(
                {"subject": f"srflow/{name}", "kind": "flow", "precision": precision}
                | summary(losses)
            )
        advance()
    return found


def digits(frame: pd.DataFrame) -> str:
    """Median and least digits in one cell per precision."""
    frame = frame.assign(
        cell=[
            f"{a:.1f} / {b:.1f}" for a, b in zip(frame.digits_median, frame.digits_min, strict=True)
        ]
    )
    table = frame.pivot(index="subject", columns="precision", values="cell")[HERE]
    table.insert(2, "tf32", "needs a GPU")
    return table.reset_index().to_markdown(index=False)


def prediction(frame: pd.DataFrame) -> str:
    """u·κ beside the measured loss, float32 and float16."""
    some = frame[frame.precision.isin(("float32", "float16"))].sort_values(
        ["precision", "subject"], ascending=[False, True]
    )
    columns = (
        "subject precision predicted_median measured_median predicted_max measured_max "
        "T_max eta_max not_finite"
    ).split()
    return some[columns].to_markdown(index=False, floatfmt=".2g")


def make(study: Study) -> Made:
    """Measures; three minutes."""
    torch.set_num_threads(1)
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=len(COUPLINGS) + len(FLOWS))
        frame = pd.DataFrame(
            couplings(lambda: bar.advance(task)) + flows(lambda: bar.advance(task))
        )
    c, f = (frame[frame.kind == kind] for kind in ("coupling", "flow"))
    note = f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, torch {torch.__version__}"
    text = f"""Decimal digits left after data → noise → data, −log10(‖x̂ − x‖/‖x‖): median / least over rows;
0.0 where nothing is left, 17 where exact.

Couplings, {len(CORPUS)} recipes × {ROWS} rows of {ELEMENTS} elements (raw parameters up to ±8; x in the box, normal, in the tails, on knots). Under
autocast elementwise code stays in float32, so nothing but rounding to float32 is lost:

{digits(c)}

Trained flows, {IMAGES} photographs 64×64; under autocast convolutions and matrix products run in the lower type:

{digits(f)}

u·κ, what the design must lose, beside the measured loss. κ = σmax(J⁻¹)·‖y‖/‖x‖ (tier L0, float64); T = ‖x̂ − x‖/(u·(‖x‖ + σmax(J⁻¹)·‖y‖)) and η = ‖f(x̂) − y‖/(u·(‖y‖ + ‖J‖·‖x̂‖)) judge the code:
a small multiple of the number of layers is sound, whatever κ is. A measured loss below u·κ: the errors did not fall into the worst direction.

{prediction(c)}

{prediction(f)}

bfloat16 and float16 of these couplings are computed in float32 and rounded once at the end: that is why T stays near 1. η takes
the slope at x̂ for that between x̂ and x; where rounding x̂ crosses a step of the curve (`linear-rational`, float16), it blames too much.

{note}
"""
    rounded = frame.map(lambda value: float(f"{value:.5g}") if isinstance(value, float) else value)
    return Made(text, {"precision": rounded}, {}, whole=True)
