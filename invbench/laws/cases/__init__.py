"""Inputs by recipe, reduced, saved and replayed."""
