"""Every published result by name: what makes it, where it is written, how long it takes."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from invbench.errors import UsageError

if TYPE_CHECKING:
    from invbench.studies.study import Made, Study

__all__ = ["ALL", "ARTEFACTS", "EVERYTHING", "Artefact", "chosen"]

ALL, EVERYTHING = "all", "everything"
PAPER, DOCS = "paper", "../docs"  # folders, from the results folder


@dataclass(frozen=True)
class Artefact:
    """``module``, below ``invbench.studies``, has ``make(study) -> Made``. ``folder``: where it is
    written, from the results folder. ``file``: the stem of its text, empty for pictures alone.
    ``takes``: the time that it measures for; empty where it reads what is stored."""

    name: str
    title: str
    module: str
    folder: str
    file: str
    reads: str
    takes: str = ""

    @property
    def make(self) -> Callable[[Study], Made]:
        return importlib.import_module(f"invbench.studies.{self.module}").make


def _of_paper(name: str, title: str, reads: str) -> Artefact:
    return Artefact(name, title, f"hong2023.artefacts.{name}", PAPER, name, reads)


SR, TOY = "cells of track sr", "cells of track toy2d"
# in the order in which they are made: an artefact reads what those above it wrote
ARTEFACTS: dict[str, Artefact] = {
    artefact.name: artefact
    for artefact in (
        Artefact(
            "precision",
            "Digits left after a round trip, per design and dtype",
            "precision",
            "precision",
            "precision",
            "weights of srflow",
            "three minutes",
        ),
        Artefact(
            "ood_score",
            "Do inputs fail where the OOD score is high? (claim C3)",
            "ood_score.page",
            "ood_score",
            "README",
            "weights of srflow; T91, DIV2K, BSD100, Set14, Urban100",
            "12 minutes",
        ),
        Artefact(
            "ood_readings",
            "The OOD score under every reading, on every training (claim C3)",
            "ood_score.readings",
            "ood_score",
            "readings",
            "weights of srflow; T91, DIV2K, BSD100, Set14, Urban100",
            "three minutes for each of 16 trainings",
        ),
        Artefact(
            "toy_sweep",
            "Where the toy's variance jump appears",
            "toy_sweep",
            PAPER,
            "toy_sweep",
            "nothing: it trains 220 toys",
            "an hour",
        ),
        Artefact(
            "toy_map",
            "The toy as a map: what the paper leaves open, every shift, and which layer jumps",
            "toy_map.page",
            PAPER,
            "toy_map",
            "nothing: it trains toys in stacks",
            "half an hour",
        ),
        Artefact(
            "ablations_training",
            "Trainings that tell the floor of the scale from frozen 1×1 convolutions",
            "ablations_training",
            PAPER,
            "",
            "nothing: it trains nine flows on T91; BSD100",
            "an hour",
        ),
        Artefact(
            "attacks",
            "What the searches of track sr found",
            "attacks.page",
            "attacks",
            "attacks",
            SR,
        ),
        Artefact(
            "families",
            "Picture: largest |x| per corruption and severity",
            "families",
            DOCS,
            "",
            SR,
        ),
        Artefact(
            "leaderboard",
            "Picture: error rates, magnitudes and samples of four designs",
            "leaderboard",
            DOCS,
            "",
            f"{SR}, weights of srflow",
        ),
        _of_paper("fig2", "Fig. 2: toy samples in distribution and under the shift", TOY),
        _of_paper("fig3", "Fig. 3: variance of the toy's features along depth", TOY),
        _of_paper("fig4", "Fig. 4: pixel errors against the OOD score", "ood_score"),
        _of_paper("fig5", "Fig. 5: the couplings as functions", "nothing"),
        _of_paper("fig6", "Fig. 6: super-resolution samples with artefacts and without", SR),
        _of_paper(
            "fig7",
            "Fig. 7: low-light samples with artefacts and without",
            "cells of track lowlight",
        ),
        _of_paper("fig8", "Fig. 8: an explosion along depth", SR),
        _of_paper("table1", "Table 1: super-resolution", SR),
        _of_paper("table2", "Table 2: low light", "cells of track lowlight"),
        _of_paper(
            "prop1",
            "Prop. 1: an unconditional flow, there and back",
            "cells of track unconditional",
        ),
        _of_paper("theory", "Eq. 8 and 9: the one-layer problem", "nothing"),
        _of_paper("trainings", "The trainings behind the shipped flows", "cards of the weights"),
        _of_paper(
            "ablations",
            "Ablations of what the released code confounds",
            f"{SR}, weights of srflow, ablations_training",
        ),
        Artefact(
            "verdict",
            "The paper judged claim by claim",
            "hong2023.verdict",
            PAPER,
            "VERDICT",
            "cells, ood_score, toy_sweep, toy_map",
        ),
    )
}


def chosen(names: Sequence[str]) -> list[str]:
    """The artefacts of these names in the order in which they are made; ``all`` are those that
    read what is stored. Raises ``UsageError`` for an unknown name."""
    known = [*ARTEFACTS, ALL, EVERYTHING]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UsageError(f"artefact {name!r} is not known{hint} known: {', '.join(known)}")
    if EVERYTHING in names and len(names) > 1:
        raise UsageError(f"{EVERYTHING!r} makes all results; name it alone")
    return [
        name for name, one in ARTEFACTS.items() if name in names or (ALL in names and not one.takes)
    ]
