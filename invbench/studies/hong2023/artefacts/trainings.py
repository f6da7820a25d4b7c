"""What the trainings of the shipped flows reached, by what a design costs."""

from __future__ import annotations

import pandas as pd

from invbench.studies.study import Made, Study
from invbench.training.weights import shipped_cards

__all__ = ["EQUAL_BITS", "conventions", "make", "spreads", "trainings"]

EQUAL_BITS = 0.05  # bits per dimension within which designs of equal cost should end
TEXT = """{trainings}

bits: bits per dimension on the training crops, mean of the last 200 steps, one number per seed, of the noisy image x̃ that the flow learns:

{conventions}

So numbers compare within a flow and not between flows. parameters: of the whole flow; within a flow designs
differ in nothing but the network outputs per element, so that those of one number of parameters cost the same. hours: wall of the machine that
trained, which was shared; no comparison.

## Designs of equal cost

{spreads}

Target: within {equal} bits. Between costs, more outputs per element (`rq-bounded`, `rq`) end lower and one (`additive`, no scale) ends higher.
`modified-rq` has four outputs and ends above `affine`, which has two. No value moves by more than 0.999 plus a shift, so it cannot rescale a
channel as `affine` does: probably the price of its bound.
"""


def trainings() -> pd.DataFrame:
    """A row per flow and design: parameters and bits by seed."""
    cards = pd.DataFrame(shipped_cards()).sort_values(["flow", "parameters", "coupling", "seed"])
    rows = []
    for (flow, parameters, design), group in cards.groupby(
        ["flow", "parameters", "coupling"], sort=False
    ):
        bits = group["final_bits_per_dimension"]
        row = {
            "flow": flow,
            "parameters": parameters,
            "design": design,
            "seeds": ", ".join(map(str, group["seed"])),
        }
        row |= {"bits": ", ".join(f"{b:.3f}" for b in bits), "mean bits": float(bits.mean())}
        row |= {
            "steps": group["recipe"].iloc[0]["iterations"],
            "non-finite steps": int(group["non_finite_steps"].sum()),
        }
        rows.append(row | {"hours": float(group["seconds"].sum()) / 3600})
    return pd.DataFrame(rows)


def conventions() -> str:
    """A line per flow: how its bits were got."""
    said = {card["flow"]: card["bits_convention"] for card in shipped_cards()}
    return "\n".join(f"- {flow}: {words}." for flow, words in sorted(said.items()))


def spreads(table: pd.DataFrame) -> pd.DataFrame:
    """Largest less smallest mean bits of the designs of one flow that have as many parameters."""
    rows = []
    for (flow, _), group in table.groupby(["flow", "parameters"], sort=False):
        if len(group) > 1:
            apart = float(group["mean bits"].max() - group["mean bits"].min())
            reached = "yes" if apart <= EQUAL_BITS else "no"
            row = {
                "flow": flow,
                "designs": ", ".join(group["design"]),
                "bits apart": f"{apart:.3f}",
            }
            rows.append(row | {f"within {EQUAL_BITS}": reached})
    return pd.DataFrame(rows)


def make(study: Study) -> Made:
    """From the cards beside the shipped weights; no cell is needed."""
    table = trainings()
    shown = table.drop(columns="mean bits").assign(hours=table["hours"].map("{:.2f}".format))
    text = TEXT.format(
        conventions=conventions(),
        trainings=shown.to_markdown(index=False, disable_numparse=True),
        spreads=spreads(table).to_markdown(index=False, disable_numparse=True),
        equal=EQUAL_BITS,
    )
    return Made(text, {"trainings": table}, {})
