"""The tracks of the leaderboard, one per file. Importing this package registers them."""

from invbench.tracks import (  # noqa: F401  each file registers its track, in this order
    coupling,
    cures,
    lowlight,
    self_test,
    sr,
    toy2d,
    unconditional,
)
from invbench.tracks.track import TRACKS, Track, register, track_named

__all__ = ["TRACKS", "Track", "register", "track_named"]
