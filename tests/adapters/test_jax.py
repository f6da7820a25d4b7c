"""JAX: the bridge, ``adapt_jax``, its laws and the faults that were reported; each library where it
is installed."""

from __future__ import annotations

import pytest
import torch

import invbench
from invbench.errors import UsageError
from invbench.laws import LAWS, check, judge, subject_of
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.trace import first_bad, traced
from invbench.laws.dtypes import parse_dtype
from invbench.laws.law import Violation
from invbench.targets import resolve
from tests.support.faults import target_of
from tests.support.faults.jax_layers import JAX_MUTANTS, REPORTED, SOUND_JAX, indexed, scaled
from tests.support.faults.layers import Planted

jax = pytest.importorskip("jax", reason="jax is not installed: pip install 'invbench[jax]'")
jnp = jax.numpy
from invbench.adapters.jax_bridge import JaxFunction, array_of, bridged, tensor_of  # noqa: E402


def wide(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator, requires_grad=True)


BOTH = JaxFunction(lambda x, w: (jnp.tanh(x * w), jnp.log(jnp.abs(w)).sum() + (x**3).sum()))


def test_first_and_second_derivatives_agree_with_difference_quotients():
    x, w = wide(5), wide(5, seed=1)
    assert torch.autograd.gradcheck(lambda *a: bridged(BOTH, *a), (x, w), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda *a: bridged(BOTH, *a), (x, w))


def test_torchs_function_transforms_go_through():
    x, w = wide(3, 5).detach(), wide(5, seed=1).detach()
    rows = torch.vmap(lambda v: bridged(BOTH, v, w)[1])(x)
    assert torch.allclose(rows, w.abs().log().sum() + (x**3).sum(1))
    hessian = torch.func.hessian(lambda v: bridged(BOTH, v, w)[1])(x[0])
    assert torch.allclose(hessian, (6 * x[0]).diag())


def test_float64_is_float64_inside_and_the_global_flag_stays():
    third = JaxFunction(lambda x: (x / 3, jnp.zeros(()) + x.sum()))
    x = torch.ones(2, dtype=torch.float64)
    value, total = bridged(third, x)
    assert value.dtype == total.dtype == torch.float64
    assert value[0].item() == 1 / 3
    assert bridged(third, x.float())[0].dtype == torch.float32
    assert not jax.config.jax_enable_x64
    assert jnp.zeros(1).dtype == jnp.float32


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(12.0).reshape(3, 4).t(),
        lambda: torch.arange(12.0)[1::2],
        lambda: torch.arange(3.0).expand(2, 3),
        lambda: torch.zeros(0, 3),
        lambda: torch.arange(4),
        lambda: torch.ones(3, dtype=torch.bfloat16),
    ],
    ids=["transposed", "strided", "expanded", "empty", "whole", "bfloat16"],
)
def test_any_layout_crosses_and_comes_back(make):
    tensor = make()
    back = tensor_of(array_of(tensor))
    assert back.shape == tensor.shape
    assert torch.equal(back.double(), tensor.double())


def test_indices_of_numpy_serve_float32_and_float64_in_turn():
    layer = indexed(0)
    x = wide(3, 4).detach()
    for dtype in (torch.float32, torch.float64, torch.float32):
        z, log_det = layer.to(dtype)(x.to(dtype))
        assert z.dtype == log_det.dtype == dtype
        assert torch.allclose(layer.inverse(z)[0], x.to(dtype), atol=1e-6)


def test_a_result_is_memory_of_its_own():
    x = torch.ones(3)
    (same,) = bridged(JaxFunction(lambda x: (x,)), x)
    same.add_(1)
    assert torch.equal(x, torch.ones(3))


def test_a_layer_has_the_values_and_gradients_of_its_formula():
    layer = scaled(0).double()
    x = wide(3, 4)
    s = next(layer.parameters())
    z, log_det = layer(x)
    assert torch.allclose(z, x * s.exp()) and torch.allclose(log_det, s.sum().expand(3))
    back, other = layer.inverse(z)
    assert torch.allclose(back, x) and torch.allclose(other, -log_det)
    (gradient,) = torch.autograd.grad(z.sum() + log_det.sum(), s)
    assert torch.allclose(gradient, (x * s.exp()).sum(0) + 3)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 137])
def test_any_number_of_rows(rows):
    layer = scaled(0)
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(1))
    z, log_det = layer(x)
    assert torch.allclose(z, x * next(layer.parameters()).exp())
    assert log_det.shape == (rows,)


