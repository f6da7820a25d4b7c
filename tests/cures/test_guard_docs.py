"""docs/guard.md says what results/cures/guard.csv says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
TABLE, PAGE = ROOT / "results" / "cures" / "guard.csv", ROOT / "docs" / "guard.md"


def test_the_page_has_the_numbers_of_the_table():
    table, page = pd.read_csv(TABLE), PAGE.read_text()
    assert len(table) == 7
    for row in table.to_dict("records"):
        cells = [
            row["decode"],
            f"{row['error_pct']:.0f} %",
            f"10^{row['max_abs_log10']:.2f}",
            f"{row['lr_psnr_min']:.2f} / {row['lr_psnr_std']:.3f}",
            f"{row['psnr']:.2f}",
            f"{row['round_trip']:.1e}",
            f"{row['bound']:.3g}",
        ]
        assert f"| {' | '.join(cells)} |" in page
