"""The page of laws: python docs/laws_page.py [--output docs/laws.md]

Every law with its statement, what it holds a layer against (the reference, and its error) and what
it trusts of the accused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invbench.cli.listing import listed
from invbench.files import write_atomically

HEAD = """# How a law decides

A law holds a layer against a **reference**, and the reference has an error of its own. A row whose reference may be off by more
than the fault that it should show is *not decided*; the report counts the rows that decided, and a law that decided nothing
says so instead of passing.

- **Rounding.** A direction A, in the dtype, is judged by the other direction B on a float64 copy: B(A(v)) must be v, but for what
  B makes of the rounding of A(v). So a noisy inverse cannot excuse itself. Noise in both is the law `noise`, a float32-only
  error is `accuracy` or `log-det-accuracy`.
- **Appeal.** What a first look accuses is heard again: more neighbours, moved weights, and a simulation of rounding in every
  operation. Only what none of these explains is a `defect`.
- **Two references.** `log-det` speaks when autograd's Jacobian and differences of values (or the children of a chain, one by one)
  both find the log-determinant wrong. `gradients` needs two rows; a direction with no such second word is not accused.
- **Declarations.** Inputs, latents and conditions are drawn inside what is [declared](declarations.md). Where nothing is declared
  and a layer cannot be a bijection of Rⁿ, the survey assumes what it sees (a domain, a tolerance, a label …) and says which
  line to write. What was assumed accuses nobody.
- **Overflow.** A number that is too large on the way is the design's business; a root of a negative number, or 0/0, is not.
- **Time.** `smoke`, `default` and `deep` take 5, 30 and 600 seconds of one processor. A plan is made from the cost of a call and kept in the
  report (`measures["plan"]`); `invbench.check(…, plan=…)` repeats it exactly. Laws for which there was no time are named.

`severity`: *soundness* laws decide whether the code is right; *design* and *capability* findings never count against it.

"""
FOOT = "\n*Written by `python docs/laws_page.py` from `invbench list properties`.*\n"


def page() -> str:
    """The page, in Markdown."""
    rows = ["| law | severity | states | reference | trusts |", "|:--|:--|:--|:--|:--|"]
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
