"""One law as a callable, for a test that is made of a layer and a law."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from invbench.errors import UsageError
from invbench.laws import LAWS, Report, Violation, check, judge, subject_of
from invbench.laws.cases.counterexample import save_failures
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.dtypes import parse_dtype
from invbench.laws.report import Unsound, failure_text
from invbench.targets import Target, replay_command

__all__ = ["LawCheck", "applicable", "violations"]

ALWAYS = ("first", "value-independent", "corpus")
OF_LAYERS = {"untouched", "order", "layer", "transform", "estimate", "stochastic"}
DEFAULTS = {"dtype": "float32", "device": "cpu", "budget": "smoke", "seed": 0}


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
    """One law as a callable. It raises ``Unsound``, an ``AssertionError``, with the worst violation
    and its smallest case when a target breaks the law.

    An option that is None comes from pytest's options; the defaults are float32, cpu, smoke and
    seed 0. ``results``: the folder below which a violation becomes a counterexample. ``expected``:
    why the law is known to be broken. Broken is, for a law of soundness, what is to blame on the
    code; for another law, whatever it finds.
    """

    name: str
    dtype: str | None = None
    budget: str | None = None
    device: str | None = None
    results: Path | None = None
    seed: int | None = None
    expected: str | None = None

    def __call__(self, target: Target) -> None:
        __tracebackhide__ = True
        report = self._report(target)
        soundness = LAWS[self.name].category == "soundness"
        broken = [f for f in report.failures if f.breaks_soundness or not soundness]
        if not broken:
            return
        lines = [f"{target.name} breaks {failure_text(f)}\nrecipe: {f.recipe}" for f in broken]
        lines += self._again()
        if self.results is not None:
            folders, problems = save_failures(self.results, target, report)
            lines += [replay_command(folder, target.spec) for folder in folders] + problems
        raise Unsound("\n".join(lines))

    def _report(self, target: Target) -> Report:
        """The report of this law alone. A test of what cannot be checked fails with one line."""
        __tracebackhide__ = True
        used = self._options()
        try:
            return check(
                target,
                used["dtype"],
                used["device"],
                used["budget"],
                properties=[self.name],
                first_seed=used["seed"],
            )
        except UsageError as error:
            import pytest

            pytest.fail(f"{target.name} cannot be checked: {error}", pytrace=False)

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) or default for name, default in DEFAULTS.items()}

    def _again(self) -> list[str]:
        """The command that runs this test alone, with the options that are not the defaults."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        options = [
            part
            for name, used in self._options().items()
            if used != DEFAULTS[name]
            for part in (f"--invbench-{name}", str(used))
        ]
        return [f"again: {shlex.join(['pytest', test, *options])}"] if test else []
