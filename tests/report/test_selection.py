"""``invbench table``: columns, conditions, order."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest

from invbench.report.columns import COLUMNS
from tests.support.sr_cells import sr


@pytest.fixture
def table(results, invbench):
    """``table(options…)``: (exit code, the csv as a DataFrame or the message)."""
    names = [f"{k}/0" for k in range(10)]
    folder = results(
        sr("affine", [1] * 10, names=names, log10=math.inf, psnr=[22.0] * 10),
        sr("affine-floor", [1] * 5 + [0] * 5, names=names, log10=2.0, psnr=[20.0] * 10),
        sr("additive", [0] * 10, names=names, log10=0.5, psnr=[21.0] * 10),
        sr("additive", [0] * 10, "embedded/noise-3", names=names),
        sr("broken", [], status="error"),
    )

    def call(*options, style="csv"):
        code, out, error = invbench(
            "table", "--track", "sr", "--format", style, "--results", folder, *options
        )
        return (code, pd.read_csv(io.StringIO(out)) if out and style == "csv" else out or error)

    return call


def test_columns_come_as_asked_for(table):
    code, frame = table("--columns", "entry, psnr,error_pct")
    assert code == 0 and list(frame.columns) == ["entry", "psnr", "error_pct"]
    _, text = table("--columns", "entry,lpips", style="md")
    assert "lpips" in text.splitlines()[0]  # asked for, though nothing measured it
    _, frame = table()
    assert list(frame.columns) == COLUMNS["sr"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["entry=affine"], ["affine"]),
        (["entry=affine,additive"], ["additive", "affine", "additive"]),
        (["entry!=additive"], ["affine-floor", "affine", "broken"]),
        (["entry~affine"], ["affine-floor", "affine"]),
        (["error_pct<=50", "case=embedded/clean"], ["additive", "affine-floor"]),
        (["error_pct > 0"], ["affine-floor", "affine", "broken"]),
        (["max_abs_log10=inf"], ["affine"]),
        (["max_abs_log10<1e9", "case~clean"], ["additive", "affine-floor"]),
        (["tier=2"], ["affine"]),
        (["psnr>=1"], ["additive", "affine-floor", "affine", "additive"]),  # broken has none
    ],
)
def test_conditions(table, conditions, expected):
    code, frame = table(*(word for c in conditions for word in ("--where", c)))
    assert code == 0 and list(frame["entry"]) == expected


def test_order_puts_infinity_at_its_end_and_what_is_missing_last(table):
    clean = ("--where", "case=embedded/clean")
    assert list(table(*clean, "--sort", "max_abs_log10")[1]["entry"]) == [
        "additive",
        "affine-floor",
        "affine",
        "broken",
    ]
    _, frame = table(*clean, "--sort", "max_abs_log10", "--descending")
    assert list(frame["entry"]) == ["affine", "affine-floor", "additive", "broken"]
    assert table("--sort", "entry")[1]["entry"].is_monotonic_increasing


def test_the_notes_say_what_was_left_out(table):
    _, text = table("--where", "entry=affine", "--sort", "psnr", "--descending", style="md")
    assert "Rows with entry=affine: 1 of 4." in text or "Rows with entry=affine: 1 of 5." in text
    assert "Sorted by psnr, largest first." in text
    assert "Ranks and tiers are among all entries" in text


def test_no_row_left_is_an_empty_table_and_said(table, invbench):
    code, frame = table("--where", "entry=nobody")
    assert code == 0 and len(frame) == 0 and list(frame.columns) == COLUMNS["sr"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--columns", "entry,psrn"), "did you mean 'psnr'"),
        (("--sort", "error"), "error_pct"),
        (("--sort", "qqqqq"), "there are: entry, track"),
        (("--where", "entri=affine"), "did you mean 'entry'"),
        (("--where", "affine"), "is not of the form COLUMN=VALUE"),
        (("--where", "entry="), "is not of the form"),
        (("--where", "entry<affine"), "compares sizes"),
        (("--where", "psnr<many"), "compares sizes"),
        (("--descending",), "--sort COLUMN"),
    ],
)
def test_what_is_wrong_is_said(table, options, said):
    code, message = table(*options)
    assert code == 2 and said in message and message.count("\n") == 1
