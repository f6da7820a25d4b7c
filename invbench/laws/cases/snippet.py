"""A standalone script of one counterexample. It needs torch and the layer, not the harness."""

from __future__ import annotations

import inspect
from pathlib import Path

from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.law import LAWS, Violation
from invbench.laws.subject import Subject
from invbench.targets import Target

__all__ = ["calls", "construction", "reweighting", "snippet"]

LARGEST = 400  # numbers written out

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
{cond}
{calls}
'''
WEIGHTS = """from safetensors.torch import load_file  # the weights beside this file

weights = pathlib.Path(__file__).with_name("weights.safetensors")
layer.load_state_dict(load_file(weights), strict=False)"""


FORWARD = """x = {x}
result = {forward}
print("x               ", x)
print("forward(x)      ", result)
"""
INVERSE = """z = {z}
result = {inverse}
print("z               ", z)
print("inverse(z)      ", result)
"""
PAIR = """if isinstance(result, (tuple, list)) and isinstance(result[0], torch.Tensor):
    {name} = result[0]
    print("and back again  ", {call})
"""


def calls(subject: Subject, argument: str) -> tuple[str, str]:
    """(the call of forward at x, the call of inverse at z), as the user's own module is called."""
    call_text = getattr(subject.module, "call_text", None)
    if not callable(call_text):
        return f"layer(x{argument})", f"layer.inverse(z{argument})"
    forward, inverse = call_text("x", inverse=False), call_text("z", inverse=True)
    return forward, inverse


def snippet(target: Target, law: str, violation: Violation, case: LawCase) -> str:
    """Python source. Up to 400 numbers are written out with all digits; more come from
    tensors.safetensors."""
    imports, make = construction(target)
    has_weights = any(v.numel() for v in case.subject.module.state_dict().values())
    cond = (
        case.cond.movedim(1, 0) if case.cond is not None and case.subject.elementwise else case.cond
    )
    argument = "" if cond is None else ", cond"
    forward, inverse = calls(case.subject, argument)
    lines = FORWARD.format(x=_literal(case.x, "x", False), forward=forward) + PAIR.format(
        name="z", call=inverse
    )
    if not case.subject.invertible:
        lines = FORWARD.format(x=_literal(case.x, "x", False), forward=forward)
    elif violation.latent or case.z is case.x:
        lines += INVERSE.format(
            z=_literal(case.z, "x" if case.z is case.x else "z", False), inverse=inverse
        )
        lines += PAIR.format(name="x", call=forward)
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
        cond="" if cond is None else f"cond = {_literal(cond, 'cond', case.subject.elementwise)}",
        calls=lines,
    )


def construction(target: Target) -> tuple[str, str]:
    """(the import, the expression) that make the layer."""
    own = getattr(target.entry.obj, "construction", None)
    if callable(own):  # an unregistered object, made without the harness
        return own(target.options)  # type: ignore[no-any-return]
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


def reweighting(recipe: InputRecipe) -> list[str]:
    """Lines of torch that give a layer the weights of a recipe, as ``Subject.reweighted`` does."""
    if recipe.weights == "initial":
        return []
    scale = 2.0**recipe.log2_weights
    new = {
        "scaled": f"{scale} * p",
        "noise": f"p + {scale} * d / (p[0].numel() ** 0.5 if p.ndim > 1 else 1)",
        "saturated": f"{scale} * (d.sign() + 0.1 * d) / (p[0].numel() ** 0.5 if p.ndim > 1 else 1)",
        "reflected": (
            "torch.cat((-p[:1], p[1:])) if p.ndim > 1 and p.shape[0] == p.shape[1] == "
            "p[0].numel() else p"
        ),
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
        numbers = (
            repr(v.double().tolist()).replace("inf", "float('inf')").replace("nan", "float('nan')")
        )
        return f"torch.tensor({numbers}, dtype={dtype}).reshape({tuple(v.shape)})"
    stored = f'load_file(pathlib.Path(__file__).with_name("tensors.safetensors"))[{name!r}]'
    return f"__import__('safetensors.torch').torch.{stored}" + (
        ".movedim(1, 0)" if parameters_first else ""
    )


def _quoted(text: str) -> str:
    """The text, safe inside a docstring."""
    return text.replace("\\", "/").replace('"""', "'''")
