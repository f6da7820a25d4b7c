"""Out-of-distribution corruptions of a condition, one kind per file. Importing this registers
all."""

from invbench.corruptions import blur, camera, downsampling, jpeg, noise, pattern, tone  # noqa: F401
from invbench.corruptions.base import (
    DEFAULT_DARKENING,
    Batch,
    Corruption,
    corrupt,
    corruption,
    corruption_names,
)

__all__ = [
    "DEFAULT_DARKENING",
    "Batch",
    "Corruption",
    "corrupt",
    "corruption",
    "corruption_names",
]
