"""What the searches of track sr found, from the stored cells: python scripts/attacks.py [--results results] [--output results/attacks]

attacks.csv, radii.csv       a row per design, data set and attack; critical radii per level
attacks.md                   the same for people, with the targets of the attacks and what casts doubt on them
survival.png                 inputs not yet broken, against the radius of a typical latent and against evaluations
eps.png                      failure rate and largest |x| against the radius of the condition

No search runs here: `scripts/results` measures the cells.
"""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer
from scipy.stats import CensoredData, bootstrap, ecdf

from invbench.bench.cell import Cell
from invbench.bench.store import Store
from invbench.measures.statistics import clopper_pearson, median_interval
from invbench.paths import write_atomically
from invbench.report.rows import current_cells, other_model

COLOURS = {"affine": "#d55e00", "affine-floor": "#e69f00", "additive": "#0072b2", "modified-rq": "#009e73"}
DASHES = {"affine": "-", "affine-floor": "--", "additive": ":", "modified-rq": "-."}
LEVELS = ("F1", "F2", "F3", "F4")
LATENT, CONTROL, SQUARES = "latent", "latent-random", "latent-squares"
DECADE = 0.1  # by which random must beat the search before that is said
Key = tuple[str, str, str]  # design, data set, attack with its radius


def attack_cells(results: Path) -> dict[Key, Cell]:
    cells, _ = Store(results).load()
    shown, _ = current_cells(c for c in cells if c.spec.track == "sr" and not other_model(c))
    found = {}
    for cell in shown:
        dataset, _, case = cell.spec.case.partition("/")
        if case.startswith("attack-") and cell.measures:
            found[cell.spec.entry, dataset, case.removeprefix("attack-")] = cell
        elif case == "clean#radius" and cell.measures:
            found[cell.spec.entry, dataset, "radius"] = cell
    return dict(sorted(found.items()))


def number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.3g}"


def median(values: Sequence[float]) -> str:
    middle, low, high = median_interval(values)
    return f"{number(middle)} [{number(low)}, {number(high)}]"


def share(hits: Sequence[float]) -> str:
    low, high = clopper_pearson(int(sum(hits)), len(hits))
    return f"{100 * sum(hits) / len(hits):.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def mean_rate(values: Sequence[float]) -> str:
    """Mean over inputs with a bootstrap interval over inputs."""
    middle = statistics.fmean(values)
    if len(set(values)) < 2:
        return f"{middle:.4f}"
    found = bootstrap((np.asarray(values),), np.mean, method="percentile", rng=np.random.default_rng(0))
    return f"{middle:.4f} [{found.confidence_interval.low:.4f}, {found.confidence_interval.high:.4f}]"


def gain(cell: Cell) -> list[float]:
    return [v - s for v, s in zip(cell.numbers("max_abs_log10"), cell.numbers("start_log10"), strict=True)]


def attack_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack == "radius":
            continue
        row: dict[str, object] = {"design": design, "data": dataset, "attack": attack, "n": len(cell.numbers("inf"))}
        row |= {f"{level}, %": share(cell.numbers(level)) for level in LEVELS}
        row["log10 max abs x, median"] = number(statistics.median_high(cell.numbers("max_abs_log10")))
        row["worst"] = number(max(cell.numbers("max_abs_log10")))
        row["gain, decades"] = number(statistics.median_high(gain(cell)))
        row["evaluations to F2"] = number(statistics.median_high(cell.numbers("first_F2")))
        row["of"] = number(max(cell.numbers("evaluations")))
        rows.append(row)
    return pd.DataFrame(rows)


def objective_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """The searches that do not go up |x|: what they reached of their own objective, and the condition searches' rates."""
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack.startswith(("latent-stretch", "latent-round-trip", "image")):
            stretch = cell.numbers("inv_lipschitz")
            value = [math.log10(v) if 0 < v < math.inf else v for v in stretch] or cell.numbers("value")
            name = "log10 σmax(J⁻¹), float64" if stretch else "log10 relative round-trip error"
            row = {"design": design, "data": dataset, "attack": attack, "objective": name, "n": len(value)}
            trips = cell.numbers("round_trip")
            rows.append(
                row
                | {
                    "median [95 %]": median(value),
                    "worst": number(max(value)),
                    "largest abs(x̂ − x)": number(max(trips)),
                }
            )
    return pd.DataFrame(rows)


