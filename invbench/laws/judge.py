"""Judge one law on one case."""

from __future__ import annotations

from dataclasses import replace

import torch

from invbench.devices import tf32
from invbench.errors import UsageError
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.guard import LIMIT, guarded, origin_of
from invbench.laws.law import Law, Tally, Violation
from invbench.laws.subject import Subject

__all__ = ["examine", "judge", "judge_case"]


def judge(law: Law, subject: Subject, recipe: InputRecipe) -> list[Violation]:
    """The violations of one law on one recipe. Anything that the subject raises becomes a violation
    of kind ``crash``."""
    return judge_case(law, LawCase.of(recipe, subject))


def judge_case(law: Law, case: LawCase) -> list[Violation]:
    """The violations of one law on one case, each with its row."""
    return examine(law, case)[0]


def examine(law: Law, case: LawCase, limit: float | None = None) -> tuple[list[Violation], Tally]:
    """As ``judge_case``, with the number of rows that decided. A law without a count has decided on
    the whole case. ``limit``: seconds."""
    tally = Tally(0, 0)
    violations: list[Violation] = []
    try:
        patience = limit or LIMIT * max(1.0, case.x.shape[0] / 512)
        with torch.enable_grad(), tf32(False), guarded(patience):
            for said in law.check(case.subject, case):
                if isinstance(said, Tally):
                    tally = Tally(tally.decided + said.decided, tally.of + said.of)
                else:
                    violations.append(_located(said, case))
    except (KeyboardInterrupt, MemoryError, UsageError):
        raise
    except BaseException as error:  # the subject's own code runs in there, and may even exit
        what = f"{type(error).__name__}: {str(error)[:300]}{origin_of(error)}"
        violations.append(Violation(float("inf"), 0.0, what, kind="crash"))
    return violations, tally if tally.of else Tally(len(case.x), len(case.x))


def _located(violation: Violation, case: LawCase) -> Violation:
    inputs = case.z if violation.latent else case.x
    if violation.row is None or violation.row >= inputs.shape[0]:
        return violation
    values = inputs[violation.row].flatten().tolist()
    shown = ", ".join(f"{v:.9g}" for v in values[:8]) + (", …" if len(values) > 8 else "")
    name = "z" if violation.latent else "x"
    message = f"{violation.message}; row {violation.row}, {name} = [{shown}]"
    if case.recipe.weights != "initial":
        message += f", {weights_in_words(case.recipe)}"
    return replace(violation, message=message)


def weights_in_words(recipe: InputRecipe) -> str:
    """The weights of a case, in words."""
    if recipe.weights == "initial":
        return "weights as the layer is made"
    size = f" 2^{recipe.log2_weights}" if recipe.weights != "reflected" else ""
    return f"weights replaced: {recipe.weights}{size}, seed {recipe.seed}"
