"""Reference flows: model, recipe, weights and card of each. Importing this package registers them."""

from invbench.reference_models import srflow

__all__ = ["srflow"]