def rate_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if rates := cell.numbers("rate"):
            clean = cell.numbers("clean_rate")
            ratio = (
                statistics.fmean(rates) / statistics.fmean(clean)
                if any(clean)
                else math.inf
                if any(rates)
                else math.nan
            )
            row = {
                "design": design,
                "data": dataset,
                "attack": attack,
                "n": len(rates),
                "latents each": cell.spec.settings["attack_fresh"],
            }
            row |= {"failure rate (F2)": mean_rate(rates), "clean": mean_rate(clean)}
            rows.append(row | {"ratio": "–" if math.isnan(ratio) else number(ratio), "worst input": number(max(rates))})
    return pd.DataFrame(rows)


def radius_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Critical radii: of a latent in τ; of the condition in 1/255, the smallest of the ladder at which a fresh latent fails (F2)."""
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack == "radius":
            row: dict[str, object] = {"design": design, "data": dataset, "n": len(cell.numbers("radius_F2"))}
            for level in ("F2", "F1", "F4"):
                row[f"latent, {level}, τ"] = median(cell.numbers(f"radius_{level}"))
            condition = condition_radii(cells, design, dataset)
            row["condition, F2, 1/255"] = median(condition) if condition else ""
            rows.append(row)
    return pd.DataFrame(rows)


def condition_radii(cells: dict[Key, Cell], design: str, dataset: str) -> list[float]:
    ladder = {
        int(cell.spec.settings["eps_255"] or 0): cell
        for (d, s, a), cell in cells.items()
        if (d, s) == (design, dataset) and a.startswith("condition-")
    }
    if len(ladder) < 2:
        return []
    first = ladder[min(ladder)]
    radii = [0.0 if rate > 0 else math.inf for rate in first.numbers("clean_rate")]
    for eps, cell in sorted(ladder.items(), reverse=True):
        radii = [
            0.0 if old == 0 else eps if rate > 0 else old for old, rate in zip(radii, cell.numbers("rate"), strict=True)
        ]
    return radii


def gap_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Decades of max |x| by which the gradient search beats the random control on the same input with as many evaluations."""
    rows = []
    for (design, dataset, attack), control in cells.items():
        search = cells.get((design, dataset, LATENT))
        if attack != CONTROL or search is None or search.measures["names"] != control.measures["names"]:
            continue
        pairs = zip(search.numbers("max_abs_log10"), control.numbers("max_abs_log10"), strict=True)
        gaps = [0.0 if s == c else s - c for s, c in pairs]
        rows.append(
            {
                "design": design,
                "data": dataset,
                "n": len(gaps),
                "gap, decades": median(gaps),
                "least": number(min(gaps)),
            }
        )
    return pd.DataFrame(rows)


def doubts(cells: dict[Key, Cell]) -> list[str]:
    """What the sanity flags of ``invbench.attacks.sanity`` say, over the cells."""
    flags = []
    for (design, dataset, attack), cell in cells.items():
        for name, text in (
            ("blind", "no gradient"),
            ("flat", "the gradient was exactly 0"),
            ("unconfirmed", "not confirmed by a plain decode"),
        ):
            if count := sum(v > 0 for v in cell.numbers(name)):
                flags.append(f"{design}, {dataset}, {attack}: {text} on {count} of {len(cell.numbers(name))} inputs")
        search = cells.get((design, dataset, LATENT))
        if (
            attack in (CONTROL, SQUARES)
            and search is not None
            and len(search.numbers("inf")) == len(cell.numbers("inf"))
        ):
            pairs = list(zip(cell.numbers("max_abs_log10"), search.numbers("max_abs_log10"), strict=True))
            if better := sum(o > s + DECADE for o, s in pairs):
                flags.append(
                    f"{design}, {dataset}: {attack} reaches larger values than the gradient search on {better} of {len(pairs)} inputs"
                )
            if alone := sum(o and not s for o, s in zip(cell.numbers("F2"), search.numbers("F2"), strict=True)):
                flags.append(f"{design}, {dataset}: {attack} alone makes {alone} inputs fail (F2): suspected masking")
    return flags


