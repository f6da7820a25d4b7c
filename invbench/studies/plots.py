"""What ``invbench plot`` draws: the charts of the leaderboard, and pictures that decode samples
again."""

from __future__ import annotations

from invbench.report.charts import CHARTS, Chart, Evidence
from invbench.report.charts.style import Drawing

__all__ = ["PLOTS"]


def _fig6(evidence: Evidence) -> Drawing | None:
    from invbench.studies.hong2023.sample_chart import fig6  # imports torch

    return fig6(evidence)


PLOTS: dict[str, Chart] = {
    **CHARTS,
    "fig6": Chart(
        "Fig. 6: samples with artefacts and without",
        "Rows are the worst that was stored of each condition, not typical ones. Samples of a row "
        "are from the same latents; clamped as a screen does, with |x| before the clamp below.",
        _fig6,
        ("sr",),
    ),
}
