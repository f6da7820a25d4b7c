"""The page of the map: what was tried, the largest jumps, the phase diagram, and what was not
covered."""

from __future__ import annotations

import math

import pandas as pd

from invbench.measures.statistics import clopper_pearson, median_interval
from invbench.studies.toy_map.axes import AXES, setting_of
from invbench.studies.toy_map.causes import CAUSES, JUMPS, cause
from invbench.studies.toy_map.phase import BASE, LENGTHS, SEEDS, SHIFTS, STACKS
from invbench.studies.toy_map.search import LEARNED, ROUNDS
from invbench.training.toy2d.recipe import OOD_SHIFT

__all__ = ["counted", "middle", "report"]

CONTROL_SHIFTS = (OOD_SHIFT, 3.2, 6.4, 10.0)

TEXT = """# The toy as a map

{summary}

![Phase diagram](toy_map.png)

## Phase diagram

{phase}

Largest factor by which one coupling multiplies Var(shifted)/Var(in distribution), for the condition y + s·(1, −1); the paper's s is {paper:g}.
Medians over {seeds} seeds [exact 95 % interval]; below them the seeds with 10⁴ or more, with the Clopper–Pearson interval where there is one.
Every length is a snapshot of one training, which a constant learning rate allows: {base}. Shift 0 is 1 by construction.
All shifts: toy_map_phase.csv. `affine-floor` is †, ε = 0.1; the same seeds have the same sub-networks, data and latents.

## The search

{search}

Tried: every toy of the stage. Learned: A x̂ lies no farther from y than {learned:g} times what exact samples do (medians, in distribution); a flow
that was never fitted may multiply anything. A point of the search is measured at five shifts from {paper:g} to 10 in eight directions; the largest counts.
Fresh: the best setting with the released ε of 1e-4, and {fresh} seeds that it was not chosen by; float64: the same seeds.

{best}

At which shift it appears, in these toys (medians over seeds [exact 95 % interval] in the worst of eight directions, and toys with 10⁴ or more):

{ladder}

## The same setting with other couplings

![Where the effect lives](toy_map_where.png)

{control}

The best setting of the search with the released ε and a constant learning rate, over shift and length of training. Ten seeds each, the same as
above; only the coupling differs. Learned as above; the factor is the largest of eight directions (medians over all ten seeds [exact 95 %
interval], and toys with 10⁴ or more). All shifts: toy_map_control.csv.

## Which setting it needs

{axes}

{shared}The toys at random only, since the guided ones are chosen: those that learned, and how many of these jump, per value of each axis. Steps,
iterations, batch and samples are shared by a round, so they cannot be told apart.

## Is it the coupling?

{causes}

Toys that learned, at the shift where each jumps most. The coupling: its factor is the largest of all layers, and 10⁴ or more remains without the
1 % of samples that lie farthest from the median. The tail: it does not remain. Another layer: an ActNorm or a 1×1 has a larger factor.

## Not covered

{open}

Computing: {minutes:.0f} minutes of one core. The axes: `invbench/studies/toy_map/axes.py`. Regenerate: `invbench reproduce toy_map`; rows that are there
are not measured again. [toy_sweep](toy_sweep.md) is the older sweep, one factor at a time with the recipe of the track: six steps, batch 256, one-cycle.
"""


def middle(values: pd.Series) -> str:
    """Median [interval] of factors; a factor that is not known is taken for infinite."""
    value, low, high = median_interval(values.fillna(math.inf).tolist())
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def counted(hits: int, n: int) -> str:
    """k of n, and the Clopper–Pearson interval of the rate in per cent."""
    low, high = clopper_pearson(hits, n)
    return f"{hits} of {n} [{100 * low:.1f}, {100 * high:.1f} %]"


def report(
    toys: pd.DataFrame, points: pd.DataFrame, ladder: pd.DataFrame, control: pd.DataFrame
) -> str:
    return TEXT.format(
        summary=_summary(toys, points),
        phase=_phase(points),
        paper=OOD_SHIFT,
        seeds=SEEDS,
        base=(
            f"{BASE.shape}-shaped p(x), {BASE.steps} steps, batch {BASE.batch}, learning rate "
            f"{BASE.lr:g}, heads that start at zero, free 1×1 and ActNorm"
        ),
        search=_search(toys),
        learned=LEARNED,
        fresh=SEEDS,
        best=_best(toys),
        ladder=_ladder(ladder),
        control=_control(control),
        axes=_axes(toys),
        shared=_shared(toys),
        causes=_causes(toys),
        open=_open(toys, points),
        minutes=(
            toys.seconds.sum()
            + points.drop_duplicates(["design", "seed", "iterations"]).seconds.sum()
        )
        / 60,
    )


