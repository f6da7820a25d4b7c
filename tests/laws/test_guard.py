"""Bad subjects: whatever they do, the outcome is a named failure and never a traceback of ours."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from invbench.laws import check, judge_case
from invbench.laws.guard import TookTooLong, guarded
from tests.support.faults import conduct as d
from tests.support.faults import couplings as c
from tests.support.faults import target_of


class Exits(c.Exp):
    def forward(self, x, params):
        sys.exit("leaving")


class Talks(c.Exp):
    def forward(self, x, params):
        print("hello")
        return super().forward(x, params)


class NeedsGradient(c.Exp):
    """Returns a result that hangs on a weight of its own, also without gradients asked for."""

    def __init__(self):
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))

    def forward(self, x, params):
        with torch.enable_grad():
            y, log_slope = super().forward(x, params)
            return y + 0 * self.one, log_slope + 0 * self.one


class Elsewhere(c.Exp):
    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return x.to("meta"), log_slope


class NotCopyable(c.Exp):
    def __deepcopy__(self, memo):
        raise RuntimeError("one of a kind")

    def state_dict(self, *args, **kwargs):
        raise RuntimeError("no state")


@pytest.mark.parametrize(
    ("subject", "law", "kind"),
    [
        (d.ReturnsNone, "shape", "defect"),
        (d.ComplexValued, "shape", "defect"),
        (d.WrongShape, "shape", "defect"),
        (Elsewhere, "dtype", "defect"),
        (Exits, "shape", "crash"),
        (NotCopyable, "copies", "crash"),
    ],
)
def test_a_bad_subject_is_a_named_failure(subject, law, kind):
    report = check(target_of(subject), budget="smoke")
    assert (report.failures[0].property, report.failures[0].kind) == (law, kind)
    assert not report.sound


def test_an_exception_in_the_inverse_alone_is_found():
    report = check(target_of(c.Raises), budget="smoke")
    assert {f.kind for f in report.failures if f.property == "round-trip-z"} >= {"crash"}


def test_a_result_that_needs_grad_is_no_fault():
    assert check(target_of(NeedsGradient), budget="smoke").sound


def test_a_layer_that_prints_does_not_spoil_the_json(capsys):
    assert check(target_of(Talks), budget="smoke").sound
    assert capsys.readouterr().out == ""


def test_a_call_that_does_not_come_back_is_ended():
    def hang():
        with guarded(0.05):
            while True:
                pass

    with pytest.raises(TookTooLong, match=r"no result after 0\.05 s"):
        hang()


def test_a_hanging_subject_is_left_after_two_cases(monkeypatch):
    asked = []

    class Hangs(c.Exp):
        def forward(self, x, params):
            asked.append(time.monotonic())
            while True:
                pass

    monkeypatch.setitem(sys.modules["invbench.laws.cases.plan"].LIMITS, "smoke", 0.05)
    monkeypatch.setattr(sys.modules["invbench.laws.cases.plan"], "MOST", 0.05)
    for name in ("survey.survey", "judging.assumption"):
        monkeypatch.setattr(sys.modules[f"invbench.laws.{name}"], "PROBE", 0.05)
    report = check(
        target_of(Hangs), budget="smoke", properties=["round-trip-x", "round-trip-z", "finite"]
    )
    # two looks of the survey, the plan, and two laws, each of which is asked again alone
    assert len(asked) <= 8
    assert {f.kind for f in report.failures} == {"crash"}
    assert "no result after" in report.failures[0].message


def test_the_reason_of_a_crash_names_the_subjects_line():
    from invbench.laws import LAWS, LawCase, subject_of
    from invbench.laws.cases.recipe import InputRecipe

    subject = subject_of(target_of(Exits), torch.float32)
    (violation,) = judge_case(LAWS["round-trip-x"], LawCase.of(InputRecipe(rows=2), subject))
    assert "SystemExit: leaving" in violation.message
    assert "test_guard.py" in violation.message


def test_code_that_catches_every_exception_is_ended_all_the_same():
    def stubborn():
        with guarded(0.05):
            while True:
                try:
                    while True:
                        pass
                except Exception:
                    continue

    with pytest.raises(TookTooLong):
        stubborn()


class InfinityBeside(c.Exp):
    """A row of 1e30 turns the others into Inf, which is not NaN."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + torch.where((x == 1e30).any(), torch.inf, 0.0).to(x), log_slope


def test_infinity_that_spreads_over_rows_is_found():
    found = check(
        target_of(InfinityBeside), budget="smoke", properties=["row-independence"]
    ).failures
    assert [f.kind for f in found] == ["defect"]


def test_a_call_that_is_ended_inside_no_grad_leaves_gradients_on():
    """A bell may ring between the two ends of a ``no_grad``; what comes after must record gradients
    again."""

    def stuck():
        with guarded(0.05):
            torch.set_grad_enabled(False)
            while True:
                pass

    with pytest.raises(TookTooLong):
        stuck()
    assert torch.is_grad_enabled()


def test_a_check_inside_no_grad_judges_gradients():
    with torch.no_grad():
        assert check(target_of(c.Exp), budget="smoke", properties=["gradients", "log-det"]).sound


SLOW_MODULE = """
import time
end = time.process_time() + 0.4
while time.process_time() < end:
    pass
whole = True
"""


def test_an_import_is_not_ended_in_the_middle(tmp_path, monkeypatch):
    """A module that is cut short stays behind, half of it, for everybody."""
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def late():
        import slow_module

        assert slow_module.whole
        while True:  # the limit holds for what comes after it
            pass

    with pytest.raises(TookTooLong), guarded(0.1):
        late()
    assert sys.modules["slow_module"].whole
    del sys.modules["slow_module"]


def test_an_import_that_does_not_end_is_ended_after_all(tmp_path, monkeypatch):
    (tmp_path / "endless_module.py").write_text("while True:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("invbench.laws.guard.IMPORTS", 2)
    with pytest.raises(TookTooLong), guarded(0.1):
        import endless_module  # noqa: F401


def test_a_call_of_a_module_that_is_being_imported_is_ended_in_time(tmp_path, monkeypatch):
    """The guard's caller may stand in an import itself: a test file checks while it is read."""
    (tmp_path / "checking_module.py").write_text(
        "from invbench.laws.guard import TookTooLong, guarded\n"
        "try:\n    with guarded(0.1):\n        while True:\n            pass\n"
        "except TookTooLong:\n    ended = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("invbench.laws.guard.IMPORTS", 10**6)
    import checking_module

    assert checking_module.ended
    del sys.modules["checking_module"]
