"""CPU = GPU in benchmarks/gpu: a device that computes something else, by more than the bound, is
accused, and one within it is not. The devices are fakes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from invbench.laws.judging.conditioning import FIRST, SLACK
from invbench.laws.judging.units import value_unit
from invbench.measures.precision import PRECISIONS


@pytest.fixture
def case(gpu):
    return gpu.subjects.cases(gpu.subjects.design("modified-rq"), 8)[0]


def moved(host, what, change):
    """The calls of a device that differs from ``host`` in one number of a value (0) or log-slope
    (1) of the forward map."""

    def call(inverse):
        pair = [part.clone() for part in host(inverse)]
        if not inverse:
            pair[what][3, 2] += change
        return tuple(pair)

    return call


@pytest.mark.parametrize(("bounds", "accused"), [(0.9, False), (3.0, True), (torch.nan, True)])
def test_a_value_that_is_off_by_more_than_the_bound_is_accused_and_one_within_is_not(
    gpu, case, bounds, accused
):
    host = gpu.agreement.calls(case.subject, case, PRECISIONS["float32"], "cpu")
    bound = 2 * SLACK * value_unit(case, False)(torch.arange(8), FIRST)[3, 2].item()
    found = gpu.agreement.compare(case, moved(host, 0, bounds * bound), host)
    from_cpu = {what: share for share, what, _ in found if "CPU" in what}
    assert (from_cpu["forward from CPU"] > 1) == accused
    assert from_cpu["inverse from CPU"] == from_cpu["log-det of forward from CPU"] == 0


def test_a_log_det_that_is_off_is_accused(gpu, case):
    host = gpu.agreement.calls(case.subject, case, PRECISIONS["float32"], "cpu")
    found = gpu.agreement.compare(case, moved(host, 1, 0.1), host)
    assert {what for share, what, _ in found if share > 1} == {
        "log-det of forward from CPU",
        "log-det of forward from float64",
    }


def test_what_is_no_number_on_both_agrees(gpu):
    a = torch.tensor([torch.nan, torch.inf, 1.0, torch.inf])
    b = torch.tensor([torch.nan, torch.inf, 3.0, -torch.inf])
    assert gpu.agreement.apart(a, b).tolist() == [0, 0, 2, torch.inf]


def test_a_coupling_that_the_device_computes_otherwise_fails_the_part(gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu.agreement, "ON_CPU", ("affine", "modified-rq"))
    monkeypatch.setattr(gpu.agreement, "FLOWS", ())
    honest, asked = gpu.agreement.calls, []

    def calls(subject, case, how, device):
        asked.append(subject.name)
        found = honest(subject, case, how, device)
        fault = subject.name == "affine" and how is PRECISIONS["float64"] and len(asked) % 2
        return moved(found, 0, 1e-9) if fault else found  # the device is asked first

    monkeypatch.setattr(gpu.agreement, "calls", calls)
    setting = gpu.part.Setting("cpu", 600.0, str(tmp_path), "", str(tmp_path / "answer"))
    answer = gpu.agreement.measure(setting)
    assert {failure.partition(":")[0] for failure in answer.failures} == {"affine in float64"}
    assert "forward from CPU differs by 1e-09" in answer.failures[0]
    assert len(answer.rows) == 2 * (len(PRECISIONS) - 1)  # all but tf32


def test_a_small_flow_agrees_with_itself_and_with_float64(gpu):
    subject = gpu.subjects.flow("affine", 16)
    case = gpu.subjects.flow_case(subject, 1)
    host = gpu.agreement.calls(subject, case, PRECISIONS["float32"], "cpu")
    found = gpu.agreement.compare(case, host, host)
    assert len(found) == 8 and all(share <= 1 for share, _, _ in found)
    off = gpu.agreement.compare(
        case, lambda inverse: (2 * host(inverse)[0], host(inverse)[1]), host
    )
    assert {what for share, what, _ in off if share > 1} >= {"forward from CPU", "inverse from CPU"}


def test_a_kernel_whose_gradient_is_another_is_accused(gpu, case):
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v.clone()

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    eager = case.subject

    class Kernel(type(eager.module)):
        def forward(self, x, params):
            return super().forward(Doubled.apply(x), params)

    assert gpu.kernels.gradient_share(case, eager, eager, "cpu")[0] <= 1
    assert gpu.kernels.gradient_share(case, eager, replace(eager, module=Kernel()), "cpu")[0] > 1


def test_losses_may_drift_as_far_as_roundings_make_the_cpu_drift(gpu):
    host, other = [1.0, 1.0, 1.0], [1.0, 1.01, 1.0]  # the third is held to the second's drift
    assert gpu.training.drift(host, [1.0, 1.2, 0.8], [other]) < 1
    assert gpu.training.drift(host, [1.0, 1.4, 1.0], [other]) > 1
    assert gpu.training.drift(host, [1.001, 1.0, 1.0], [other]) > 1
    assert gpu.training.drift(host, [1.0, torch.nan, 1.0], [other]) == torch.inf
