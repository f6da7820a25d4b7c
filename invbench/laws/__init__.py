"""The laws of an invertible layer, as data. Importing this package fills ``LAWS``."""

from invbench.laws.cases.case import LawCase
from invbench.laws.check import check
from invbench.laws.judge import examine, judge, judge_case
from invbench.laws.law import LAWS, Law, Tally, Violation
from invbench.laws.report import Failure, Report
from invbench.laws.statements import (  # noqa: F401  each file adds its laws, in this order
    batch,
    condition,
    conduct,
    continuity,
    design,
    gradient,
    log_det,
    module,
    stochastic,
    training,
    value,
)
from invbench.laws.subject import Subject, subject_of

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
