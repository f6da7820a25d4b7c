"""Suites that put couplings, layers and flows on the stand."""
