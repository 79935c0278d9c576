"""What build.json says of stages: which streams can be compared, who drives whom, FIFO depths."""

from __future__ import annotations

import pytest

from gatesmith.build_json import describe
from gatesmith.codegen.design import CorePort, Design, Driver, Placed
from gatesmith.codegen.fifo import FifoStage
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.window import WindowStage
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ops.input import Input
from gatesmith.ops.window import Window
from gatesmith.quant.lower import InputPort, OutputPort

U4 = IntType(0, 15)
OP = Window((2, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]))


@pytest.mark.parametrize(("groups", "lanes_out", "compared"), [(1, 2, True), (2, 8, False)])
def test_streams_in_an_order_of_their_own_are_not_compared(
    groups: int, lanes_out: int, compared: bool
) -> None:
    x = Node("x", Input(TensorType((3, 5, 4), U4)))
    graph = Graph((Node("w", OP, (x,)),))
    source = Stream(U4, 4, 15, 2)
    window = WindowStage("w", "w", (), "net_w", OP, (3, 5, 4), source, groups, lanes_out)
    fifo = FifoStage("w_fifo", "w", (), window.sink, 7)
    design = Design(
        "net",
        (CorePort("x", "x", source),),
        (Placed(window, (Driver("x"),)), Placed(fifo, (Driver("w"),))),
        (CorePort("y", "w", fifo.sink, Driver("w_fifo")),),
    )

    found = describe(
        design,
        graph,
        Graph((x,)),
        [InputPort("x", "x", None, None)],
        [OutputPort((2, 4, 16), None, ())],
    )

    assert [stage["compare"] for stage in found["stages"]] == [compared, compared]
    assert [stage["drivers"] for stage in found["stages"]] == [["x"], ["w"]]
    assert [stage.get("depth") for stage in found["stages"]] == [None, 7]
    assert found["inputs"][0]["prefix"] == "s_axis"
    assert found["outputs"][0]["prefix"] == "m_axis"
