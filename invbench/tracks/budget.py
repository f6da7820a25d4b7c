"""How much to measure: three fixed budgets, no tuning per model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGETS", "Budget"]


@dataclass(frozen=True)
class Budget:
    """``check``: sweep of the coupling track; ``compiled``: whether its speeds are of compiled
    kernels. ``toy_seeds``: seeds of the toy. The rest is the SR track: crops per photograph, most
    inputs of a case, severities, and families (none means all); ``changed``: most inputs of the
    embedded photographs under a changed condition, their first crops, since what tells designs
    apart is the number of photographs; ``attack``: the attacks' own budget, ``attacks``: their
    names (none means all), ``attacked``: inputs of each; ``stretched``: whether sensitivity is
    measured under changed conditions too."""

    check: str
    toy_seeds: int
    crops: int
    limit: int | None
    changed: int | None
    severities: tuple[int, ...]
    families: tuple[str, ...]
    attack: str
    attacks: tuple[str, ...]
    attacked: int
    compiled: bool = True
    stretched: bool = True


BUDGETS = {
    "smoke": Budget(
        "smoke",
        1,
        1,
        12,
        12,
        (3,),
        ("noise", "binarise"),
        "smoke",
        ("latent",),
        2,
        compiled=False,
        stretched=False,
    ),
    "default": Budget("default", 10, 2, None, 12, (1, 2, 3, 4, 5), (), "default", (), 12),
    "full": Budget("deep", 20, 4, None, None, (1, 2, 3, 4, 5), (), "full", (), 24),
}
