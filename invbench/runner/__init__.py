"""Cells, the plan of what to measure, the engine that runs it, and the store that keeps it."""
