"""No text about a library without a confirmed record: the filter of
benchmarks/evidence/library_findings.py on made-up reports."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

from invbench.laws import Report
from invbench.laws.report import Failure

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "evidence" / "library_findings.py"
if not SCRIPT.is_file():
    pytest.skip("benchmarks lie beside the tests in a checkout", allow_module_level=True)
spec = importlib.util.spec_from_file_location("library_findings", SCRIPT)
assert spec is not None and spec.loader is not None
script = importlib.util.module_from_spec(spec)
sys.modules["library_findings"] = script
spec.loader.exec_module(script)

NOTE = "made up"
RECORD = {
    "library": "somelib",
    "version": "1.0",
    "case": "a",
    "what": "It is off.",
    "got": "ValueError: cannot do [0, 2] of anything at all",
    "right": "2",
    "severity": "edge",
    "kind": "defect",
    "command": "python of_somelib.py a",
    "covers": "somelib/rq* | crash | round-trip-x accuracy",
}


def failure(law: str, kind: str = "defect", severity: str = "soundness") -> Failure:
    said = "ValueError: cannot do [0, 2] of anything at all" if kind == "crash" else "private words"
    return Failure(law, severity, kind, 3.0, 1.0, {}, f"{said} about {law}")


def report(target: str, *failures: Failure) -> Report:
    return Report(target, list(failures))


@pytest.fixture
def reports():
    return [
        report("somelib/rq", failure("round-trip-x", "crash"), failure("finite")),
        report("somelib/affine", failure("log-det")),
        report("somelib/lu"),
    ]


def record(**changes: str):
    return script.Record(**(RECORD | changes))


def test_raw_verdicts_keep_all_and_say_which_are_confirmed(reports):
    table = script.raw_verdicts(reports, [record()])
    assert list(table.columns) == [
        "target",
        "law",
        "kind",
        "severity",
        "value",
        "bound",
        "confirmed",
    ]
    assert table["confirmed"].tolist() == ["yes", "no", "no"]


@pytest.mark.parametrize(
    ("target", "law", "kind", "covered"),
    [
        ("somelib/rq-coupling", "accuracy", "crash", True),
        ("somelib/rq", "accuracy", "defect", False),
        ("somelib/rq", "log-det", "crash", False),
        ("somelib/affine", "accuracy", "crash", False),
        ("otherlib/rq", "accuracy", "crash", False),
        ("somelib/rq", "accuracy", "ill-conditioned", False),
    ],
)
def test_a_record_covers_its_own_library_target_kind_and_law(target, law, kind, covered):
    assert bool(script.covering([record()], target, failure(law, kind))) is covered


def test_another_exception_is_not_covered():
    other = Failure(
        "accuracy", "soundness", "crash", 1.0, 0.0, {}, "IndexError: list index out of range"
    )
    assert not script.covering([record(covers="somelib/* | crash | *")], "somelib/rq", other)


def test_a_pattern_never_covers_ill_conditioning():
    everything = record(covers="somelib/* | * | *")
    assert not script.covering([everything], "somelib/rq", failure("accuracy", "ill-conditioned"))


def test_texts_say_nothing_that_is_not_confirmed(reports):
    for text in (
        script.findings(reports, [record()], NOTE),
        script.verdicts(reports, [record()], NOTE),
    ):
        assert "not accusations" in text
        assert "private words" not in text
        assert (
            "log-det" not in text.partition("\n\n")[0] and "finite" not in text.partition("\n\n")[0]
        )
    assert "somelib/rq round-trip-x" in script.findings(reports, [record()], NOTE)


def test_without_records_no_target_is_called_unsound(reports):
    text = script.verdicts(reports, [], NOTE)
    table = text.partition("\n\n")[0]
    assert "NO" not in table and "D" not in table
    assert "| somelib/lu     | yes" in table
    assert script.findings(reports, [], NOTE).startswith("No verdict of the judge is confirmed.")


def test_a_limit_calls_nobody_unsound(reports):
    table = script.verdicts(reports, [record(kind="limit")], NOTE).partition("\n\n")[0]
    assert "NO" not in table and "L" in table


def test_a_record_without_verdicts_covers_nothing(reports):
    assert "no" in script.raw_verdicts(reports, [record(covers="")])["confirmed"].unique()
    assert not script.covering([record(covers="")], "somelib/rq", failure("round-trip-x", "crash"))


def test_records_of_another_version_are_not_used(tmp_path):
    file = tmp_path / "confirmed.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*RECORD, "layer"])
        writer.writeheader()
        writer.writerow({**RECORD, "layer": "x"})
    assert len(script.read_confirmed(file, {"somelib": "1.0"})) == 1
    assert script.read_confirmed(file, {"somelib": "1.1"}) == []
    assert script.read_confirmed(tmp_path / "none.csv", {"somelib": "1.0"}) == []
