"""What each accusation of a JAX bijection is: python benchmarks/evidence/jax_verdicts.py REPORTS
[--output results/libraries]

REPORTS is a folder of reports, ``LIBRARY-DTYPE.json``, as these commands write them (35 processor minutes):

    for t in float32 float64; do for l in distrax distreqx bijx flowjax; do
    invbench check "$l/*" --dtype $t --budget smoke --json > REPORTS/$l-$t.json; done; done

Writes jax.md: one row per target and law, with what ``JUDGED`` says of it. An accusation that is
not in that list is unclear: it is counted, and its target is not named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from invbench.files import write_atomically

HERE = Path(__file__).resolve()
FAULT, LIMIT, MADE = "confirmed fault", "limit", "our composition"
UNCLEAR, OWN = "unclear", "false alarm, mended"
SCALE = "a scale that is softplus(s) = 0, its log −∞ and its inverse NaN: `of_flowjax.py scale-underflow`"
# targets | laws | words of the message, then what it is and why. The first that fits counts
JUDGED: list[tuple[str, str, str, str, str]] = [
    ("bijx/sigmoid bijx/chain", "log-det-accuracy finite", "-inf", FAULT, "`of_bijx.py sigmoid-log-det`"),
    ("bijx/tanh", "log-det-accuracy finite", "-inf", FAULT, "`of_bijx.py tanh-log-det`"),
    ("bijx/tan", "round-trip-x", "", FAULT, "`of_bijx.py tan-near-zero`"),
    ("distrax/sigmoid distrax/chain", "*", "", LIMIT, "exp(x) for the sigmoid below −9: `of_distrax.py sigmoid-tail`"),
    ("distreqx/sigmoid distreqx/chain", "*", "", LIMIT, "exp(x) for the sigmoid below −9: `of_distreqx.py sigmoid-tail`"),
    ("flowjax/affine-coupling flowjax/affine-autoregressive flowjax/scan", "log-det-accuracy finite", "got -inf", LIMIT, SCALE),
    ("flowjax/affine-coupling flowjax/scan", "finite", "log_det of forward is -inf", LIMIT, SCALE),
    ("flowjax/sandwich", "*", "", MADE, "the adapter composes a logarithm after an exponential, and exp(x) underflows or overflows"),
    ("distrax/*-coupling", "empty-batch", "ZeroDivisionError", OWN, "the conditioner that the adapter hands in reshaped zero rows to −1"),
    ("bijx/*-coupling", "*", "lax.add requires arguments to have the same dtypes", OWN, "indices of NumPy, int32 in a call with x64 off and int64 in one with x64 on; sound layer `indexed`"),
    ("flowjax/numerical-inverse", "triangular", "", OWN, "the linear solve of an implicit derivative rounds zeros; sound layer `solved`"),
]  # fmt: skip
ORDER = [FAULT, LIMIT, UNCLEAR, MADE, OWN]
HEAD = """# What the laws say of JAX bijections

`python benchmarks/evidence/jax_verdicts.py`: every accusation against soundness by `invbench check`, budget smoke, float32 and float64, CPU.

- *{fault}*: shown by two methods beside the library and a script that runs without invbench, in [confirmed.md](confirmed.md).
- *{limit}*: so too, and the design or its documentation allows it.
- *{unclear}*: the judge's word alone. It is counted, and no target is named.
- *{made}*: of what invbench's adapter has put together out of the library's parts.
- *{own}*: the harness was wrong; the check was made before the mending.

| what it is | accusations | targets |
|:--|--:|--:|
"""


def documents(text: str) -> Iterator[dict[str, Any]]:
    """The reports of a file: one, or a list of them."""
    found = json.loads(text)
    yield from found if isinstance(found, list) else [found]


def accusations(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for failure in report["failures"]:
        if failure["severity"] == "soundness" and failure["kind"] != "ill-conditioned":
            yield failure


def judged(target: str, failure: dict[str, Any]) -> tuple[str, str]:
    """(what it is, why); unclear for what no entry of JUDGED fits."""
    for targets, laws, words, what, why in JUDGED:
        if (
            any(fnmatch(target, t) for t in targets.split())
            and any(fnmatch(failure["property"], law) for law in laws.split())
            and words in failure["message"]
        ):
            return what, why
    return UNCLEAR, failure["message"].partition("; row")[0].partition(" (/")[0]


def page(folder: Path, note: str) -> str:
    rows: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    checked: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*.json")):
        dtype = file.stem.rpartition("-")[2]
        for report in documents(file.read_text("utf-8")):
            target = report["target"]
            checked.setdefault(dtype, set()).add(target)
            for failure in accusations(report):
                what, why = judged(target, failure)
                where = rows.setdefault(
                    (what, target, why if what != UNCLEAR else failure["property"]), {}
                )
                where.setdefault(failure["property"], []).append(dtype)
                where.setdefault("why", [why])
    lines = []
    for what, target, _ in sorted(rows, key=lambda r: (ORDER.index(r[0]), r[1], r[2])):
        found = dict(rows[what, target, _])
        (why,) = found.pop("why")
        laws = ", ".join(f"`{law}` ({', '.join(dtypes)})" for law, dtypes in found.items())
        if what == UNCLEAR:
            continue
        lines.append(f"| {target} | {laws} | {what} | {why.replace('|', chr(92) + '|')} |")
    counts = []
    for what in ORDER:
        mine = {key: found for key, found in rows.items() if key[0] == what}
        number = sum(len(d) for found in mine.values() for law, d in found.items() if law != "why")
        counts.append(f"| {what} | {number} | {len({key[1] for key in mine})} |")
    accused = {key[1] for key in rows}
    everyone = set().union(*checked.values())
    head = HEAD.format(fault=FAULT, limit=LIMIT, unclear=UNCLEAR, made=MADE, own=OWN)
    sizes = ", ".join(f"{len(names)} in {dtype}" for dtype, names in sorted(checked.items()))
    said = (
        f"{len(everyone - accused)} of {len(everyone)} bijections ({sizes}) are accused of nothing."
    )
    table = ["| target | laws | what it is | why |", "|:--|:--|:--|:--|", *lines]
    return head + "\n".join([*counts, "", said, "", *table, "", note, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--output", type=Path, default=HERE.parents[2] / "results" / "libraries")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    write_atomically(given.output / "jax.md", page(given.reports, given.note).encode())
