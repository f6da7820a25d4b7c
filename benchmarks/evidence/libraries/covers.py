"""Which verdicts of invbench a case explains: targets, kind of verdict, laws. A verdict without one
accuses nobody.

(library, case) → lines of "target patterns | kind | law patterns"; a case that is not here explains
none.
"""

from __future__ import annotations

__all__ = ["COVERS"]

VALUES = "round-trip-x round-trip-z accuracy"
LOST = f"{VALUES} finite inverse-log-det log-det-accuracy gradients-finite"
EMPTY = "crash | empty-batch empty-batch-supported"

COVERS: dict[tuple[str, str], str] = {
    ("nflows", "rq-assertion"): f"nflows/rq* | crash | {LOST} monotone density extreme-conditions",
    ("nflows", "rq-digits"): f"nflows/rq* | defect | {VALUES}",
    ("nflows", "quadratic-nan"): f"nflows/quadratic* | defect | {LOST}",
    (
        "nflows",
        "quadratic-inverse",
    ): f"nflows/quadratic* | defect | {VALUES} double-precision monotone",
    ("nflows", "quadratic-boundary"): "nflows/quadratic* | defect | equal-tails smooth",
    ("nflows", "cubic-nan"): f"nflows/cubic* | defect | {LOST}",
    (
        "nflows",
        "cubic-inverse",
    ): f"nflows/cubic* | defect | {VALUES} inverse-log-det gradients monotone",
    ("nflows", "cubic-inverse-float64"): "nflows/cubic* | defect | double-precision",
    ("nflows", "cubic-outside"): f"nflows/cubic* | defect | {VALUES} monotone",
    ("nflows", "linear-last-bin"): "nflows/linear | defect | double-precision",
    (
        "nflows",
        "spline-empty-batch",
    ): f"nflows/rq-coupling nflows/quadratic-coupling nflows/cubic-coupling | {EMPTY}",
    (
        "nflows",
        "tanh-log-det",
    ): "nflows/tanh | defect | finite log-det log-det-accuracy gradients-finite",
    (
        "nflows",
        "leaky-relu-float32",
    ): "nflows/leaky-relu | defect | dtype double-precision log-det-accuracy",
    ("nflows", "log-tanh-kink"): "nflows/log-tanh | defect | smooth declared-smooth",
    (
        "normflows",
        "rq-assertion",
    ): f"normflows/rq* | crash | {LOST} monotone density extreme-conditions",
    ("normflows", "rq-digits"): f"normflows/rq* | defect | {VALUES}",
    ("normflows", "spline-empty-batch"): f"normflows/rq-coupling | {EMPTY}",
    (
        "normflows",
        "actnorm-eval",
    ): "normflows/*-fresh | defect | stateless train-eval call-order deterministic",
    ("glasflow", "rq-assertion"): f"glasflow/coupling-nsf | crash | {LOST} density",
    ("glasflow", "rq-digits"): f"glasflow/coupling-nsf | defect | {VALUES}",
    ("glasflow", "spline-empty-batch"): f"glasflow/coupling-nsf | {EMPTY}",
    ("zuko", "rq-nan"): f"zuko/rq* | defect | {LOST}",
    ("zuko", "rq-digits"): f"zuko/rq* | defect | {VALUES} monotone",
    ("zuko", "bernstein-tails"): "zuko/bernstein* | defect | continuous equal-tails",
    ("zuko", "empty-batch"): f"zuko/*-coupling zuko/*-autoregressive | {EMPTY}",
    ("pyro", "rq-assertion"): f"pyro/rq pyro/spline-quadratic | crash | {LOST} monotone",
    (
        "pyro",
        "linear-rational-digits",
    ): "pyro/linear-rational pyro/*spline* | defect | accuracy round-trip-z",
    (
        "pyro",
        "linear-rational-inverse",
    ): f"pyro/linear-rational pyro/*spline* | defect | {VALUES} inverse-log-det",
    (
        "pyro",
        "linear-rational-infinite",
    ): f"pyro/linear-rational pyro/*spline* | defect | {VALUES} finite",
    ("pyro", "spline-boundary"): "pyro/rq pyro/linear-rational | defect | equal-tails smooth",
    ("pyro", "deepcopy"): "pyro/* | crash | copies",
    (
        "pyro",
        "coupling-empty-batch",
    ): f"pyro/affine-coupling pyro/conditional-affine-coupling | {EMPTY}",
    (
        "pyro",
        "linear-rational-bfloat16",
    ): "pyro/*spline* pyro/linear-rational | * | half-precision half-supported",
    ("pyro", "autoregressive-inverse-float64"): "pyro/affine-autoregressive | crash | *",
    (
        "FrEIA",
        "sigmoid-shape",
    ): "FrEIA/sigmoid | * | shape rank log-det inverse-log-det composed-log-det",
    ("FrEIA", "sigmoid-log-det"): "FrEIA/sigmoid | defect | finite far-range",
    ("FrEIA", "all-in-one-empty-batch"): f"FrEIA/all-in-one | {EMPTY}",
    (
        "torchflows",
        "linear-rational-log-det",
    ): "torchflows/lr* | defect | *log-det* double-precision density",
    (
        "torchflows",
        "actnorm-state-dict",
    ): "torchflows/actnorm* | defect | state-dict resumes-training",
    (
        "torchflows",
        "coupling-empty-batch",
    ): f"torchflows/*-coupling torchflows/*-autoregressive | {EMPTY}",
    (
        "torchflows",
        "umnn-inverse-gradient",
    ): "torchflows/umnn-autoregressive | crash | gradients gradients-finite",
    (
        "torchflows",
        "autoregressive-inverse-log-det",
    ): "torchflows/umnn* torchflows/rq-auto* | defect | inverse-log-det",
    (
        "torchflows",
        "log-det-float32",
    ): "torchflows/shift* torchflows/house* torchflows/perm* | defect | dtype",
    ("torchflows", "sigmoid-log-det"): "torchflows/deep-sigmoidal* | defect | *log-det* density",
    (
        "torchflows",
        "dense-sigmoid-log-det",
    ): "torchflows/dense-sigmoidal* | defect | *log-det* density",
    ("torchflows", "radial-log-det"): "torchflows/radial | defect | *log-det* density",
    ("torchflows", "proximal-inverse"): f"torchflows/proximal-resflow | defect | {VALUES}",
    ("torchflows", "proximal-log-det"): "torchflows/proximal-resflow | defect | *log-det* density",
    ("torchflows", "permutation-state-dict"): "torchflows/permutation | defect | state-dict",
    ("torchflows", "lu-float64"): "torchflows/lu | crash | *",
    ("torch", "stack-log-det"): "torch/stack | * | shape rank *log-det* density",
    (
        "torch",
        "normal-cdf",
    ): "torch/normal-cdf | defect | accuracy round-trip-x inverse-log-det finite spaces",
    ("torch", "sum-rightmost"): f"torch/independent | {EMPTY}",
    ("jet", "log-det-float32"): "jet/* | defect | dtype double-precision log-det-accuracy",
}
