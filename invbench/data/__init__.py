"""Photographs, data sets, and the conditions that are made of them."""
