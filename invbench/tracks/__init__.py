"""The tracks, by name; ``track_named`` also finds the one that no leaderboard has."""

from invbench.tracks.coupling import COUPLING
from invbench.tracks.lowlight import LOWLIGHT
from invbench.tracks.self_test import SELF_TEST
from invbench.tracks.sr import SR
from invbench.tracks.toy2d import TOY2D
from invbench.tracks.track import Track
from invbench.tracks.unconditional import UNCONDITIONAL

__all__ = ["TRACKS", "track_named"]

TRACKS: dict[str, Track] = {
    track.name: track for track in (COUPLING, TOY2D, SR, LOWLIGHT, UNCONDITIONAL)
}


def track_named(name: str) -> Track:
    return SELF_TEST if name == SELF_TEST.name else TRACKS[name]