def test_keys_are_handed_in_one_for_each_row():
    def noisy(x, key):
        return x + jax.random.normal(key, x.shape), 0.0

    fixed = invbench.adapt_jax(noisy, key=jax.random.key(3))
    x = torch.zeros(4, 2)
    first, second = fixed(x)[0], fixed(x)[0]
    assert torch.equal(first, second)
    assert len(first.unique()) == 8
    fresh = invbench.adapt_jax(noisy, key="torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        draws = [fresh(x)[0] for _ in range(2)]
        torch.manual_seed(5)
        assert torch.equal(fresh(x)[0], draws[0])
    assert not torch.equal(*draws)


def test_a_condition_goes_by_position_or_by_its_keyword():
    x, cond = torch.ones(2, 3), torch.full((2, 1), 2.0)
    by_place = invbench.adapt_jax(lambda x, c: (x * c, 3 * jnp.log(c[0])))
    by_name = invbench.adapt_jax(lambda x, *, context: (x * context, 0.0), condition="context")
    assert torch.equal(by_place(x, cond)[0], 2 * x) and torch.equal(by_name(x, cond)[0], 2 * x)
    assert by_place(x, cond)[1].shape == (2,)


def test_a_function_of_the_params_alone_builds_the_bijection():
    class Twice:
        def __init__(self, factor):
            self.factor = factor

        def transform_and_log_det(self, x, condition=None):
            return x * self.factor, jnp.log(self.factor) * len(x)

        def inverse_and_log_det(self, y, condition=None):
            return y / self.factor, -jnp.log(self.factor) * len(y)

    layer = invbench.adapt_jax(lambda p: Twice(jnp.exp(p["log"])), params={"log": jnp.ones(())})
    z, log_det = layer(torch.ones(2, 3))
    assert torch.allclose(z, torch.full((2, 3), 2.7182818))
    assert torch.allclose(log_det, torch.full((2,), 3.0))
    assert [name for name, _ in layer.named_parameters()] == ["arrays.log"]


def test_a_bijection_without_inverse_says_so():
    layer = invbench.adapt_jax(lambda x: (2 * x, 0.0))
    assert layer.declares == {"inverse": "none"}
    with pytest.raises(NotImplementedError, match=r"adapt_jax\(forward, inverse\)"):
        layer.inverse(torch.ones(1, 2))


@pytest.mark.parametrize("subject", [object(), dict, 3])
def test_what_is_no_bijection_is_refused(subject):
    with pytest.raises(UsageError, match="hand in two functions"):
        invbench.adapt_jax(subject)


def test_a_result_that_is_no_pair_is_named():
    with pytest.raises(TypeError, match=r"return \(value, log_det\)"):
        invbench.adapt_jax(lambda x: 2 * x)(torch.ones(1, 2))


def broken(law: str, planted: Planted, name: str, dtype: str = "float32") -> list[Violation]:
    """What a law says of a layer at its own weights, on 16 rows near 1 and 16 up to 16."""
    subject = subject_of(target_of(planted, name), parse_dtype(dtype), survey=False)
    if not LAWS[law].applies(subject):
        return []
    said = []
    for log2_scale in (0, 4):
        recipe = InputRecipe("normal", log2_scale, "normal", 0, rows=16)
        said += judge(LAWS[law], subject, recipe)
    return [v for v in said if v.kind != "ill-conditioned"]


@pytest.mark.parametrize(
    ("law", "name"), [(law, name) for law, mutants in JAX_MUTANTS.items() for name in mutants]
)
def test_law_kills_its_mutant(law, name):
    assert broken(law, JAX_MUTANTS[law][name], name)


@pytest.mark.parametrize("law", ["round-trip-x", "log-det", "jax-jit", "jax-vmap"])
@pytest.mark.parametrize("name", SOUND_JAX)
def test_no_law_accuses_what_is_sound(name, law):
    assert broken(law, SOUND_JAX[name], name, "float64") == []


@pytest.mark.parametrize("name", REPORTED)
def test_a_reported_fault_is_told_from_its_correction(name):
    make, about, law = REPORTED[name]
    faulty, fixed = (
        Planted(lambda seed, f=faulty: make(seed, f), **about) for faulty in (True, False)
    )
    assert broken(law, faulty, name)
    assert not broken(law, fixed, name)


def test_check_takes_a_layer_of_jax():
    report = check(
        target_of(SOUND_JAX["scaled"], "scaled"), budget="smoke", properties=["inverse-log-det"]
    )
    assert report.sound and report.measures["cases"] > 2


def test_laws_of_jax_do_not_apply_to_torch():
    subject = subject_of(resolve("affine-block", ("layer",)), torch.float32, survey=False)
    assert not any(LAWS[law].applies(subject) for law in JAX_MUTANTS)


def test_the_laws_see_the_primitives_inside():
    layer = SOUND_JAX["coupling"].make(0)
    x, cond = torch.ones(3, 4), torch.ones(3, 2)
    trace = traced(lambda: layer(x, cond))
    assert {"matmul", "tanh", "exp"} <= set(trace.names) and not trace.loop
    loops = invbench.adapt_jax(
        lambda x: (jax.lax.fori_loop(0, 9, lambda _, v: jnp.sin(v) + 1, x), 0.0)
    )
    assert traced(lambda: loops(x)).loop
    huge = invbench.adapt_jax(lambda x: (jnp.exp(x), x.sum()))
    assert first_bad(lambda: huge(1000 * x)) == "exp"


@pytest.mark.parametrize(
    ("library", "name", "dtype"),
    [
        ("flowjax", "flowjax/affine-coupling", torch.float32),
        ("distrax", "distrax/masked-affine-coupling", torch.float64),
        ("bijx", "bijx/affine", torch.float32),
        ("distreqx", "distreqx/scalar-affine", torch.float64),
    ],
)
def test_a_bijection_of_each_library_goes_both_ways(library, name, dtype):
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'invbench[jax]'")
    subject = subject_of(resolve(name, ("layer",)), dtype, survey=False)
    recipe = InputRecipe("normal", 0, "normal", 0, rows=8)
    for law in ("round-trip-x", "inverse-log-det", "log-det"):
        assert judge(LAWS[law], subject, recipe) == []


@pytest.mark.parametrize("name", ["distrax/triangular-linear", "distreqx/triangular-linear"])
def test_a_matrix_of_the_factory_has_the_dtype_of_its_weights(name):
    library = name.partition("/")[0]
    pytest.importorskip(library, reason=f"{library} is not installed: pip install 'invbench[jax]'")
    layer = resolve(name, ("layer",)).make(0).to(torch.bfloat16)
    assert layer(torch.ones(2, 6, dtype=torch.bfloat16))[0].dtype == torch.bfloat16
