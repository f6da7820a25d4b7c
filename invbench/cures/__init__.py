"""Cures of explosions for flows that are trained already: guards, which clamp their layers, and the
others of ``invbench list cures``."""
