"""Measures of a flow and of its samples, and the statistics of rates."""
