"""The ReLU in front of a sign is left out, names stay."""

import numpy as np

from gatesmith.ir import Graph, Node, Real, TensorType
from gatesmith.ops.clip import Clip
from gatesmith.ops.input import Input
from gatesmith.ops.leaky_relu import LeakyRelu
from gatesmith.ops.relu import Relu
from gatesmith.ops.sub import Sub
from gatesmith.quant.calibrate.binary import without_relu


def net(*, shared: bool = False, bound: float | None = None) -> Graph:
    x = Node("x", Input(TensorType((4,), Real())))
    sums = Node("sums", Sub(), (x, x), ("Sub_1",))
    relu = Node("act", Relu() if bound is None else Clip(bound, 6.0), (sums,), ("Relu_2",))
    return Graph((Node("y", Sub(), (relu, sums if shared else x)),))


def names(graph: Graph) -> dict[str, str]:
    return {node.name: type(node.op).__name__ for node in graph}


def test_left_out() -> None:
    graph = without_relu(net(), ["act"])
    assert names(graph) == {"x": "Input", "act": "Sub", "y": "Sub"}
    act = graph.outputs[0].args[0]
    assert act.origin == ("Sub_1", "Relu_2")
    assert names(without_relu(net(bound=0.0), ["act"])) == names(graph)


def test_argument_that_others_read() -> None:
    graph = without_relu(net(shared=True), ["act"])
    act = graph.outputs[0].args[0]
    assert isinstance(act.op, LeakyRelu)
    x = np.array([[-1.0, 0.0, 2.0, -3.0]])
    assert (act.op.run(x) == x).all()


def test_left_alone() -> None:
    for graph, chosen in ((net(), []), (net(), ["y", "sums"]), (net(bound=-1.0), ["act"])):
        assert names(without_relu(graph, chosen)) == names(graph)
    relu = net().outputs[0].args[0]
    assert names(without_relu(Graph((relu,)), ["act"])) == names(Graph((relu,)))
