"""Planted faults, and what must not be accused: the evidence that the laws can be trusted."""

from __future__ import annotations

import inspect

from invbench.couplings import Affine
from invbench.couplings.base import Elementwise
from invbench.registry import Registered
from invbench.targets import Target
from tests.support.faults import conduct as d
from tests.support.faults import couplings as c
from tests.support.faults import sound
from tests.support.faults.layers import LAYER_MUTANTS as OF_LAYERS
from tests.support.faults.layers import SOUND_LAYERS as SOUND_OF_LAYERS
from tests.support.faults.layers import Planted
from tests.support.faults.lives import LIVES, NOISY, SOUND_LIVES

__all__ = [
    "LAYER_MUTANTS",
    "MUTANTS",
    "SOUND",
    "SOUND_LAYERS",
    "every_mutant",
    "every_sound",
    "target_of",
]

SOUND = sound.SOUND
SOUND_LAYERS = SOUND_OF_LAYERS | SOUND_LIVES
LAYER_MUTANTS = {law: OF_LAYERS.get(law, {}) | LIVES.get(law, {}) for law in (*OF_LAYERS, *LIVES)}
# law -> couplings that it must kill
MUTANTS: dict[str, list[type[Elementwise]]] = {
    "shape": [d.WrongShape, d.ReturnsNone, d.ComplexValued],
    "dtype": [d.UpCasts],
    "deterministic": [d.Noisy],
    "stateless": [d.Remembers],
    "inputs-unchanged": [d.ChangesInput],
    "rng-untouched": [d.DrawsRandom],
    "empty-batch": [d.NoEmptyBatch],
    "round-trip-x": [
        c.WrongInverse,
        c.SmallBias,
        c.InverseStopsAtTen,
        c.Raises,
        c.CapsScale,
        c.ReverseMask,
        c.SaturatesElsewhere,
    ],
    "round-trip-z": [c.WrongInverse, c.SmallBias, c.LooseRoot],
    "double-precision": [d.SinglePrecision],
    "accuracy": [c.HalfPrecision],
    "finite": [c.Overflows, c.NanAtZero, c.Raises, c.CrashesInTheTails],
    "extreme-conditions": [c.NaiveSoftplus, c.RefusesExtremes],
    "monotone": [c.Wiggles],
    "log-det": [c.LogDetSign, c.LogDetEps],
    "inverse-log-det": [c.InverseLogDetSign],
    "composed-log-det": [d.Accumulates],
    "density": [c.DensityOff],
    "row-independence": [d.MixesRows],
    "element-independence": [d.MixesElements],
    "batch-permutation": [d.NumbersRows],
    "batch-size": [d.CountsRows],
    "layout": [d.ReadsMemory, d.ViewsInput],
    "rank": [d.RankTwoOnly],
    "condition-broadcast": [d.WritesCondition],
    "gradients-finite": [d.WhereGradient],
    "gradients": [d.DetachedScale, d.WrongBackward],
    "vmap": [d.Branches],
    "jvp": [d.WrongBackward],
    "compile": [d.NoticesCompilation],
    "continuous": [c.Jumps],
    "smooth": [sound.Kink],
    "declared-smooth": [c.SaysSmooth],
    "declared-slopes": [c.FalseRange, c.FalseBounds],
    "declared-displacement": [c.FalseDisplacement],
    "equal-tails": [Affine],
    "half-precision": [d.OverflowsInHalf],
    "half-supported": [d.NeedsLinearAlgebra],
    "autocast": [d.MixedPrecisionCrash],
}
for _law, _mutants in NOISY.items():
    MUTANTS[_law] = MUTANTS.get(_law, []) + _mutants


def target_of(what: type[Elementwise] | Planted, name: str = "") -> Target:
    """A target that is in no registry."""
    if isinstance(what, Planted):
        metadata = {"event_shape": what.event_shape, "cond_shape": what.cond_shape, **what.declared}
        return Target(name, Registered(name, "layer", what.make, f"{__file__}:0", metadata))
    return Target(
        what.__name__, Registered(what.__name__, "coupling", what, f"{inspect.getfile(what)}:0")
    )


def every_mutant() -> list[tuple[str, Target]]:
    """(law that must kill it, target)."""
    pairs = [(law, target_of(m)) for law, mutants in MUTANTS.items() for m in mutants]
    return pairs + [
        (law, target_of(m, name)) for law, ms in LAYER_MUTANTS.items() for name, m in ms.items()
    ]


def every_sound() -> list[Target]:
    return [target_of(s) for s in SOUND] + [target_of(s, name) for name, s in SOUND_LAYERS.items()]
