"""A standalone script of one counterexample: it needs torch and the layer, not the harness."""

from __future__ import annotations

import inspect
from pathlib import Path

from torch import Tensor

from invbench.conditions.recipe import Recipe
from invbench.properties.case import Case
from invbench.properties.law import LAWS, Violation
from invbench.targets import Target

__all__ = ["construction", "reweighting", "snippet"]

LARGEST = 400  # numbers that are written out

TEMPLATE = '''"""{target} breaks {law} ({kind}):
{message}

Law: {statement}
"""

import pathlib

import torch
{imports}

torch.manual_seed(20231001)
layer = {make}
layer = layer.to(torch.{dtype}).eval()
{weights}
x = {x}
{cond}

z, log_det = layer.forward(x{argument})
back, back_log_det = layer.inverse(z{argument})
print("x               ", x)
print("forward(x)      ", z)
print("inverse of that ", back)
print("log_det         ", log_det)
print("inverse's       ", back_log_det)
u, log_det = layer.inverse(x{argument})
print("inverse(x)      ", u)
print("forward of that ", layer.forward(u{argument})[0])
'''
WEIGHTS = """from safetensors.torch import load_file  # the weights beside this file

layer.load_state_dict(load_file(pathlib.Path(__file__).with_name("weights.safetensors")), strict=False)"""


def snippet(target: Target, law: str, violation: Violation, case: Case) -> str:
    """Python source. Numbers are written out with all digits up to 400 of them; beyond, they come from tensors.safetensors."""
    imports, make = construction(target)
    has_weights = any(v.numel() for v in case.subject.module.state_dict().values())
    cond = case.cond.movedim(1, 0) if case.cond is not None and case.subject.elementwise else case.cond
    return TEMPLATE.format(
        target=_quoted(target.name),
        law=law,
        kind=violation.kind,
        message=_quoted(violation.message),
        statement=_quoted(LAWS[law].statement),
        imports=imports,
        make=make,
        dtype=str(case.subject.dtype).removeprefix("torch."),
        weights=WEIGHTS if has_weights else "",
        x=_literal(case.x, "x", False),
        cond="" if cond is None else f"cond = {_literal(cond, 'cond', case.subject.elementwise)}",
        argument="" if cond is None else ", cond",
    )


def construction(target: Target) -> tuple[str, str]:
    """(the import, the expression) that make the layer."""
    obj, options = target.entry.obj, ", ".join(f"{k}={v!r}" for k, v in target.options.items())
    arguments = ", ".join(filter(None, ["20231001" if target.kind == "layer" else "", options]))
    name = getattr(obj, "__qualname__", "")
    file = inspect.getsourcefile(inspect.unwrap(obj))
    if name.isidentifier() and obj.__module__.startswith("invbench_target_") and file:
        return "import runpy", f"runpy.run_path({str(Path(file))!r})[{name!r}]({arguments})"
    if name.isidentifier():
        return f"from {obj.__module__} import {name}", f"{name}({arguments})"
    # made inside a function: by its registered name
    call = f"resolve({target.spec!r}, ({target.kind!r},)).make({arguments})"
    return "from invbench.targets import resolve", call


def reweighting(recipe: Recipe) -> list[str]:
    """Lines of torch that give a layer the weights of a recipe, as ``Subject.reweighted`` does."""
    if recipe.weights == "initial":
        return []
    scale = 2.0**recipe.log2_weights
    new = {
        "scaled": f"{scale} * p",
        "noise": f"p + {scale} * d / (p[0].numel() ** 0.5 if p.ndim > 1 else 1)",
        "saturated": f"{scale} * (d.sign() + 0.1 * d) / (p[0].numel() ** 0.5 if p.ndim > 1 else 1)",
        "reflected": "torch.cat((-p[:1], p[1:])) if p.ndim > 1 and p.shape[0] == p.shape[1] == p[0].numel() else p",
    }[recipe.weights]
    return [
        f"g = torch.Generator().manual_seed({recipe.seed})",
        "for p in (p for p in layer.parameters() if p.requires_grad):",
        "    d = torch.randn(p.shape, generator=g, dtype=torch.float64)",
        f"    p.data = ({new}).to(p)",
    ]


def _literal(v: Tensor, name: str, parameters_first: bool) -> str:
    dtype = str(v.dtype)
    if v.numel() <= LARGEST:
        numbers = repr(v.double().tolist()).replace("inf", "float('inf')").replace("nan", "float('nan')")
        return f"torch.tensor({numbers}, dtype={dtype}).reshape({tuple(v.shape)})"
    stored = f'load_file(pathlib.Path(__file__).with_name("tensors.safetensors"))[{name!r}]'
    return f"__import__('safetensors.torch').torch.{stored}" + (".movedim(1, 0)" if parameters_first else "")


def _quoted(text: str) -> str:
    """Safe inside a docstring."""
    return text.replace("\\", "/").replace('"""', "'''")
