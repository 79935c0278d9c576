"""Lowering is exact: integer graph == real graph, on data where float64 itself is exact.

Constants are small dyadic numbers, so that every float64 operation of the real graph is free of
rounding and ties are hit all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import BIPOLAR, TERNARY, Affine, Array, Graph, IntType, Node, Op, Real, TensorType
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.clip import Clip
from gatesmith.ops.const import Const
from gatesmith.ops.conv import Conv
from gatesmith.ops.dense import Dense
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.div import Div
from gatesmith.ops.function import Function
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import ROUNDING, Quantize
from gatesmith.ops.relu import Relu
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.sign import Sign
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.sub import Sub
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.flip_falling import flip_falling
from gatesmith.quant.lower import lower


class Net:
    """Builds a chain of real operators."""

    def __init__(self, type_: TensorType) -> None:
        self.count = 0
        self.node = Node("inp", Input(type_), origin=("inp",))

    def put(self, op: Op, *consts: ArrayLike, reverse: bool = False) -> Net:
        self.count += 1
        args = [self.node] + [
            Node(f"c{self.count}", Const(Array(np.asarray(c, np.float64)))) for c in consts
        ]
        name = f"{type(op).__name__.lower()}{self.count}"
        self.node = Node(name, op, tuple(reversed(args) if reverse else args), (f"/{name}",))
        return self

    def graph(self) -> Graph:
        return Graph((self.node,))


U8, I4 = IntType(0, 255), IntType(-8, 7)


def integers(*shape: int, elem: IntType = U8, scale: float = 1.0) -> Net:
    return Net(TensorType(shape, elem)).put(Dequantize(Array(scale), Array(0.0)))


def compare(net: Net, frames: int = 40) -> Graph:
    """Integer graph; its output equals the real one on random data, before and after passes."""
    real = net.graph()
    lowered = lower(real, "test.onnx")
    data = samples(real, frames, seed=1)
    given_ = {"x": data["inp"]}
    check(lowered.graph, "lower", given_)
    flipped = flip_falling(lowered.graph)
    check(flipped, "flip_falling", given_)
    (expected,) = (execute(real, data)[o] for o in real.outputs)
    for graph in (lowered.graph, flipped):
        (output,) = graph.outputs
        assert output.meaning is not None
        found = output.meaning.real(execute(graph, given_)[output].astype(np.int64))
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    return flipped


DYADIC = st.integers(-24, 24).map(lambda n: n / 8)
SCALE = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0])


@st.composite
def networks(draw: Callable[..., Any]) -> Net:
    d = draw
    channels = d(st.integers(1, 5))
    elem = d(st.sampled_from([IntType(0, 15), IntType(-8, 7), BIPOLAR, TERNARY]))
    net = integers(channels, elem=elem, scale=d(SCALE))
    for _ in range(d(st.integers(1, 2))):
        outs = d(st.integers(1, 4))
        pick = d(st.sampled_from([(-1, 1), (-1, 0, 1), (-3, -1, 0, 2, 3)]))
        flat = st.lists(st.sampled_from(pick), min_size=channels * outs, max_size=channels * outs)
        weights = np.array(d(flat)).reshape(channels, outs) * 0.25
        net.put(MatMul(), weights)
        for _ in range(d(st.integers(0, 3))):
            row = d(st.lists(DYADIC, min_size=outs, max_size=outs))
            match d(st.integers(0, 5)):
                case 0:
                    net.put(Mul(), row)
                case 1:
                    net.put(Add(), row)
                case 2:
                    net.put(Sub(), d(DYADIC), reverse=d(st.booleans()))
                case 3:
                    net.put(Relu())
                case 4:
                    net.put(Clip(d(DYADIC), d(DYADIC)))
                case 5:
                    net.put(Div(), d(st.sampled_from([0.5, -2.0, 4.0])))
        match d(st.integers(0, 3)):
            case 0:
                net.put(BipolarQuant()).put(Dequantize(Array(0.5), Array(0.0)))
            case 1:
                net.put(Sign())
            case 2:
                table = np.sort(np.array(d(st.lists(DYADIC, min_size=3, max_size=3))))[None]
                net.put(MultiThreshold(Array(table))).put(Dequantize(Array(2.0), Array(-1.0)))
            case 3:
                scale, zero = d(SCALE), float(d(st.integers(-2, 2)))
                clip = d(st.sampled_from([IntType(-2, 1), IntType(0, 7), IntType(-60, 60)]))
                rounding = d(st.sampled_from(sorted(ROUNDING)))
                net.put(Quantize(Array(scale), Array(zero), clip, rounding))
                net.put(Dequantize(Array(scale), Array(-scale * zero)))
        channels = outs
    return net


@settings(deadline=None, max_examples=150)
@given(networks())
def test_random_networks_are_exact(net: Net) -> None:
    compare(net)


def quantizer(net: Net, scale: float = 0.5, clip: IntType = I4) -> Net:
    return net.put(Quantize(Array(scale), Array(0.0), clip)).put(
        Dequantize(Array(scale), Array(0.0))
    )


WEIGHTS = np.random.default_rng(0).choice([-1.0, 1.0], (12, 5))


def kinds(graph: Graph) -> list[str]:
    return [type(node.op).__name__ for node in graph]


def test_transpose_before_flatten_goes_into_the_weights() -> None:
    net = integers(3, 4).put(Transpose((1, 0))).put(Reshape((12,)))
    graph = compare(quantizer(net.put(MatMul(), WEIGHTS), 8.0))

    assert "Transpose" not in kinds(graph)


def test_scale_per_pixel_is_one_threshold_row_a_pixel() -> None:
    scale = np.arange(1, 13).reshape(3, 4) / 8
    net = integers(3, 4).put(Mul(), scale).put(Sub(), 3.0).put(BipolarQuant())
    net.put(Dequantize(Array(1.0), Array(0.0))).put(Reshape((12,))).put(MatMul(), WEIGHTS)
    graph = compare(net)

    (threshold,) = [n.op for n in graph if isinstance(n.op, Threshold)]
    assert threshold.thresholds.shape == (12, 1)


def test_scale_per_input_channel_goes_into_the_weights() -> None:
    scale = np.array([0.5, 1.0, 2.0, 4.0] * 3)
    net = integers(12).put(Mul(), scale).put(Add(), scale / 4).put(MatMul(), WEIGHTS)
    (dense,) = [n.op for n in compare(net) if isinstance(n.op, Dense)]

    assert dense.weight_type == IntType(-8, 8)


def test_two_codes_before_bipolar_weights_become_bipolar() -> None:
    net = integers(12).put(MultiThreshold(Array([[100.0]])))
    net.put(Dequantize(Array(3.0), Array(1.0))).put(MatMul(), WEIGHTS)
    graph = compare(net)

    assert [n.type.elem for n in graph if isinstance(n.op, Threshold)] == [BIPOLAR]


def test_negative_and_zero_gamma() -> None:
    net = integers(12, elem=BIPOLAR).put(MatMul(), WEIGHTS).put(Mul(), [-1, -0.5, 0, 2, -4.0])
    net.put(Add(), [1, 0.5, -3, 0, 2.0])
    graph = compare(quantizer(net))

    (threshold,) = [n.op for n in graph if isinstance(n.op, Threshold)]
    assert not threshold.falling.data.any()  # turned round into the weights


def test_sign_of_an_odd_sum_is_bipolar_and_of_an_even_one_ternary() -> None:
    for ins, elem in ((11, BIPOLAR), (12, TERNARY)):
        net = integers(ins, elem=BIPOLAR).put(MatMul(), WEIGHTS[:ins]).put(Sign())
        graph = compare(net.put(MatMul(), np.ones((5, 2))))
        assert [n.type.elem for n in graph if isinstance(n.op, Threshold)] == [elem]


def test_many_codes_become_a_multiply_shift_and_the_same_codes_nothing() -> None:
    net = quantizer(integers(12, elem=IntType(-128, 127)), 1.0, IntType(-128, 127))
    net.put(MatMul(), WEIGHTS).put(Mul(), 0.1875)
    graph = compare(quantizer(net, 1.0, IntType(-100, 100)))

    assert kinds(graph) == ["Input", "Dense", "Requantize"]


def test_arg_max_under_offsets_and_scales_by_channel() -> None:
    rng = np.random.default_rng(3)
    for mul in (np.full(5, 0.25), np.full(5, -0.25), rng.integers(-4, 5, 5) / 4):
        net = integers(12, elem=BIPOLAR).put(MatMul(), WEIGHTS).put(Mul(), mul)
        net.put(Add(), rng.integers(-8, 9, 5) / 16).put(Softmax())
        for op in (TopK(1), TopK(3, largest=False), TopK(1, last=True)):
            branch = Net(TensorType((1,), BIPOLAR))
            branch.node, branch.count = net.node, net.count
            real = branch.put(op).graph()
            # Softmax in float64 can round two different values together: compare before it.
            softmax = next(n for n in real if isinstance(n.op, Softmax))
            plain = Graph((Node("t", op, softmax.args),))
            lowered = lower(real, "m").graph
            data = samples(plain, 300)
            (expected,) = execute(plain, data).values()
            (found,) = execute(lowered, {"x": data["inp"]}).values()
            np.testing.assert_array_equal(found, expected)


def test_relu_on_the_grid_may_end_a_model() -> None:
    net = integers(12, elem=BIPOLAR).put(MatMul(), WEIGHTS).put(Mul(), 0.5).put(Relu())
    graph = compare(net)

    assert isinstance(graph.outputs[0].op, Requantize)
    assert graph.outputs[0].type.int_elem == IntType(0, 12)


@pytest.mark.parametrize(
    "net",
    [
        integers(12).put(MatMul(), WEIGHTS).put(Relu()).put(MatMul(), np.ones((5, 2))),
        integers(3, 4).put(Transpose((1, 0))).put(MatMul(), np.ones((3, 2))),
        integers(4, 1).put(Add(), np.ones(3)).put(MatMul(), np.ones((3, 2))),
    ],
    ids=["a clamp becomes integers", "a transpose is moved", "a constant spreads its input"],
)
def test_what_once_was_refused(net: Net) -> None:
    compare(net)


def test_final_softmax_is_left_to_the_host_and_said() -> None:
    lowered = lower(integers(12).put(MatMul(), WEIGHTS).put(Softmax()).graph(), "m")

    assert [port.host for port in lowered.outputs] == [("Softmax over the last 1 axes",)]
    assert lowered.notes == ("left to the host: Softmax over the last 1 axes",)


def test_first_quantizer_decides_the_stream_of_a_real_input() -> None:
    net = Net(TensorType((12,), Real())).put(Mul(), 2.0)
    lowered = lower(quantizer(net).put(MatMul(), WEIGHTS).graph(), "m")

    assert [port.host_quantizer for port in lowered.inputs] == ["quantize2"]
    assert next(iter(lowered.graph)).type == TensorType((12,), IntType(-8, 7))


def test_meaning_of_the_output_is_exact() -> None:
    net = integers(12).put(MatMul(), WEIGHTS * 0.25).put(Add(), 3.0)
    (output,) = lower(net.graph(), "m").graph.outputs

    assert output.meaning == Affine((Fraction(1, 4),), (Fraction(3),))


ONES = np.ones((5, 2))
FLOATS = np.random.default_rng(1).normal(size=(12, 5))


@pytest.mark.parametrize(
    ("net", "code"),
    [
        (integers(12).put(MatMul(), FLOATS), "quant.float-weights"),
        (Net(TensorType((12,), Real())).put(MatMul(), WEIGHTS), "quant.real-input"),
        (
            integers(12).put(MatMul(), WEIGHTS).put(Add(), 0.3).put(Relu()).put(MatMul(), ONES),
            "quant.missing-quantizer",
        ),
        (integers(12).put(MatMul(), WEIGHTS).put(Div(), [1, 0, 1, 1, 1]), "quant.divide-by-zero"),
        (integers(12).put(Div(), 2.0, reverse=True), "quant.divide-by-stream"),
        (integers(12), "quant.nothing-to-build"),
        (integers(12).put(MatMul(), WEIGHTS).put(Add(), 0.3).put(Relu()), "quant.real-output"),
        (integers(12).put(Softmax()).put(Function("log")), "quant.behind-host"),
    ],
)
def test_what_cannot_be_lowered_is_an_error_with_a_remedy(net: Net, code: str) -> None:
    with pytest.raises(UserError) as raised:
        lower(net.graph(), "test.onnx")

    assert raised.value.code == code
    assert raised.value.where.startswith("test.onnx, node ")


def test_all_problems_are_reported_at_once() -> None:
    one = integers(12).put(MatMul(), FLOATS).node
    two = integers(12).put(Div(), 0.0).node
    with pytest.raises(UserErrors) as raised:
        lower(Graph((one, two)), "test.onnx")

    assert [e.code for e in raised.value.errors] == ["quant.float-weights", "quant.divide-by-zero"]


def test_every_layer_with_float_weights_is_named() -> None:
    """Also those behind another whose input is known to be a problem (trap 15)."""
    x = Node("x", Input(TensorType((4, 4, 2), IntType(0, 3))), origin=("x",))
    at = Node("dq", Dequantize(Array(1.0), Array(0.0)), (x,), origin=("dq",))
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        weights = Node(f"{name}_w", Const(Array(rng.normal(size=(1, 1, 2, 2)))))
        op = Conv((1, 1), (0, 0, 0, 0), (1, 1), 1)
        at = Node(name, op, (at, weights), origin=(name,))
        at = Node(f"{name}_relu", Relu(), (at,), origin=(f"{name}_relu",))
    with pytest.raises(UserError) as raised:
        lower(Graph((at,)), "test.onnx")

    assert raised.value.code == "quant.float-weights"
    assert 'node "first"' in raised.value.where
    assert 'node "second"' in raised.value.where
