"""Do the latents that the typical search keeps look like draws? Their values against the draw that
they started from, their Kolmogorov–Smirnov distance, and the share of 2 000 new draws whose
covariances are as unusual."""

import json

import numpy as np
from flow_again import COUPLINGS, FlowAgain, draw
from published import RESULTS, Answer, cell, report
from safetensors.torch import load_file
from scipy.stats import kstest

DRAWS, LEVEL = 2000, 0.01
BOX = 4.0  # τ: a value of a draw beyond it is brought there before the search starts
LAGS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1))  # (down, right)


def covariances(parts: list[np.ndarray]) -> list[float]:
    """Of (channels, h, w) each: largest and root mean square entry of Σ u_p u_{p+lag}ᵀ/√n."""
    found = []
    for u in parts:
        height, width = u.shape[1:]
        for down, right in LAGS:
            a = u[:, : height - down, max(-right, 0) : width - max(right, 0)].reshape(len(u), -1)
            b = u[:, down:, max(right, 0) : width - max(-right, 0)].reshape(len(u), -1)
            c = np.einsum("ip,jp->ij", a, b) / np.sqrt(a.shape[1])
            entries = c[~np.eye(len(u), dtype=bool)] if (down, right) == (0, 0) else c.ravel()
            found += [np.abs(entries).max(), np.sqrt(np.square(entries).mean())]
    return found


def answers() -> list[Answer]:
    found, simulated = [], None
    for folder in sorted((RESULTS / "counterexamples").iterdir()):
        case = json.loads((folder / "case.json").read_text())
        design, dataset, name = case["coupling"], *case.get("source", "/").split("/", 1)
        if case.get("attack") != "latent-typical" or design not in COUPLINGS:
            continue
        told, tensors = (
            cell("sr", design, f"{dataset}/attack-latent-typical"),
            load_file(folder / "tensors.safetensors"),
        )
        index, tau = told["measures"]["names"].index(name), case["temperature"]
        latents = [
            tensors[key].double().numpy()[0] / tau
            for key in sorted(tensors)
            if key.startswith("latent")
        ]
        started = draw(
            FlowAgain(case["flow"], design, case["seed"]),
            1,
            64,
            64,
            tau,
            case["seed"] * 1_000_003 + index,
        )
        ordered = [np.sort(u.reshape(len(u), -1), 1) for u in latents]
        drawn = [
            np.sort(z[0].numpy().reshape(len(z[0]), -1) / tau, 1).clip(-BOX, BOX) for z in started
        ]
        apart = max(float(np.abs(o - d).max()) for o, d in zip(ordered, drawn, strict=True))
        where = f"results/counterexamples/{folder.name}"
        found.append(
            Answer(
                f"{design}: values of each channel less those of its draw", where, 0.0, apart, 1e-6
            )
        )
        distance = kstest(np.concatenate([u.ravel() for u in latents]), "norm").statistic
        found.append(
            Answer(
                f"{design}: KS distance",
                told["path"],
                float(told["measures"]["ks"][index]),
                distance,
                1e-6,
            )
        )
        if simulated is None:
            rng = np.random.default_rng(1)
            shapes = [u.shape for u in latents]
            simulated = np.array(
                [covariances([rng.standard_normal(s) for s in shapes]) for _ in range(DRAWS)]
            )
        mean, spread = simulated.mean(0), simulated.std(0)
        worst = ((np.array(covariances(latents)) - mean) / spread).max()
        share = float((((simulated - mean) / spread).max(1) >= worst).mean())
        what = f"{design}: share of draws with covariances as unusual, at most {LEVEL} shown"
        found.append(
            Answer(what, where, LEVEL, min(share, LEVEL), 0.007, f"{DRAWS} draws of numpy")
        )
    return found


if __name__ == "__main__":
    report(answers)
