"""How would a plan of 100 000 cells run on up to 1 000 GPUs? python
benchmarks/evidence/plan_simulation.py [--output results/robustness]

Costs are drawn from the seconds that the stored cells took; a worker fails with 1 % per hour, which
loses the cell at hand, and is replaced five minutes later; the cell is measured again by whoever is
free. Three orders: that of the plan, longest first by the mean cost of a cell's kind (which a run
can know from past cells), and longest first by the true cost (which nobody knows). plan.md: time to
the last cell, utilisation, work lost.
"""

from __future__ import annotations

import heapq
import random
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean as mean
from typing import Annotated

import pandas as pd
import typer

from invbench.files import write_atomically
from invbench.store.case import case_of
from invbench.store.cell import Cell
from invbench.store.provenance import provenance
from invbench.store.store import Store

SLOTS = (1, 8, 100, 1000)
RATES = (0.01, 0.1)  # failures per worker and hour: expected, and ten times as many
REPLACEMENT = 300.0  # s until the place of a failed worker is filled
DRAWS = 5  # of failures, for each row
OVERHEAD = 0.02  # s per cell; measured: 1.2 ms (kills.md), allowed: 20 ms


@dataclass(frozen=True)
class Job:
    """A cell to come: its ``place`` in the plan, its cost in s, and the cost that a run would
    expect of it."""

    place: int
    cost: float
    expected: float


ORDERS: dict[str, Callable[[Job], float]] = {
    "as planned": lambda job: job.place,
    "longest first, mean of its kind": lambda job: -job.expected,
    "longest first, true cost": lambda job: -job.cost,
}


@dataclass(frozen=True)
class Outcome:
    """In s: until the last cell is there, of cells finished, of cells begun and lost; and how many
    workers failed."""

    makespan: float
    work: float
    lost: float
    failures: int


def kind_of(cell: Cell) -> tuple[str, str, str]:
    """Cells of one kind cost about the same: track, entry, and what stands behind the data set of
    the case, without severity or radius."""
    what = case_of(cell.spec).model_copy(update={"dataset": "", "severity": None, "eps": None})
    return cell.spec.track, cell.spec.entry, what.name


def jobs(cells: Sequence[Cell], count: int, rng: random.Random) -> list[Job]:
    """``count`` cells drawn with replacement, in the order in which the stored ones were
    measured."""
    ordered = sorted(cells, key=lambda cell: str(cell.provenance["finished"]))
    seconds = [float(cell.provenance["seconds"]) for cell in ordered]
    of_kind: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for cell, cost in zip(ordered, seconds, strict=True):
        of_kind[kind_of(cell)].append(cost)
    expected = {kind: mean(costs) for kind, costs in of_kind.items()}
    drawn = sorted(rng.choices(range(len(ordered)), k=count))
    return [
        Job(place, seconds[k] + OVERHEAD, expected[kind_of(ordered[k])])
        for place, k in enumerate(drawn)
    ]


def simulate(queue: Sequence[Job], slots: int, rate: float, rng: random.Random) -> Outcome:
    """Every free worker takes the next job; a lost one goes to the front. ``rate``: failures per
    worker and hour, a Poisson process."""
    waiting, idle = deque(queue), slots
    events: list[
        tuple[float, int, str, Job | None]
    ] = []  # (when, a number that tells equal times apart, what, of which job)
    now = work = lost = last = 0.0
    count, failures, left = 0, 0, len(waiting)
    while left:
        while idle and waiting:
            job, survives = (
                waiting.popleft(),
                rng.expovariate(rate / 3600) if rate else float("inf"),
            )
            what = "done" if survives >= job.cost else "failed"
            count, idle = count + 1, idle - 1
            heapq.heappush(events, (now + min(job.cost, survives), count, what, job))
            if what == "failed":
                lost += survives
        now, _, what, job = heapq.heappop(events)
        if what == "done" and job is not None:
            work, left, last, idle = work + job.cost, left - 1, now, idle + 1
        elif what == "failed" and job is not None:
            waiting.appendleft(job)
            failures, count = failures + 1, count + 1
            heapq.heappush(events, (now + REPLACEMENT, count, "replaced", None))
        else:
            idle += 1
    return Outcome(last, work, lost, failures)


def main(
    results: Annotated[Path, typer.Option(help="Cells whose costs are drawn.")] = Path("results"),
    count: Annotated[int, typer.Option("--cells", help="Cells of the plan.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of costs and failures.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
) -> None:
    started = time.process_time()
    cells = [cell for cell in Store(results).load()[0] if cell.status in ("ok", "diverged")]
    if not cells:
        raise SystemExit(f"{results}: no measured cells; invbench run")
    plan = jobs(cells, count, random.Random(seed))
    costs = sorted(job.cost for job in plan)
    rows = []
    for rate in RATES:
        for slots in SLOTS:
            for name, order in ORDERS.items():
                queue = sorted(plan, key=order)
                runs = [
                    simulate(queue, slots, rate, random.Random(f"{seed}/{rate}/{k}"))
                    for k in range(DRAWS)
                ]
                hours = [run.makespan / 3600 for run in runs]
                least = max(sum(costs) / slots, costs[-1]) / 3600
                rows.append(
                    {
                        "failures per hour": f"{100 * rate:g} %",
                        "GPUs": slots,
                        "order": name,
                        "hours (worst)": f"{mean(hours):.3f} ({max(hours):.3f})",
                        "over the least possible": f"{100 * (mean(hours) / least - 1):.1f} %",
                        "utilisation": (
                            f"{mean(100 * run.work / (slots * run.makespan) for run in runs):.1f} %"
                        ),
                        "workers failed": f"{mean(run.failures for run in runs):.1f}",
                        "work lost": f"{mean(100 * run.lost / run.work for run in runs):.3f} %",
                    }
                )
    tracks = ", ".join(sorted({cell.spec.track for cell in cells}))
    commit = str(provenance("cpu", 0.0, f"{__file__}:1")["commit"])
    commit = commit[:12] + commit[40:]  # +changes, where there are any
    text = f"""# A plan of {count} cells, simulated

Costs are drawn from {len(cells)} measured cells below `{results}` ({tracks}): median {costs[count // 2]:.1f} s,
mean {sum(costs) / count:.1f} s, longest {costs[-1]:.0f} s, {sum(costs) / 3600:.0f} hours in all. They were measured on one CPU core each:
what is simulated is the shape of the distribution, not a GPU.
A worker fails at the stated rate, loses its cell, and is replaced after {REPLACEMENT / 60:g} minutes; finished cells are files and are never lost.
Overhead {1000 * OVERHEAD:g} ms per cell. Means of {DRAWS} draws of failures, the longest run in brackets.
The least possible time is the larger of all work over all GPUs and the longest cell.

{pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)}

`python benchmarks/evidence/plan_simulation.py --cells {count} --seed {seed}`, commit {commit}, {datetime.now(timezone.utc):%Y-%m-%d}
"""
    write_atomically(output / "plan.md", text.encode())
    print(
        text, f"{time.process_time() - started:.0f} s of processor time", sep="\n", file=sys.stdout
    )


if __name__ == "__main__":
    typer.run(main)
