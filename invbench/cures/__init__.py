"""Cures of explosions for flows that are trained already: guards, which clamp their layers."""
