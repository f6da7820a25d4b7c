"""Raw numbers placed inside spaces, up to the last float before an edge; several tensors and whole
values as one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.declaration import space
from invbench.errors import UsageError
from invbench.laws.space import (
    Packing,
    beyond,
    drawable,
    is_real,
    packing,
    place,
    raw_shape,
    strictly_inside,
    structured,
    unwrapped,
)

OF_ELEMENTS = (
    "real",
    "positive",
    "nonnegative",
    "unit_interval",
    "interval(-1, 1)",
    "interval(-1e-3, 250)",
    "greater_than(6.5)",
    "greater_than(0)",
    "less_than(-2)",
    "circle",
    "circle(0, 1)",
    "label(5)",
    "integers(-8, 8)",
    "mask",
)
OF_EVENTS = ("simplex", "lower_cholesky", "corr_cholesky", "positive_definite")
SCALES = (-20, 0, 4, 20, 100)


def raw(power: int, *shape: int) -> Tensor:
    drawn = torch.randn(
        64, *shape, generator=torch.Generator().manual_seed(power), dtype=torch.float64
    )
    return drawn * 2.0**power


@pytest.mark.parametrize("power", SCALES)
@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("written", OF_ELEMENTS)
def test_what_is_placed_lies_inside(written: str, kind: torch.dtype, power: int) -> None:
    found = place(space(written), raw(power, 6), kind)
    assert found.dtype == kind and found.shape == (64, 6)
    assert found.isfinite().all()
    assert space(written).check(found.double()).all()
    assert strictly_inside(space(written), found.double()).all()


@pytest.mark.parametrize("power", SCALES)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("written", OF_EVENTS)
def test_whole_values_lie_inside(written: str, kind: torch.dtype, power: int) -> None:
    constraint = space(written)
    shape = (4,) if written == "simplex" else (3, 3)
    whole = packing(shape, constraint)
    found = place(constraint, raw(power, *raw_shape(whole, constraint)), kind)
    assert found.shape == (64, *shape) and found.dtype == kind
    assert constraint.check(found).all()


@pytest.mark.parametrize(
    "written", ["unit_interval", "interval(-1, 1)", "positive", "less_than(-2)"]
)
def test_the_order_of_raw_numbers_is_kept(written: str) -> None:
    numbers = torch.linspace(-30, 30, 200, dtype=torch.float64)[:, None]
    steps = place(space(written), numbers, torch.float64).diff(dim=0)
    assert (steps >= 0).all() or (steps <= 0).all()
    assert (steps != 0).any()


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_large_numbers_reach_the_last_float_before_the_edge(kind: torch.dtype) -> None:
    far = torch.tensor([[-(2.0**100)], [2.0**100]], dtype=torch.float64)
    low, high = place(constraints.unit_interval, far, kind)[:, 0]
    one = torch.ones((), dtype=kind)
    assert high == torch.nextafter(one, -one)
    assert 0 < low <= torch.finfo(kind).eps and low.reciprocal().isfinite()


def test_every_class_and_both_values_of_a_mask_are_drawn() -> None:
    assert set(place(space("label(5)"), raw(0, 6), torch.float32).unique().tolist()) == set(
        range(5)
    )
    assert set(place(space("mask"), raw(0, 6), torch.float32).unique().tolist()) == {0.0, 1.0}


def test_an_unknown_space_cannot_be_drawn() -> None:
    class Odd(Constraint):
        def check(self, value: Tensor) -> Tensor:
            return value == value.round()

    assert (
        not drawable(Odd(), (3,)) and drawable(constraints.simplex, (3,)) and drawable(None, (3,))
    )
    with pytest.raises(UsageError, match="cannot be drawn"):
        place(Odd(), raw(0, 3), torch.float32)


def test_wrappers_come_off() -> None:
    wrapped = constraints.independent(constraints.independent(constraints.positive, 1), 1)
    assert unwrapped(wrapped) is constraints.positive
    assert is_real(constraints.real_vector) and is_real(None) and not is_real(wrapped)
    assert structured(constraints.simplex) and not structured(wrapped) and not structured(None)


@pytest.mark.parametrize(
    ("written", "outside"),
    [
        ("unit_interval", 2),
        ("positive", 1),
        ("less_than(-2)", 1),
        ("real", 0),
        ("circle", 0),
        ("simplex", 0),
    ],
)
def test_one_float_beyond_each_edge(written: str, outside: int, dtype: torch.dtype) -> None:
    found = beyond(space(written), dtype)
    assert found.dtype == dtype and len(found) == outside
    assert not outside or not space(written).check(found).any()


def test_beyond_is_the_neighbour_of_the_edge(dtype: torch.dtype) -> None:
    low, high = beyond(space("interval(-1, 1)"), dtype)
    edge = torch.ones((), dtype=dtype)
    assert torch.nextafter(low, edge) == -edge and torch.nextafter(high, -edge) == edge


def test_several_tensors_are_packed_and_unpacked() -> None:
    whole = packing(((2,), (3, 4)), None)
    parts = [torch.randn(5, 2), torch.randn(5, 3, 4)]
    packed = whole.pack(parts)
    assert packed.shape == (5, 14) == (5, *whole.shape)
    assert all(torch.equal(a, b) for a, b in zip(whole.unpack(packed), parts, strict=True))
    named = whole.pack({"a": parts[0], "b": parts[1]})
    assert torch.equal(named, packed) and torch.equal(whole.pack(tuple(parts)), packed)


def test_one_tensor_is_handed_over_as_it_is() -> None:
    x = torch.randn(5, 3, 4)
    whole = packing((3, 4), constraints.positive)
    assert whole == Packing((3, 4), ((3, 4),))
    assert whole.pack(x) is x and whole.unpack(x) is x
    assert whole.to_free(x) is x and whole.to_whole(x) is x


@pytest.mark.parametrize(("written", "free"), list(zip(OF_EVENTS, (3, 6, 3, 6), strict=True)))
def test_whole_values_have_free_numbers(written: str, free: int) -> None:
    constraint = space(written)
    whole = packing((4,) if written == "simplex" else (3, 3), constraint)
    value = place(constraint, raw(0, *raw_shape(whole, constraint)), torch.float64)
    numbers = whole.to_free(value)
    assert numbers.shape == (64, free)
    assert torch.allclose(whole.to_whole(numbers), value, rtol=0, atol=1e-14)


def test_the_way_back_from_free_numbers_has_gradients() -> None:
    whole = packing((3, 3), constraints.positive_definite)
    numbers = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    found = whole.to_whole(numbers)
    assert torch.equal(found, found.mT)
    found.sum().backward()
    assert numbers.grad is not None and sorted(numbers.grad[0].tolist()) == [1, 1, 1, 2, 2, 2]
