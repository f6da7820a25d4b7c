"""The two-dimensional toy as a map: what the paper leaves open is an axis, and so is the shift."""
