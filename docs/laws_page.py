"""The page of laws: python docs/laws_page.py [--output docs/laws.md]

Every law with its statement, its reference (what a layer is compared with, and the error of that),
and what it trusts of the layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invbench.cli.listing import listed
from invbench.files import write_atomically

HEAD = """# How a law decides

A law compares a layer with a **reference**, and the reference has an error of its own. A row is *not decided* where the reference may be
off by more than the fault that the row should show. The report counts the rows that decided; a law that decided nothing says so.

- **Rounding.** A direction A, in the dtype, is judged by the other direction B on a float64 copy, the *float64 reference*: B(A(v)) must be v,
  up to the effect of rounding A(v) on B. So a noisy inverse cannot excuse itself. Noise in both is the law `noise`; an error
  in float32 alone is `accuracy` or `log-det-accuracy`.
- **Appeal.** A row that looks wrong is judged again with more effort: more neighbours, perturbed weights, and a simulation of rounding in every
  operation. It is a `defect` only when none of these explains it.
- **Two references.** `log-det` is broken when autograd's Jacobian and differences of values (or the children of a chain, one by one)
  both find the log-determinant wrong. `gradients` needs two rows.
- **Declarations.** Inputs, latents and conditions are drawn inside what is [declared](declarations.md). Where nothing is declared
  and a layer cannot be a bijection of Rⁿ, the survey assumes what it sees (a domain, a tolerance, a label …) and says which
  line to write. An assumption alone never makes a violation.
- **Overflow.** A number that is too large on the way is the design's; a root of a negative number, or 0/0, is a defect.
- **Time.** `smoke`, `default` and `deep` take 5, 30 and 600 seconds of one processor. The cost of a call decides the plan, which is kept in the
  report (`measures["plan"]`); `invbench.check(…, plan=…)` repeats it exactly. Laws for which there was no time are named.

Categories: *soundness* laws decide whether the code is right; *design* and *capability* findings never count against it. In a report the category of
a failure is its `severity`.

"""
FOOT = "\n*Written by `python docs/laws_page.py` from `invbench list properties`.*\n"


def page() -> str:
    """The page, in Markdown."""
    rows = ["| law | category | statement | reference | trusts |", "|:--|:--|:--|:--|:--|"]
    for row in listed("properties"):
        cells = (
            f"`{row['name']}`",
            row["source"],
            row["summary"],
            row.get("reference", ""),
            row.get("trusts", ""),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return HEAD + "\n".join(rows) + "\n" + FOOT


def main(output: Annotated[Path, typer.Option(help="The page.")] = Path("docs/laws.md")) -> None:
    write_atomically(output, page().encode())


if __name__ == "__main__":
    typer.run(main)
