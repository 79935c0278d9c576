from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from gatesmith.errors import UserError, UserErrors
from gatesmith.hls4ml_bridge.codes_file import ready
from gatesmith.hls4ml_bridge.lines import Steps, search
from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, Op, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.join import Join
from gatesmith.ops.reduce import Reduce
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.window import Window

U8, U2 = IntType(0, 255), IntType(0, 3)


def graph(*ops: Op, shape: tuple[int, ...] = (4,), elem: IntType = U8) -> Graph:
    node = Node("x", Input(TensorType(shape, elem)))
    for index, op in enumerate(ops):
        args = (node, node) if isinstance(op, Join) else (node,)
        node = Node(f"n{index}", op, args, origin=(f"onnx_{index}",))
    return Graph((node,))


def meant(model: Any, x: Any) -> Any:
    """The file in NumPy: MatMul, BatchNormalization, Quant of scale 1, Add."""
    values = {t.name: numpy_helper.to_array(t).astype(float) for t in model.graph.initializer}
    values[model.graph.input[0].name] = x.astype(float)
    for node in model.graph.node:
        args = [values[name] for name in node.input]
        attributes = {a.name: a.s or a.i for a in node.attribute}
        match node.op_type:
            case "MatMul":
                y = args[0] @ args[1]
            case "Reshape":
                y = args[0].reshape(len(args[0]), *map(int, args[1][1:]))
            case "Add":
                y = args[0] + args[1]
            case "BatchNormalization":
                assert not args[3].any()
                assert (args[4] == 1).all()
                y = args[0] * args[1] + args[2]
            case "Quant":
                assert args[1] == 1
                assert args[2] == 0
                bits, signed = int(args[3].item()), attributes["signed"]
                low = -(2 ** (bits - 1)) + attributes["narrow"] if signed else 0
                high = 2 ** (bits - signed) - 1
                rounding = np.rint if attributes["rounding_mode"] == b"ROUND" else np.floor
                y = np.clip(rounding(args[0]), low, high)
            case _:
                raise AssertionError(node.op_type)
        values[node.output[0]] = y
    return values[model.graph.output[0].name]


@given(st.data())
def test_a_uniform_step_function_is_the_very_same(data: Any) -> None:
    scale = data.draw(st.floats(0.005, 3))
    offset = data.draw(st.floats(-40, 40))
    edges = [int(np.ceil((k + 0.5) * 1 / scale - offset)) for k in range(3)]
    op = Threshold(Array(np.clip([edges], 0, 256)), U2, Array([0]))
    x = np.arange(256).reshape(-1, 1).repeat(4, axis=1)
    model, ours = ready(graph(op), "net.onnx")
    assert (meant(model, x) == op.run(x)).all()
    assert list(ours.values()) == ["n0"]


@given(st.integers(1, 40), st.integers(0, 6), st.integers(-300, 300), st.booleans())
def test_ties_go_to_the_even_code(mul: int, shift: int, add: int, signed: bool) -> None:
    """Scales that are powers of two: clamp(round_half_even((x * mul + add) / 2**shift))."""
    out = IntType(-4, 3) if signed else IntType(0, 7)
    x = np.arange(256).reshape(-1, 1).repeat(4, axis=1)
    y = np.clip(np.rint((x * mul + add) / 2**shift), out.lo, out.hi).astype(np.int64)
    edges = [int(np.argmax(y[:, 0] > code)) if (y > code).any() else 256
             for code in range(out.lo, out.hi)]  # fmt: skip
    op = Threshold(Array([edges]), out, Array([0]))
    assert (op.run(x) == y).all()
    model, _ = ready(graph(op), "net.onnx")
    assert (meant(model, x) == y).all()


