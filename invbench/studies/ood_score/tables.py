"""The tables of the page."""

from __future__ import annotations

import pandas as pd
from scipy.stats import spearmanr

from invbench.studies.ood_score.settings import CONTROLS, DESIGNS, FEWEST, HEADLINE, SCORES
from invbench.studies.ood_score.verdict import QUESTIONS, cell, enough

__all__ = ["family_tables", "main_table", "readings"]


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
