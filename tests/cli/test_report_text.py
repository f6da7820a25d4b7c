"""A report in a terminal."""

from __future__ import annotations

from invbench.cli.report_text import WIDTH, report_lines
from invbench.laws import Failure, Report


def test_a_report_reads_well_at_100_columns():
    long = (
        "its inverse returns a log_det of the same sign as forward's: forward -0.669, inverse "
        "-0.669 "
    ) * 3
    case = (
        "x = [0.5, 1.0]\n  forward(x): "
        + "-0.669, " * 20
        + "\nimport torch\n"
        + "layer = "
        + "Scale()" * 20
    )
    failure = Failure("inverse-log-det", "soundness", "defect", 1.3, 0.1, {}, long)
    object.__setattr__(failure, "case", case)
    measures = {
        "seconds": 1.5,
        "guesses": ["log_det is part 3: the other is the normal density of z"],
        "assumed": [
            "domain=unit_interval, since it is NaN outside: declare --domain unit_interval " * 2
        ],
        "undecided": {"log-det": "the reference is worse than what it should show"},
        "decided": {"inverse-log-det": 12, "round-trip-x": 40},
    }
    lines = list(report_lines(Report("Scale", [failure], measures), "float32", "no bounds"))
    assert lines[0] == "Scale: [red]NOT SOUND[/], 1 law not decided (float32, 1.5 s)"
    assert "  guessed: log_det is part 3: the other is the normal density of z" in lines
    assert any(line.startswith("  assumed: domain=unit_interval") for line in lines)
    assert "  not decided: log-det: the reference is worse than what it should show" in lines
    assert any(
        line.startswith(r"  inverse-log-det \[defect] its inverse returns") for line in lines
    )
    assert "      layer = " + "Scale()" * 20 in lines  # code is not broken
    lines.remove("      layer = " + "Scale()" * 20)
    assert "  decided: 52 rows by 2 laws, fewest 12 (inverse-log-det)" in lines
    assert lines[-1] == "  no bounds"
    assert max(map(len, lines)) <= WIDTH + 1  # a bracket is escaped


def test_a_report_without_news_is_as_short_as_before():
    assert list(report_lines(Report("affine", [], {}), "float32")) == [
        "affine: [green]sound[/] (float32, 0 s)"
    ]


def test_the_last_lines_say_which_of_several_broken_laws_to_begin_with():
    failures = [
        Failure("density", "soundness", "defect", 1.3, 0.1, {}, "integrates to 0.8; row 3"),
        Failure("round-trip-x", "soundness", "defect", 2, 0.1, {}, "is off by 5; row 510"),
        Failure("equal-tails", "robustness", "design", 2, 0.1, {}, "differ"),
    ]
    assert list(report_lines(Report("Scale", failures, {}), "float32"))[-2:] == [
        "  breaks 2 laws: density, round-trip-x",
        "  begin with round-trip-x, the others may follow: is off by 5",
    ]
    assert "begin with" not in "".join(report_lines(Report("Scale", failures[1:], {}), "float32"))
