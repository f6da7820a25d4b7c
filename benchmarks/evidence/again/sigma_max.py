"""The largest singular value of the decoder's Jacobian ∂x/∂z at a drawn latent, `affine` on
embedded photographs, by ARPACK in float64."""

import numpy as np
import torch
from flow_again import FlowAgain, draw
from photographs import pair
from published import Answer, cell, number, report
from scipy.sparse.linalg import LinearOperator, svds

DESIGN, CASE = "affine", "embedded/clean#stretch"
# relative: the published value is a lower bound from 30 products, meant to be right to 1 %
ROUNDING = 0.01


def answers() -> list[Answer]:
    told = cell("sr", DESIGN, CASE)
    settings, names = told["spec"]["settings"], told["measures"]["names"]
    size, flow, found = settings["crop"], FlowAgain("srflow", DESIGN, dtype=torch.float64), []
    for index, name in enumerate(names):
        y = pair("embedded", name, size, settings["crops_per_image"])[1].double()
        latents = draw(flow, 1, size, size, settings["temperature"], index)
        z, shapes = (
            torch.cat([part.flatten() for part in latents]),
            [part.shape for part in latents],
        )

        def decode(
            z: torch.Tensor, y: torch.Tensor = y, shapes: list[torch.Size] = shapes
        ) -> torch.Tensor:
            parts = z.split([shape.numel() for shape in shapes])
            return flow.decode(
                [part.view(shape) for part, shape in zip(parts, shapes, strict=True)], y
            ).flatten()

        pull = torch.func.vjp(decode, z)[1]

        def times(v: np.ndarray, z: torch.Tensor = z) -> np.ndarray:
            return torch.func.jvp(decode, (z,), (torch.from_numpy(v.ravel().copy()),))[1].numpy()

        def transposed(u: np.ndarray, pull=pull) -> np.ndarray:  # type: ignore[no-untyped-def]
            return pull(torch.from_numpy(u.ravel().copy()))[0].numpy()

        jacobian = LinearOperator((len(z), len(z)), times, transposed, dtype=np.float64)
        start = np.random.default_rng(0).standard_normal(len(z))
        largest = float(svds(jacobian, 1, v0=start, tol=1e-4, return_singular_vectors=False)[0])
        published = number(told["measures"]["inv_lipschitz"][index])
        found.append(
            Answer(
                f"σmax of the decoder, {name}",
                told["path"],
                published,
                largest,
                ROUNDING * largest,
                "ARPACK",
            )
        )
    return found


if __name__ == "__main__":
    report(answers)
