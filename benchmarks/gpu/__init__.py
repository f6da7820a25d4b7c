"""The parts of ``benchmarks/gpu_acceptance.py`` and what runs them."""
