"""Cells of track ``coupling``: one design, untrained, over a fixed corpus of parameters."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from invbench.couplings.compiled import cannot_compile, compile_couplings
from invbench.laws import LawCase, Subject, check, subject_of
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.sweep import CORPUS_VERSION
from invbench.laws.dtypes import parse_dtype
from invbench.laws.judging.conditioning import unit_roundoff, value_spread
from invbench.laws.judging.sensitivity import elementwise_kappa, steepest_inverse
from invbench.laws.statements.design import tail_slope_ratio
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.track import Options

__all__ = ["CORPUS", "measure", "plan"]

ROWS = 2048
# raw parameters uniform in ±8, saturated at ±8, and zero; x in the box, in the tails, and normal
CORPUS = tuple(
    InputRecipe(pattern, x_scale, cond, cond_scale, ROWS, seed=1)
    for pattern, x_scale in (("box", -1), ("normal", 1), ("tails", 3), ("knots", 0))
    for cond, cond_scale in (("box", 3), ("normal", 1), ("saturated", 3), ("zeros", 0))
)
ELEMENTS = 2**18
REPEATS = 9


def plan(target: Target, options: Options) -> list[CellSpec]:
    """Soundness, slopes, speed. None for a design with a cure, which is of a flow."""
    if target.cure:
        return []
    shared: dict[str, Any] = {
        "track": "coupling",
        "entry": target.name,
        "entry_digest": target.digest,
        "dtype": options.dtype,
        "device": options.device,
        "target": target.spec,
    }
    return [
        CellSpec(
            measure="soundness",
            settings={"budget": options.budget.check, "corpus": CORPUS_VERSION},
            **shared,
        ),
        CellSpec(
            measure="slopes", settings={"rows": ROWS, "recipes": len(CORPUS), "bounds": 2}, **shared
        ),
        CellSpec(
            measure="speed",
            settings={
                "elements": ELEMENTS,
                "repeats": REPEATS,
                "threads": 1,
                "compiled": options.budget.compiled,
            },
            exclusive=True,
            **shared,
        ),
    ]


def measure(spec: CellSpec, target: Target) -> Measured:
    return MEASURES[spec.measure](spec, target)


def _soundness(spec: CellSpec, target: Target) -> Measured:
    report = check(target, spec.dtype, spec.device, str(spec.settings["budget"]))
    found = [
        f"{f.property}: {f.kind} ({f.severity}), {f.value:.3g} > {f.bound:.3g}"
        for f in report.failures
    ]
    broken = [f"{f.property}: {f.message}" for f in report.failures if f.breaks_soundness]
    return Measured({"sound": report.sound, "findings": found}, reason="; ".join(broken)[:2000])


def _slopes(spec: CellSpec, target: Target) -> Measured:
    """Slopes, displacement, tails, magnitude gain, conditioning and backward error over the corpus.

    κ = max over elements of |y|/(c′·|x|), the elementwise form of σmax(J⁻¹)·‖y‖/‖x‖,
    for |x| ≥ 2⁻¹⁰. ``inv_lipschitz_upper``: 1/inf c′ over all x and every parameter set
    of the corpus, by the design's ``slope_bounds`` (tier U2: exact for these parameters); 1/s_l of
    its ``slope_range`` where it declares no bounds (U1), None where neither is known.
    ``…_architecture`` is the latter for all parameters. Never below ``inv_lipschitz_lower``, or the
    cell fails: the design then declares wrong bounds. Backward error in u: |c(ĉ⁻¹(y)) − y| /
    (u·(|y| + |c(0)| + 1) + spread), c in float64 and ĉ⁻¹ in the dtype, spread the change of c when
    x̂ moves by u·(|x̂| + 1): a spike narrower than that shows in no slope at x̂. The ones are the
    scale of the data.
    """
    dtype = parse_dtype(spec.dtype)
    subject = subject_of(target, dtype, spec.device)
    twin = subject.float64_reference()
    low, high, kappa, backward, gain, tails = math.inf, 0.0, 0.0, 0.0, 0.0, 1.0
    displaced: list[Tensor] = []
    parameters: list[Tensor] = []
    for recipe in CORPUS:
        case = LawCase.of(recipe, subject)
        x, cond = case.float64_inputs(False)
        with torch.no_grad():
            y, log_slope = twin.log_slopes(x, cond)
            slope = log_slope.exp()
            low, high = min(low, slope.min().item()), max(high, slope.max().item())
            kappa = max(kappa, elementwise_kappa(x, y, slope))
            inverse, _ = subject.log_slopes(case.x, case.cond, inverse=True)
            wide = inverse.cpu().double()
            gain = max(
                gain,
                (wide.abs() / (1 + x.abs())).nan_to_num(nan=math.inf, posinf=math.inf).max().item(),
            )
            again, _ = twin.log_slopes(wide, cond)
            u = unit_roundoff(dtype)
            moved = value_spread(twin, wide, cond, u * (wide.abs() + 1), False)
            shift = twin.log_slopes(torch.zeros_like(x), cond)[0].abs()
            unit = u * (x.abs() + shift + 1) + moved
            backward = max(
                backward, ((again - x).abs() / unit).nan_to_num(nan=math.inf).max().item()
            )
            assert cond is not None
            # the parameters are the same under every pattern of x
            if recipe.pattern == CORPUS[0].pattern:
                parameters.append(cond[:1] if recipe.cond_pattern == "zeros" else cond)
                displaced.append(_displacement(twin, parameters[-1]))
        tails = max(tails, tail_slope_ratio(subject, case))
    declared = subject.declared.get("displacement")
    slope_range = subject.declared.get("slope_range")
    measured = torch.cat(displaced).max().item()
    upper, tier = steepest_inverse(subject, parameters)
    if upper is not None and _reciprocal(low) > upper * (1 + 1e-6):
        raise ValueError(
            f"slope {low:.6g} was measured, and the declared bounds say at least "
            f"{1 / upper:.6g} ({tier})"
        )
    measures = {
        "slope_lo": low,
        "slope_hi": high,
        "displacement": declared if declared is not None else measured,
        "displacement_declared": declared is not None,
        "displacement_measured": measured,
        "tail_slopes_equal": tails <= 1.001,
        "tail_slope_ratio": tails,
        "kappa_lower": kappa,
        "backward_error_u": backward,
        "magnitude_gain": gain,
        "kappa_lower_tier": "L0",
        "inv_lipschitz_lower": _reciprocal(low),
        "inv_lipschitz_lower_tier": "L0",
        "inv_lipschitz_upper": upper,
        "inv_lipschitz_upper_tier": tier,
        "inv_lipschitz_upper_architecture": _reciprocal(slope_range[0]) if slope_range else None,
    }
    return Measured(measures)


def _reciprocal(slope: float) -> float:
    return 1 / slope if slope > 0 else math.inf


def _displacement(twin: Subject, cond: Tensor) -> Tensor:
    """Half the range of c⁻¹(y) − y over y = ±0…±2²⁰, the least sup |c⁻¹(y) − (y − t)| over t, for
    128 of the rows."""
    some = cond[:128]
    grid = torch.cat(
        [
            torch.linspace(-2, 2, 129),
            2.0 ** torch.arange(2, 21, 2),
            -(2.0 ** torch.arange(2, 21, 2)),
        ]
    ).double()
    low, high = (
        torch.full(some[:, 0].shape, math.inf).double(),
        torch.full(some[:, 0].shape, -math.inf).double(),
    )
    # many at once: an inverse that iterates waits for the slowest element of each call
    for y in grid.split(16):
        values = y.repeat_interleave(len(some))[:, None].expand(-1, some.shape[-1])
        moved = (twin.log_slopes(values, some.repeat(len(y), 1, 1), True)[0] - values).unflatten(
            0, (len(y), -1)
        )
        low, high = torch.minimum(low, moved.amin(0)), torch.maximum(high, moved.amax(0))
    return ((high - low) / 2).flatten()


def _speed(spec: CellSpec, target: Target) -> Measured:
    """Median nanoseconds per element on one thread, after one warm-up: forward, inverse, forward
    and backward.

    ``forward_ns`` … are of the compiled kernels where ``settings["compiled"]`` and the coupling
    compiles, else of eager code, as ``speed_mode`` says; ``eager_forward_ns`` … are always eager.
    """
    subject = subject_of(target, parse_dtype(spec.dtype), spec.device)
    rows = ELEMENTS // math.prod(subject.event_shape)
    case = LawCase.of(InputRecipe("normal", -1, "normal", 0, rows, 2), subject)
    assert case.cond is not None
    params = case.cond.movedim(1, 0).contiguous()
    eager = _times(subject.module, case.x, params)
    measures: dict[str, Any] = {f"eager_{name}": value for name, value in eager.items()}
    if not spec.settings["compiled"]:
        return Measured(eager | measures | {"speed_mode": "eager"})
    if hindrance := cannot_compile(target.make()):
        return Measured(
            eager | measures | {"speed_mode": "eager"}, reason=f"not compiled: {hindrance}"
        )
    return Measured(
        _times(compile_couplings(subject.module), case.x, params)
        | measures
        | {"speed_mode": "compiled"}
    )


def _times(module: nn.Module, x: Tensor, params: Tensor) -> dict[str, float]:
    def train() -> None:
        v, p = x.clone().requires_grad_(), params.clone().requires_grad_()
        y, log_slope = module(v, p)
        (y.sum() + log_slope.sum()).backward()

    def forward() -> None:
        with torch.no_grad():
            module(x, params)

    def inverse() -> None:
        with torch.no_grad():
            module.inverse(x, params)  # type: ignore[operator]

    def synchronise() -> None:
        if x.is_cuda:
            torch.cuda.synchronize()

    def nanoseconds(call: Callable[[], None]) -> float:
        call()
        times = []
        for _ in range(REPEATS):
            synchronise()
            started = time.perf_counter_ns()
            call()
            synchronise()
            times.append(time.perf_counter_ns() - started)
        return statistics.median(times) / x.numel()

    calls = (("forward", forward), ("inverse", inverse), ("train", train))
    return {f"{name}_ns": nanoseconds(call) for name, call in calls}


MEASURES = {"soundness": _soundness, "slopes": _slopes, "speed": _speed}
