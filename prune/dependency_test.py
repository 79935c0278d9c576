"""What goes together, on networks in which channels hang together in every way."""

from itertools import pairwise

import numpy as np
import pytest

from gatesmith.frontend.to_onnx.registry import all_exports
from gatesmith.ir import Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.concat import Concat
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.pad import Pad
from gatesmith.ops.relu import Relu
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.table import Table
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.prune import spread
from gatesmith.prune.dependency import find_structure
from gatesmith.prune.shuffles import shuffles_as_takes
from gatesmith.prune.structure import Slice, Structure
from gatesmith.rtl_tests.prunable_networks import NETWORKS, imported

COUNTS = {
    "chain": {"conv_0": 6, "conv_4": 8, "gemm_8": 10},
    "slopes": {"conv_0": 6, "conv_4": 5},
    "separable": {"conv_0": 6, "conv_6": 8, "conv_12": 5},
    "grouped": {"conv_0": 4, "conv_3": 3, "conv_6": 2, "conv_9": 6},
    "normalized": {"conv_0": 6, "conv_3": 4},
    "flattened_twice": {"gemm_1": 6, "conv_4": 4, "convtranspose_6": 5},
    "residual": {"conv_0": 6, "conv_3": 5, "conv_15": 12, "conv_10": 7, "conv_18": 7},
    "dense_net": {
        **{"conv_0": 6, "conv_3": 6, "conv_6": 4, "conv_10": 6, "conv_13": 4},
        **{"conv_17": 6, "conv_20": 4, "conv_24": 8},
    },
    "u_net": {"conv_0": 4, "conv_4": 6, "conv_8": 8, "conv_13": 6, "conv_18": 4},
    "parts": {"conv_0": 9, "conv_4": 5},
    "excited": {"conv_0": 6, "conv_4": 3, "conv_9": 4},
    "tokens": {"conv_0": 6, "matmul_7": 7, "matmul_9": 5},
    "shuffled": {"conv_0": 2, "conv_3": 2},
    "shuffled_halves": {
        **{"conv_0": 8, "conv_4": 5, "conv_10": 4, "conv_18": 5, "conv_24": 4, "conv_31": 6},
    },
    "pixels": {"conv_0": 3, "conv_4": 4, "conv_8": 6},
}


def structure(*outputs: Node) -> Structure:
    return find_structure(Graph(outputs))


def value(*shape: int) -> Node:
    return Node("x", Input(TensorType(shape, Real())))


def const(name: str, *shape: int) -> Node:
    return Node(name, Const(Array(np.ones(shape))))


def dense(name: str, x: Node, outputs: int) -> Node:
    return Node(name, MatMul(), (x, const(f"{name}_w", x.type.channels, outputs)))


def sizes(found: Structure) -> dict[str, int]:
    return {group.name: group.count for group in found.groups}


@pytest.mark.parametrize("tidy", [True, False], ids=["tidy", "as-imported"])
@pytest.mark.parametrize("name", NETWORKS)
def test_units_of_every_network(name: str, tidy: bool) -> None:
    found = find_structure(imported(name, tidy=tidy))
    assert sorted(g.count for g in found.groups) == sorted(COUNTS[name].values())
    if tidy:
        assert sizes(found) == COUNTS[name]
    for group in found.groups:
        made = [place for unit in group.channels for place in unit]
        assert len(made) == len(set(made))  # no channel is in two units
        assert group.layers[0] == group.name
        assert {layer for layer, _ in made} == set(group.layers)
        assert len(group.slices) == len(group.channels) == group.count


def test_what_belongs_to_a_unit() -> None:
    """Weights, bias, and the input weights of the reader: of a flattened map, one a pixel."""
    found = find_structure(imported("chain"))
    second = found.group("conv_4")
    graph = {node.name: node for node in imported("chain")}
    w, reader = (graph[name].args[1].name for name in ("conv_4", "gemm_8"))
    assert second.slices[3] == (
        Slice(w, "out", 3, (3,)),
        Slice(reader, "in", 0, (12, 13, 14, 15)),
        Slice("conv_4_bias", "bias", 0, (3,)),
    )
    assert second.channels[3] == (("conv_4", 3),)


