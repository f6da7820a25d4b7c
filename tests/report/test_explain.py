"""invbench explain: every column has a meaning, and docs/tracks.md says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from invbench.cli.main import app
from invbench.errors import UsageError
from invbench.report.column_docs import GROUPS, meanings, tracks_of
from invbench.report.columns import COLUMNS
from invbench.report.explain import explain, track_pages

PAGE = Path(__file__).parents[2] / "docs" / "tracks.md"


def test_every_column_has_a_meaning_and_every_meaning_a_column():
    missing = {column for columns in COLUMNS.values() for column in columns} - set(meanings())
    assert not missing, f"add to invbench/report/column_docs: {sorted(missing)}"
    assert [name for name in meanings() if not tracks_of(name)] == []
    assert {meaning.group for meaning in meanings().values()} <= set(GROUPS)
    assert all(
        meaning.misleads and meaning.source and meaning.better in ("low", "high", "")
        for meaning in meanings().values()
    )


def test_page_of_the_tracks_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == track_pages(), (
        "invbench explain --all > docs/tracks.md"
    )


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("error_pct", "column", "one of its samples"),
        ("modified-rq", "design", "Hong, Park, Chun"),
        ("round-trip-x", "property", "the effect of rounding forward(x) on the inverse"),
        ("latent", "attack", "gradient search"),
        ("gamma", "condition", "severities: 1: 1.25"),
    ],
)
def test_each_kind_of_name_is_explained_with_what_misleads(name, kind, said):
    result = CliRunner().invoke(app, ["explain", name])
    assert result.exit_code == 0, result.output
    assert f"{name} ({kind}" in result.output
    assert said in result.output
    assert "mislead" in result.output


def test_unknown_name_gets_near_names():
    with pytest.raises(UsageError, match="did you mean 'kappa_lower'"):
        explain("kapa_lower")
