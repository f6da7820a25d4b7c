"""The decorator for other people's test files.

from invbench.testing import parametrize_with_properties

@parametrize_with_properties([MyCoupling, "my_package.layers:Block"])
def test_invertible(subject, law):
    law(subject)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from invbench.laws import LAWS, Violation, check, judge, subject_of
from invbench.laws.cases.counterexample import save_failures
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.dtypes import parse_dtype
from invbench.laws.law import law_names
from invbench.targets import Target, of_object, replay_command, resolve

__all__ = ["LawCheck", "applicable", "parametrize_with_properties", "violations"]

SUBJECTS = ("coupling", "layer")
ALWAYS = ("first", "value-independent", "corpus")
OF_LAYERS = {"untouched", "order", "layer", "transform", "estimate", "stochastic"}


def applicable(
    target: Target, category: str = "soundness", scopes: Sequence[str] = ALWAYS
) -> list[str]:
    """Names of the laws of a category and of some scopes that apply to this kind of target."""
    return [
        name
        for name, law in LAWS.items()
        if law.category == category
        and law.scope in scopes
        and (target.kind == "coupling" or "elementwise" not in law.needs)
        and (target.kind == "layer" or not law.needs & OF_LAYERS)
    ]


@lru_cache(maxsize=8)
def _subject(target: Target, dtype: str, device: str) -> Any:
    return subject_of(target, parse_dtype(dtype), device)


def violations(
    target: Target, law: str, dtype: str, device: str, recipe: InputRecipe
) -> list[Violation]:
    """The violations of one law on one recipe, without those that conditioning explains."""
    checked = LAWS[law]
    subject = _subject(target, dtype, device)
    if not checked.applies(subject):
        return []
    return [v for v in judge(checked, subject, recipe) if v.kind != "ill-conditioned"]


@dataclass
class LawCheck:
    """One law as a callable. It raises ``AssertionError`` with the worst violation when a target
    breaks the law.

    An option that is None comes from pytest's command line; the defaults are float32, cpu and
    smoke. ``results``: the folder below which a violation becomes a counterexample.
    """

    name: str
    dtype: str | None = None
    budget: str | None = None
    device: str | None = None
    results: Path | None = None

    def __call__(self, target: Target) -> None:
        options = self.dtype or "float32", self.device or "cpu", self.budget or "smoke"
        report = check(target, *options, properties=[self.name])
        broken = [f for f in report.failures if f.breaks_soundness]
        lines = [
            f"{target.name} breaks {f.property} ({f.kind}): {f.message}\nrecipe: {f.recipe}"
            for f in broken
        ]
        if broken and self.results is not None:
            folders, problems = save_failures(self.results, target, report)
            lines += [replay_command(folder, target.spec) for folder in folders] + problems
        assert not broken, "\n".join(lines)


def parametrize_with_properties(
    targets: Sequence[str | type],
    dtype: str | None = None,
    budget: str | None = None,
    properties: Sequence[str] | None = None,
) -> Callable[[Any], Any]:
    """Decorator: run ``test(subject, law)`` for each target and each law of soundness. In the test,
    ``law(subject)`` judges.

    ``targets``: target strings, or registered classes and factories. ``dtype`` and ``budget``: None
    takes those of pytest's command line, else float32 and smoke. The options ``--device``,
    ``--property``, ``--results``, ``--xfails`` and ``-m soundness`` work as in the suites. Raises
    ``UsageError`` for a target that cannot be resolved and for a property that does not exist.
    """
    import pytest

    law_names(properties)
    pairs = []
    for spec in targets:
        target = resolve(spec, SUBJECTS) if isinstance(spec, str) else of_object(spec)
        for name in applicable(target):
            if properties is None or name in properties:
                law = LawCheck(name, dtype, budget)
                pairs.append(
                    pytest.param(
                        target, law, id=f"{target.name}-{name}", marks=pytest.mark.soundness
                    )
                )
    return pytest.mark.parametrize(("subject", "law"), pairs)