def targets(cells: dict[Key, Cell]) -> pd.DataFrame:
    """What the searches must reach (issue 6), on BSD100."""
    rows = []

    def add(what: str, measured: str, met: bool) -> None:
        rows.append({"target": what, "measured": measured, "verdict": "met" if met else "missed"})

    for design in ("affine", "affine-floor"):
        search, control = (cells.get((design, "BSD100", name)) for name in (LATENT, CONTROL))
        if search and control:
            hits, steps = search.numbers("F1"), search.numbers("step_F1")
            add(
                f"{design}: non-finite on 100 % of ≥ 50 conditions",
                f"{int(sum(hits))} of {len(hits)}",
                sum(hits) == len(hits) >= 50,
            )
            add(
                f"{design}: median of ≤ 10 gradient steps",
                number(statistics.median_high(steps)),
                statistics.median_high(steps) <= 10,
            )
            ours = statistics.median_high(search.numbers("first_F1"))
            theirs = statistics.median_high(
                [min(f, e) for f, e in zip(control.numbers("first_F1"), control.numbers("evaluations"), strict=True)]
            )
            reached = f"{int(sum(control.numbers('F1')))} of {len(control.numbers('F1'))} by random"
            add(
                f"{design}: random needs ≥ 10× the evaluations to F1",
                f"{number(ours)} against more than {number(theirs)} ({reached})",
                theirs >= 10 * ours,
            )
        if found := cells.get((design, "BSD100", "condition-8")):
            rate, clean = (statistics.fmean(found.numbers(name)) for name in ("rate", "clean_rate"))
            add(
                f"{design}: failure rate over fresh latents at 8/255 ≥ 5× the clean one",
                f"{rate:.4f} against {clean:.4f}",
                rate > 0 and rate >= 5 * clean,
            )
    return pd.DataFrame(rows)


def survival(axes: plt.Axes, values: Sequence[float], limit: float, **style: object) -> None:
    """Kaplan–Meier curve of values of which the infinite ones are censored at ``limit``."""
    seen = [v for v in values if math.isfinite(v)]
    data = CensoredData(uncensored=seen, right=[limit] * (len(values) - len(seen)))
    curve = ecdf(data).sf
    x = np.concatenate(([0.0], curve.quantiles, [limit]))
    y = np.concatenate(([1.0], curve.probabilities, curve.probabilities[-1:]))
    axes.step(x, y, where="post", **style)  # type: ignore[arg-type]


def survival_figure(cells: dict[Key, Cell]) -> plt.Figure:
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained", sharey=True)
    for design, colour in COLOURS.items():
        if cell := cells.get((design, "embedded", "radius")):
            for level, panel in (("F2", axes[0]), ("F1", axes[1])):
                style = {"color": colour, "ls": DASHES[design], "label": design}
                survival(panel, cell.numbers(f"radius_{level}"), 4.0, **style)
        for attack, dash in ((LATENT, "-"), (SQUARES, "--"), (CONTROL, ":")):
            found = cells.get((design, "BSD100", attack)) or cells.get((design, "embedded", attack))
            if found:
                survival(axes[2], found.numbers("first_F2"), max(found.numbers("evaluations")), color=colour, ls=dash)
    axes[0].set(
        xlabel="ℓ∞ change of a typical latent, τ", ylabel="share of inputs that still hold", title="some |x| > 10 (F2)"
    )
    axes[1].set(xlabel="ℓ∞ change of a typical latent, τ", title="x not finite (F1)")
    axes[2].set(xlabel="evaluations of the flow", title="F2: gradient —, squares --, random ⋯", xscale="symlog")
    axes[0].legend(fontsize=8)
    return figure


