"""``invbench check --baseline``: only what is new fails, and what is gone is said."""

from __future__ import annotations

import json

import pytest

from invbench.laws.baseline import read_baseline
from invbench.laws.report import Failure, Report
from tests.support.examples import TANH_AFFINE

BROKEN = TANH_AFFINE.replace("(-log_s).exp()", "log_s.exp()")


def failure(law: str, kind: str = "defect", severity: str = "soundness") -> Failure:
    return Failure(law, severity, kind, 2.0, 1.0, {}, f"{law} is off", "smallest case: 1 row")


def report(*failures: Failure, decided: str = "", dtype: str = "float32") -> Report:
    measures = {"dtype": dtype, "decided": dict.fromkeys(decided.split(), 8)}
    return Report("mine", list(failures), measures)


@pytest.fixture
def baseline(tmp_path):
    def write(document: object) -> object:
        path = tmp_path / "baseline.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def test_a_finding_is_the_same_when_target_law_and_kind_are(baseline):
    before = report(failure("finite"), failure("shape"), failure("smooth", severity="design"))
    earlier = read_baseline(baseline([before.as_dict()]))
    now = report(
        failure("finite", "crash"), failure("shape"), failure("noise"), failure("layout", "ill-conditioned"),
        decided="finite shape noise",
    )  # fmt: skip
    compared = earlier.compare(now)
    assert [(f.property, f.kind) for f in compared.new] == [
        ("finite", "crash"),
        ("noise", "defect"),
    ]
    assert [f.property for f in compared.known] == ["shape"]
    assert compared.gone == [("finite", "defect")]


def test_a_law_that_decided_nothing_is_not_gone(baseline):
    earlier = read_baseline(baseline(report(failure("finite"), failure("shape")).as_dict()))
    assert earlier.compare(report(decided="shape")).gone == [("shape", "defect")]


def test_what_makes_a_comparison_say_little_is_said(baseline):
    earlier = read_baseline(baseline(report().as_dict()))
    assert earlier.differs(report()) is None
    assert "the baseline has it in float32" in str(earlier.differs(report(dtype="float64")))
    assert "not in the baseline" in str(earlier.differs(Report("other", [], {})))


def test_check_fails_on_what_is_new_only(invbench, tmp_path, baseline, monkeypatch):
    file = tmp_path / "my.py"
    file.write_text(BROKEN)
    law = ("--budget", "smoke", "--property", "round-trip-x")
    code, out, _ = invbench("check", file, *law, "--json")
    assert code == 1
    known = baseline(out)
    code, out, error = invbench("check", file, *law, "--json", "--baseline", known)
    assert code == 0
    assert json.loads(out)["baseline"] == {
        "new": [], "known": [["round-trip-x", "defect"]], "gone": [],
    }  # fmt: skip
    assert "in the baseline already: tanh-affine breaks round-trip-x" in error
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    code, _, error = invbench(
        "check", file, *law, "--property", "round-trip-z", "--baseline", known
    )
    assert code == 1 and "new: tanh-affine breaks round-trip-z (defect)" in error
    (line,) = [line for line in error.splitlines() if line.startswith("::error")]
    assert line.startswith("::error title=invbench%3A tanh-affine breaks round-trip-z::")
    assert "%0Asmallest case: 1 row" in line
    document = json.loads(known.read_text()) | {"target": "tanh-affine"}
    document["failures"].append(document["failures"][0] | {"property": "finite"})
    code, _, error = invbench(
        "check", file, "--budget", "smoke", "--property", "finite", "--baseline", baseline(document)
    )
    assert code == 0
    assert "no longer found: tanh-affine breaks finite (defect); take it out" in error
    assert "round-trip-x" not in error  # it was not asked


@pytest.mark.parametrize(
    "document",
    [
        "", "{", "3", "null", "[]]", "{}", '[{"target": "a"}]',
        '{"target": "a", "failures": [{"property": "x"}], "measures": {}}',
        '{"target": "a", "failures": 3, "measures": {}}',
        '{"target": "a", "failures": [], "measures": 3}',
        '{"target": "a", "failures": [{"property": [], "severity": "soundness", "kind": [], '
        '"value": 1, "bound": 0, "recipe": {}, "message": ""}], "measures": {}}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_baseline_that_is_none_is_one_line(invbench, baseline, document):
    code, out, error = invbench("check", "affine", "--baseline", baseline(document))
    assert (code, out, error.count("\n")) == (2, "", 1), error
    assert "baseline.json" in error


def test_a_baseline_that_is_not_there_and_a_seed_that_is_none(invbench, tmp_path):
    for wrong in (("--baseline", tmp_path / "nowhere.json"), ("--seed", "tomorrow")):
        code, out, error = invbench("check", "affine", *wrong)
        assert (code, out, error.count("\n")) == (2, "", 1), error


def test_another_seed_draws_other_inputs(invbench, tmp_path):
    file = tmp_path / "my.py"
    file.write_text(BROKEN)
    law = ("check", file, "--budget", "smoke", "--property", "round-trip-x", "--json")
    first, again, other = (
        json.loads(invbench(*law, *more)[1])["failures"][0]
        for more in ((), ("--seed", "0"), ("--seed", "today"))
    )
    assert first == again
    assert other["recipe"]["seed"] != first["recipe"]["seed"]
    assert other["message"] != first["message"]
