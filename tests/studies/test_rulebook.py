"""The rules of the verdict as data: dated, versioned, and all that is printed."""

from __future__ import annotations

from datetime import datetime

import pytest

from invbench.studies.hong2023.claims import CLAIMS
from invbench.studies.hong2023.evidence import told
from invbench.studies.hong2023.rulebook import CHANGES, PLAIN, RULEBOOK, VERSION, Rule, Variant
from invbench.studies.hong2023.verdict import PARTS, judge, make
from tests.support.made_study import auc, of_flow, quality, toys


def test_every_rule_is_dated_within_the_versions_and_its_text_shows_its_thresholds():
    dates = [date for date, _ in CHANGES]
    assert dates == sorted(dates) and len(CHANGES) == VERSION
    for key, rule in RULEBOOK.items():
        assert key.partition(".")[0] in CLAIMS and "{" not in rule.text
        assert dates[0] <= rule.written <= dates[-1]
        for date in filter(None, (rule.written, rule.data)):
            datetime.strptime(date, "%Y-%m-%d %H:%M")
        for threshold in rule.thresholds:
            assert f"{threshold:g}" in rule.text, key


def test_every_part_is_a_rule_of_the_book(study):
    cells = [
        quality(t, d, 0.0)
        for t in ("sr", "lowlight")
        for d in ("affine", "affine-floor", "modified-rq")
    ]
    cells += [of_flow(c, "fs_ncsr") for c in cells[:3]] + [
        *toys("affine", 50.0, 3.0),
        *toys("modified-rq", 1.0, 1.0),
    ]
    texts = {rule.text for rule in RULEBOOK.values()}
    parts = [p for j in judge(study(*cells, ood_score__predictors=auc(0.8, 0.9))) for p in j.parts]
    assert len(parts) > 30
    assert all(p.rule in texts and p.written for p in parts if p.outcome != "not testable")


@pytest.mark.parametrize(
    ("rule", "variant", "written", "late"),
    [
        (
            Rule("k", "s", "", (), "2026-02-02 10:00", "2026-02-02 09:00"),
            PLAIN,
            "2026-02-02 10:00",
            True,
        ),
        (
            Rule("k", "s", "", (), "2026-02-02 08:00", "2026-02-02 09:00"),
            PLAIN,
            "2026-02-02 08:00",
            False,
        ),
        # a formula has no data
        (Rule("k", "s", "", (), "2026-02-02 08:00"), PLAIN, "2026-02-02 08:00", False),
        (
            Rule("k", "s", "", (), "2026-02-02 08:00", "2026-02-02 09:00"),
            Variant(", v", "2026-02-03 08:00", "2026-02-03 07:00"),
            "2026-02-03 08:00",
            True,
        ),
        (
            Rule("k", "s", "", (), "2026-02-02 10:00", "2026-02-02 09:00"),
            Variant(", v", "2026-02-01 08:00", "2026-02-03 07:00"),
            "2026-02-02 10:00",
            False,
        ),
    ],
)
def test_a_rule_that_was_written_after_its_data_says_so(rule, variant, written, late):
    part = told(rule, "yes", "", variant=variant)
    assert (part.written, part.late) == (written, late)


def test_the_verdict_prints_the_version_of_the_rules_and_which_came_after_their_data(study):
    text = make(study(ood_score__predictors=auc(0.8, 0.9))).pictures[PARTS].decode()
    assert f"**Rules: version {VERSION}, of {CHANGES[-1][0]} UTC.**" in text
    assert all(f"{k}. {date}: " in text for k, (date, _) in enumerate(CHANGES, 1))
    rule = RULEBOOK["C3.flat.clean"]
    assert f"{rule.written}, after its data" in text
    table = make(study(ood_score__predictors=auc(0.8, 0.9))).tables["verdict"]
    assert table[table.claim == "C3"].late.all() and not table[table.claim == "C2"].late.any()
