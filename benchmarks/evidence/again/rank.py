"""Ranks of all entries by error rate on BSD100 as it is: from 1 + how many others are told apart as
better to E − how many as worse; and the tier, the longest chain of entries each told apart from the
next, of the trainings that there are.

Two entries are told apart at 5 % after Holm, p the larger of two: the sign-flip test over
photographs (exact to 13 that differ, then Bentkus' bound
6.356 Φ(−|Σd|/‖d‖)); and, where trainings spread and are not given, the p at which D² = t²_{P−1} V_P
+ t²_ν V_T, rounded up to 1/50 of a decade.
"""

import itertools
from collections import defaultdict

import numpy as np
from interval import by_photograph
from published import Answer, cell, number, report, rows
from scipy.optimize import brentq
from scipy.stats import norm, t

CASE, LEVEL, EXACT = "BSD100/clean", 0.05, 13


def parts(failed: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """(V_T − V_E, π(1 − π)): what trainings add to the variance of a rate, beyond what halves of
    one would show."""
    (T, P), n, p = failed.shape, seen.sum(), failed.sum() / seen.sum()
    if T < 2:
        return 0.0, p * (1 - p)
    u = failed - p * seen
    left = u - u.mean(1, keepdims=True) - u.mean(0, keepdims=True)
    over = T / (T - 1) * (u.sum(1) ** 2).sum() - T * P * (left**2).sum() / ((T - 1) * (P - 1))
    return over / n**2, p * (1 - p)


def flips(d: np.ndarray) -> float:
    """Share of all sign patterns with as large a sum, or its bound."""
    d = d[d != 0]
    if len(d) > EXACT:
        return min(1.0, 2 / (4 * norm.cdf(-(2**0.5))) * norm.cdf(-abs(d.sum()) / np.linalg.norm(d)))
    patterns = np.array(list(itertools.product((-1, 1), repeat=len(d)))).reshape(
        2 ** len(d), len(d)
    )
    return float((abs(patterns @ d) >= abs(d.sum()) - 1e-9).mean())


def ranks(
    entries: list[tuple[np.ndarray, np.ndarray]], given: bool = False
) -> list[tuple[int, int, int]]:
    """(best, worst, tier) of (failures, inputs), (trainings, photographs) each, the same inputs for
    all."""
    size, (T, P) = (
        entries[0][1][0],
        (np.array([len(f) for f, _ in entries]), entries[0][1].shape[1]),
    )
    rates, means = [f.mean(0) for f, _ in entries], [f.sum() / s.sum() for f, s in entries]
    over, w = np.array([parts(*e) for e in entries]).T
    weight = ((T - 1) * w).sum()
    rho = max(0.0, ((T - 1) * over * T).sum() / weight) if weight else 0.0
    freedom = weight**2 / ((T - 1) * w**2).sum() if weight and not given else 0.0
    tests = {}
    for i, j in itertools.combinations(range(len(entries)), 2):
        d, pooled = rates[i] - rates[j], (means[i] + means[j]) / 2
        D = means[i] - means[j]
        v_photos = P / (P - 1) * ((d - size * D) ** 2).sum() / size.sum() ** 2
        own = max(0.0, over[i]) + max(0.0, over[j])
        v_trainings = max(own, rho * pooled * (1 - pooled) * (1 / T[i] + 1 / T[j]))

        def gap(log_p: float, D=D, a=v_photos, b=v_trainings) -> float:  # type: ignore[no-untyped-def]
            half = 10**log_p / 2
            return D**2 - t.isf(half, P - 1) ** 2 * a - t.isf(half, freedom) ** 2 * b

        spread = (
            0.0
            if not freedom or gap(-14) > 0
            else 1.0
            if gap(-1e-12) <= 0
            else 10 ** (np.ceil(50 * brentq(gap, -14, -1e-12)) / 50)
        )
        tests[i, j] = max(spread, flips(d)) if D else 1.0
    better = defaultdict(set)
    for place, ((i, j), p) in enumerate(sorted(tests.items(), key=lambda test: test[1])):
        if p * (len(tests) - place) >= LEVEL:
            break
        good, bad = (i, j) if means[i] < means[j] else (j, i)
        better[bad].add(good)
    worse = [sum(k in found for found in better.values()) for k in range(len(entries))]
    tier: dict[int, int] = {}
    for k in sorted(range(len(entries)), key=lambda k: means[k]):
        tier[k] = 1 + max((tier[g] for g in better[k]), default=0)
    return [(1 + len(better[k]), len(entries) - worse[k], tier[k]) for k in range(len(entries))]


def answers() -> list[Answer]:
    told = [r for r in rows("tables/sr.csv") if r["case"] == CASE and r["rank_lo"]]
    entries = []
    for one in told:
        cells = [
            cell("sr", one["entry"], CASE, seed)["measures"] for seed in range(int(one["seeds"]))
        ]
        entries.append(
            by_photograph(
                [list(zip(c["names"], map(bool, c["error"]), strict=True)) for c in cells]
            )
        )
    found, where = [], "results/tables/sr.csv"
    for one, (low, high, _), (_, _, tier) in zip(
        told, ranks(entries), ranks(entries, given=True), strict=True
    ):
        for column, value in (("rank_lo", low), ("rank_hi", high), ("tier_given", tier)):
            found.append(
                Answer(
                    f"{column} of {one['entry']}",
                    where,
                    number(one.get(column) or "nan"),
                    value,
                    0.0,
                    "stored errors",
                )
            )
    return found


if __name__ == "__main__":
    report(answers)
