"""AUC of the OOD score for failing, `affine` on clean photographs: the score is the Mahalanobis
distance of g_θ(y) from the first 1 024 training patches (paper, eq. 10, 11), of the whole map
(flat) and of its mean over positions (mean)."""

import numpy as np
import torch
from flow_again import FlowAgain, draw
from photographs import as_tensor, bicubic, eight_bits, files, pair
from PIL import Image
from published import Answer, number, report, row, rows

DESIGN, CROP, CROPS, STEPS, BATCH = "affine", 64, 3, 128, 8


def training_patches() -> torch.Tensor:
    """Low-resolution patches of the steps 0 … 127: photograph, place, turns and mirror from
    Philox(key = [seed, step])."""
    lows, drawn = [], []
    for path in files("T91"):
        high = as_tensor(np.asarray(Image.open(path).convert("RGB")))
        height, width = (side - side % 8 for side in high.shape[1:])
        top, left = (high.shape[1] - height) // 2, (high.shape[2] - width) // 2
        if min(high.shape[1:]) >= CROP:
            lows.append(eight_bits(bicubic(high[:, top : top + height, left : left + width], 0.25)))
    for step in range(STEPS):
        rng = np.random.Generator(np.random.Philox(key=[0, step]))
        for _ in range(BATCH):
            low = lows[rng.integers(len(lows))]
            top, left = (int(rng.integers(side - 15)) for side in low.shape[1:])
            y = torch.rot90(low[:, top : top + 16, left : left + 16], int(rng.integers(4)), (1, 2))
            drawn.append(y.flip(2) if rng.integers(2) else y)
    return torch.stack(drawn)


def distances(known: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Mahalanobis, Σ shrunk as Ledoit and Wolf (2004, lemma 3.1 to 3.3): by the singular values of
    the centred vectors, n of them of length d."""
    (n, d), mean = known.shape, known.mean(0)
    centred = known - mean
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    variances = sizes**2 / n
    mu = variances.sum() / d
    spread = (variances**2).sum() / d - mu**2  # δ² = ‖S − μI‖²/d
    # β̄² = Σ‖u uᵀ − S‖²/(n² d)
    noise = ((np.square(centred).sum(1) ** 2).sum() / n - (variances**2).sum()) / (n * d)
    rho = min(noise, spread) / spread
    along = (new - mean) @ axes.T
    within = (along**2 / ((1 - rho) * variances + rho * mu)).sum(1)
    beside = np.square(new - mean).sum(1) - (along**2).sum(1)
    return np.sqrt(within + beside.clip(0) / (rho * mu))


def answers() -> list[Answer]:
    told = [
        r for r in rows("ood_score/inputs.csv") if r["design"] == DESIGN and r["family"] == "clean"
    ]
    flow, wide = FlowAgain("srflow", DESIGN), FlowAgain("srflow", DESIGN, dtype=torch.float64)
    conditions, errors = [], []
    for one in told:
        photographs = len({r["photograph"] for r in told if r["dataset"] == one["dataset"]})
        name = one["photograph"].partition("/")[2]
        y = pair(one["dataset"], f"{name}/{int(one['latents']) // photographs}", CROP, CROPS)[1]
        with torch.no_grad():
            x = flow.decode(
                draw(flow, 10, CROP, CROP, 0.9, int(one["latents"])), y.expand(10, -1, -1, -1)
            )
        conditions.append(y)
        errors.append(not bool(((x >= -0.5) & (x <= 1.5)).all()))
    failed, found = np.array(errors), []
    known, new = (
        wide.features(training_patches().double()),
        wide.features(torch.cat(conditions).double()),
    )
    for score, pooled in (("flat", lambda g: g.flatten(1)), ("mean", lambda g: g.mean((2, 3)))):
        s = distances(pooled(known).numpy(), pooled(new).numpy())
        above = np.sign(s[failed][:, None] - s[~failed][None])
        published = row(
            "ood_score/predictors.csv", design=DESIGN, inputs="clean", score=score, outcome="error"
        )
        where = "results/ood_score/predictors.csv"
        found.append(
            Answer(
                f"AUC, clean, {score}",
                where,
                number(published["auc"]),
                ((above + 1) / 2).mean(),
                1e-4,
            )
        )
    return found


if __name__ == "__main__":
    report(answers)
