"""Suites of laws, corruptions and attacks for couplings, layers and flows."""
