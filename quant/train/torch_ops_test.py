"""Every operator in torch equals its NumPy reference, and has a gradient."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gatesmith.errors import UserErrors  # noqa: E402
from gatesmith.ir import Array, Graph, IntType, Node, Op, Real, TensorType  # noqa: E402
from gatesmith.ops.add import Add  # noqa: E402
from gatesmith.ops.average_pool import AveragePool  # noqa: E402
from gatesmith.ops.bipolar_quant import BipolarQuant  # noqa: E402
from gatesmith.ops.clip import Clip  # noqa: E402
from gatesmith.ops.concat import Concat  # noqa: E402
from gatesmith.ops.conv import Conv  # noqa: E402
from gatesmith.ops.dequantize import Dequantize  # noqa: E402
from gatesmith.ops.div import Div  # noqa: E402
from gatesmith.ops.function import FLOAT64, Function  # noqa: E402
from gatesmith.ops.input import Input  # noqa: E402
from gatesmith.ops.layer_norm import LayerNorm  # noqa: E402
from gatesmith.ops.leaky_relu import LeakyRelu  # noqa: E402
from gatesmith.ops.mat_mul import MatMul  # noqa: E402
from gatesmith.ops.max_pool import MaxPool  # noqa: E402
from gatesmith.ops.mul import Mul  # noqa: E402
from gatesmith.ops.multi_threshold import MultiThreshold  # noqa: E402
from gatesmith.ops.pad import Pad  # noqa: E402
from gatesmith.ops.quantize import ROUNDING, Quantize  # noqa: E402
from gatesmith.ops.reduce import Reduce  # noqa: E402
from gatesmith.ops.registry import classes  # noqa: E402
from gatesmith.ops.relu import Relu  # noqa: E402
from gatesmith.ops.reshape import Reshape  # noqa: E402
from gatesmith.ops.select import Select  # noqa: E402
from gatesmith.ops.sign import Sign  # noqa: E402
from gatesmith.ops.softmax import Softmax  # noqa: E402
from gatesmith.ops.sub import Sub  # noqa: E402
from gatesmith.ops.take import Take  # noqa: E402
from gatesmith.ops.top_k import TopK  # noqa: E402
from gatesmith.ops.transpose import Transpose  # noqa: E402
from gatesmith.quant.train import torch_ops  # noqa: E402
from gatesmith.quant.train.module import GraphModule  # noqa: E402

NO_GRADIENT = {
    *("MultiThreshold", "TopK"),
    *("Dense", "Depthwise", "Gather", "IntLayerNorm", "IntSoftmax", "Join", "Product"),
    *("Requantize", "Table", "Threshold", "Window"),
    *("Decide", "EarlyExit", "Gate"),
}
MAP = (7, 6, 4)

CHANGING: list[Op] = [
    *(Quantize(Array([0.1, 0.2, 0.5, 1.0]), Array(2.0), IntType(-3, 4), m) for m in ROUNDING),
    *(Function(kind) for kind in FLOAT64),
]
Case: TypeAlias = tuple[Op, list[tuple[int, ...]], list[tuple[int, ...]]]
CASES: list[Case] = [
    (Add(), [(3, 4)], [(4,)]),
    (Sub(), [(3, 4), (3, 4)], []),
    (Mul(), [(3, 4)], [(4,)]),
    (Div(), [(3, 4)], [(4,)]),
    (MatMul(), [(3, 4)], [(4, 5)]),
    (Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), [MAP], [(3, 3, 4, 5)]),
    (Conv((2, 1), (0, 1, 2, 0), (1, 2), 2), [MAP], [(3, 2, 2, 6)]),
    (Conv((2, 2), (1, 1, 1, 1), (1, 1), 4), [MAP], [(3, 3, 1, 8)]),
    (AveragePool((2, 3), (2, 1), (0, 0, 0, 0), (0, 0, 0, 0)), [MAP], []),
    (AveragePool((3, 3), (2, 2), (1, 1, 1, 2), (0, 0, 0, 0)), [MAP], []),
    (AveragePool((3, 3), (2, 2), (1, 1, 1, 2), (1, 1, 0, 0), (2, 1)), [MAP], []),
    (MaxPool((2, 2), (2, 2)), [MAP], []),
    (MaxPool((3, 2), (2, 1), (2, 1, 1, 0), (1, 2)), [MAP], []),
    (Reduce("sum"), [(3, 4)], []),
    (Reduce("mean"), [(3, 4)], []),
    (Reduce("max"), [(3, 4)], []),
    (Reduce("min"), [(3, 4)], []),
    (Concat(1), [(3, 4), (3, 2)], []),
    (Concat(0), [(3, 4)], [(2, 4)]),
    (Take(1, Array([2, 0, 0, 1, 3])), [(3, 4)], []),
    (Pad((1, 0), (0, 2), (0, 0), 0.25), [(3, 4)], []),
    (Pad((1, 0), (0, 2), (2, 1), 0.25), [(3, 4)], []),
    (LeakyRelu(Array([0.5, -1.0, 0.0, 2.0])), [(3, 4)], []),
    (Select("max"), [(3, 4), (3, 4)], []),
    (Select("min"), [(3, 4)], [(4,)]),
    (LayerNorm(1e-3), [(3, 4)], []),
    (Relu(), [(3, 4)], []),
    (Clip(-0.5, 0.75), [(3, 4)], []),
    (Clip(0.75, -0.5), [(3, 4)], []),
    (Sign(), [(3, 4)], []),
    (Softmax(1), [(3, 4)], []),
    (Softmax(2), [(3, 4)], []),
    (Reshape((2, 6)), [(3, 4)], []),
    (Transpose((1, 0)), [(3, 4)], []),
    (BipolarQuant(), [(3, 4)], []),
]
CASES += [(op, [(3, 4)], []) for op in CHANGING]


def _values(op: Op, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal(shape).astype(np.float32).astype(np.float64)
    match op:
        case Div():
            return np.abs(x) + 1
        case Function("log" | "sqrt" | "acosh" | "reciprocal"):
            return np.abs(x) + 1.25
        case Function("asin" | "acos" | "atanh" | "tan"):
            return np.tanh(x) * 0.75
    return x


@pytest.mark.parametrize("number", range(len(CASES)))
def test_equals_the_reference(number: int) -> None:
    op, shapes, consts = CASES[number]
    rng = np.random.default_rng(number)
    args = [_values(op, (5, *shape), rng) for shape in shapes]
    args += [_values(op, shape, rng) for shape in consts]
    tensors = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in args]
    args = [t.detach().double().numpy() for t in tensors]
    op.infer(*(TensorType(shape, Real()) for shape in (*shapes, *consts)))

    y = torch_ops.run(op, *tensors)

    np.testing.assert_allclose(y.detach().double().numpy(), op.run(*args), rtol=2e-5, atol=2e-6)
    torch.autograd.backward(y.sum())
    assert all(t.grad is not None and bool(torch.isfinite(t.grad).all()) for t in tensors)


def test_dequantize() -> None:
    op = Dequantize(Array([0.5, 0.25]), Array(3.0), 7)
    codes = np.array([[1, -2], [3, 0]])
    y = torch_ops.run(op, torch.tensor(codes, dtype=torch.float32))
    np.testing.assert_allclose(y.numpy(), op.run(codes), rtol=1e-6)


def test_every_operator_is_known() -> None:
    known = {cls.__name__ for cls in (*torch_ops.OPS, *torch_ops.BY_MODULE)}
    assert not known & NO_GRADIENT
    assert known | NO_GRADIENT == set(classes()), "add it to quant/train/torch_ops.py"
    tested = {type(op) for op, _, _ in CASES} | {Dequantize}
    assert tested == set(torch_ops.OPS)


def test_operators_without_a_gradient_are_all_named() -> None:
    x = Node("x", Input(TensorType((4,), Real())))
    steps = Node("steps", MultiThreshold(Array([[0.0, 1.0]])), (x,), ("threshold",))
    best = Node("best", TopK(1), (x,))
    with pytest.raises(UserErrors) as caught:
        GraphModule(Graph((steps, best)))
    assert [e.code for e in caught.value.errors] == ["quantize.no-fake-quant"] * 2
    assert "steps (MultiThreshold)" in str(caught.value)
    assert "best (TopK)" in str(caught.value)


def test_convolution_copies_no_map() -> None:
    x = torch.randn(2, 8, 8, 16)
    w = torch.randn(3, 3, 16, 16)
    y = torch_ops.conv(Conv((1, 1), (1, 1, 1, 1), (1, 1), 1), x, w)
    assert y.is_contiguous(), "NHWC in, NHWC out"
