"""How well a score tells the inputs that fail: rows in, a row per design, group of inputs and score
out."""

from __future__ import annotations

import pandas as pd

from invbench.measures.association import AUC, Logistic, RankBin, auc, logistic, rank_bins
from invbench.studies.ood_score.settings import (
    CLEAN_ONLY,
    CONTROLS,
    DATASETS,
    DESIGNS,
    HEADLINE,
    SCORES,
)

__all__ = ["by_rank", "families", "groups", "predictors", "ranks"]


def groups(table: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.Series | None]]:
    """name → (inputs, strata): the groups for which the association is computed."""
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


def by_rank(part: pd.DataFrame) -> list[RankBin]:
    """Ten groups of inputs by the rank of the headline's score."""
    score, failed, cluster = (part[c].to_numpy() for c in (HEADLINE, "error", "photograph"))
    return rank_bins(score, failed, cluster)


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
                    row: dict[str, object] = {
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
        row: dict[str, object] = {
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
                for b in by_rank(part):
                    pixels = order.error_pixels[b.first - 1 : b.last].mean()
                    rows.append(
                        {"design": design, "inputs": name, **vars(b), "error_pixels": pixels}
                    )
    return pd.DataFrame(rows)
