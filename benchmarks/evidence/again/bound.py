"""A certified bound: `rq-bounded`, K = 8 rational-quadratic bins on [−3, 3], moves no value by more
than its table says, and its slopes lie between 2σ²/(σ + δ) and max(δ, 2/σ²/(1/σ + 1/δ)), σ the
least mean slope of a bin. An optimiser that knows the formula alone comes near all three, and
passes none."""

import numpy as np
from published import Answer, number, report, row
from scipy.optimize import minimize

BINS, BOX, FLOOR, LIMIT = (
    8,
    3.0,
    0.05,
    4.0,
)  # no bin narrower than FLOOR of the box; knot slopes in [1/LIMIT, LIMIT], 1 at ±B
REACHED = 1e-3  # relative, what an optimiser on raw parameters stays below a supremum


def spline(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Widths, heights, knot slopes from 3K − 1 raw numbers."""

    def sizes(part: np.ndarray) -> np.ndarray:
        share = np.exp(part - part.max())
        return 2 * BOX * (FLOOR + (1 - BINS * FLOOR) * share / share.sum())

    inner = LIMIT ** np.tanh(raw[2 * BINS :])
    return sizes(raw[:BINS]), sizes(raw[BINS : 2 * BINS]), np.concatenate(([1.0], inner, [1.0]))


def displacement(raw: np.ndarray, bin_: int, xi: np.ndarray) -> float:
    """Largest |c(x) − x| at the shares ξ of one bin (Durkan et al., eq. 4)."""
    w, h, d = spline(raw)
    s = h[bin_] / w[bin_]
    c = (
        h[bin_]
        * (s * xi**2 + d[bin_] * xi * (1 - xi))
        / (s + (d[bin_] + d[bin_ + 1] - 2 * s) * xi * (1 - xi))
    )
    return float(abs(h[:bin_].sum() + c - w[:bin_].sum() - w[bin_] * xi).max())


def slopes(raw: np.ndarray, bin_: int, xi: np.ndarray) -> np.ndarray:
    """c′ there (eq. 5)."""
    w, h, d = spline(raw)
    s, d0, d1, eta = h[bin_] / w[bin_], d[bin_], d[bin_ + 1], 1 - xi
    return (
        s**2
        * (d1 * xi**2 + 2 * s * xi * eta + d0 * eta**2)
        / (s + (d0 + d1 - 2 * s) * xi * eta) ** 2
    )


def steepest(raw: np.ndarray, bin_: int, xi: np.ndarray) -> float:
    return float(slopes(raw, bin_, xi).max())


def steepest_back(raw: np.ndarray, bin_: int, xi: np.ndarray) -> float:
    """Of the inverse: 1/c′."""
    return float(1 / slopes(raw, bin_, xi).min())


def largest(what, starts: int) -> float:  # type: ignore[no-untyped-def]
    """Over raw parameters from random starts, bin by bin, and over ξ."""
    xi, rng, best = np.linspace(0, 1, 401), np.random.default_rng(0), 0.0
    for start in range(starts):
        raw, bin_ = rng.normal(0, 2, 3 * BINS - 1), start % BINS
        found = minimize(
            lambda r, b=bin_: -what(r, b, xi), raw, method="L-BFGS-B", bounds=[(-12, 12)] * len(raw)
        )
        best = max(best, -found.fun)
    return best


def answers() -> list[Answer]:
    told = number(row("tables/coupling.csv", entry="rq-bounded")["displacement"])
    least = FLOOR / (1 - (BINS - 1) * FLOOR)
    high, low = max(LIMIT, 2 / least**2 / (1 / least + 1 / LIMIT)), 2 * least**2 / (least + LIMIT)
    found = []
    for what, where, published, objective in (
        ("displacement", "results/tables/coupling.csv", told, displacement),
        ("largest slope", "formula in couplings/rq_bounded.py", high, steepest),
        ("least slope", "formula in couplings/rq_bounded.py", low, steepest_back),
    ):
        reached = largest(objective, 24)
        passed = reached > (1 / published if objective is steepest_back else published) * (1 + 1e-9)
        recomputed = 1 / reached if objective is steepest_back else reached
        within = 0.0 if passed else REACHED * published  # a bound that is passed is none
        found.append(
            Answer(f"{what} of rq-bounded", where, published, recomputed, within, "L-BFGS-B")
        )
    return found


if __name__ == "__main__":
    report(answers)
