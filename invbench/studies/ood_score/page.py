"""The page on claim C3, its tables and figures, from the rows of ``inputs``."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from invbench.files import write_atomically
from invbench.studies.ood_score.association import families, predictors, ranks
from invbench.studies.ood_score.figures import fig4a, fig4b, png_and_svg
from invbench.studies.ood_score.inputs import measured
from invbench.studies.ood_score.settings import (
    CLEAN_ONLY,
    CROP,
    DATASETS,
    DESIGNS,
    FEWEST,
    SAMPLES,
    TEMPERATURE,
    TRAINING_STEPS,
)
from invbench.studies.ood_score.tables import family_tables, main_table, readings
from invbench.studies.ood_score.verdict import verdict
from invbench.studies.study import Made, Study

__all__ = ["make"]


def make(study: Study) -> Made:
    """Measures inputs.csv and provenance.json in results/ood_score where they are not there."""
    folder = study.root / "ood_score"
    if study.again or not (
        (folder / "inputs.csv").exists() and (folder / "provenance.json").exists()
    ):
        rows, origin = measured()
        write_atomically(folder / "inputs.csv", rows.to_csv(index=False).encode())
        write_atomically(folder / "provenance.json", (json.dumps(origin, indent=2) + "\n").encode())
    table = pd.read_csv(folder / "inputs.csv")
    note = json.loads((folder / "provenance.json").read_text())
    found, per_family = predictors(table), families(table)
    words = [verdict(table, found, design) for design in DESIGNS]
    return Made(
        readme(words, found, per_family, note),
        {"predictors": found, "families": per_family, "ranks": ranks(table)},
        png_and_svg("fig4a", fig4a(table)) | png_and_svg("fig4b", fig4b(table)),
        whole=True,
    )


KEY = f"""An input fails when one of its {SAMPLES} samples (τ = {TEMPERATURE}) has a pixel above 1.5, below −0.5 or not finite. Crops: {CROP}×{CROP},
conditions a quarter of that. The score is s_OOD (eq. 11) of the condition, fitted on the first {TRAINING_STEPS * 8} patches that the flow
was trained on; covariance with Ledoit–Wolf shrinkage, float64. Eq. 11 does not say how the map g_θ(y) becomes a vector. Three readings:
flat, the whole map as one vector (to the letter); worst, a vector per position and the score of the most distant one; mean, the average over
positions, as in Lee et al. 2018, which the paper cites. Mean was to be the headline; a pilot on 242 inputs, one crop per photograph, showed
that the readings disagree, so all three are judged, and the tables and figures follow the letter.

"yes": the 95 % interval of the AUC lies above 1/2; "reversed": below it; "not shown": around it; "undecided": fewer than {FEWEST} inputs fail, or
do not. Clean and changed photographs mixed cannot tell a score that sees failures from one that sees changes; "within one family and
severity" compares a failing input with a sound one only where both were changed in the same way. "Without the encoder" puts y itself in the
place of g_θ(y): where that does as well, inputs fail because they are unlike the training patches, and it takes no g_θ to see it.
Intervals are over photographs, the bars of the figures too (docs/statistics.md); inputs count as independent in the Fisher intervals alone."""
COLUMNS = f"""AUC: probability that a failing input has the higher score (flat); interval by bootstrap over photographs. Slope: change of the log-odds
of failure per unit of ln(score), maximum likelihood, Wald intervals: "Fisher" from the Fisher information, which takes inputs for
independent, "by photograph" from the sandwich of Liang and Zeger. "separated": a threshold divides the two without overlap, so that no finite
estimate exists; "one outcome": all inputs fail, or none; "too few": fewer than {FEWEST} of either. "All inputs" has those whose condition leaves
[0, 1]: there the picture itself may be out of range."""
OTHERS = f"""AUC. flat, worst, mean: as above; "-printed": the second moment in place of the covariance, as eq. 10 is printed. Controls that do not
know the encoder: pixels-flat and pixels-worst, the same distances of y itself; contrast, the standard deviation of y. error: as above;
large: some |x| > 10. Rows without {FEWEST} failing and {FEWEST} other inputs are left out."""


def readme(
    words: list[str], found: pd.DataFrame, per_family: pd.DataFrame, note: dict[str, Any]
) -> str:
    versions = ", ".join(
        f"{name} {note[name]}" for name in ("torch", "numpy", "scikit-learn", "scipy")
    )
    sections = (
        "# Do inputs fail where the OOD score is high? (claim C3)",
        "\n".join(words),
        KEY,
        "![Failure rate by rank](fig4a.png)\n![Logistic regression](fig4b.png)",
        "## The score and failures",
        main_table(found),
        COLUMNS,
        "## Other readings of eq. 10 and 11, and of failure",
        readings(found),
        OTHERS,
        "## Families",
        family_tables(per_family),
        "Scores of two designs are not comparable: each has its own encoder.",
        f"{note['finished'][:10]}, `invbench reproduce ood_score` (INVBENCH_DATA set), {note['seconds']:.0f} s of "
        f"CPU time on one thread, float32 decode; commit "
        f"{note['commit'][:12]}{'+changes' if '+' in note['commit'] else ''}; seed "
        f"{note['seed']} for weights, families and latents; "
        f"{note['inputs']} inputs per design; data: {', '.join(DATASETS)}, clean also "
        f"{', '.join(CLEAN_ONLY)}; Python {note['python']}, {versions}.",
    )
    return "\n\n".join(sections) + "\n"
