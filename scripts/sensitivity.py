"""Magnitude against sensitivity, one point per design, from the stored cells: python scripts/sensitivity.py docs/sensitivity.png"""

from __future__ import annotations

import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import invbench
from invbench.registry import COUPLINGS

# Okabe and Ito's palette and one marker per family: told apart without colour too
FAMILIES = {
    "affine": ("#d55e00", "o"),
    "spline": ("#009e73", "^"),
    "rational": ("#0072b2", "s"),
    "other": ("#cc79a7", "D"),
}
LEAST = 0.1  # where a displacement of 0 is drawn
ROOM = 0.36  # decades that a label takes


def points() -> list[tuple[str, float, float, bool, str]]:
    """(design, displacement, inv_lipschitz_lower, whether the displacement is infinite, family) of every row that has both."""
    found = []
    for row in invbench.leaderboard("coupling").to_dict("records"):
        values = [row.get("displacement"), row.get("inv_lipschitz_lower")]
        if row["entry"] not in COUPLINGS or any(v is None or np.isnan(float(v)) for v in values):
            continue
        family = COUPLINGS[row["entry"]].obj.metadata.get("family", "other")
        displacement, stretch = map(float, values)
        shown = family if family in FAMILIES else "other"
        found.append((row["entry"], displacement, stretch, np.isinf(displacement), shown))
    return found


def spread(places: np.ndarray, gap: float) -> np.ndarray:
    """The positions moved apart to at least ``gap``, as little as need be: groups that touch keep their common centre."""
    groups = [[i] for i in np.argsort(places)]
    while True:
        centres = [np.mean(places[g]) for g in groups]
        touching = [
            k
            for k in range(len(groups) - 1)
            if centres[k + 1] - centres[k] < gap * (len(groups[k]) + len(groups[k + 1])) / 2
        ]
        if not touching:
            break
        k = touching[0]
        groups[k : k + 2] = [groups[k] + groups[k + 1]]
    out = np.empty_like(places)
    for group, centre in zip(groups, centres, strict=True):
        for rank, i in enumerate(group):
            out[i] = centre + gap * (rank - (len(group) - 1) / 2)
    return out


def main(path: str) -> None:
    found = points()
    finite = [d for _, d, _, infinite, _ in found if not infinite and d > 0]
    edge = 10 * max(finite, default=1.0)
    figure, axes = plt.subplots(figsize=(8.4, 5.6), layout="constrained")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.axvspan(edge / 2.2, edge * 60, color="0.94")
    for column in (False, True):
        members = [p for p in found if p[3] == column]
        where = np.array([edge if p[3] else max(p[1], LEAST) for p in members])
        height = np.log10([p[2] for p in members]) if members else np.array([])
        # labels stand right of the points, in the finite part in columns of equal displacement
        for group in [range(len(members))] if column else _columns(where):
            at = list(group)
            moved = spread(height[at], ROOM) if at else []
            for i, y in zip(at, moved, strict=True):
                colour, marker = FAMILIES[members[i][4]]
                alone = all(i == j or abs(height[i] - height[j]) > ROOM for j in at)
                axes.plot(where[i], members[i][2], marker, color=colour, ms=7)
                axes.annotate(
                    members[i][0],
                    (where[i], members[i][2]),
                    ((where[i] if alone else where[at].max()) * 1.35, 10**y),
                    fontsize=8,
                    va="center",
                    arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.6, "shrinkA": 0, "shrinkB": 3},
                )
    for family, (colour, marker) in FAMILIES.items():
        axes.plot([], [], marker, color=colour, label=family)
    axes.legend(fontsize=8, loc="upper left", frameon=False)
    axes.set_xlim(LEAST / 1.5, edge * 25)
    axes.set_ylim(0.2, 10 ** (np.log10(max(p[2] for p in found)) + 1.2))
    ticks = [t for t in (1, 10, 100) if t < edge / 2.2]
    axes.set_xticks([LEAST, *ticks, edge], ["0", *map(str, ticks), "unbounded"])
    axes.minorticks_off()
    axes.set_xlabel("magnitude: how far the inverse moves a value, apart from the shift (displacement)")
    axes.set_ylabel("sensitivity: steepest slope of the inverse found on the corpus")
    axes.set_title("A bound on magnitude is no bound on sensitivity", fontsize=11)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _columns(where: np.ndarray) -> list[list[int]]:
    """Points whose labels would meet: those within a factor of 8 of the column's first."""
    columns: list[list[int]] = []
    for i in np.argsort(where):
        if columns and where[i] < 8 * where[columns[-1][0]]:
            columns[-1].append(int(i))
        else:
            columns.append([int(i)])
    return columns


if __name__ == "__main__":
    main(sys.argv[1])
