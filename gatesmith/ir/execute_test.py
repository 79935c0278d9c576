from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape

X = Node("x", Input(TensorType((2,), Real())))
ONE = Node("one", Const(Array([1.0, 2.0])))


def test_values_of_outputs_and_kept_nodes() -> None:
    total = Node("total", Add(), (X, ONE))
    y = Node("y", Relu(), (total,))
    frames = np.array([[1.0, -5.0], [0.0, 1.0], [-2.0, 0.0]])
    assert execute(Graph((y,)), {"x": frames}).keys() == {y}
    values = execute(Graph((y, y)), {"x": frames}, keep=[total, X])
    assert values.keys() == {y, total, X}
    assert values[total].tolist() == [[2, -3], [1, 3], [-1, 2]]
    assert values[y].tolist() == [[2, 0], [1, 3], [0, 2]]


def test_constant_parts_have_no_frames_until_they_are_results() -> None:
    column = Node("column", Reshape((2, 1)), (ONE,))
    y = Node("y", Add(), (Node("flat", Reshape((2,)), (column,)), X))
    values = execute(Graph((y, column, ONE)), {"x": np.zeros((3, 2))})
    assert values[y].tolist() == [[1, 2]] * 3
    assert values[column].shape == (3, 2, 1) and values[ONE].shape == (3, 2)
    assert execute(Graph((column,)), {})[column].shape == (1, 2, 1)


def test_a_graph_deeper_than_the_stack() -> None:
    node = X
    for index in range(5000):
        node = Node(f"r{index}", Relu(), (node,))
    assert execute(Graph((node,)), {"x": np.ones((1, 2))})[node].tolist() == [[1, 1]]


def test_intermediate_values_are_dropped() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    class Watching(Relu):
        def run(self, *args: np.ndarray) -> np.ndarray:
            nonlocal most
            y: np.ndarray = np.maximum(args[0], 0.0)
            alive.append(weakref.ref(y))
            gc.collect()
            most = max(most, sum(r() is not None for r in alive))
            return y

    node = X
    for index in range(20):
        node = Node(f"r{index}", Watching(), (node,))
    execute(Graph((node,)), {"x": np.ones((4, 2))})
    assert most == 2


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"^inputs must be \['q', 'x'\], not \[\]$"),
        ({"x": np.ones((1, 2)), "q": np.ones((2, 2))}, "^inputs have different numbers of frames"),
        (
            {"x": np.ones((1, 3)), "q": np.ones((1, 2))},
            r"^a frame of x must have the shape \[2\], ",
        ),
        ({"x": np.ones((1, 2)), "q": np.full((1, 2), 9)}, r"^q has values from 9 to 9: u3$"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, np.ndarray], message: str) -> None:
    q = Node("q", Input(TensorType((2,), IntType(0, 7))))
    y = Node("y", Add(), (X, Node("d", Dequantize(Array(0.5), Array(0.0)), (q,))))
    with pytest.raises(ValueError, match=message):
        execute(Graph((y,)), inputs)
