"""Reference flows: model, recipe, weights and card of each. Importing this package registers them."""

from invbench.reference_models import llflow, srflow, toy2d

__all__ = ["llflow", "srflow", "toy2d"]