def _learned(toys: pd.DataFrame) -> pd.DataFrame:
    return toys[toys.residual <= LEARNED]


def _summary(toys: pd.DataFrame, points: pd.DataFrame) -> str:
    learned, distinct = _learned(toys), points.drop_duplicates(["design", "seed"])
    lines = [
        f"{len(toys)} affine toys of the search and {len(distinct)} of the phase diagram were "
        f"trained; {int((toys.skipped > 0).sum())} of the search had steps that were not finite and "
        f"were skipped, {len(learned)} learned their data."
    ]
    for kind, words in (
        ("paper", f"at the paper's shift of {OOD_SHIFT:g}"),
        ("any", "at any shift of up to 10"),
    ):
        if learned.empty:
            continue
        top = learned.sort_values(f"{kind}_jump", kind="stable").iloc[-1]
        hits = int((learned[f"{kind}_jump"] >= JUMPS).sum())
        lines.append(
            f"Largest factor of a coupling {words}: {top[f'{kind}_jump']:.3g} ({top.stage}, "
            f"{_setting(top)}); 10⁴ or more: {counted(hits, len(learned))}."
        )
        every = toys[f"{kind}_jump"].max()
        if every > top[f"{kind}_jump"]:
            lines.append(f"Among those that did not learn, too: {every:.3g}.")
    return "\n".join(lines)


def _setting(row: pd.Series) -> str:
    """Where a setting differs from the base, and the shift of the largest factor."""
    own, base = vars(setting_of(row.to_dict())), vars(BASE)
    differs = [f"{name} {value}" for name, value in own.items() if value != base[name]]
    return ", ".join([*differs, f"seed {row.seed}"])


def _phase(points: pd.DataFrame) -> str:
    shown = [s for s in SHIFTS if s >= OOD_SHIFT and s in set(points["shift"])]
    rows = []
    for (design, length), mine in points.groupby(["design", "iterations"], sort=False):
        row: dict[str, object] = {"design": design, "iterations": length}
        row["residual"] = middle(mine[mine["shift"] == shown[0]].residual)
        for shift in shown:
            at = mine[mine["shift"] == shift]
            hits = int((at.jump.fillna(math.inf) >= JUMPS).sum())
            row[f"s = {shift:g}"] = middle(at.jump) + (
                f"; {counted(hits, len(at))}" if hits else ""
            )
        rows.append(row)
    if not rows:
        return "Not measured."
    designs = [d for stack in STACKS for d in stack]
    table = pd.DataFrame(rows)
    order = table.design.map(designs.index)
    table = table.assign(order=order).sort_values(["order", "iterations"]).drop(columns="order")
    most = points.groupby(["design", "iterations", "shift"]).jump.agg(
        lambda values: int((values.fillna(math.inf) >= JUMPS).sum())
    )
    none = f"In {int((most == 0).sum())} of {len(most)} points no seed has 10⁴ or more."
    return f"{table.to_markdown(index=False, disable_numparse=True)}\n\n{none}"


def _search(toys: pd.DataFrame) -> str:
    rows = []
    for (stage, dtype), mine in toys.groupby(["stage", "dtype"], sort=False):
        learned = _learned(mine)
        row = {"stage": stage if dtype == "float32" else f"{stage}, {dtype}", "tried": len(mine)}
        row |= {"learned": len(learned), "skipped a step": int((mine.skipped > 0).sum())}
        for kind, words in (("paper", f"at {OOD_SHIFT:g}"), ("any", "at any")):
            hits = int((learned[f"{kind}_jump"] >= JUMPS).sum())
            row |= {f"median {words}": middle(learned[f"{kind}_jump"]) if len(learned) else ""}
            row |= {f"largest {words}": f"{learned[f'{kind}_jump'].max():.3g}"}
            row |= {f"10⁴ {words}": counted(hits, len(learned))}
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _best(toys: pd.DataFrame) -> str:
    fresh, rows = toys[toys.stage == "fresh"], []
    for _, mine in fresh.groupby("number", sort=False):
        learned = _learned(mine)
        first = mine.iloc[0]
        row: dict[str, object] = {
            "best by": "the paper's shift" if first.climbs == "paper_jump" else "any shift"
        }
        row |= {"setting": _setting(first).rpartition(", seed")[0], "learned": len(learned)}
        row |= {"residual": middle(mine.residual), "factor at 0.8": middle(mine.paper_jump)}
        row |= {"at any": middle(mine.any_jump), "trimmed": middle(mine.any_trimmed)}
        rows.append(row | {"10⁴ at any": counted(int((mine.any_jump >= JUMPS).sum()), len(mine))})
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) if rows else ""


