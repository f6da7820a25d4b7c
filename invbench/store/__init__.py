"""Cells on disk: schema, files, index, merging, audit."""
