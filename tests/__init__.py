"""Tests of invbench itself."""
