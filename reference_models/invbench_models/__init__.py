"""Reference flows: the model, recipe, weights and card of each. invbench finds them by the entry
points ``invbench.flows``."""

__version__ = "0.1.0"
