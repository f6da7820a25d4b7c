"""The names by which methods, flags and arguments of other people's layers are known."""

from __future__ import annotations

from typing import Any

__all__ = ["CONDITIONS", "COUNTS", "FLAGS", "OPPOSITES", "PAIRS"]

# methods of data → noise and noise → data, the likeliest first
PAIRS = (
    ("forward", "inverse"),
    ("encode", "decode"),
    ("normalize", "sample"),
    ("normalise", "sample"),
    ("normalize", "denormalize"),
    ("normalize", "generate"),
    ("transform_to_noise", "transform_from_noise"),
    ("to_noise", "to_data"),
    ("to_latent", "from_latent"),
    ("f", "g"),
    ("forward_transform", "inverse_transform"),
    ("fwd", "inv"),
    ("fwd", "bwd"),
    ("call", "inverse"),
    ("forward", "backward"),
    ("forward", "reverse"),
    ("forward", "invert"),
    ("forward", "inv"),
    ("forward", "decode"),
    ("forward", "sample"),
    ("forward", "generate"),
)
# flag → its values (data → noise, noise → data)
FLAGS: dict[str, tuple[Any, Any]] = {
    "reverse": (False, True),
    "rev": (False, True),
    "inverse": (False, True),
    "invert": (False, True),
    "inv": (False, True),
    "backward": (False, True),
    "backwards": (False, True),
    "sampling": (False, True),
    "generate": (False, True),
    "forward": (True, False),
    "direct": (True, False),
    "mode": ("direct", "inverse"),
    "direction": ("forward", "inverse"),
}
OPPOSITES = ("inverse", "reverse", "backward", "decode", "sample")  # of a mode that is a word
CONDITIONS = (
    "context cond condition conditions c conditional conditioning cond_inputs cond_input "
    "y h g label labels "
    "conditional_input embedding emb ctx features".split()
)
COUNTS = set(
    (
        "n num n_samples num_samples nsamples samples sample_shape sample_size batch_size "
        "size shape temp"
    ).split()
)
