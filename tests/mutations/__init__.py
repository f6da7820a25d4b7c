"""Files as they come from elsewhere, damaged or malicious, and the readers that have to stand them. scripts/mutations.py reads 10 000."""

from .kinds import KINDS, Kind
from .outcome import Outcome, judged

__all__ = ["KINDS", "Kind", "Outcome", "judged"]
