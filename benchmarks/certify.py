"""What a certificate costs, and what it says: of flows as they ship, of the paper's sizes, and as
if shifts were saturated."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from torch import nn

import invbench
from invbench.bounds.decode_state import Moves
from invbench.data.datasets import sr_pairs
from invbench.flows import ConditionalCoupling, Split
from invbench.registry import COUPLINGS, FLOWS
from invbench.training.weights import shipped_couplings

Row = dict[str, Any]
FLOWS_OF = {"srflow": 0.9, "fs_ncsr": 0.9, "llflow": 1.0, "glow": 1.0}  # and τ
# shift, displacement, and the largest |residual| that they should allow
FEASIBLE = ((2.0, 1.8, 20), (1.0, 1.8, 15), (1.0, 0.9, 11))
PUBLISHED = (("srflow", "paper"), ("srflow", "paper-8x"), ("fs_ncsr", "paper"), ("llflow", "paper"))


def saturated(move: float) -> Moves:
    """As if no coupling, injector or split moved a value by more."""

    def moves(name: str, layer: nn.Module) -> float | None:
        return move if isinstance(layer, ConditionalCoupling | Split) else None

    return moves


def measured(what: str, target: str, flow: Any, temperature: float, **options: Any) -> Row:
    started = time.perf_counter()
    found = invbench.certify(flow, 4.0, temperature, **options)
    seconds = time.perf_counter() - started
    return {
        "what": what,
        "seconds": seconds,
        "max residual": found.max_residual,
        "max |x|": found.max_abs,
        "max intermediate": found.max_intermediate,
        "dtypes": " ".join(found.dtypes),
        "target": target,
        "reason": found.reason,
    }


def feasible() -> Iterator[Row]:
    """The bound for the shipped ``cubic-rational-bounded``, every condition, and the
    same for one known condition."""
    flow = invbench.load_flow("srflow", "cubic-rational-bounded")
    for shift, displacement, largest in FEASIBLE:
        moves = saturated(shift + displacement)
        what = f"SRFlow mini, as if T = {shift:g}, displacement {displacement:g}"
        yield measured(what, f"{largest}; ≤ 1 s", flow, 0.9, moves=moves)
    y = sr_pairs("embedded", 64, 1)[0].low[None]
    for eps in (0.0, 1 / 255):
        what = f"the same, T = 2, one 16×16 condition ± {255 * eps:g}/255"
        yield measured(what, "≤ 20", flow, 0.9, moves=saturated(3.8), conditions=(y, eps))


def shipped() -> Iterator[Row]:
    for name, temperature in FLOWS_OF.items():
        for coupling in shipped_couplings(name, "mini"):
            yield measured(
                f"{name} mini, {coupling}", "≤ 1 s", invbench.load_flow(name, coupling), temperature
            )


def published() -> Iterator[Row]:
    """Fresh weights, couplings that move values by 3.8 at most, splits too."""
    for name, size in PUBLISHED:
        flow = FLOWS[name].obj(COUPLINGS["cubic-rational-bounded"].obj, size, 0)
        yield measured(
            f"{name} {size}, fresh weights, as if bounded",
            "≤ 30 s",
            flow,
            1.0,
            moves=saturated(3.8),
        )


def main(
    only: Annotated[str, typer.Option(help="feasible, shipped or published; all by default.")] = "",
) -> None:
    torch.set_num_threads(1)
    parts = {part.__name__: part for part in (feasible, shipped, published)}
    rows = [row for name, part in parts.items() if only in ("", name) for row in part()]
    table = pd.DataFrame(rows).replace({math.inf: "Inf"})
    typer.echo(table.to_markdown(index=False, floatfmt=".3g"))


if __name__ == "__main__":
    typer.run(main)
