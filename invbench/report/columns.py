"""The columns of the exported tables (design.md, contracts)."""

from __future__ import annotations

__all__ = ["COLUMNS", "COMMON", "DIGITS", "SCREEN"]

COMMON = [
    "entry",
    "track",
    "case",
    "n",
    "seeds",
    "status",
    "inf_pct",
    "inf_lo",
    "inf_hi",
    "error_pct",
    "error_lo",
    "error_hi",
    "max_abs_log10",
    "critical_radius",
    "kappa_lower",
    "inv_lipschitz_lower",
    "inv_lipschitz_upper",
    "rank_lo",
    "rank_hi",
    "tier",
]

COLUMNS: dict[str, list[str]] = {
    "coupling": COMMON
    + [
        "sound",
        "slope_lo",
        "slope_hi",
        "displacement",
        "tail_slopes_equal",
        "backward_error_u",
        "forward_ns",
        "inverse_ns",
        "train_ns",
    ],
    "toy2d": COMMON + ["nll", "outside_pct", "variance_ratio"],
    "sr": COMMON + ["lr_psnr_min", "lr_psnr_std", "psnr", "ssim", "lpips"],
}

# what a person sees first; the exports have every column
SCREEN: dict[str, list[str]] = {
    "coupling": [
        "entry",
        "status",
        "sound",
        "slope_lo",
        "slope_hi",
        "displacement",
        "tail_slopes_equal",
        "kappa_lower",
        "inv_lipschitz_lower",
        "inv_lipschitz_upper",
        "backward_error_u",
        "forward_ns",
        "inverse_ns",
        "train_ns",
    ],
    "toy2d": [
        "entry",
        "case",
        "n",
        "seeds",
        "status",
        "inf_pct",
        "error_pct",
        "error_lo",
        "error_hi",
        "max_abs_log10",
        "nll",
        "outside_pct",
        "variance_ratio",
        "tier",
    ],
    "sr": [
        "entry",
        "case",
        "n",
        "status",
        "inf_pct",
        "error_pct",
        "error_lo",
        "error_hi",
        "max_abs_log10",
        "lr_psnr_min",
        "lr_psnr_std",
        "psnr",
        "ssim",
        "tier",
    ],
}

# decimals shown; other numbers get four significant digits
DIGITS: dict[str, int] = {
    "inf_pct": 1,
    "inf_lo": 1,
    "inf_hi": 1,
    "error_pct": 1,
    "error_lo": 1,
    "error_hi": 1,
    "max_abs_log10": 2,
    "lr_psnr_min": 2,
    "lr_psnr_std": 3,
    "psnr": 2,
    "ssim": 3,
    "nll": 3,
    "outside_pct": 1,
    "variance_ratio": 2,
    "backward_error_u": 1,
    "forward_ns": 1,
    "inverse_ns": 1,
    "train_ns": 1,
}
