"""The paper (Hong, Park, Chun, ICCV 2023) claim by claim: its figures and tables with our numbers
beside its own, and a verdict by rule."""
