"""Claim C3 of each design in words."""

from __future__ import annotations

import math

import pandas as pd

from invbench.studies.ood_score.association import by_rank, groups
from invbench.studies.ood_score.settings import FEWEST, HEADLINE, READINGS

__all__ = ["QUESTIONS", "cell", "enough", "verdict"]


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
    first = by_rank(part)[0]
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
