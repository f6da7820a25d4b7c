"""The tracks, by name."""

from invbench.bench.track import Track
from invbench.bench.tracks.coupling import COUPLING
from invbench.bench.tracks.lowlight import LOWLIGHT
from invbench.bench.tracks.sr import SR
from invbench.bench.tracks.toy2d import TOY2D

__all__ = ["TRACKS"]

TRACKS: dict[str, Track] = {track.name: track for track in (COUPLING, TOY2D, SR, LOWLIGHT)}
