"""What the cells of several tracks are called, and the data sets of photographs."""

from __future__ import annotations

from invbench.data.folders import LAYOUTS, find_images
from invbench.tracks.track import Data

__all__ = [
    "CERTIFICATE",
    "COST",
    "FAULTY",
    "LPIPS",
    "MEAN",
    "PHOTOGRAPHS",
    "RADII",
    "RADIUS",
    "STRETCH",
]

# measures of a cell: the critical radius, the stretch of a condition, a decode of the mean latent,
# and the certificate of a flow, which is of no condition
RADIUS, STRETCH, MEAN, CERTIFICATE = "radius", "stretch", "mean", "certificate"
# the perceptual distance of the samples, where INVBENCH_LPIPS names its weights
LPIPS = "lpips"
# conditions that are broken, and the seconds of a decode
FAULTY, COST = "faulty", "cost"
# column of the critical radius -> its measure in such a cell
RADII = {"critical_radius": "radius_F2", "critical_radius_typical": "radius_typical_F2"}


def _check_photographs(name: str) -> None:
    if name != "embedded":
        find_images(name)


PHOTOGRAPHS = Data(lambda name: name == "embedded" or name in LAYOUTS, _check_photographs)