WORDS = {"paper_jump": "the paper's shift", "any_jump": "any shift"}


def _ladder(ladder: pd.DataFrame) -> str:
    if ladder.empty:
        return "Not measured."
    rows = []
    for shift, all_ in ladder.groupby("shift"):
        row: dict[str, object] = {"shift": f"{shift:g}"}
        for _, mine in all_.groupby("number"):
            hits = int((mine.jump.fillna(math.inf) >= JUMPS).sum())
            name = f"best by {WORDS[mine.climbs.iloc[0]]}, {mine.dtype.iloc[0]}"
            row[name] = middle(mine.jump) + (f"; {counted(hits, len(mine))}" if hits else "")
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _control(control: pd.DataFrame) -> str:
    """A row per design, a column per shift."""
    if control.empty:
        return "Not measured."
    rows = []
    for (design, length), all_ in control.groupby(["design", "iterations"], sort=False):
        one = all_.drop_duplicates("seed")
        row: dict[str, object] = {"design": design, "iterations": length}
        row["learned"] = f"{int((one.residual <= LEARNED).sum())} of {len(one)}"
        for shift in CONTROL_SHIFTS:
            jump = all_[all_["shift"] == shift].jump
            hits = int((jump.fillna(math.inf) >= JUMPS).sum())
            row[f"s = {shift:g}"] = middle(jump) + (f"; {counted(hits, len(jump))}" if hits else "")
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _axes(toys: pd.DataFrame) -> str:
    chance, rows = toys[toys.stage == "random"], []
    for axis in (*AXES, "steps", "iterations", "batch", "samples"):
        for value, mine in chance.groupby(axis):
            learned = _learned(mine)
            row = {"axis": axis, "value": value, "tried": len(mine), "learned": len(learned)}
            for kind, words in (("paper", f"{OOD_SHIFT:g}"), ("any", "any")):
                hits = int((learned[f"{kind}_jump"] >= JUMPS).sum())
                row[f"largest at {words}"] = f"{learned[f'{kind}_jump'].max():.3g}"
                row[f"10⁴ at {words}"] = counted(hits, len(learned))
            rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _shared(toys: pd.DataFrame) -> str:
    """What the toys that learned and jump have in common, where that is less than an axis has."""
    learned = _learned(toys)
    hits = learned[learned.any_jump >= JUMPS]
    axes = {name: sorted(set(hits[name])) for name in AXES}
    said = [
        f"{name} {' or '.join(map(str, values))}"
        for name, values in axes.items()
        if values and len(values) < len(AXES[name])
    ]
    return f"All {len(hits)} that jump at any shift have {', '.join(said)}.\n" if said else ""


def _causes(toys: pd.DataFrame) -> str:
    learned = _learned(toys)
    hits = learned[learned.any_jump >= JUMPS]
    found = [cause(row, "any_") for row in hits.to_dict("records")]
    others = (
        f"Largest factor of an ActNorm in a toy that learned: {learned.any_actnorm.max():.3g}, of a "
        f"1×1: {learned.any_conv1x1.max():.3g}."
    )
    if not found:
        return f"No toy that learned has a coupling with 10⁴ or more. {others}"
    rows = [{"cause": one, "toys": counted(found.count(one), len(found))} for one in CAUSES]
    return f"{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}\n\n{others}"


def _open(toys: pd.DataFrame, points: pd.DataFrame) -> str:
    designs = [d for stack in STACKS for d in stack]
    planned = {(d, n) for d in designs for n in LENGTHS}
    missing = planned - set(zip(points.design, points.iterations, strict=True))
    rounds = len(ROUNDS) - toys.number.nunique()
    lines = [
        f"Trainings of more than {points.iterations.max():,} iterations of the ring, and of more "
        f"than {toys.iterations.max():,} in the search; the paper does not state its own.",
        "Couplings of another form than sigmoid(a + 2) + ε, such as exp; heads that are multiplied "
        "by exp(3·logs), as in the released image models; optimisers other than Adam; sub-networks "
        "of other width or activation; distributions p(x) with a tail: all are bounded.",
        "Settings other than the ring and the best of the search over length of training. Designs "
        "other than affine are not in the search.",
        "Planned at first, not run, and out of the plan since: the ring to 10,000 iterations, a "
        "second guided round, fresh seeds of the best toy at the paper's shift, float64.",
    ]
    if missing or rounds:
        lines.append(
            f"Planned and not measured yet: {len(missing)} of {len(planned)} rows of the phase "
            f"diagram, {rounds} of {len(ROUNDS)} rounds of the search."
        )
    return "\n".join(f"- {line}" for line in lines)
