"""Files as they come from elsewhere, damaged or malicious, and the readers that have to stand them.
benchmarks/evidence/mutations.py reads 10 000."""

from tests.support.mutations.kinds import KINDS, Kind
from tests.support.mutations.outcome import Outcome, judged

__all__ = ["KINDS", "Kind", "Outcome", "judged"]
