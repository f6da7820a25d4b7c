"""A corpus for judging the judge: sound layers of kinds that users have, and reported faults.

``SOUND`` and ``FAULTS`` name the cases, ``target`` loads one. The files beside this one hold them,
each a file that a user could pass to ``invbench check``.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from invbench.targets import Target, resolve
from tests.support.corpus.reports import FAULTS, NO_REPORT, Fault

__all__ = ["FAULTS", "NO_REPORT", "SOUND", "Fault", "target"]

# kind -> names
_KINDS = {
    "NICE chain": "c-nice-2 c-nice-4 c-nice-8",
    "RealNVP chain": "c-realnvp-1 c-realnvp-2 c-realnvp-4 c-realnvp-8 c-realnvp-masked-4",
    "Glow chain": "c-glow-2 c-glow-4 c-glow-8",
    "RevNet": "c-revnet-1 c-revnet-4 c-no-log-det",
    "MAF": "c-maf c-maf-permuted c-maf-2-undeclared c-maf-4-undeclared c-maf-8-undeclared",
    "IAF": "c-iaf-undeclared c-iaf-2",
    "conditional MADE": "c-maf-conditional c-maf-conditional-2-undeclared",
    "conditional MADE of one element": "c-maf-one-element-undeclared",
    "sigmoid and logit": "c-sigmoid c-sigmoid-undeclared c-logit c-logit-undeclared",
    "tanh and atanh": "c-tanh c-tanh-undeclared c-atanh",
    "exp and log": "c-exp c-exp-undeclared c-log-undeclared",
    "softplus": "c-softplus c-softplus-inverse-undeclared",
    "power": "c-power c-signed-power-undeclared",
    "leaky ReLU": "c-leaky-relu-undeclared",
    "planar": "c-leaky-planar-undeclared",
    "CDF": "c-normal-cdf c-cauchy-cdf",
    "other elementwise": "c-sinh-arcsinh-undeclared c-softsign-undeclared c-signed-log-undeclared",
    "linear spline": "c-linear-spline-coupling c-linear-cdf c-linear-cdf-undeclared",
    "rational-quadratic spline": "c-rq-coupling c-rq-layer-undeclared c-rq-autoregressive",
    "triangular factors": "c-plu-conv c-lu c-qr",
    "orthogonal": "c-householder c-rotation-conv",
    "low rank": "c-low-rank",
    "convolution": "c-circulant-undeclared c-causal-conv",
    "permutation": "c-permutation",
    "wavelet": "c-haar c-haar-undeclared",
    "squeeze and reshape": "c-squeeze c-squeeze-undeclared c-flatten-undeclared",
    "ActNorm": "c-actnorm-trained c-actnorm-trained-image c-actnorm-fresh"
    " c-actnorm-fresh-undeclared c-actnorm-first-call-undeclared",
    "BatchNorm flow": "c-batchnorm c-batchnorm-undeclared",
    "standardisation": "c-standardise",
    "i-ResNet": "c-iresnet c-iresnet-undeclared",
    "CNF": "c-cnf c-cnf-undeclared",
    "monotone network": "c-monotone-net-undeclared c-umnn",
    "bisection and Newton": "c-bisection c-bisection-undeclared c-newton",
    "logistic mixture": "c-logistic-mixture-coupling",
    "circle": "c-circle-turn c-circle-turn-undeclared c-circle-moebius c-circle-moebius-undeclared",
    "simplex": "c-simplex c-simplex-undeclared",
    "ordered": "c-ordered c-ordered-undeclared",
    "Cholesky": "c-cholesky c-cholesky-undeclared c-correlation-cholesky",
    "bounded domain": "c-half-line c-interval c-interval-undeclared",
    "label condition": "c-label c-label-undeclared",
    "vector or time condition": "c-vector-condition-undeclared c-time",
    "noise-level condition": "c-noise-level c-noise-level-undeclared",
    "mask condition": "c-mask c-mask-undeclared",
    "image condition": "c-image-condition-undeclared",
    "LayerNorm in a conditioner": "c-layernorm-conditioner c-layernorm-conditioner-undeclared",
    "attention in a conditioner": "c-attention-conditioner-undeclared",
    "several tensors": "c-latents c-latents-undeclared c-two-tensors",
    "log-det convention": "c-one-number-log-det c-per-element-log-det",
    "direction or flag convention": "c-accumulator c-noise-to-data",
    "stochastic": "c-dequantise c-dequantise-undeclared c-augment c-augment-undeclared",
    "Transform": "c-transform-affine c-transform-sigmoid c-transform-tanh c-transform-power"
    " c-transform-log-undeclared c-transform-reshape",
    "composed Transform": "c-transform-compose c-transform-compose-undeclared c-transform-cat"
    " c-transform-independent-undeclared c-transform-stack-undeclared",
    "Transform with a network": "c-transform-network-undeclared c-transform-module"
    " c-transform-network-compose-undeclared",
    "ill-conditioned": "c-pascal c-unit-triangular c-scales-mixed",
    "extreme scale or shift": "c-scales-2^-20 c-scales-2^16 c-shift-1e6",
    "kinks, steep and flat": "c-steep-middle-undeclared c-flat-middle-undeclared",
    "identity": "c-identity",
}
SOUND: dict[str, str] = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_TWINS = re.compile(r'twins\(\s*"([^"]+)"')
_NAMED = re.compile(r'(?:layer|coupling)\(\s*"(c-[^"]+)"')


@functools.cache
def _files() -> dict[str, Path]:
    """Name of a case -> the file that registers it."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*_*.py")):
        text = path.read_text(encoding="utf-8")
        names = [f"c-{key}-{end}" for key in _TWINS.findall(text) for end in ("faulty", "fixed")]
        found.update(dict.fromkeys([*names, *_NAMED.findall(text)], path))
    return found


def target(name: str) -> Target:
    """The case of this name, from its file. Raises ``KeyError`` for a name that no file has."""
    return resolve(f"{_files()[name]}:{name}", ("coupling", "layer"))
