"""Fig. 4: do errors rise with the OOD score? What the study ood_score measured, beside
the paper's statement."""

from __future__ import annotations

import pandas as pd

from invbench.studies.study import DESIGNS, PREDICTOR_COLUMNS, PREDICTORS, Made, Study

__all__ = ["make"]

COMMAND = "INVBENCH_DATA=… invbench reproduce ood_score"
GROUPS = ("clean", "y in [0, 1]", "changed, within family and severity")
SCORES = {"flat": "flat", "worst": "worst", "mean": "mean", "pixels-flat": "pixels, no encoder"}
TEXT = """{table}

![Failure rate by rank of the score](../ood_score/fig4a.png)

![Logistic regression](../ood_score/fig4b.png)

**The paper**: the 300 patches of DIV2K with the highest score mostly lie above the average error rate (4a); the logistic curve of "some pixel
is wrong" against the score rises on EUrban100 (4b). No numbers are printed. **Ours**: AUC, the probability that a failing input has the higher
score [95 % interval, bootstrap over photographs]; slope, change of the log-odds of failure per unit of ln(score), interval by photograph.
Flat, worst, mean: three readings of how the map g_θ(y) becomes a vector, which eq. 11 leaves open. "Pixels": the same distance of y itself.

What differs: {n} inputs per design, seed 0 of four mini flows trained on T91; crops of 64×64 from embedded photographs, BSD100, Set14, Urban100
and DIV2K, clean and under every family. All readings, families and caveats: [results/ood_score](../ood_score/README.md); measured by `{command}`.
"""


def make(study: Study) -> Made:
    """Raises ``Missing`` without results/ood_score/predictors.csv."""
    found = study.csv(PREDICTORS, COMMAND, PREDICTOR_COLUMNS)
    found = found[found.outcome == "error"]
    rows = []
    for design in DESIGNS:
        for group in GROUPS:
            mine = found[(found.design == design) & (found.inputs == group)].set_index("score")
            if "flat" not in mine.index or not 0 < mine.loc["flat"].failures < mine.loc["flat"].n:
                continue
            flat = mine.loc["flat"]
            row = {
                "design": design,
                "inputs": group,
                "failing": f"{flat.failures:.0f} of {flat.n:.0f}",
            }
            row |= {
                f"AUC, {name}": _cell(*mine.loc[s][["auc", "auc_lo", "auc_hi"]])
                for s, name in SCORES.items()
                if s in mine.index
            }
            row["slope"] = (
                _cell(flat.slope, flat.slope_cluster_lo, flat.slope_cluster_hi)
                if flat.status == "ok"
                else ""
            )
            rows.append(row)
    table = pd.DataFrame(rows)
    text = TEXT.format(
        table=table.fillna("").to_markdown(index=False, disable_numparse=True),
        n=int(found.n.max()),
        command=COMMAND,
    )
    return Made(text, {"fig4": table}, {})


def _cell(value: float, lo: float, hi: float) -> str:
    return f"{value:.2f} [{lo:.2f}, {hi:.2f}]" if lo == lo else f"{value:.2f}"
