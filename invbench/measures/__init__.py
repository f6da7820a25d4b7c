"""What is measured: explosions, stability, image quality, variance along depth, intervals."""
