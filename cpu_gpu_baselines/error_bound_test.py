"""The bound against float32 arithmetic itself, in orders that a runtime may choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gatesmith.cpu_gpu_baselines.error_bound import (
    Bounded,
    constant,
    dequantized,
    grid_of,
    known,
    quantizer_error,
    step,
)
from gatesmith.ir import Array, IntType, Node, Op, Real, Reals, TensorType
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.top_k import TopK

F32 = np.float32


def apply(op: Op, *args: Bounded, tensor: str | None = None) -> Bounded:
    """One step; a constant's shape is its own, another value's starts with the frames."""
    inputs = tuple(
        Node(f"a{i}", Input(TensorType(arg.value.shape[-2:][i == 0 :], Real())))
        for i, arg in enumerate(args)
    )
    return step(Node("n", op, inputs, tensor=tensor), args)


def exactly(values: Any) -> Bounded:
    value = np.asarray(values, np.float64)
    return known(value, value.astype(F32), np.zeros_like(value), None)


def test_batch_norm_holds_in_either_form_and_under_cancellation() -> None:
    rng = np.random.default_rng(0)
    mean, beta = rng.normal(0, 10, 64).astype(F32), rng.normal(0, 10, 64).astype(F32)
    gamma, var = rng.normal(0, 1, 64).astype(F32), rng.uniform(0.01, 1, 64).astype(F32)
    eps = F32(1e-5)
    factor = gamma.astype(np.float64) / np.sqrt(var.astype(np.float64) + np.float64(eps))
    near = (mean - beta / factor).astype(F32)  # makes the result almost zero
    x = (near + rng.normal(0, 1e-5, (500, 64)) * np.abs(near)).astype(F32)

    centred = apply(Sub(), exactly(x), constant(mean.astype(np.float64), mean))
    scaled = apply(Mul(), centred, constant(factor, None))
    y = apply(Add(), scaled, constant(beta.astype(np.float64), beta), tensor="y")

    written = gamma * (x - mean) / np.sqrt(var + eps) + beta
    a = gamma * (F32(1) / np.sqrt(var + eps))
    folded = x * a + (beta - mean * a)
    for runtime in (written, folded):
        assert runtime.dtype == F32
        error = np.abs(runtime - y.value)
        assert (error <= y.error).all()
        assert (error / y.error).max() > 0.02  # and the bound is no wild guess
    # A bound from the result alone, without the sizes of its terms, would not hold.
    assert (np.abs(folded - y.value) > 16 * 2.0**-24 * np.abs(y.value)).any()


@pytest.mark.parametrize("order", ["ascending", "descending", "pairwise"])
def test_inner_product_holds_in_any_order(order: str) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(0, 1, (40, 301)).astype(F32), rng.normal(0, 1, (301, 7)).astype(F32)

    y = apply(MatMul(), exactly(x), constant(w.astype(np.float64), w), tensor="y")

    products = x[:, :, np.newaxis] * w
    if order == "pairwise":
        runtime = np.add.reduce(products, axis=1, dtype=F32)
    else:
        runtime = np.zeros((40, 7), F32)
        for i in range(301) if order == "ascending" else range(300, -1, -1):
            runtime += products[:, i]
    assert (np.abs(runtime - y.value) <= y.error).all()
    assert y.error.min() > 0


def test_product_of_small_integers_is_exact() -> None:
    rng = np.random.default_rng(2)
    codes, w = rng.integers(-3, 4, (20, 784)), rng.choice([-0.25, 0.25], (784, 10))
    op = Dequantize(Array(0.5), Array(-1.0))
    x = dequantized(op, codes, op.run(codes).astype(F32))

    y = apply(MatMul(), x, constant(w, w.astype(F32)), tensor="y")

    assert not y.error.any()
    assert y.grid == 0.125


def test_product_of_integers_past_24_bits_is_not_called_exact() -> None:
    codes, w = np.full((1, 2), 2**13 + 1), np.array([[2.0**12 + 1], [2.0**12 - 1]])
    op = Dequantize(Array(1.0), Array(0.0))
    x = dequantized(op, codes, op.run(codes).astype(F32))

    y = apply(MatMul(), x, constant(w, w.astype(F32)), tensor="y")

    assert y.error.min() > 0


def test_bias_that_is_no_integer_takes_exactness_away_when_it_may_be_added_first() -> None:
    op = Dequantize(Array(1.0), Array(0.0))
    codes, w, bias = np.full((1, 100), 3), np.ones((100, 1)), np.array([0.1])
    x = dequantized(op, codes, op.run(codes).astype(F32))
    product = constant(w, w.astype(F32))

    gemm = apply(Add(), apply(MatMul(), x, product), constant(bias, bias.astype(F32)))
    alone = apply(Add(), apply(MatMul(), x, product, tensor="m"), constant(bias, bias.astype(F32)))

    assert gemm.error > 50 * alone.error


def test_constant_far_from_the_runtimes_is_not_believed() -> None:
    value = np.array([1.0, -0.5])

    near, far = (constant(value, (value + by).astype(F32)) for by in (2.0**-23, 1e-3))

    np.testing.assert_allclose(near.error, 2.0**-23, rtol=1e-6)
    assert far.error.max() < 1e-6


def test_pixel_carries_the_rounding_of_its_scale() -> None:
    op, codes = Dequantize(Array(1.0), Array(0.0), 255), np.arange(256).reshape(1, 256)
    runtime = op.run(codes).astype(F32)

    x = dequantized(op, codes, runtime)

    assert (np.abs(runtime - x.value) <= x.error).all()
    assert 0 < x.error.max() <= 2.0**-25 * 1.001
    assert x.grid is None


def test_division_relu_clip_and_softmax_hold() -> None:
    rng = np.random.default_rng(3)
    x, b = rng.normal(0, 3, (300, 10)).astype(F32), rng.uniform(0.1, 3, 10).astype(F32)
    start: Reals = x.astype(np.float64) + rng.uniform(-1e-4, 1e-4, x.shape)
    moved = known(start, x, np.full(x.shape, 1e-4), None)

    divided = apply(Div(), moved, constant(b.astype(np.float64), b), tensor="d")
    soft = apply(Softmax(), moved, tensor="s")
    e = np.exp(x - x.max(axis=1, keepdims=True))
    cases = [
        (divided, x / b),
        (divided, x * (F32(1) / b)),
        (apply(Relu(), moved), np.maximum(x, 0)),
        (apply(Clip(-0.5, 2.0), moved), x.clip(-0.5, 2.0)),
        (soft, e / e.sum(axis=1, keepdims=True)),
    ]
    for bound, runtime in cases:
        assert runtime.dtype == F32
        assert (np.abs(runtime - bound.value) <= bound.error).all()
    assert not apply(Relu(), moved).error[start < -1e-3].any()
    assert soft.error.max() < 3e-4


def test_division_by_what_may_be_zero_has_no_bound() -> None:
    tiny = Bounded(np.array([1e-9]), np.array([1e-8]), np.array([1e-7]))

    assert apply(Div(), exactly([[1.0]]), tiny).error == np.inf


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("op", [Mul(), MatMul()])
def test_what_is_not_known_times_zero_is_not_known(op: Op) -> None:
    unknown = Bounded(np.ones((1, 1)), np.full((1, 1), np.inf), np.full((1, 1), np.inf))

    assert apply(op, unknown, exactly([[0.0]])).error == np.inf


def test_quantizer_adds_its_own_rounding() -> None:
    op = Quantize(Array(0.1), Array(3.0), IntType(-8, 7))

    assert 0 < quantizer_error(op, exactly([[0.3]])) < 1e-5


def test_grid_of_thirds_is_their_last_bit() -> None:
    third = np.array([float(F32(1 / 3)), 4.0])

    assert grid_of(third) == 2.0**-25


def test_operator_without_a_rule_names_the_file_to_edit() -> None:
    with pytest.raises(TypeError, match=r"^no error bound for TopK: add one in error_bound\.py$"):
        apply(TopK(1), exactly([[1.0, 2.0]]))
