"""Reference flows: model, recipe, weights and card of each. Importing this package registers them."""

from invbench.reference_models import fs_ncsr, glow, llflow, srflow, toy2d

__all__ = ["fs_ncsr", "glow", "llflow", "srflow", "toy2d"]