def test_depthwise_layers_go_with_their_inputs() -> None:
    first = find_structure(imported("separable")).group("conv_0")
    assert first.layers == ("conv_0", "conv_3")
    assert first.channels[2] == (("conv_0", 2), ("conv_3", 4), ("conv_3", 5))
    roles = [(part.role, part.axis, part.index) for part in first.slices[2]]
    assert roles.count(("out", 3, (2,))) == 1
    assert roles.count(("out", 3, (4, 5))) == 1
    assert roles.count(("in", 2, (4, 5))) == 1  # of the pointwise layer


def test_groups_of_a_convolution_stay_of_one_size() -> None:
    found = find_structure(imported("grouped"))
    assert found.group("conv_3").channels[1] == tuple(("conv_3", i) for i in (1, 4, 7, 10))
    assert found.group("conv_6").channels[1] == tuple(("conv_6", i) for i in (1, 3, 5, 7))


def test_a_shuffle_between_groups_ties_more_than_one_without() -> None:
    """Whatever goes must take as many channels from each group before and behind the shuffle."""
    inner = find_structure(imported("shuffled")).group("conv_3")
    for unit in inner.channels:
        made = [channel for layer, channel in unit if layer == "conv_3"]
        assert np.bincount([channel // 6 for channel in made]).tolist() == [3, 3]
        read = [channel for layer, channel in unit if layer == "conv_9"]
        assert np.bincount([channel // 4 for channel in read]).tolist() == [2, 2, 2]


def test_a_residual_stream_is_one_group() -> None:
    found = find_structure(imported("residual"))
    assert found.group("conv_0").layers == ("conv_0", "conv_6")
    last = found.group("conv_15")
    assert last.layers == ("conv_15", "conv_13", "conv_21")
    alone = [unit for unit in last.channels if len(unit) == 1]  # beside the zeros of the padding
    assert [layer for ((layer, _),) in alone] == ["conv_21"] * 4
    assert [len(guard) for guard in found.guards] == [6, 5, 8, 7, 7]


def test_parts_of_a_split_must_not_be_empty() -> None:
    guards = find_structure(imported("parts")).guards
    units = [sorted(unit for name, unit in guard if name == "conv_0") for guard in guards]
    assert [0, 1, 2, 3] in units
    assert [4, 5] in units


def test_why_a_layer_is_fixed() -> None:
    x = value(6)
    first = dense("first", x, 6)
    second = dense("second", Node("relu", Relu(), (Node("sum", Add(), (first, x)),)), 8)
    third = dense("third", Node("norm", LayerNorm(1.0), (second,)), 5)
    fourth = dense("fourth", Node("soft", Softmax(), (third,)), 1)
    last = dense("last", fourth, 3)
    found = structure(Node("relu_2", Relu(), (last,)))
    assert found.groups == ()
    assert found.fixed == {
        "first": "sum (Add) ties them to the network's input x",
        "second": "all 8 would go together through norm (LayerNorm)",
        "third": "all 5 would go together through soft (Softmax)",
        "fourth": "there is only one",
        "last": "they are the network's output",
    }


def test_one_value_for_several_channels_is_fixed() -> None:
    assert find_structure(imported("excited")).fixed["conv_11"] == (
        "mul_13 uses relu_12 for several channels"
    )
    stretched = Node("spread", Add(), (dense("one", value(4), 1), const("c", 5)))
    found = structure(dense("last", stretched, 2))
    assert found.fixed["one"] == "spread uses one for several channels"


def test_the_network_s_input_is_fixed() -> None:
    """A join of a channel and one of the input; the others can go."""
    x = value(3)
    both = Node("both", Concat(0), (x, dense("fc", x, 4)))
    taken = dense("second", both, 7)
    found = structure(dense("last", Node("sum", Add(), (taken, both)), 2))
    assert sizes(found) == {"fc": 4}
    assert found.group("fc").channels[0] == (("fc", 0), ("second", 3))


def test_classes_are_the_output() -> None:
    found = structure(Node("best", TopK(1), (dense("last", dense("fc", value(4), 6), 5),)))
    assert sizes(found) == {"fc": 6}
    assert found.fixed == {"last": "they are the network's output"}


def test_a_transposed_matrix_of_channels_ties_nothing() -> None:
    y = Node("map", Reshape((4, 4)), (dense("fc", value(3), 16),))
    y = Node("turned", Reshape((16,)), (Node("t", Transpose((1, 0)), (y,)),))
    assert sizes(structure(dense("last", y, 2))) == {"fc": 16}  # a Take


def test_what_mixes_decides_which_axis_can_be_cut() -> None:
    """Two rows of eight: by themselves eight pairs; behind a normalization of rows, two rows."""
    rows = Node("map", Reshape((2, 8)), (dense("fc", value(3), 16),))
    pairs = Node("flat", Reshape((2, 8)), (Node("relu", Relu(), (rows,)),))
    assert sizes(structure(dense("last", pairs, 2))) == {"fc": 8}
    norm = Node("flat", Reshape((16,)), (Node("norm", LayerNorm(1.0), (rows,)),))
    assert sizes(structure(dense("last", norm, 2))) == {"fc": 2}


def test_padding_between_channels_is_refused_quietly() -> None:
    """Zeros between the channels: what is left would need several paddings, so all go together."""
    pad = Node("pad", Pad((1,), (0,), (1,), 0.0), (dense("fc", value(3), 4),))
    found = structure(dense("last", pad, 2))
    assert found.fixed["fc"] == "all 4 would go together through pad (Pad)"


def test_one_channel_is_padded_with_channels_of_their_own() -> None:
    wide = Node("wide", Pad((0,), (2,), (0,), 0.0), (dense("one", value(4), 1),))
    found = structure(dense("last", Node("sum", Add(), (dense("fc", value(4), 3), wide)), 2))
    assert sizes(found) == {"fc": 2}
    assert [unit[0] for unit in found.groups[0].channels] == [("fc", 1), ("fc", 2)]
    assert found.fixed["one"] == "there is only one"


def test_a_transposed_map_of_the_same_shape_is_no_shuffle() -> None:
    x = value(4, 4)
    turned = Node("turned", Transpose((1, 0)), (x,))
    graph = Graph((Node("again", Reshape((4, 4)), (turned,)),))
    same = shuffles_as_takes(graph)
    frames = {"x": np.arange(32.0).reshape(2, 4, 4)}
    one, other = (execute(g, frames)[g.outputs[0]] for g in (graph, same))
    np.testing.assert_array_equal(one, other)
    assert str(same) == str(graph)


def test_a_shared_constant_is_cut_for_each_reader() -> None:
    w = const("w", 6, 6)
    a = Node("a", MatMul(), (dense("fc", value(3), 6), w))
    b = Node("b", MatMul(), (Node("relu", Relu(), (a,)), w))
    found = structure(dense("last", b, 2))
    assert sizes(found) == {"fc": 6, "a": 6, "b": 6}
    assert {(part.node, part.role) for part in found.group("a").slices[0]} == {
        ("w", "out"),
        ("w", "in"),
    }


def test_every_operator_of_files_has_a_rule() -> None:
    known = {kind for kind in vars(spread).values() if isinstance(kind, type)}
    assert not set(all_exports()) - known


def test_an_integer_operator_is_named() -> None:
    codes = Node("x", Input(TensorType((4,), IntType(0, 3))))
    odd = Node(
        "odd", Table(Array([[0, 1, 2, 3]]), codes.type.int_elem, codes.type.int_elem), (codes,)
    )
    with pytest.raises(ValueError, match=r"^odd: no rule for Table: add it in gatesmith/prune/"):
        structure(odd)


def test_the_order_of_groups_is_that_of_the_graph() -> None:
    found = find_structure(imported("dense_net"))
    numbers = [int(group.name.removeprefix("conv_")) for group in found.groups]
    assert all(a < b for a, b in pairwise(numbers))