OPS = [
    Requantize(Array([3, 1, 5, 2]), Array([7, -9, 0, 1]), 4, IntType(-8, 7)),
    Requantize(Array([3]), Array([0]), 3, IntType(0, 15), even=True),
    Requantize(Array([1]), Array([0]), 0, IntType(0, 15)),
    Requantize(Array([1]), Array([0]), 1, IntType(0, 100)),
    Requantize(Array([1]), Array([0]), 1, IntType(0, 127)),
    Requantize(Array([1]), Array([-90]), 1, IntType(-20, 60)),
    Requantize(Array([1]), Array([-90]), 1, IntType(3, 33)),
    Requantize(Array([1]), Array([0]), 3, IntType(0, 31)),
    Requantize(Array([1, 2, 3, 4]), Array([0]), 6, IntType(0, 16), even=True),
    Threshold(Array([[100], [3], [0], [256]]), BIPOLAR, Array([0])),
    Threshold(Array([[10, 20, 30]] * 4), U2, Array([0, 1, 1, 0])),
    Threshold(Array([[10, 20, 30, 40, 50]]), IntType(0, 5), Array([0])),
    Dense(Array([[1, -2, 3, 0], [7, 7, -7, 1]]), IntType(-7, 7)),
    Join(Array([3]), Array([1]), Array([2]), 3, IntType(0, 63)),
    Join(Array([1]), Array([1]), Array([0]), 0, IntType(0, 510)),
]


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_an_operator_is_the_very_same(op: Op) -> None:
    x = np.random.default_rng(0).integers(0, 256, (500, 4))
    given = graph(op)
    model, ours = ready(given, "net.onnx")
    args = (x, x) if isinstance(op, Join) else (x,)
    assert (meant(model, x) == op.run(*args)).all()
    assert ours["n0"] == "n0"


def test_a_sum_over_positions_is_the_very_same() -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 4))
    model, _ = ready(graph(Reduce("sum"), shape=(6, 4)), "net.onnx")
    assert (meant(model, x) == x.sum(axis=1)).all()


def test_a_saturation_without_a_scale_gets_no_scale_of_one() -> None:
    model, _ = ready(graph(OPS[2]), "net.onnx")
    assert [node.op_type for node in model.graph.node] == ["Quant"]


@settings(max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6).map(sorted), st.booleans())
def test_what_a_search_finds_has_these_edges(edges: list[int], even: bool) -> None:
    out = IntType(0, len(edges))
    found = search(Steps(np.array([edges]), np.array([0]), np.array([50])), out, even=even)
    if found is None:
        return
    (mul,), (add,), shift = found
    values = np.arange(51)
    wanted = (values[:, None] >= np.array(edges)).sum(axis=1)
    y = np.rint((values * mul + add) / 2**shift) if even else (values * mul + add) >> shift
    assert (np.clip(y, out.lo, out.hi) == wanted).all()


def test_steps_that_a_channel_never_meets_do_not_bind() -> None:
    """Lowering puts them at the ends of what the channel can reach, far from the line."""
    weights = Array([[1, 1, 0, 0], [1, 0, 0, 0]])
    dense = Dense(weights, IntType(0, 1))
    op = Threshold(Array([[100, 200, 300], [100, 256, 256]]), U2, Array([0]))
    x = np.random.default_rng(0).integers(0, 256, (500, 4))
    model, _ = ready(graph(dense, op), "net.onnx")
    assert (meant(model, x) == op.run(dense.run(x))).all()


REFUSED = [
    (
        graph(Threshold(Array([[3, 4, 200]]), U2, Array([0]))),
        "Threshold",
        "no multiplication and shift equals its steps on the whole range",
    ),
    (
        graph(Requantize(Array([1]), Array([0]), 1, IntType(0, 100), even=True)),
        "Requantize",
        "no Quant has exactly the codes u7[0..100]",
    ),
    (
        graph(Reduce("max"), shape=(2, 4)),
        "Reduce",
        "hls4ml has no max over positions",
    ),
    (
        graph(Window((1, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]), 1), shape=(2, 2, 4)),
        "Window",
        "only a convolution may read its windows",
    ),
    (
        graph(Table(Array(np.zeros((1, 256), np.int64)), U2, U8)),
        "Table",
        "there is nothing like it",
    ),
]


@pytest.mark.parametrize(("given", "name", "why"), REFUSED, ids=lambda p: str(p)[:12])
def test_what_hls4ml_cannot_do_is_refused(given: Graph, name: str, why: str) -> None:
    with pytest.raises((UserError, UserErrors)) as raised:
        ready(given, "net.onnx")
    assert str(raised.value) == (
        f"error[hls.no-layer]: hls4ml has no layer for the integer operator {name}\n"
        f"  at   net.onnx, node onnx_0\n  why  {why}\n"
        "  fix  build the core itself: gatesmith build"
    )
