"""One run of the laws over a corpus, within the time of a budget or by a given plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from invbench.laws.cases.case import LawCase
from invbench.laws.cases.plan import (
    CORPUS_SHARE,
    VALUE_INDEPENDENT_SHARE,
    Clock,
    Plan,
    interleaved,
)
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.sweep import VALUE_INDEPENDENT, value_independent
from invbench.laws.law import Law
from invbench.laws.subject import Subject
from invbench.laws.worst import WorstViolations

__all__ = ["LawRun"]

LEAST = 2  # cases of the corpus, whatever they cost


class LawRun:
    """``judge`` fills ``worst``, and completes ``plan`` with what there was time for."""

    def __init__(
        self,
        subject: Subject,
        laws: list[Law],
        corpus: list[InputRecipe],
        plan: Plan,
        clock: Clock,
        progress: Callable[[str], None],
    ) -> None:
        self.subject, self.laws, self.corpus, self.plan = subject, laws, corpus, plan
        self.clock, self.progress = clock, progress
        self.worst = WorstViolations(plan.limit)

    def judge(self, deep: bool) -> None:
        self._judge_first()
        if self.worst.by_kind:  # where the first laws fail, the others would only repeat it
            return
        order = interleaved(len(self.corpus)) if self._of_scope("corpus") else []
        given = self.plan.cases > 0
        cases = order[: self.plan.cases] if given else order
        self._judge_corpus(cases[:1])  # values and log_dets of one case before all else
        self._judge_value_independent(deep)
        done = min(1, len(cases))
        while done < len(cases) and (given or done < LEAST or self.clock.left(CORPUS_SHARE) > 0):
            self._judge_corpus(cases[done : done + 1])
            done += 1
        self.plan = replace(self.plan, cases=done)

    def _of_scope(self, *scopes: str) -> list[Law]:
        return [law for law in self.laws if law.scope in scopes]

    def _judge_first(self) -> None:
        for law in self._of_scope("first"):
            if not self.worst.by_kind:
                self.progress(law.name)
                recipe = replace(self.corpus[0], rows=self.plan.few_rows)
                self.worst.add(law, LawCase.of(recipe, self.subject))

    def _judge_corpus(self, indices: list[int]) -> None:
        for index in indices:
            self.progress(f"case {index + 1} of {len(self.corpus)}")
            recipe = self.corpus[index]
            recipe = replace(recipe, rows=min(recipe.rows, self.plan.rows))
            case = LawCase.of(recipe, self.subject)
            for law in self._of_scope("corpus"):
                self.worst.add(law, case)

    def _judge_value_independent(self, deep: bool) -> None:
        """All these laws on the first recipe while there is time, then on the others. Laws of
        soundness come first."""
        laws = self._of_scope("value-independent", *(["deep"] if deep else []))
        laws.sort(key=lambda law: law.category != "soundness")
        plan, done = self.plan, 0
        given, left_out = plan.few > 0, list(plan.left_out)
        for recipe in value_independent(self.corpus, plan.few or VALUE_INDEPENDENT, plan.few_rows):
            if done and not given and self.clock.left(VALUE_INDEPENDENT_SHARE) <= 0:
                break
            case = LawCase.of(recipe, self.subject)
            for law in laws:
                if not given and not done and self.clock.left(VALUE_INDEPENDENT_SHARE) <= 0:
                    left_out.append(law.name)
                if law.name in left_out:
                    self.worst.reasons[law.name] = (
                        "there was no time for it at this budget; a larger one, or --property, "
                        "checks it"
                    )
                    continue
                self.progress(law.name)
                self.worst.add(law, case)
            done += 1
        self.plan = replace(plan, few=done, left_out=tuple(left_out))
