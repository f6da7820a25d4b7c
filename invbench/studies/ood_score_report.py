"""Tables and verdict on claim C3 from the rows that ood_score.py measured; run through that
script."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
from ood_score_figures import fig4a, fig4b, save
from scipy.stats import spearmanr

from invbench.console import err
from invbench.files import write_atomically
from invbench.measures.association import AUC, Logistic, auc, logistic, rank_bins
from invbench.measures.ood_score import POOLINGS

DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")
DATASETS = ("embedded", "BSD100", "Set14", "Urban100")  # changed by every family
CLEAN_ONLY = ("DIV2K_crops256",)  # the paper's Fig. 4a is on DIV2K's validation set
CROP, SAMPLES, TEMPERATURE, SEED = 64, 10, 0.9, 0  # samples are drawn as in the track sr
TRAINING_STEPS = 128  # the first 1 024 patches that the flow was trained on
SCORES = {
    f"{p}{'' if centred else '-printed'}": (p, centred)
    for p in POOLINGS
    for centred in (True, False)
}
CONTROLS = ("pixels-flat", "pixels-worst", "contrast")  # of y itself, without the encoder
READINGS = ("flat", "worst", "mean")
HEADLINE = READINGS[0]  # eq. 11 to the letter
FEWEST = 10  # failing, and not failing, inputs below which nothing is concluded


def groups(table: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.Series | None]]:
    """name -> (inputs, strata): where the association is asked for."""
    inside = table[table.in_range]
    changed = inside[inside.family != "clean"]
    condition = changed.family + "-" + changed.severity.astype(str)
    clean = table[table.family == "clean"]
    found = {
        "all inputs": (table, None),
        "y in [0, 1]": (inside, None),
        "changed, within family and severity": (changed, condition),
        "clean": (clean, None),
    }
    return found | {f"clean, {d}": (clean[clean.dataset == d], None) for d in DATASETS + CLEAN_ONLY}


def predictor(
    part: pd.DataFrame, strata: pd.Series | None, score: str, outcome: str
) -> tuple[AUC, Logistic]:
    values, failed, cluster = (part[c].to_numpy() for c in (score, outcome, "photograph"))
    area = auc(values, failed, cluster, None if strata is None else strata.to_numpy())
    return area, logistic(values, failed, cluster)


def predictors(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for design in DESIGNS:
        for name, (part, strata) in groups(table[table.design == design]).items():
            for score in (*SCORES, *CONTROLS):
                for outcome in ("error", "large"):
                    area, fit = predictor(part, strata, score, outcome)
                    row = {
                        "design": design,
                        "inputs": name,
                        "score": score,
                        "outcome": outcome,
                        "n": len(part),
                    }
                    row |= {
                        "failures": fit.failures,
                        "auc": area.value,
                        "auc_lo": area.lo,
                        "auc_hi": area.hi,
                    }
                    if strata is None:
                        row |= {
                            "status": fit.status,
                            "slope": fit.slope,
                            "slope_lo": fit.lo,
                            "slope_hi": fit.hi,
                        }
                        row |= {
                            "slope_cluster_lo": fit.cluster_lo,
                            "slope_cluster_hi": fit.cluster_hi,
                        }
                    rows.append(row)
    return pd.DataFrame(rows)


def families(table: pd.DataFrame) -> pd.DataFrame:
    """Score and failures per family, all severities together, and the AUC inside the family."""
    rows = []
    for (design, family), part in table.groupby(["design", "family"], sort=False):
        quartiles = part[HEADLINE].quantile([0.25, 0.5, 0.75])
        area, _ = predictor(part, None, HEADLINE, "error")
        row = {
            "design": design,
            "family": family,
            "n": len(part),
            "failures": int(part.error.sum()),
        }
        row |= {"error_pct": 100 * part.error.mean(), "large_pct": 100 * part.large.mean()}
        row |= dict(zip(("score_q1", "score_median", "score_q3"), quartiles, strict=True))
        rows.append(row | {"auc": area.value, "auc_lo": area.lo, "auc_hi": area.hi})
    return pd.DataFrame(rows)


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for design in DESIGNS:
        for name, (part, strata) in groups(table[table.design == design]).items():
            if strata is None:
                order = part.sort_values(HEADLINE, ascending=False, kind="stable")
                for b in rank_bins(
                    *(part[c].to_numpy() for c in (HEADLINE, "error", "photograph"))
                ):
                    pixels = order.error_pixels[b.first - 1 : b.last].mean()
                    rows.append(
                        {"design": design, "inputs": name, **vars(b), "error_pixels": pixels}
                    )
    return pd.DataFrame(rows)


# ---- words


def enough(row: pd.Series) -> bool:
    return min(row.failures, row.n - row.failures) >= FEWEST and not math.isnan(row.auc_lo)


def answer(row: pd.Series) -> str:
    if not enough(row):
        return "undecided"
    return "yes" if row.auc_lo > 0.5 else "reversed" if row.auc_hi < 0.5 else "not shown"


QUESTIONS = {
    "y in [0, 1]": "over all conditions in [0, 1]",
    "changed, within family and severity": "within one family and severity, clean left out",
    "clean": "within clean photographs",
}


def top_tenth(table: pd.DataFrame, design: str, name: str) -> str:
    part, _ = groups(table[table.design == design])[name]
    first = rank_bins(*(part[c].to_numpy() for c in (HEADLINE, "error", "photograph")))[0]
    return (
        f"of the tenth with the highest score (flat) {100 * first.rate:.0f} % fail, of all "
        f"{100 * part.error.mean():.0f} %"
    )


def verdict(table: pd.DataFrame, found: pd.DataFrame, design: str) -> str:
    mine = found[(found.design == design) & (found.outcome == "error")].set_index(
        ["score", "inputs"]
    )
    words: dict[str, list[str]] = {}
    for score in READINGS:
        answers = [answer(mine.loc[score, name]) for name in QUESTIONS]
        decided = [a for a in answers if a != "undecided"]
        yes = decided.count("yes")
        whole = "holds" if yes == len(QUESTIONS) else "holds as far as it can be decided"
        word = (
            (whole if yes == len(decided) else "holds in part" if yes else "is not seen")
            if decided
            else "is undecided"
        )
        words.setdefault(word, []).append(score)
    summary = "; ".join(f"{word} ({', '.join(scores)})" for word, scores in words.items())
    lines = [f"- **{design}: C3 {summary}.**"]
    for name, where in QUESTIONS.items():
        row = mine.loc[HEADLINE, name]
        facts = [f"{s} {says(mine.loc[s, name])}" for s in READINGS if row.failures]
        if row.failures:
            facts.append(f"without the encoder (pixels-flat) {says(mine.loc['pixels-flat', name])}")
        facts.append(f"{row.failures} of {row.n} inputs fail")
        if row.failures and "within" not in name:
            facts.append(top_tenth(table, design, name))
        lines.append(f"  - {where}: {'; '.join(facts)}")
    return "\n".join(lines)


def says(row: pd.Series) -> str:
    return f"{answer(row)}, AUC {cell(row.auc, row.auc_lo, row.auc_hi)}"


def cell(value: float, lo: float, hi: float, digits: int = 2) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.{digits}f}" + (
        "" if math.isnan(lo) else f" [{lo:.{digits}f}, {hi:.{digits}f}]"
    )


def slope(value: float, lo: float, hi: float, status: str) -> str:
    return cell(value, lo, hi) if status == "ok" else status


def main_table(found: pd.DataFrame) -> str:
    rows = []
    for r in found[(found.score == HEADLINE) & (found.outcome == "error")].itertuples():
        plain = isinstance(r.status, str)
        few = r.status == "ok" and min(r.failures, r.n - r.failures) < FEWEST
        rows.append(
            {
                "design": r.design,
                "inputs": r.inputs,
                "failing": f"{r.failures} of {r.n}",
                "AUC": cell(r.auc, r.auc_lo, r.auc_hi),
                "slope, Fisher": slope(
                    r.slope, r.slope_lo, r.slope_hi, "too few" if few else r.status
                )
                if plain
                else "",
                "slope, by photograph": ""
                if few
                else cell(r.slope, r.slope_cluster_lo, r.slope_cluster_hi),
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False)


def readings(found: pd.DataFrame) -> str:
    """AUC by reading of eq. 10 and 11, and by what counts as a failure."""
    columns = [*SCORES, *CONTROLS]
    part = found[found.inputs.isin(QUESTIONS)].copy()
    part["cell"] = [
        cell(r.auc, r.auc_lo, r.auc_hi) if enough(r) else "" for _, r in part.iterrows()
    ]
    wide = part.pivot(index=["design", "inputs", "outcome"], columns="score", values="cell")
    keys = [(d, i, o) for d in DESIGNS for i in QUESTIONS for o in ("error", "large")]
    wide = wide.reindex(index=keys, columns=columns).reset_index()
    return wide[(wide[columns] != "").any(axis=1)].to_markdown(index=False)


def nearer_than_clean(found: pd.DataFrame, design: str) -> str:
    """The families that the score puts nearer to the training patches than clean photographs are,
    and how many of their inputs fail."""
    mine = found[found.design == design]
    near = mine[mine.score_median < mine[mine.family == "clean"].score_median.item()]
    rate = 100 * near.failures.sum() / near.n.sum() if len(near) else 0.0
    return f"{design} {', '.join(near.family) or 'none'} ({rate:.0f} % fail)"


def family_tables(found: pd.DataFrame) -> str:
    """Families by error rate of the first design: failures and scores; then the AUC inside each
    family."""
    order = (
        found[found.design == DESIGNS[0]]
        .sort_values("error_pct", ascending=False, kind="stable")
        .family
    )
    scores = [
        cell(*q, digits=1)
        for q in zip(found.score_median, found.score_q1, found.score_q3, strict=True)
    ]
    errors = [f"{e:.0f} %, {s}" for e, s in zip(found.error_pct, scores, strict=True)]
    inside = [cell(r.auc, r.auc_lo, r.auc_hi) if enough(r) else "" for _, r in found.iterrows()]
    wide = [
        found.assign(cell=cells)
        .pivot(index="family", columns="design", values="cell")
        .loc[order, list(DESIGNS)]
        for cells in (errors, inside)
    ]
    tables = [w.to_markdown(disable_numparse=True) for w in wide]
    rho = [
        f"{d} {spearmanr(part.score_median, part.error_pct).statistic:.2f}"
        for d, part in found.groupby("design", sort=False)
    ]
    return (
        f"Inputs that fail, and score: median [quartiles].\n\n{tables[0]}\n\nRank correlation "
        f"(Spearman) of the two over families: "
        f"{', '.join(rho)}.\n\n"
        f"Families with a median score below that of clean photographs: "
        f"{'; '.join(nearer_than_clean(found, d) for d in DESIGNS)}.\n\n"
        f"AUC inside the family, all severities together; empty where it cannot be "
        f"decided.\n\n{tables[1]}"
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
    command = (
        f"python invbench/studies/ood_score.py --crops {note['crops']} --photographs "
        f"{note['photographs']}"
    )
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
        f"{note['finished'][:10]}, `{command}` (INVBENCH_DATA set), {note['seconds']:.0f} s of "
        f"CPU time on one thread, float32 decode; commit "
        f"{note['commit'][:12]}{'+changes' if '+' in note['commit'] else ''}; seed "
        f"{note['seed']} for weights, families and latents; "
        f"{note['inputs']} inputs per design; data: {', '.join(DATASETS)}, clean also "
        f"{', '.join(CLEAN_ONLY)}; Python {note['python']}, {versions}.",
    )
    return "\n\n".join(sections) + "\n"


def write(output: Path) -> None:
    """All tables and figures of ``output``, from its inputs.csv and provenance.json."""
    table = pd.read_csv(output / "inputs.csv")
    note = json.loads((output / "provenance.json").read_text())
    found, per_family = predictors(table), families(table)
    for name, rows in (("predictors", found), ("families", per_family), ("ranks", ranks(table))):
        write_atomically(
            output / f"{name}.csv", rows.to_csv(index=False, float_format="%.6g").encode()
        )
    save(fig4a(table), output / "fig4a")
    save(fig4b(table), output / "fig4b")
    words = [verdict(table, found, design) for design in DESIGNS]
    write_atomically(output / "README.md", readme(words, found, per_family, note).encode())
    err.print("\n".join(words), highlight=False)
