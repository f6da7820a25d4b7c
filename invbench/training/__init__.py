"""Training of reference flows: loop, recipes, weights and their cards."""
