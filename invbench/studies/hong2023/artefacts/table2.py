"""Table 2: %Inf, PSNR, SSIM and LPIPS in low light, ours beside the paper's."""

from __future__ import annotations

import pandas as pd

from invbench.studies.hong2023.claims import TABLE2
from invbench.studies.hong2023.evidence import mean, share
from invbench.studies.study import Made, Missing, Study
from invbench.tracks.kinds import LPIPS, MEAN

__all__ = ["MEASURED_BY", "make"]

MEASURED_BY = "run --track lowlight --data LOL --data VE-LOL"
TEXT = """## The paper

{paper}

## Ours

{ours}

%Inf: inputs with a non-finite pixel in any of ten samples, τ = 1, before any clamp, in float32 and under float16 autocast, in which the released
test code runs; error: with a pixel > 1.5, < −0.5 or non-finite. PSNR, SSIM, LPIPS: mean over samples and inputs; rescaled: at the ground truth's mean
brightness, as LLFlow reports it; τ = 0: of one decode of the mean latent. LPIPS is empty where it was not measured (`invbench explain lpips`
says what that takes). [95 % interval over photographs, and over trainings where there are
several seeds; docs/statistics.md.]

What differs: a mini LLFlow; real sampling at τ = 1 around the colour map, whereas the released decoder overwrites its latents by it (τ = 0
here); on embedded photographs the camera model's darkening in place of a data set.
"""


def paper_rows() -> pd.DataFrame:
    rows = []
    for data, models in TABLE2.items():
        for model, v in models.items():
            row = {"data": data, "model": model, "%Inf": f"{v.inf_pct:g}", "PSNR": f"{v.psnr:.2f}"}
            rows.append(row | {"SSIM": f"{v.ssim:.3f}", "LPIPS": f"{v.lpips:.3f}"})
    return pd.DataFrame(rows)


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the track lowlight."""
    rows = []
    for design in study.designs("lowlight"):
        cases = list(dict.fromkeys(cell.spec.case for cell in study.cells("lowlight", design)))
        for case in sorted(cases):
            cells = [c for c in study.cells("lowlight", design, case.__eq__) if "inf" in c.measures]
            half, centre, perceptual = (
                [
                    c
                    for c in study.cells("lowlight", design, case.__eq__, kind)
                    if "inf" in c.measures or LPIPS in c.measures
                ]
                for kind in ("fp16", MEAN, LPIPS)
            )
            if cells:
                inf, error = share(cells, "inf"), share(cells, "error")
                row = {
                    "data": case,
                    "design": design,
                    "n": inf.n,
                    "seeds": inf.seeds,
                    "%Inf": str(inf),
                }
                row |= {"%Inf, fp16": str(share(half, "inf")) if half else "", "error": str(error)}
                row |= {
                    "PSNR": str(mean(cells, "psnr")),
                    "rescaled": str(mean(cells, "psnr_rescaled")),
                }
                row |= {"SSIM": str(mean(cells, "ssim", digits=3))}
                row |= {"LPIPS": str(mean(perceptual, LPIPS, digits=3)) if perceptual else ""}
                for name, measure in (
                    ("PSNR, τ = 0", "psnr"),
                    ("rescaled, τ = 0", "psnr_rescaled"),
                ):
                    row[name] = str(mean(centre, measure)) if centre else ""
                rows.append(row)
    paper = paper_rows().to_markdown(index=False, disable_numparse=True)
    if not rows:
        raise Missing(
            f"no measured cells of track 'lowlight' in {study.root}; {study.command(MEASURED_BY)}\n\nThe paper's "
            f"numbers:\n\n{paper}"
        )
    table = pd.DataFrame(rows)
    return Made(
        TEXT.format(paper=paper, ours=table.to_markdown(index=False, disable_numparse=True)),
        {"table2": table},
        {},
    )
