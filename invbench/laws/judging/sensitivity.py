"""How far the inverse can stretch, beside the laws: lower and upper bounds with their tiers, for
any coupling or layer.

κ = σmax(J⁻¹)·‖z‖/‖x‖ is the condition number of the inverse at z = f(x).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from invbench.bounds.lipschitz import Interval, certify_layer, largest_jacobian_norm
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.guard import guarded
from invbench.laws.subject import Subject

__all__ = ["VISIBLE", "bounds_line", "elementwise_kappa", "sensitivity", "steepest_inverse"]

BOUNDS = ("inv_lipschitz_lower", "inv_lipschitz_upper", "kappa_lower")
VISIBLE = 2.0**-10  # below it |x| is not taken for a size that an error is relative to
LIMIT = 10.0  # seconds
ROWS, LAYER_ROWS, PRODUCTS = 64, 8, 24
# a coupling's raw parameters: zero, as a fresh conditioner gives, normal, and saturated
CORPUS = tuple(
    InputRecipe(pattern, scale, cond, cond_scale, ROWS, seed=1)
    for pattern, scale in (("box", -1), ("normal", 1))
    for cond, cond_scale in (("zeros", 0), ("normal", 1), ("saturated", 3))
)


def sensitivity(subject: Subject, limit: float = LIMIT) -> dict[str, Any]:
    """``inv_lipschitz_lower`` ≤ sup ‖J⁻¹‖ ≤ ``inv_lipschitz_upper`` and ``kappa_lower`` over a few
    fixed points, each with its ``…_tier``.

    In float64. A coupling: 384 rows of parameters; the lower bound from slopes at x, the upper one
    over all x. A layer: eight standard normal inputs with its own weights; Golub–Kahan–Lanczos from
    below, intervals at these points from above. ``None`` where a bound is not available;
    ``sensitivity_reason`` says why. Nothing that the subject raises leaves this function.
    """
    bounds: dict[str, Any] = dict.fromkeys(BOUNDS)
    try:
        with guarded(limit):
            bounds |= _of_coupling(subject) if subject.elementwise else _of_layer(subject)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # a stranger's code runs in there
        bounds["sensitivity_reason"] = f"{type(error).__name__}: {str(error)[:300]}"
    return bounds


def bounds_line(measures: Mapping[str, Any]) -> str:
    """The bounds of ``sensitivity`` with their tiers in one line; empty where they were not
    measured."""
    if "inv_lipschitz_lower" not in measures:
        return ""
    shown = [
        f"{name} not available"
        if measures[name] is None
        else f"{name} {measures[name]:.4g} ({measures[f'{name}_tier']})"
        for name in BOUNDS
    ]
    reason = measures.get("sensitivity_reason")
    return ", ".join(shown) + (f": {reason}" if reason else "")


def _of_coupling(subject: Subject) -> dict[str, Any]:
    reference, low, kappa = subject.float64_reference(), math.inf, 0.0
    parameters: list[Tensor] = []
    for recipe in CORPUS:
        x, cond = LawCase.of(recipe, subject).float64_inputs(False)
        assert cond is not None
        with torch.no_grad():
            y, log_slope = reference.log_slopes(x, cond)
        low = min(low, log_slope.exp().nan_to_num(math.inf, math.inf).min().item())
        kappa = max(kappa, elementwise_kappa(x, y, log_slope.exp()))
        # the parameters are the same under every pattern of x
        if recipe.pattern == CORPUS[0].pattern:
            parameters.append(cond[:1] if recipe.cond_pattern == "zeros" else cond)
    upper, tier = steepest_inverse(subject, parameters)
    bounds = {"inv_lipschitz_lower": _reciprocal(low), "inv_lipschitz_lower_tier": "L0"}
    bounds |= {"inv_lipschitz_upper": upper, "inv_lipschitz_upper_tier": tier}
    if upper is None:
        bounds["sensitivity_reason"] = (
            f"{subject.name} declares neither slope_bounds nor slope_range"
        )
    elif upper < _reciprocal(low) * (1 - 1e-6):
        bounds |= {"inv_lipschitz_upper": None, "inv_lipschitz_upper_tier": "none"}
        bounds["sensitivity_reason"] = (
            f"declared slopes are at least {1 / upper:.6g}, and {low:.6g} was measured"
        )
    return bounds | {"kappa_lower": kappa, "kappa_lower_tier": "L0"}


def elementwise_kappa(x: Tensor, y: Tensor, slope: Tensor) -> float:
    """max |y|/(c′·|x|) over elements with |x| ≥ 2⁻¹⁰, the elementwise form of σmax(J⁻¹)·‖y‖/‖x‖;
    NaN counts as infinite."""
    ratio = (y.abs() / (slope * x.abs()))[x.abs() >= VISIBLE]
    return ratio.nan_to_num(nan=math.inf).max().item() if ratio.numel() else 0.0


def steepest_inverse(subject: Subject, parameters: Iterable[Tensor]) -> tuple[float | None, str]:
    """(upper bound on 1/c′ over all x and these parameters (rows, n_params, …), its tier).

    By the design's ``slope_bounds`` (U2: exact for these parameters, widened by 1e-9); where it has
    none or they are NaN, 1/s_l of its ``slope_range`` (U1); else (None, "none").
    """
    bounds = getattr(subject.float64_reference().module, "slope_bounds", None)
    if callable(bounds):
        with torch.no_grad():
            low = [
                bounds(some.movedim(1, 0))[0].double().min().item()
                for cond in parameters
                for some in cond.split(1024)
            ]
        if not math.isnan(sum(low)):
            return _reciprocal(min(low)) * (1 + 1e-9), "U2"
    slope_range = subject.declared.get("slope_range")
    return (None, "none") if slope_range is None else (_reciprocal(slope_range[0]), "U1")


def _reciprocal(slope: float) -> float:
    return 1 / slope if slope > 0 else math.inf


def _of_layer(subject: Subject) -> dict[str, Any]:
    reference = subject.float64_reference()
    x, cond = LawCase.of(
        InputRecipe("normal", 0, "normal", 0, LAYER_ROWS, seed=1), subject
    ).float64_inputs(False)
    with torch.no_grad():
        z, _ = reference.forward(x, cond)
    witness = largest_jacobian_norm(lambda v: reference.inverse(v, cond)[0], z, PRODUCTS, cond=cond)
    finite = witness.value.isfinite()
    if not finite.any():
        return {"sensitivity_reason": "the inverse is not finite at any of the points"}
    kappa = witness.value * z.flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    bounds: dict[str, Any] = {
        "inv_lipschitz_lower": witness.value[finite].max().item(),
        "inv_lipschitz_lower_tier": "L0",
        "kappa_lower": kappa[finite].max().item(),
        "kappa_lower_tier": "L0",
    }
    box = None if cond is None else Interval(cond, cond)
    above = certify_layer(reference.module, Interval(x, x), box, name=subject.name)
    if math.isnan(above.inverse):
        return bounds | {"inv_lipschitz_upper_tier": "none", "sensitivity_reason": above.reason}
    return bounds | {"inv_lipschitz_upper": above.inverse, "inv_lipschitz_upper_tier": above.tier}
