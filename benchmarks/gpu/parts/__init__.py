"""One file per part; each has ``measure(setting) -> Answer``."""
