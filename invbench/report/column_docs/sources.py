"""Where definitions of columns are from."""

from __future__ import annotations

BEHRMANN = (
    "Behrmann et al.: Understanding and Mitigating Exploding Inverses in Invertible "
    "Neural Networks, AISTATS 2021"
)
HONG = (
    "Hong, Park, Chun: On the Robustness of Normalizing Flows for Inverse Problems in "
    "Imaging, ICCV 2023"
)
CP = (
    "Korn, Graubard: Confidence intervals for proportions with small expected number of "
    "positive counts, Survey Methodology 1998; docs/statistics.md"
)
HIGHAM = "Higham: Accuracy and Stability of Numerical Algorithms, SIAM 2002"
