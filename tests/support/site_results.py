"""A small results folder with everything that a page must cope with, made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

from invbench.attacks.case import FORMAT, KIND
from invbench.store.cell import Cell
from invbench.store.store import Store
from tests.support.specs import spec_named, under_todays_protocol

HOSTILE = "<img src=x onerror=alert(1)>"
REASON = "</script><script>alert(2)</script> & 'more' \u2028"
DESIGNS = ("additive", "affine", "modified-rq", HOSTILE)


def cell(
    track: str,
    entry: str,
    case: str,
    seed: int = 0,
    status: str = "ok",
    reason: str = "",
    settings=None,
    **measures,
) -> Cell:
    fields = {"entry_digest": f"digest of {entry}"[:20], "settings": settings or {}}
    spec = under_todays_protocol(spec_named(track, entry, case, seed=seed, **fields))
    provenance = {
        "finished": "2026-01-01T00:00:00+00:00",
        "torch": "2.13.0",
        "commit": "c0ffee",
        "seconds": 1.5,
        "origin": "my.py:3",
    }
    return Cell(
        key=spec.key,
        spec=spec,
        status=status,
        reason=reason,
        measures=measures,
        provenance=provenance,
    )


def samples(k: int, share: float, n: int = 12) -> dict:
    """Measures of n inputs of six photographs; the first ``share`` of them fails, further in every
    worse design k."""
    errors = [int(i < share * n) for i in range(n)]
    sizes = [0.1 + 3.0 * k * e for e in errors]
    return {
        "names": [f"photo{i // 2}/{i % 2}" for i in range(n)],
        "inf": [0] * n,
        "error": errors,
        "max_abs_log10": sizes,
        "psnr": [25.0 + k] * n,
        "ssim": [0.8] * n,
        "lr_psnr_min": [40.0] * n,
        "lr_psnr_std": [0.5] * n,
    }


def fill(results: Path) -> Path:
    """Cells of three tracks, one design with a hostile name, one failed cell, an attack ladder,
    radii and a picture."""
    store = Store(results)
    for k, design in enumerate(DESIGNS):
        cells = [cell("sr", design, "embedded/clean", **samples(k, 0.0))]
        cells += [
            cell("sr", design, f"embedded/noise-{s}", **samples(k, k * s / 20)) for s in range(1, 6)
        ]
        cells += [
            cell("sr", design, f"embedded/jpeg-{s}", **samples(k, k * s / 30)) for s in range(1, 6)
        ]
        cells.append(
            cell(
                "sr",
                design,
                "embedded/clean#stretch",
                inv_lipschitz=[1.0 + k, 2.0],
                kappa=[1.0, 3.0 + k],
            )
        )
        radii = ["Infinity"] * 3 if k == 0 else [0.5 * k, 1.0, "Infinity"]
        cells.append(
            cell("sr", design, "embedded/clean#radius", radius_F1=["Infinity"] * 3, radius_F2=radii)
        )
        for eps in (1, 4, 8):
            rates = {"rate": [0.1 * k, 0.2], "clean_rate": [0.0, 0.1]}
            found = {name: values[:2] for name, values in samples(k, 0.5).items()}
            cells.append(
                cell(
                    "sr",
                    design,
                    f"embedded/attack-condition-{eps}",
                    settings={"eps_255": eps},
                    **found,
                    **rates,
                )
            )
        cells.append(
            cell(
                "coupling",
                design,
                "slopes",
                slope_lo=0.1,
                displacement="Infinity" if k == 1 else float(k),
                inv_lipschitz_lower=10.0**k,
                inv_lipschitz_upper="Infinity" if k == 3 else 2 * 10.0**k,
                inv_lipschitz_upper_tier="U2",
            )
        )
        cells.append(
            cell(
                "coupling",
                design,
                "soundness",
                reason=REASON if k == 3 else "",
                sound=k < 3,
                findings=[REASON] if k else [],
            )
        )
        for seed in range(2):
            toy = {
                "inf": [0] * 4,
                "error": [0, 0, 0, int(k > 1)],
                "max_abs_log10": [0.1] * 4,
                "nll": 0.5 + k,
            }
            cells += [
                cell("toy2d", design, case, seed, **toy)
                for case in ("in", "shift-0.8", "shift-1.6")
            ]
            bound = "Infinity" if k == 1 else 10.0 ** (1 + k)
            cells.append(cell("toy2d", design, "certificate", seed, max_abs=bound))
        for one in cells:
            store.write(one)
    store.write(
        cell(
            "sr",
            "affine",
            "embedded/stripes-1",
            status="error",
            reason="RuntimeError: out of paper",
        )
    )
    picture(results / "counterexamples" / "srflow-affine-latent-1", "affine")
    return results


def picture(folder: Path, coupling: str) -> None:
    from PIL import Image

    record = {
        "kind": KIND,
        "format": FORMAT,
        "flow": "srflow",
        "coupling": coupling,
        "coupling_digest": "d",
        "size": "mini",
        "seed": 0,
        "weights_digest": "w",
        "attack": "latent",
        "eps": 0.0,
        "temperature": 0.9,
        "scale": 4,
        "source": "embedded/photo",
        "dtype": "float32",
        "device": "cpu",
        "levels": {"F1": True, "F2": True, "F3": True, "F4": False},
        "log10_x": "Infinity",
        "round_trip": "Infinity",
        "lr_psnr": "NaN",
        "environment": {},
    }
    folder.mkdir(parents=True)
    (folder / "case.json").write_text(json.dumps(record))
    file = io.BytesIO()
    Image.linear_gradient("L").resize((1120, 248)).save(file, format="PNG")
    (folder / "sheet.png").write_bytes(file.getvalue())
