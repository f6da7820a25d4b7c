"""``invbench table``: a track as md, csv, tex, json or html."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from invbench.bench.cell import PROTOCOL, Cell
from invbench.bench.store import Store, Unreadable
from invbench.errors import UsageError
from invbench.report.columns import COLUMNS, DIGITS, SCREEN
from invbench.report.rows import current_cells, make_rows

__all__ = ["FORMATS", "Table", "leaderboard", "read_table", "render"]


@dataclass(frozen=True)
class Table:
    """A track's rows, the notes that belong under them, and the files that could not be read."""

    track: str
    frame: pd.DataFrame
    notes: list[str]
    unreadable: list[Unreadable]


def leaderboard(track: str, results: str | Path = "results", pooled: bool = False) -> pd.DataFrame:
    """The leaderboard of a track as a DataFrame with the columns of the csv export."""
    return read_table(track, results, pooled).frame


def read_table(track: str, results: str | Path = "results", pooled: bool = False) -> Table:
    """Read the cells of a track. Raises ``UsageError`` when there are none."""
    if track not in COLUMNS:
        raise UsageError(f"track {track!r} is not known; known: {', '.join(COLUMNS)} (invbench list tracks)")
    cells, unreadable = Store(Path(results)).load()
    shown, stale = current_cells(cell for cell in cells if cell.spec.track == track)
    if not shown:
        damaged = f" ({len(unreadable)} unreadable files there)" if unreadable else ""
        raise UsageError(
            f"no cells of track {track!r} in {results}{damaged}; invbench run --track {track} --results {results}"
        )
    frame = pd.DataFrame(make_rows(shown, track, pooled)).reindex(columns=COLUMNS[track])
    return Table(track, frame, _notes(shown, stale, unreadable), unreadable)


def _notes(shown: Sequence[Cell], stale: Sequence[Cell], unreadable: Sequence[Unreadable]) -> list[str]:
    specs = [cell.spec for cell in shown]
    track = specs[0].track

    def said(values: Sequence[object]) -> str:
        return ", ".join(sorted({str(v) for v in values}))

    notes = [
        f"Protocol {PROTOCOL}; dtype {said([s.dtype for s in specs])}; device {said([s.device for s in specs])}; "
        f"torch {said([c.provenance.get('torch', '?') for c in shown])}; {len(shown)} cells.",
        *TRACK_NOTES[track],
        "An empty column is one that this version does not measure.",
    ]
    if len({tuple(sorted(s.settings.items())) for s in specs if s.track != "coupling" and "#" not in s.case}) > 1:
        notes.append("Rows were measured at different budgets: compare n before comparing rates.")
    if stale:
        notes.append(f"{len(stale)} stale cells (older source, weights, settings or protocol) are not shown.")
    notes += [f"Unreadable: {damaged.path}: {damaged.reason}" for damaged in unreadable]
    return notes


