"""The laws of an invertible layer, as data. Importing this package fills ``LAWS``."""

from invbench.laws import statements  # noqa: F401  fills LAWS
from invbench.laws.building import subject_of
from invbench.laws.cases.case import LawCase
from invbench.laws.check import check
from invbench.laws.judge import examine, judge, judge_case
from invbench.laws.law import LAWS, Law, Tally, Violation
from invbench.laws.report import Failure, Report
from invbench.laws.subject import Subject

__all__ = [
    "LAWS",
    "Failure",
    "Law",
    "LawCase",
    "Report",
    "Subject",
    "Tally",
    "Violation",
    "check",
    "examine",
    "judge",
    "judge_case",
    "subject_of",
]