def eps_figure(cells: dict[Key, Cell]) -> plt.Figure:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for design, colour in COLOURS.items():
        ladder = sorted(
            (int(cell.spec.settings["eps_255"] or 0), cell)
            for (d, s, a), cell in cells.items()
            if (d, s) == (design, "embedded") and a.startswith("condition-")
        )
        if not ladder:
            continue
        eps = [0] + [e for e, _ in ladder]
        rates = [statistics.fmean(ladder[0][1].numbers("clean_rate"))] + [
            statistics.fmean(c.numbers("rate")) for _, c in ladder
        ]
        axes[0].plot(eps, rates, "o" + DASHES[design], color=colour, label=design)
        both = [(e, cells.get((design, "embedded", f"both-{e}"))) for e, _ in ladder]
        sizes = [(e, min(statistics.median_high(c.numbers("max_abs_log10")), 39.0)) for e, c in both if c]
        axes[1].plot(*zip(*sizes, strict=True), "o" + DASHES[design], color=colour)
    axes[0].set(
        xlabel="radius of the condition, 1/255",
        ylabel="share of fresh latents with |x| > 10",
        title="attack on the condition",
    )
    axes[1].set(
        xlabel="radius of the condition, 1/255",
        ylabel="log10 max abs x, median (39: not finite)",
        title="attack on latents and condition",
    )
    axes[0].legend(fontsize=8)
    return figure


def text(cells: dict[Key, Cell]) -> Iterable[str]:
    specs = [cell.spec.settings for cell in cells.values()]
    budget = specs[0]
    commits = sorted({str(c.provenance.get("commit", ""))[:12] for c in cells.values()})
    yield "# Attacks on the trained super-resolution flows\n"
    yield (
        f"Budget `default`: {budget['attack_steps']} gradient steps on the largest activation, {budget['attack_stretch_steps']} on σmax(J⁻¹), "
        f"{budget['attack_round_trip_steps']} on the round trip, {budget['attack_condition_steps']} over {budget['attack_latents']} latents for "
        "conditions; searches without gradients get as many evaluations (a gradient counts 3). Crops of 64×64, float32, one typical latent per "
        "input, τ = 0.9; ‖z‖ ≤ 1.05·τ√D, |z_i| ≤ 4τ. Every level is that of a plain decode in float32. Brackets are 95 % intervals: Clopper–Pearson "
        f"for shares, order statistics for medians, bootstrap over inputs for mean rates. Measured at {', '.join(commits)}.\n"
    )
    goals = targets(cells)
    if len(goals):
        yield "## Targets\n\n" + goals.to_markdown(index=False) + "\n"
    yield "## Critical radius\n\n" + radius_rows(cells).to_markdown(index=False) + "\n"
    yield "The least change at which the search reached the level (F1: not finite; F2: some |x| > 10; F4: LR-PSNR < 20 dB); ∞: not within 4τ.\n"
    yield "## Gradient search against random latents\n\n" + gap_rows(cells).to_markdown(index=False) + "\n"
    yield "## Failure rate of the condition\n\n" + rate_rows(cells).to_markdown(index=False) + "\n"
    yield "## Every attack\n\n" + attack_rows(cells).to_markdown(index=False) + "\n"
    yield "Levels are of the point that an attack keeps: of the largest |x|, or for the others of their own objective.\n"
    yield "## Sensitivity and round trip, run to the end\n\n" + objective_rows(cells).to_markdown(index=False) + "\n"
    flags = doubts(cells)
    yield "## What casts doubt on the searches\n\n" + ("\n".join(f"- {flag}" for flag in flags) or "Nothing.") + "\n"


def main(
    results: Annotated[Path, typer.Option(help="Folder of the cells.")] = Path("results"),
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("results/attacks"),
) -> None:
    cells = attack_cells(results)
    if not cells:
        raise SystemExit(f"no attack cells in {results}; invbench run --track sr --results {results}")
    write_atomically(output / "attacks.csv", attack_rows(cells).to_csv(index=False).encode())
    write_atomically(output / "radii.csv", radius_rows(cells).to_csv(index=False).encode())
    write_atomically(output / "attacks.md", "\n".join(text(cells)).encode())
    for name, draw in (("survival", survival_figure), ("eps", eps_figure)):
        file = io.BytesIO()
        draw(cells).savefig(file, format="png", dpi=110, metadata={"Software": None})
        write_atomically(output / f"{name}.png", file.getvalue())


if __name__ == "__main__":
    typer.run(main)
