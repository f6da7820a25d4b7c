"""The columns of the exported tables (design.md, contracts)."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["COLUMNS", "COMMON", "DIGITS", "SCREEN", "absent", "shown"]

COMMON = (
    "entry track case cases n photographs seeds status inf_pct inf_lo inf_hi error_pct "
    "error_lo error_hi max_abs_log10 "
    "critical_radius kappa_lower inv_lipschitz_lower inv_lipschitz_upper rank_lo rank_hi tier "
    "tier_given rank_of"
).split()

COLUMNS: dict[str, list[str]] = {
    "coupling": COMMON
    + (
        "sound slope_lo slope_hi displacement tail_slopes_equal backward_error_u forward_ns "
        "inverse_ns train_ns"
    ).split(),
    "toy2d": COMMON + "nll outside_pct variance_ratio".split(),
    "sr": COMMON + "critical_radius_typical lr_psnr_min lr_psnr_std psnr ssim lpips".split(),
    "lowlight": COMMON + "critical_radius_typical psnr ssim lpips psnr_rescaled".split(),
    "unconditional": COMMON + "gain_log10 round_trip nll".split(),
}

# what a person sees first; the exports have every column
SCREEN: dict[str, list[str]] = {
    "coupling": (
        "entry status sound slope_lo slope_hi displacement tail_slopes_equal kappa_lower "
        "inv_lipschitz_lower "
        "inv_lipschitz_upper backward_error_u forward_ns inverse_ns train_ns"
    ).split(),
    "toy2d": (
        "entry case cases n seeds status inf_pct error_pct error_lo error_hi max_abs_log10 "
        "critical_radius nll "
        "outside_pct "
        "variance_ratio tier tier_given"
    ).split(),
    "sr": (
        "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
        "max_abs_log10 critical_radius "
        "critical_radius_typical inv_lipschitz_lower lr_psnr_min lr_psnr_std psnr ssim tier "
        "tier_given"
    ).split(),
    "lowlight": (
        "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
        "max_abs_log10 critical_radius psnr psnr_rescaled "
        "ssim tier tier_given"
    ).split(),
    "unconditional": (
        "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
        "max_abs_log10 gain_log10 round_trip nll tier "
        "tier_given"
    ).split(),
}

# decimals shown; other numbers get four significant digits
DIGITS: dict[str, int] = {
    **dict.fromkeys(
        (
            "inf_pct inf_lo inf_hi error_pct error_lo error_hi outside_pct backward_error_u "
            "forward_ns inverse_ns "
            "train_ns"
        ).split(),
        1,
    ),
    **dict.fromkeys(
        (
            "max_abs_log10 gain_log10 critical_radius critical_radius_typical lr_psnr_min psnr "
            "psnr_rescaled variance_ratio"
        ).split(),
        2,
    ),
    **dict.fromkeys("lr_psnr_std ssim nll".split(), 3),
}


def absent(value: Any) -> bool:
    """Nothing was measured."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: Any, column: str) -> str:
    """A value as a person reads it."""
    if absent(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if column in DIGITS:
        return f"{value:.{DIGITS[column]}f}"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"
