"""Claim C3 under every reading of eq. 10 and 11, on every training that there is: a row per training
and group of inputs, a column per reading.

Written before it was filled: a reading *tells* failures of a training when the whole 95 % interval
of its AUC lies above 1/2, *reversed* below it, and is *not shown* around it. Where fewer than
``FEWEST`` inputs fail, or do not, nothing is concluded, and the training counts for no reading. The
claim holds under a reading, for a group of inputs, when the reading tells failures in every
training of every design that can be asked; in part, when in some.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from invbench.console import progress_bar
from invbench.files import write_atomically
from invbench.measures.association import auc
from invbench.studies.ood_score.association import groups
from invbench.studies.ood_score.inputs import inputs, measure, training_patches
from invbench.studies.ood_score.settings import CROPS, FEWEST, PHOTOGRAPHS, SCORES
from invbench.studies.ood_score.verdict import QUESTIONS, cell
from invbench.studies.study import Made, Study
from invbench.targets import resolve
from invbench.training.published import PUBLISHED
from invbench.training.weights import digest_file, find_weights

__all__ = ["make"]

COLUMNS = "design seed weights inputs reading n failures auc auc_lo auc_hi".split()
NAMES = {
    "flat": "flat",
    "mean": "mean",
    "worst": "per position",
    "flat-printed": "flat, second moment",
    "mean-printed": "mean, second moment",
    "worst-printed": "per position, second moment",
}
ANSWERS = ("tells", "not shown", "reversed")
TEXT = """# The OOD score under every reading, on every training (claim C3)

## Does the score tell which inputs fail?

{counts}

Trainings of SRFlow (mini) of which the reading tells failures / does not show / is reversed. A reading *tells* failures when the whole 95 %
interval of its AUC lies above 1/2; *reversed*: below it. Trainings where fewer than {fewest} inputs fail, or do not, are left out. This rule was
committed before the table was measured.

Flat: the map g_θ(y) as one vector, eq. 11 to the letter. Mean: its average over positions, as in Lee et al. 2018. Per position: the most distant
position counts. Covariance by Ledoit–Wolf around the mean; "second moment": Σ = E[uuᵀ], as eq. 10 is printed, shrunk likewise. The paper's
pooling is not stated.

## AUC of each training

{table}

AUC: probability that a failing input has the higher score [95 % interval, bootstrap over photographs]. Inputs, failures and groups are those of
[the main page](README.md); each score is fitted on the first 1024 patches that this very training saw.

`invbench reproduce ood_readings` (INVBENCH_DATA set) measures what readings.csv has not: three minutes for a training.
"""


@dataclass(frozen=True)
class Training:
    """``weights``: sixteen hex digits of their file."""

    design: str
    seed: int
    weights: str


def trainings() -> list[Training]:
    """Every published training of srflow that has weights here."""
    found = []
    for one in PUBLISHED:
        if one.flow == "srflow" and one.size == "mini":
            path = find_weights("srflow", resolve(one.coupling), "mini", one.seed)
            if path is not None:
                found.append(Training(one.coupling, one.seed, digest_file(path)))
    return sorted(found, key=lambda t: (t.design, t.seed))


def rows_of(one: Training, table: pd.DataFrame) -> list[dict[str, object]]:
    """The AUC of every reading and group of inputs, from a row per input."""
    rows: list[dict[str, object]] = []
    parts = groups(table)
    for name in QUESTIONS:
        part, strata = parts[name]
        failed, cluster = part.error.to_numpy(), part.photograph.to_numpy()
        for reading in SCORES:
            layers = None if strata is None else strata.to_numpy()
            area = auc(part[reading].to_numpy(), failed, cluster, layers)
            what = (one.design, one.seed, one.weights, name, reading, len(part), int(failed.sum()))
            rows.append(dict(zip(COLUMNS, (*what, area.value, area.lo, area.hi), strict=True)))
    return rows


def answer(row: pd.Series) -> str | None:
    """One of ``ANSWERS``; None where too few inputs fail, or too few do not."""
    if min(row.failures, row.n - row.failures) < FEWEST or np.isnan(row.auc_lo):
        return None
    return "tells" if row.auc_lo > 0.5 else "reversed" if row.auc_hi < 0.5 else "not shown"


def counts(found: pd.DataFrame) -> pd.DataFrame:
    """A row per reading, a column per group of inputs: how many trainings give each answer."""
    answers = found.assign(answer=found.apply(answer, axis=1)).dropna(subset="answer")
    rows = []
    for reading, said in NAMES.items():
        row: dict[str, object] = {"reading": said}
        for name, words in QUESTIONS.items():
            mine = answers[(answers.reading == reading) & (answers.inputs == name)].answer
            row[words] = " / ".join(str((mine == a).sum()) for a in ANSWERS)
        rows.append(row)
    return pd.DataFrame(rows)


def wide(found: pd.DataFrame) -> pd.DataFrame:
    """A row per training and group, a column per reading."""
    rows = []
    for (design, seed, name), part in found.groupby(["design", "seed", "inputs"], sort=False):
        one = part.set_index("reading")
        first = one.iloc[0]
        row: dict[str, object] = {"design": design, "seed": seed, "inputs": name}
        row["failing"] = f"{first.failures:.0f} of {first.n:.0f}"
        asked = answer(first) is not None
        for reading, said in NAMES.items():
            v = one.loc[reading]
            row[said] = cell(v.auc, v.auc_lo, v.auc_hi) if asked else "too few"
        rows.append(row)
    return pd.DataFrame(rows)


def make(study: Study) -> Made:
    """Measures the trainings that readings.csv has not. Rows of other weights are left out."""
    torch.set_num_threads(1)
    path, plan = study.root / "ood_score" / "readings.csv", trainings()
    stored = _stored(path, plan) if not study.again else []
    done = {(row["design"], row["seed"]) for row in stored}
    todo = [one for one in plan if (one.design, one.seed) not in done]
    given = inputs(CROPS, PHOTOGRAPHS) if todo else []
    patches = {seed: training_patches(seed) for seed in sorted({one.seed for one in todo})}
    with progress_bar() as bar:
        task = bar.add_task("readings", total=len(todo) * len(given))
        for one in todo:
            bar.update(task, description=f"{one.design} seed {one.seed}")
            table = measure(
                one.design, given, patches[one.seed], lambda: bar.advance(task), one.seed
            )
            stored += rows_of(one, table)
            _write(path, stored)
    order = {(one.design, one.seed): place for place, one in enumerate(plan)}
    stored.sort(key=lambda row: order[row["design"], row["seed"]])  # type: ignore[index]
    found = pd.DataFrame(stored, columns=COLUMNS)
    text = TEXT.format(
        counts=counts(found).to_markdown(index=False, disable_numparse=True),
        table=wide(found).to_markdown(index=False, disable_numparse=True),
        fewest=FEWEST,
    )
    return Made(text, {"readings": found}, {}, whole=True)


def _stored(path: Path, plan: list[Training]) -> list[dict[str, object]]:
    if not path.exists():
        return []
    current = {(one.design, one.seed): one.weights for one in plan}
    rows = pd.read_csv(path, dtype={"weights": str}).to_dict("records")
    return [
        {str(name): value for name, value in row.items()}
        for row in rows
        if current.get((row["design"], row["seed"])) == row["weights"]
    ]


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_atomically(path, table.to_csv(index=False, float_format="%.6g").encode())
