"""The laws of an invertible layer, as data. Importing this package fills ``LAWS``."""

from invbench.properties import design_laws, hygiene_laws, value_laws
from invbench.properties.check import check, judge
from invbench.properties.law import LAWS, Case, Law, Violation
from invbench.properties.report import Failure, Report
from invbench.properties.subject import Subject, subject_of

__all__ = [
    "LAWS",
    "Case",
    "Failure",
    "Law",
    "Report",
    "Subject",
    "Violation",
    "check",
    "design_laws",
    "hygiene_laws",
    "judge",
    "subject_of",
    "value_laws",
]
