"""The laws of an invertible layer, one file per kind."""
