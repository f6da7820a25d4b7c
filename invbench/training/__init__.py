"""Training of flows: the loop, recipes, weights and their cards."""
