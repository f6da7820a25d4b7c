"""Reference flows: model, recipe, weights and card of each. invbench finds them through the entry
points ``invbench.flows``."""

__version__ = "0.1.0"
