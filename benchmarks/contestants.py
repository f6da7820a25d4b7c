"""Who is timed: invbench's couplings, eager and compiled, and the elementwise functions of other
libraries."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.couplings.iterated import Iterated
from invbench.registry import COUPLINGS

BINS = 8
Map = Callable[[Tensor, list[Tensor]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Contestant:
    """``forward`` and ``inverse`` take x of shape (N,) and the parameters, one tensor per name in
    ``layout`` (N, width)."""

    library: str
    coupling: str
    mode: str
    forward: Map
    inverse: Map
    layout: tuple[int, ...]
    leading: bool = False  # invbench: one tensor with the parameters in front
    parts: tuple[str, ...] = ("forward", "inverse", "train")

    def parameters(self, n: int) -> list[Tensor]:
        if self.leading:
            return [torch.randn(self.layout[0], n)]
        return [torch.randn(n, width) for width in self.layout]


def ours(names: list[str]) -> list[Contestant]:
    found = []
    for name in names:
        design = COUPLINGS[name].obj()
        for mode, module in (
            ("eager", design),
            ("compiled", None if compiler_missing() else compile_couplings(design)),
        ):
            if module is not None:
                maps = (
                    lambda x, p, m=module: m(x, p[0]),
                    lambda y, p, m=module: m.inverse(y, p[0]),
                )
                # an iterated inverse is eager code in both modes, unless it can be attempted
                compiles = design.closed_inverse or isinstance(design, Iterated)
                parts = (
                    ("forward", "inverse", "train")
                    if mode == "eager" or compiles
                    else ("forward", "train")
                )
                found.append(
                    Contestant("invbench", name, mode, *maps, (design.n_params,), True, parts)
                )
    return found


def _functional(
    module: str, name: str, widths: tuple[int, ...], label: str, library: str
) -> Contestant:
    """nflows and normflows: function(inputs, *parameters, inverse=…) on the box (−3, 3)."""
    function = getattr(importlib.import_module(module), name)

    def run(x: Tensor, params: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        return function(x, *params, inverse=inverse, tail_bound=3.0)

    return Contestant(
        library, label, "eager", lambda x, p: run(x, p, False), lambda x, p: run(x, p, True), widths
    )


def _nflows() -> list[Contestant]:
    where = "nflows.transforms.splines"
    k = BINS
    return [
        _functional(
            f"{where}.rational_quadratic",
            "unconstrained_rational_quadratic_spline",
            (k, k, k - 1),
            "rq",
            "nflows",
        ),
        _functional(
            f"{where}.quadratic",
            "unconstrained_quadratic_spline",
            (k, k - 1),
            "quadratic-spline",
            "nflows",
        ),
        _functional(
            f"{where}.cubic", "unconstrained_cubic_spline", (k, k, 1, 1), "cubic-spline", "nflows"
        ),
    ]


def _normflows() -> list[Contestant]:
    layout = (BINS, BINS, BINS - 1)
    return [
        _functional(
            "normflows.utils.splines",
            "unconstrained_rational_quadratic_spline",
            layout,
            "rq",
            "normflows",
        )
    ]


def _transform(
    label: str, make: Callable[[list[Tensor]], Any], layout: tuple[int, ...]
) -> Contestant:
    """zuko: a transform built from the parameters."""

    def inverse(y: Tensor, params: list[Tensor]) -> tuple[Tensor, Tensor]:
        x, log_slope = make(params).inv.call_and_ladj(y)
        return x, log_slope

    return Contestant(
        "zuko", label, "eager", lambda x, p: make(p).call_and_ladj(x), inverse, layout
    )


def _zuko() -> list[Contestant]:
    transforms = importlib.import_module("zuko.transforms")
    return [
        _transform(
            "rq", lambda p: transforms.MonotonicRQSTransform(*p, bound=3.0), (BINS, BINS, BINS - 1)
        ),
        _transform(
            "affine-softclip",
            lambda p: transforms.MonotonicAffineTransform(p[0][:, 0], p[1][:, 0]),
            (1, 1),
        ),
    ]


def _pyro() -> list[Contestant]:
    spline = importlib.import_module(
        "pyro.distributions.transforms.spline"
    )._monotonic_rational_spline

    def run(x: Tensor, p: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        w, h, d = p[0].softmax(-1), p[1].softmax(-1), torch.nn.functional.softplus(p[2])
        rest = torch.sigmoid(p[3]) if len(p) > 3 else None
        return spline(x, w, h, d, rest, inverse=inverse, bound=3.0)

    layouts = {"rq": (BINS, BINS, BINS - 1), "linear-rational": (BINS, BINS, BINS - 1, BINS)}
    return [
        Contestant(
            "pyro",
            label,
            "eager",
            lambda x, p: run(x, p, False),
            lambda y, p: run(y, p, True),
            layout,
        )
        for label, layout in layouts.items()
    ]


def _freia() -> list[Contestant]:
    """FrEIA has its affine map inside a block; the block's network is replaced by the
    parameters."""
    block = importlib.import_module("FrEIA.modules.coupling_layers").GLOWCouplingBlock(
        [(2,)], subnet_constructor=lambda n_in, n_out: torch.nn.Identity()
    )

    def run(x: Tensor, params: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = block._coupling1(x[:, None], params[0], rev=inverse)
        return value[:, 0], log_slope

    return [
        Contestant(
            "FrEIA",
            "affine-atan",
            "eager",
            lambda x, p: run(x, p, False),
            lambda y, p: run(y, p, True),
            (2,),
        )
    ]


LIBRARIES = {
    "nflows": _nflows,
    "normflows": _normflows,
    "zuko": _zuko,
    "pyro": _pyro,
    "FrEIA": _freia,
}


def outside() -> tuple[list[Contestant], list[str]]:
    """The contestants of the libraries that are installed, and a line for each one that is not."""
    found, missing = [], []
    for name, make in LIBRARIES.items():
        try:
            found += make()
        except ImportError as error:
            missing.append(f"{name} is not timed: {error} (pip install '.[libraries]')")
    return found, missing


def calls(contestant: Contestant, n: int) -> dict[str, Callable[[], None]]:
    """The three calls that are timed, on N(0, 1/4) inputs and N(0, 1) parameters."""
    x, params = 0.5 * torch.randn(n), contestant.parameters(n)

    def forward() -> None:
        with torch.no_grad():
            contestant.forward(x, params)

    def inverse() -> None:
        with torch.no_grad():
            contestant.inverse(x, params)

    def train() -> None:
        leaves = [v.clone().requires_grad_() for v in (x, *params)]
        y, log_slope = contestant.forward(leaves[0], leaves[1:])
        (y.sum() + log_slope.sum()).backward()

    assert math.isfinite(contestant.forward(x, params)[0].detach().sum().item())
    return {"forward": forward, "inverse": inverse, "train": train}
