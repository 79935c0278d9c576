"""Learned rounding: never worse than the nearest, and at its best where all can be tried."""

from itertools import product

import numpy as np
import pytest

from gatesmith.ir import Reals
from gatesmith.quant.calibrate.patches import columns, mean_row, sample_rows, uncolumns
from gatesmith.quant.calibrate.rounding import output_error, refit, round_weights
from gatesmith.quant.calibrate.weights import weight_grid
from gatesmith.quant.prepare.scheme import Scheme

RNG = np.random.default_rng(4)
TEXTS = ["int8", "int4", "int2", "int4:tensor", "int3:wide", "int4:group=2", "bipolar", "ternary"]
TEXTS += ["ttq", "pow2", "pow2x2", "codebook-4"]


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Whatever ran before in the same process."""
    RNG.bit_generator.state = np.random.default_rng(4).bit_generator.state


def moments(groups: int, size: int, rows: int = 300) -> Reals:
    """Of rows whose elements depend on each other."""
    x = RNG.normal(size=(groups, rows, size)) @ RNG.normal(size=(groups, size, size))
    x = np.maximum(x, 0)
    return x.transpose(0, 2, 1) @ x / rows


def errors(w: Reals, q: Reals, h: Reals, group: int) -> Reals:
    return output_error(columns(w - q, group), h).ravel()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("shape, group", [((36, 7), 1), ((3, 3, 1, 6), 6), ((3, 3, 4, 8), 2)])
def test_never_worse_than_the_nearest(text: str, shape: tuple[int, ...], group: int) -> None:
    w = RNG.normal(size=shape)
    grid, nearest = weight_grid(w, Scheme.parse(text, weight=True))
    h = moments(group, w.size // shape[-1])
    q = round_weights(w, grid, h, group)
    assert (grid.fake(q) == q).all(), "on the grid"
    before, after = errors(w, nearest, h, group), errors(w, q, h, group)
    assert (after <= before * (1 + 1e-12)).all()
    if text != "int8" or group == 1:
        assert after.sum() < before.sum()


def test_much_better_on_inputs_that_are_alike() -> None:
    """About half of the error on average: one draw says little (0.37 to 0.64 of it)."""
    shares = []
    for _ in range(30):
        w = RNG.normal(size=(64, 16))
        grid, nearest = weight_grid(w, Scheme.parse("int4", weight=True))
        h = moments(1, 64)
        q = round_weights(w, grid, h)
        shares.append(errors(w, q, h, 1).sum() / errors(w, nearest, h, 1).sum())
    assert np.mean(shares) < 0.52
    assert max(shares) < 0.7


def test_near_the_best_of_all_roundings() -> None:
    w = RNG.normal(size=(8, 5))
    grid, _ = weight_grid(w, Scheme.parse("int4", weight=True))
    h = moments(1, 8)
    q = round_weights(w, grid, h)
    low = np.floor(w / grid.scale.data)
    best = np.full(5, np.inf)
    for up in product((0, 1), repeat=8):
        tried = np.clip(low + np.array(up)[:, None], -7, 7) * grid.scale.data
        best = np.minimum(best, errors(w, tried, h, 1))
    assert (errors(w, q, h, 1) <= 1.6 * best).all()
    assert errors(w, q, h, 1).sum() <= 1.2 * best.sum()


def test_independent_inputs_leave_the_nearest() -> None:
    w = RNG.normal(size=(20, 3))
    grid, nearest = weight_grid(w, Scheme.parse("int4", weight=True))
    assert (round_weights(w, grid, np.eye(20)[None]) == nearest).all()


def test_inputs_that_are_never_on() -> None:
    h = np.zeros((1, 6, 6))
    h[0, :2, :2] = [[2, 1], [1, 2]]
    w = RNG.normal(size=(6, 3))
    grid, nearest = weight_grid(w, Scheme.parse("int4", weight=True))
    assert (round_weights(w, grid, h)[2:] == nearest[2:]).all()
    assert (round_weights(w, grid, np.zeros((1, 6, 6))) == nearest).all()


@pytest.mark.parametrize("text", ["int2", "ternary", "bipolar", "bipolar:tensor", "pow2", "ttq"])
def test_refit(text: str) -> None:
    w, h = RNG.normal(size=(30, 4)), moments(1, 30)
    grid, _ = weight_grid(w, Scheme.parse(text, weight=True))
    q = round_weights(w, grid, h)
    new = refit(w, q, grid, h)
    assert new is not None
    again = new.values(grid.codes(q))
    assert errors(w, again, h, 1).sum() <= errors(w, q, h, 1).sum() * (1 + 1e-9)
    for factor in (0.99, 1.01):
        assert errors(w, again * factor, h, 1).sum() > errors(w, again, h, 1).sum()


def test_refit_keeps_what_must_stay() -> None:
    w, h = RNG.normal(size=(30, 4)), moments(1, 30)
    for text in ("int4:pow2scale", "int4:group=8"):
        grid, q = weight_grid(w, Scheme.parse(text, weight=True))
        assert refit(w, q, grid, h) is None


def test_columns_come_back() -> None:
    w = RNG.normal(size=(3, 3, 2, 6))
    assert (uncolumns(columns(w, 3), w.shape) == w).all()
    assert columns(w, 3).shape == (3, 18, 2)


def test_rows_times_columns_is_the_layer() -> None:
    from gatesmith.ir import Array, Graph, Node, Real, TensorType
    from gatesmith.ops.const import Const
    from gatesmith.ops.conv import Conv
    from gatesmith.ops.input import Input
    from gatesmith.quant.calibrate.layers import layers

    x = Node("x", Input(TensorType((7, 6, 4), Real())))
    w = RNG.normal(size=(3, 2, 2, 6))
    op = Conv((2, 1), (1, 0, 1, 2), (1, 2), 2)
    (layer,) = layers(Graph((Node("c", op, (x, Node("w", Const(Array(w))))),)))
    data = RNG.normal(size=(5, 7, 6, 4))
    y = op.run(data, w)
    rows = sample_rows(layer, data, 10**6, np.random.default_rng(0))
    sums = rows @ columns(w, 2)
    assert np.allclose(sums.transpose(1, 0, 2).reshape(y.shape), y)
    mean = np.einsum("gko,gk->go", columns(w, 2), mean_row(layer, data)).ravel()
    assert np.allclose(mean, y.mean(axis=(0, 1, 2)))
    few = sample_rows(layer, data, 20, np.random.default_rng(0))
    assert few.shape == (2, 20, 12)


def test_zeros_stay_and_the_others_make_up_for_them() -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((400, 12)) @ random.standard_normal((12, 12))
    h, w = (x.T @ x / len(x))[None], random.standard_normal((12, 7))
    free = random.random(w.shape) < 0.4
    grid, _ = weight_grid(w * free, Scheme.parse("int4", weight=True))
    q = round_weights(w, grid, h, free=free)
    assert not q[~free].any()
    assert (grid.fake(q) == q).all()
    alone = grid.fake(w) * free
    assert output_error((w - q)[None], h).sum() < output_error((w - alone)[None], h).sum()
