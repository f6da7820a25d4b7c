"""A case as a picture: the condition, what was changed, the output, where it is large, and which
layer makes it so."""

from __future__ import annotations

import io
import math

import torch
from torch import Tensor

from invbench.attacks.judge import AttackVerdict, plain_output, power
from invbench.attacks.threat_model import Inputs
from invbench.flows import ConditionalFlow
from invbench.measures.depth import LayerRecord, depth_profile
from invbench.measures.quality import displayable

__all__ = ["case_picture"]

CEILING = 38.5  # log10 of the largest float32: an overflow is drawn there


@torch.no_grad()
def case_picture(
    flow: ConditionalFlow, found: Inputs, clean: Inputs, verdict: AttackVerdict, title: str
) -> bytes:
    """PNG of one row with five panels.

    The condition; the change of the condition or image, enlarged, or where only latents moved the
    output at the start; the output, clamped to [0, 1]; log10 of its largest channel per pixel; and
    log10 max |h| layer by layer, at the start and at the point found.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x, start = plain_output(flow, found)[0], plain_output(flow, clean)[0]
    moved = found.y - clean.y if found.x is None or clean.x is None else found.x - clean.x
    figure = Figure(figsize=(14, 3.1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 5, width_ratios=[1, 1, 1, 1.15, 1.5])
    axes[0].imshow(_picture(clean.y[0]), interpolation="nearest")
    axes[0].set_title("condition", fontsize=9)
    if bool((moved != 0).any()):
        largest = moved.abs().max().item()
        axes[1].imshow(_picture(0.5 + 0.5 * moved[0] / largest), interpolation="nearest")
        what = "condition" if found.x is None else "image"
        axes[1].set_title(f"change of the {what} ×{0.5 / largest:.0f}", fontsize=9)
    else:
        axes[1].imshow(_picture(displayable(start)), interpolation="nearest")
        axes[1].set_title("output at the start", fontsize=9)
    axes[2].imshow(_picture(displayable(x)), interpolation="nearest")
    axes[2].set_title(f"output: max |x| = {power(verdict.log10_x)}", fontsize=9)
    size = (
        x.abs()
        .double()
        .nan_to_num(math.inf, math.inf)
        .amax(0)
        .clamp(min=1e-3)
        .log10()
        .clamp(max=CEILING)
        .cpu()
    )
    shown = axes[3].imshow(size.numpy(), cmap="inferno", vmin=-1, vmax=max(1.0, size.max().item()))
    axes[3].set_title("log10 |x|", fontsize=9)
    figure.colorbar(shown, ax=axes[3], shrink=0.8)
    for panel in axes[:4]:
        panel.axis("off")
    for inputs, name, style in ((clean, "start", "C0-"), (found, "found", "C3-")):
        latents = inputs.latents if inputs.x is None else flow.encode(inputs.x, inputs.y)[0]
        axes[4].plot(*_profile(depth_profile(flow, latents, inputs.y)), style, label=name)
    axes[4].set_xlabel("layer, noise → data", fontsize=8)
    axes[4].set_title("log10 max |h| by layer", fontsize=9)
    axes[4].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80, metadata={"Software": None})
    return file.getvalue()


def _picture(image: Tensor):  # type: ignore[no-untyped-def]
    return image.detach().float().clamp(0, 1).movedim(0, -1).cpu().numpy()


def _profile(records: list[LayerRecord]) -> tuple[list[int], list[float]]:
    return list(range(len(records))), [min(r.max_abs_log10, CEILING) for r in records]