RATES = (
    "Rates are over conditional inputs (one input = one image or one y, K = 10 samples), with exact 95 % Clopper–Pearson intervals; "
    "cells of status error, oom or timeout count as errors. "
    "rank_lo, rank_hi: 95 % interval of the rank by error_pct, bootstrap over photographs (toy: trained seeds); entries of one tier cannot be told "
    "apart by a paired sign-flip test over these, Holm-adjusted at 5 %. An entry without an input that another has is not ranked (missing:N)."
)
TRACK_NOTES: dict[str, list[str]] = {
    "sr": [
        "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > 1.5, < −0.5 or non-finite, before any clamp. τ = 0.9.",
        RATES,
        "A pooled row (…/ood) repeats each image once per family and severity, so its interval is narrower than the images alone allow.",
        "LR-PSNR, PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0; LR-PSNR minimum and standard deviation over the 10 "
        "samples, then the mean over inputs, against the clean low-resolution image. Identical images count as 100 dB. "
        "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
        "inv_lipschitz_lower, kappa_lower: largest singular value of the decoder's Jacobian, and that times ‖z‖/‖x‖, at one latent each of the "
        "first 4 photographs (64×64 crops, float64, severity 3), tier L0: true at those points, a lower bound beyond. "
        "inf: the decode overflows in float64.",
        "critical_radius: the least ℓ∞ change of a typical latent, in units of τ, at which a gradient search of fixed budget makes some |x| > 10; "
        "median over inputs (64×64 crops), inf: not within 4τ in half of them. Known to a factor of 1.2 at budget default; an upper bound, as "
        "every attack is.",
        "Rows …/attack-NAME-EPS (EPS/255): what a search at fixed budget found, worst sample per input, confirmed by a plain decode "
        "(invbench list attacks). …/attacked: inputs that any of them makes fail, those with a radius at 8/255. n counts inputs, not samples.",
    ],
    "lowlight": [
        "embedded/…: photographs (256×256 crops) darkened by a camera model: under-exposure, sensor-noise (invbench list conditions); other families "
        "change the photograph under-exposed to 1/16. DATA/clean: the test photographs of a data set, whole, as they are.",
        "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > 1.5, < −0.5 or non-finite, before any clamp. τ = 1: "
        "latents are drawn, the released code decodes their mean.",
        "(fp16): the same latents under float16 autocast, as the released test runs; there 65504 is the largest number.",
        RATES,
        "PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0, means over samples and inputs. psnr_rescaled: after "
        "x·mean(truth)/mean(x), which takes the exposure from the ground truth; a black sample stays black. "
        "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
        "critical_radius: as in track sr, of clean photographs and of under-exposure 3, 64×64 crops.",
    ],
    "unconditional": [
        "x̂ = f⁻¹(f(x)) of 64×64 crops x, clean and changed. inf_pct: inputs with a non-finite pixel in x̂; error_pct: with a pixel off "
        "by more than ½, or not finite, before any clamp. Nothing is drawn.",
        RATES,
        "gain_log10: largest log10(‖x̂‖∞/‖x‖∞), which Proposition 1 is about; round_trip: largest |x̂ − x|; nll: bits per dimension, mean over "
        "inputs, inf where f(x) is not finite for one of them.",
    ],
    "toy2d": [
        "error_pct: inputs with a sample beyond |x| = 2 (the box [−1, 1]² widened by half its width on each side) or non-finite. "
        "outside_pct: samples outside [−1, 1]². variance_ratio: largest over layers and seeds of Var(shifted)/Var(in-distribution).",
        RATES,
        "critical_radius: as in track sr, until some |x| > 2, of 20 typical latents per seed.",
        "Pooled rates treat inputs of one trained seed as independent; they are not, so the intervals are too narrow between seeds.",
    ],
    "coupling": [
        "sound: every law of soundness holds (invbench check). slope_lo, slope_hi, kappa_lower, inv_lipschitz_lower: extremes measured over a fixed "
        "corpus of parameters (raw values up to ±8), lower bounds (tier L0). inv_lipschitz_upper: certified over all x for the parameters of "
        "that corpus, by the design's slope_bounds (tier U2), else 1/s_l of its slope_range (U1). The two are never ranked together.",
        "displacement: as declared by the design, else measured as half the range of c⁻¹(y) − y for |y| ≤ 2²⁰. "
        "backward_error_u: in units of the dtype's roundoff. *_ns: nanoseconds per element, one thread, median of 9.",
    ],
}


def render(table: Table, style: str, screen: bool = False) -> str:
    """The table as text; ``screen`` keeps the columns that a person reads first."""
    if style not in FORMATS:
        raise UsageError(f"format {style!r} is not known; choose from {', '.join(FORMATS)}")
    frame = table.frame[SCREEN[table.track]] if screen else table.frame
    return FORMATS[style](frame, table)


def _shown(value: Any, column: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if column in DIGITS:
        return f"{value:.{DIGITS[column]}f}"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every value as text; columns without any value are left out."""
    frame = frame.astype(object).where(frame.notna(), None)
    kept = [c for c in frame.columns if frame[c].notna().any()]
    return pd.DataFrame({c: [_shown(v, c) for v in frame[c]] for c in kept})


def _markdown(frame: pd.DataFrame, table: Table) -> str:
    text = _text(frame).map(lambda v: v.replace("|", "\\|").replace("<", "&lt;"))
    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"{text.to_markdown(index=False, disable_numparse=True)}\n\n{notes}\n"


def _csv(frame: pd.DataFrame, table: Table) -> str:
    return frame.to_csv(index=False)


def _latex(frame: pd.DataFrame, table: Table) -> str:
    text = _text(frame).map(_escape_tex)
    body = text.rename(columns=_escape_tex).to_latex(index=False, escape=False, column_format="l" * len(text.columns))
    return body + "".join(f"% {note}\n" for note in table.notes)


def _escape_tex(value: str) -> str:
    special = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
    special |= {
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
    return "".join(special.get(c, c) for c in value)


def _json(frame: pd.DataFrame, table: Table) -> str:
    def value(v: Any) -> Any:
        if v is None or (isinstance(v, float) and math.isnan(v)):
            return None
        if isinstance(v, float) and math.isinf(v):
            return "Infinity" if v > 0 else "-Infinity"
        return v.item() if hasattr(v, "item") else v

    rows = [{c: value(v) for c, v in row.items()} for row in frame.astype(object).to_dict("records")]
    document = {"track": table.track, "rows": rows, "notes": table.notes}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _html(frame: pd.DataFrame, table: Table) -> str:
    body = _text(frame).to_html(index=False, border=0)  # escapes names
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    title = f"invbench {table.track}"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em .7em;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>\n"
        f"<h1>{title}</h1>\n{body}\n<ul>{notes}</ul></html>\n"
    )


FORMATS: dict[str, Callable[[pd.DataFrame, Table], str]] = {
    "md": _markdown,
    "csv": _csv,
    "tex": _latex,
    "json": _json,
    "html": _html,
}
