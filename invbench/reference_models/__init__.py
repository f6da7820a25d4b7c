"""Reference flows: model, recipe, weights and card of each. Importing this package registers them."""

from invbench.reference_models import srflow, toy2d

__all__ = ["srflow", "toy2d"]
