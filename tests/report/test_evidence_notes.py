"""What the notes of a table say of how much a case can tell."""

from __future__ import annotations

import pytest

from invbench.report.evidence_notes import _said


@pytest.mark.parametrize(
    ("apart", "given", "ending"),
    [
        (12.0, 12.0, "; half of the pairs are told apart when they differ by 12 points."),
        (12.0, 7.0, " by 12 points, given these trainings by 7 points."),
        (12.0, None, " by 12 points."),  # no pair differs in any input of these trainings
        (None, None, "smallest p after correction 0.001."),
    ],
)
def test_a_difference_that_is_not_known_is_left_out(apart, given, ending):
    about = {"compared": 4, "p_least": 0.001, "apart": apart, "apart_given": given}
    said = _said(["BSD100/clean"], {"about": about, "photographs": 20, "seeds": 3})
    assert said.startswith("BSD100/clean: 4 entries on 20 photographs; ") and said.endswith(ending)
