"""What the stored latents decode to: log10 of the largest |x| of every find of the latent search
that is kept for a design that is known here."""

import json
import math

import torch
from flow_again import COUPLINGS, FlowAgain
from published import RESULTS, Answer, number, report
from safetensors.torch import load_file

# decades, a value of 10^2 to 10^5 in float32 behind a chain that stretches by as much
ROUNDING = 0.02


def answers() -> list[Answer]:
    found = []
    for folder in sorted((RESULTS / "counterexamples").iterdir()):
        case = json.loads((folder / "case.json").read_text())
        if (
            case.get("attack") not in ("latent", "latent-typical")
            or case["coupling"] not in COUPLINGS
        ):
            continue
        tensors = load_file(folder / "tensors.safetensors")
        latents = [tensors[name].float() for name in sorted(tensors) if name.startswith("latent")]
        with torch.no_grad():
            x = FlowAgain(case["flow"], case["coupling"], case["seed"]).decode(
                latents, tensors["y"].float()
            )
        largest = x.abs().max().item() if x.isfinite().all() else math.inf
        what = f"{case['attack']} find of {case['coupling']}, log10 max abs(x)"
        where = f"results/counterexamples/{folder.name}"
        found.append(
            Answer(
                what,
                where,
                number(case["log10_x"]),
                math.log10(largest),
                ROUNDING,
                "the stored latent decoded",
            )
        )
    return found


if __name__ == "__main__":
    report(answers)
