"""The 95 % interval of the error rate of `affine` on BSD100 as it is, in percent: inputs are crops
of photographs under three trainings.

Clopper and Pearson's at n* inputs (Korn and Graubard 1998): n* = z² p(1 − p)/(v_P + t²_{T−1} V_T).
V_P and V_T: the variances of p as P photographs and T trainings show them; v_P averages t²_{P−1}
V_P, of weight k, with z² p(1 − p)/P, of weight 1; k photographs have a failure (or, if fewer, a
success). With one input each under one training n* is their number.
"""

import numpy as np
from published import Answer, number, report, row
from samples import judged
from scipy.stats import beta, norm, t

DESIGN, CASE, SEEDS, TAIL = "affine", "BSD100/clean", (0, 1, 2), 0.025


def interval(failed: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Of ``failed`` of ``seen`` inputs, (trainings, photographs) each."""
    (trainings, photos), n = failed.shape, seen.sum()
    p = failed.sum() / n
    by_photo, by_training = (failed - p * seen).sum(0), (failed - p * seen).sum(1)
    k = min((failed.sum(0) > 0).sum(), (failed.sum(0) < seen.sum(0)).sum())
    alike = norm.ppf(TAIL) ** 2 * p * (1 - p)
    if alike == 0 or seen.max() == trainings == 1:
        effective = float(photos)
    else:
        shown = t.ppf(TAIL, photos - 1) ** 2 * photos / (photos - 1) * (by_photo**2).sum() / n**2
        spread = (k * shown + alike * (seen.sum(0) ** 2).sum() / n**2) / (k + 1)
        if trainings > 1:
            spread += (
                t.ppf(TAIL, trainings - 1) ** 2
                * trainings
                / (trainings - 1)
                * (by_training**2).sum()
                / n**2
            )
        effective = min(alike / spread, n)
    hits = p * effective
    low = beta.ppf(TAIL, hits, effective - hits + 1) if hits > 0 else 0.0
    return float(low), float(
        beta.ppf(1 - TAIL, hits + 1, effective - hits)
    ) if hits < effective else 1.0


def by_photograph(found: list[list[tuple[str, bool]]]) -> tuple[np.ndarray, np.ndarray]:
    """(failures, inputs) of (name, failed) lists, one list per training."""
    photos = sorted({name.rpartition("/")[0] for one in found for name, _ in one})
    failed, seen = np.zeros((2, len(found), len(photos)))
    for training, one in enumerate(found):
        for name, wrong in one:
            seen[training, photos.index(name.rpartition("/")[0])] += 1
            failed[training, photos.index(name.rpartition("/")[0])] += wrong
    return failed, seen


def answers() -> list[Answer]:
    told = row("tables/sr.csv", entry=DESIGN, case=CASE)
    found = [[(name, error) for name, error, _ in judged(DESIGN, CASE, seed)] for seed in SEEDS]
    ends = zip(("error_lo", "error_hi"), interval(*by_photograph(found)), strict=True)
    where = "results/tables/sr.csv"
    return [
        Answer(f"{end}, %", where, number(told[end]), 100 * value, 0.01, "samples decoded again")
        for end, value in ends
    ]


if __name__ == "__main__":
    report(answers)
