"""Out-of-distribution families, one file per kind; importing this registers them all."""

from invbench.corruptions import blur, camera, downsampling, jpeg, noise, pattern, tone  # noqa: F401
from invbench.corruptions.corruption import Batch, Family, apply_family, family, family_names

__all__ = ["Batch", "Family", "apply_family", "family", "family_names"]
