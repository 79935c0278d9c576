"""What a quantizer computes is what its grid says, bit for bit; gradients follow their papers."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.ir import BIPOLAR, TERNARY, Array, IntType  # noqa: E402
from gatesmith.ops.fake_quant import Grid  # noqa: E402
from gatesmith.ops.quantize import ROUNDING  # noqa: E402
from gatesmith.quant.train import uniform  # noqa: E402
from gatesmith.quant.train.quantizers import Estimators, Quantizer, make  # noqa: E402


def f32(values: object) -> Array:
    return Array(np.asarray(values, np.float32).astype(np.float64))


GROUPS = np.repeat([[0.11, 0.23, 0.31], [0.13, 0.17, 0.19]], 4, axis=0)  # (8, 3), 4 inputs each
POW2 = [-4, -2, -1, 0, 1, 2, 4]
WEIGHTS = {
    "int2": (Grid("int", IntType(-1, 1), f32([0.3, 0.5, 0.7])), Estimators()),
    "int4": (Grid("int", IntType(-7, 7), f32(0.11)), Estimators()),
    "int4 wide": (Grid("int", IntType(-8, 7), f32([0.11, 0.2, 0.3])), Estimators()),
    "pow2 scale": (Grid("int", IntType(-7, 7), f32([0.125, 0.25, 0.5])), Estimators()),
    "groups": (Grid("int", IntType(-7, 7), f32(GROUPS)), Estimators()),
    "fixed step": (Grid("int", IntType(-7, 7), f32(0.11)), Estimators(weights="ste")),
    "dorefa": (Grid("int", IntType(-7, 7), f32(0.11)), Estimators(weights="dorefa")),
    "bipolar": (Grid("bipolar", BIPOLAR, f32([0.3, 0.5, 0.7])), Estimators()),
    "bipolar tensor": (Grid("bipolar", BIPOLAR, f32(0.7)), Estimators()),
    "bipolar lsq": (Grid("bipolar", BIPOLAR, f32([0.3, 0.5, 0.7])), Estimators(bipolar="lsq")),
    "ternary": (Grid("ternary", TERNARY, f32([0.3, 0.5, 0.7])), Estimators()),
    "twn": (Grid("ternary", TERNARY, f32([0.3, 0.5, 0.7])), Estimators(ternary="twn")),
    "ttq": (
        Grid("ternary", IntType(-127, 127), f32(0.01), levels=Array([-60, 0, 101])),
        Estimators(),
    ),
    "pow2": (Grid("pow2", IntType(-4, 4), f32([0.3, 0.5, 0.7]), levels=Array(POW2)), Estimators()),
    "codebook": (
        Grid("codebook", IntType(-127, 127), f32(0.01), levels=Array([-90, -17, 3, 44, 127])),
        Estimators(),
    ),
}
ACTIVATIONS = {
    "uint4": (Grid("int", IntType(0, 15), f32(0.13)), Estimators()),
    "int4": (Grid("int", IntType(-8, 7), f32(0.13)), Estimators()),
    "affine": (Grid("int", IntType(0, 15), f32(0.13), Array(6)), Estimators()),
    "by channel": (
        Grid("int", IntType(0, 15), f32([0.13, 0.2, 0.1]), Array([6, 0, 2])),
        Estimators(),
    ),
    "pact": (Grid("int", IntType(0, 15), f32(0.13)), Estimators(activations="pact")),
    "pact signed": (Grid("int", IntType(-8, 7), f32(0.13)), Estimators(activations="pact")),
    "ste": (Grid("int", IntType(0, 15), f32(0.13)), Estimators(activations="ste")),
    "bipolar": (Grid("bipolar", BIPOLAR, f32(0.7)), Estimators()),
    "bipolar by channel": (Grid("bipolar", BIPOLAR, f32([0.7, 0.5, 0.2])), Estimators()),
    "ternary": (Grid("ternary", TERNARY, f32(0.7)), Estimators()),
    **{
        mode: (Grid("int", IntType(-8, 7), f32(0.13), Array(2), mode), Estimators())
        for mode in ROUNDING
    },
}


def _nudge(module: Quantizer) -> None:
    """As if it had learned."""
    with torch.no_grad():
        for number, p in enumerate(module.parameters()):
            p.add_(0.6 * torch.sin(torch.arange(p.numel()) + number + 1.0).reshape(p.shape))


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("learned", [False, True])
def test_weights_lie_on_the_grid_that_is_reported(name: str, learned: bool) -> None:
    grid, how = WEIGHTS[name]
    w = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    module = make(grid, how, weight=True, features=24, fixed=False)
    if learned:
        _nudge(module)

    y = module(w)

    now = module.grid(w)
    codes = now.codes(y.detach().double().numpy())
    if now.levels is not None:
        assert set(np.unique(codes)) <= set(now.levels.data.tolist())
    expected = codes.astype(np.float32) * now.scale.data.astype(np.float32)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    assert len(np.unique(codes)) > 1
    torch.autograd.backward(y.square().sum())
    assert w.grad is not None and w.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_the_codes_of_the_grid(name: str) -> None:
    grid, how = ACTIVATIONS[name]
    x = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(2), requires_grad=True)
    module = make(grid, how, weight=False, features=12, fixed=False)
    _nudge(module)

    y = module(x)

    now = module.grid(x)
    real = x.detach().double().numpy()
    zero = now.zero_point.data
    codes = now.codes(real)
    different = y.detach().numpy() != (
        (codes - zero).astype(np.float32) * now.scale.data.astype(np.float32)
    )
    assert not different.any()
    if now.kind == "int":
        assert len(np.unique(codes)) > 8
    torch.autograd.backward(y.square().sum())
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_pow2_scales_stay_powers_of_two() -> None:
    grid, how = WEIGHTS["pow2 scale"]
    module = make(grid, how, weight=True, features=24, fixed=False)
    _nudge(module)
    scale = module.grid(torch.zeros(8, 3)).scale.data
    assert (np.frexp(scale)[0] == 0.5).all()
    assert (scale != grid.scale.data).any()


def test_groups_have_one_scale_each() -> None:
    grid, how = WEIGHTS["groups"]
    module = make(grid, how, weight=True, features=24, fixed=False)
    assert [p.shape for p in module.parameters()] == [(2, 3)]
    _nudge(module)
    scale = module.grid(torch.zeros(8, 3)).scale.data
    assert (scale[:4] == scale[0]).all() and (scale[4:] == scale[4]).all()


def test_fixed_grids_come_back_as_they_were() -> None:
    for grid, how in (*WEIGHTS.values(), *ACTIVATIONS.values()):
        if grid.kind == "int":
            module = make(grid, how, weight=False, features=12, fixed=True)
            assert not list(module.parameters())
            assert module.grid(torch.zeros(1)) == grid


def test_gradient_of_the_step_is_lsq() -> None:
    """Esser et al., 2020, equation 3, element by element."""
    lo, hi, s = -3, 3, 0.25
    x = torch.tensor([-2.0, -0.6, -0.11, 0.0, 0.2, 0.7, 0.9], requires_grad=True)
    scale = torch.tensor(s, requires_grad=True)
    g = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0, 1.5, -2.0])
    torch.autograd.backward(uniform.uniform(x, scale, (lo, hi)), g)
    v = x.detach().numpy() / s
    by_scale = np.where(v <= lo, lo, np.where(v >= hi, hi, np.rint(v) - v))
    inside = (v > lo) & (v < hi)
    np.testing.assert_allclose(float(scale.grad), (g.numpy() * by_scale).sum(), rtol=1e-5)
    np.testing.assert_array_equal(x.grad.numpy(), g.numpy() * inside)


def test_blocks_and_channels_have_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(7, 11)
    g = torch.randn(7, 11)
    found = []
    for block in (1 << 17, 5):
        monkeypatch.setattr(uniform, "BLOCK", block)
        a, s = x.clone().requires_grad_(), torch.tensor(0.3, requires_grad=True)
        torch.autograd.backward(uniform.uniform(a, s, (-2.0, 2.0)), g)
        found.append((a.grad, s.grad))
    a, s = x.clone().requires_grad_(), torch.full((11,), 0.3, requires_grad=True)
    v = x / 0.3
    torch.autograd.backward(uniform.coded(a, s, v.round().clamp(-2, 2), (v.abs() < 2)), g)
    found.append((a.grad, s.grad.sum()))
    for other in found[1:]:
        torch.testing.assert_close(other[0], found[0][0])
        torch.testing.assert_close(other[1], found[0][1], rtol=1e-4, atol=1e-4)


def test_pact_learns_from_what_it_clips() -> None:
    grid = Grid("int", IntType(0, 15), f32(0.125))
    module = make(grid, Estimators(activations="pact"), weight=False, features=1, fixed=False)
    x = torch.tensor([0.51, -1.0])
    torch.autograd.backward(module(x).sum())
    assert [p.grad for p in module.parameters()] == [torch.zeros(())]
    torch.autograd.backward(module(torch.tensor([9.0])).sum())
    assert all(p.grad is not None and p.grad > 0 for p in module.parameters())


def test_more_bits_with_the_same_reach() -> None:
    grid = Grid("int", IntType(-1, 1), f32(0.5))
    module = make(grid, Estimators(), weight=True, features=9, fixed=False)
    x = torch.linspace(-1, 1, 9)
    module.at_bits(8)
    assert float((module(x) - x.clamp(-0.5, 0.5)).abs().max().detach()) < 0.5 / 127
    with pytest.raises(ValueError, match="more bits"):
        module.grid(x)
    module.at_bits(None)
    assert module.grid(x) == grid


def test_bipolar_weights_stay_within_reach() -> None:
    module = make(*WEIGHTS["bipolar"], weight=True, features=9, fixed=False)
    w = torch.ones(10, 3)
    w[0] = 1000.0
    module.keep(w)
    assert float(w.max()) < 1000
    assert bool((w[1:] == 1).all())


def test_unknown_estimators_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^weights must be one of lsq, dorefa, ste, not lqs$"):
        Estimators(weights="lqs")
