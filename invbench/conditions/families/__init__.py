"""Out-of-distribution families, one file per kind; importing this registers them all."""

from invbench.conditions.families import blur, camera, downsampling, jpeg, noise, pattern, tone  # noqa: F401
from invbench.conditions.families.family import Batch, Family, apply_family, family, family_names

__all__ = ["Batch", "Family", "apply_family", "family", "family_names"]
