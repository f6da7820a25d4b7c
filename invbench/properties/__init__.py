"""The laws of an invertible layer, as data. Importing this package fills ``LAWS``."""

from invbench.properties import (  # noqa: F401  each file adds its laws, in this order
    batch_laws,
    condition_laws,
    conduct_laws,
    continuity_laws,
    design_laws,
    gradient_laws,
    log_det_laws,
    module_laws,
    stochastic_laws,
    training_laws,
    value_laws,
)
from invbench.properties.case import Case
from invbench.properties.check import check
from invbench.properties.judge import examine, judge, judge_case
from invbench.properties.law import LAWS, Law, Tally, Violation
from invbench.properties.report import Failure, Report
from invbench.properties.subject import Subject, subject_of

__all__ = [
    "LAWS",
    "Case",
    "Failure",
    "Law",
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
