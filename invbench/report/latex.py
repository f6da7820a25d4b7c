"""A table for a paper: booktabs, intervals as sub- and superscripts, the best of each tier in
bold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from invbench.report.column_docs import meanings
from invbench.tracks.columns import absent, shown

if TYPE_CHECKING:
    from invbench.report.table import Table

__all__ = ["escape", "latex"]

INTERVALS = {"inf_pct": ("inf_lo", "inf_hi"), "error_pct": ("error_lo", "error_hi")}
TALLEST = 45  # rows that fit on a page; more become a longtable
PACKAGES = r"% \usepackage{booktabs,graphicx,longtable}"
SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "-": "{-}",  # two of them are no dash
    "'": "{'}",
    "`": "{`}",
    "\n": " ",
}
MATH = {
    "κ": r"\kappa",
    "τ": r"\tau",
    "σ": r"\sigma",
    "θ": r"\theta",
    "ε": r"\varepsilon",
    "∞": r"\infty",
    "ℓ": r"\ell",
    "≤": r"\le",
    "≥": r"\ge",
    "×": r"\times",
    "±": r"\pm",
    "−": "-",
    "·": r"\cdot",
    "‖": r"\Vert",
    "½": r"\frac12",
    "µ": r"\mu",
    "→": r"\to",
}
TEXT = {"–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "†": r"\dag{}"}
RAISED_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
RAISED = str.maketrans(RAISED_DIGITS, "0123456789-")
PIECES = re.compile(f"[{RAISED_DIGITS}]+|[a-z]\u0302|.", re.DOTALL)
# Latin letters that every LaTeX since 2018 reads as they stand
PLAIN = re.compile("[ -~À-ÖØ-öø-ÿ]")


def escape(text: str) -> str:
    """Text as TeX shows it. A character that pdflatex does not know is written as its number."""
    return "".join(_piece(piece) for piece in PIECES.findall(text))


def _piece(piece: str) -> str:
    if piece[0] in RAISED_DIGITS:
        return f"$^{{{piece.translate(RAISED)}}}$"
    if len(piece) == 2:
        return rf"$\hat{{{piece[0]}}}$"
    return _character(piece)


def _character(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    if c in MATH:
        return f"${MATH[c]}$"
    if c in TEXT:
        return TEXT[c]
    return c if PLAIN.fullmatch(c) else rf"\texttt{{U+{ord(c):04X}}}"


def latex(frame: pd.DataFrame, table: Table) -> str:
    """``frame``: the columns to show. Needs the packages booktabs, graphicx and longtable, which a
    comment at the top names."""
    columns = [c for c in frame.columns if table.columns or frame[c].notna().any()]
    inside = {end for c in columns if c in INTERVALS for end in INTERVALS[c]}
    columns = [c for c in columns if c not in inside]
    bold = _best(table.frame, columns)
    lines, before = [], None
    records = table.frame.to_dict("records")
    for k, row in enumerate(records):
        if before not in (None, row.get("case")):
            lines.append(r"\midrule")
        before = row.get("case")
        lines.append(" & ".join(_entry(row, c, (k, c) in bold) for c in columns) + r" \\")
    numeric = {c: all(not isinstance(row.get(c), str) for row in records) for c in columns}
    layout = "".join("r" if numeric[c] else "l" for c in columns)
    head = " & ".join(map(escape, columns)) + r" \\"
    caption = rf"\caption{{{escape(f'invbench, track {table.track}.')}}}"
    label = rf"\label{{tab:invbench-{table.track}}}"
    notes = " ".join(map(escape, [*table.notes, *_conventions(columns, bool(bold))]))
    under = rf"\par\smallskip\begin{{minipage}}{{\linewidth}}\footnotesize {notes}\end{{minipage}}"
    if len(records) > TALLEST:
        body = [
            r"\begingroup\scriptsize\setlength{\tabcolsep}{2pt}",
            rf"\begin{{longtable}}{{{layout}}}",
        ]
        body += [
            rf"{caption}{label}\\",
            r"\toprule",
            head,
            r"\midrule\endhead",
            r"\bottomrule\endfoot",
            *lines,
        ]
        body += [r"\end{longtable}", under, r"\endgroup"]
    else:
        # as wide as the page at most
        body = [r"\begin{table}", r"\centering", caption, label]
        body += [
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{layout}}}",
        ]
        body += [
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            under,
            r"\end{table}",
        ]
    return "\n".join([PACKAGES, *body]) + "\n"


def _conventions(columns: Sequence[str], bold: bool) -> list[str]:
    said = []
    if any(c in INTERVALS for c in columns):
        said.append("Sub- and superscripts: 95 % interval.")
    if bold:
        said.append(
            "Bold: best of a tier where its entries differ, in a case without tiers best of the "
            "case."
        )
    return said


def _entry(row: dict[Any, Any], column: str, bold: bool) -> str:
    text = (
        _number(shown(row.get(column), column))
        if not isinstance(row.get(column), str)
        else escape(row[column])
    )
    if column in INTERVALS and text:
        low, high = (_number(shown(row.get(end), end)) for end in INTERVALS[column])
        main = rf"\mathbf{{{text}}}" if bold else text
        return f"${main}_{{{low}}}^{{{high}}}$" if low and high else f"${main}$"
    if isinstance(row.get(column), (str, bool)) or not text:
        return text
    return rf"$\mathbf{{{text}}}$" if bold else f"${text}$"


def _number(text: str) -> str:
    """What stands in math mode."""
    if text.lstrip("-") == "inf":
        return text.replace("inf", r"\infty")
    mantissa, e, exponent = text.partition("e")
    return (
        rf"{mantissa}\times 10^{{{int(exponent)}}}"
        if e and exponent.lstrip("+-").isdigit()
        else text
    )


def _best(frame: pd.DataFrame, columns: Sequence[str]) -> set[tuple[int, str]]:
    """(row, column) of the best values among the rows of a case and tier, in columns of which one
    end is better and where they differ. Rows without a tier compete only where no row of the case
    has one."""
    records = frame.to_dict("records")
    tiered = {row.get("case") for row in records if not absent(row.get("tier"))}
    groups: dict[tuple[Any, Any], list[int]] = {}
    for k, row in enumerate(records):
        tier = row.get("tier")
        if not absent(tier) or row.get("case") not in tiered:
            groups.setdefault((row.get("case"), None if absent(tier) else tier), []).append(k)
    found = set()
    for members in groups.values():
        for column in columns:
            meaning = meanings().get(column)
            better = meaning.better if meaning and meaning.group != "rank" else ""
            values = {k: records[k].get(column) for k in members}
            known = {
                k: v for k, v in values.items() if isinstance(v, (int, float)) and not absent(v)
            }
            if (
                not better
                or len(set(known.values())) < 2
                or any(isinstance(v, bool) for v in known.values())
            ):
                continue
            best = min(known.values()) if better == "low" else max(known.values())
            if math.isfinite(best):
                found |= {(k, column) for k, v in known.items() if v == best}
    return found
