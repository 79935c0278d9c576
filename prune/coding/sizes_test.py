from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.frontend.importer import import_model
from gatesmith.ir import BIPOLAR, TERNARY, Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ops.const import Const
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.fake_quant import FakeQuant, Grid
from gatesmith.ops.input import Input
from gatesmith.ops.mat_mul import MatMul
from gatesmith.prune.coding.hashed import places
from gatesmith.prune.coding.sizes import (
    FORMATS,
    layer_sizes,
    network_sizes,
    relative_bits,
)

I4 = IntType(-8, 7)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def matrix(weights: list[list[int]], elem: IntType) -> Node:
    """A Dense; its weights as (outputs, inputs)."""
    x = Node("x", Input(TensorType((len(weights[0]),), I4)))
    return Node("fc", Dense(Array(weights), elem), (x,))


def test_sizes_by_hand() -> None:
    weights = [[0, 0, 0, 5], [0, 0, 0, 0], [0, 5, 0, -3]]
    (layer,) = network_sizes(Graph((matrix(weights, I4),))).layers

    assert (layer.weights, layer.zeros, layer.width) == (12, 9, 4)
    assert layer.bits == {
        "dense": 12 * 4,
        "bitmask": 12 + 3 * 4,
        "relative": 3 * (3 + 4),  # 3, 5 and 1 zeros before them
        "codebook": 12 * 2 + 3 * 4,
        # words of one weight: lengths 1, 2, 2 for 9, 2, 1, and a table of 3 * (4 + 2)
        "huffman": 9 + 2 * 2 + 2 + 18,
        "hashed": 12 * 4,
    }
    assert layer.best == "relative" and layer.least == 21


def test_hashed_weights_take_a_table() -> None:
    shared = np.array([3, -1, 0, 7])[places(8, 20, 2)]
    assert layer_sizes("fc", shared, 4).bits["hashed"] == 4 * 4
    assert layer_sizes("fc", shared[::-1], 4).bits["hashed"] == 160 * 4


def test_words_of_neighbours_go_below_a_bit() -> None:
    weights = np.zeros((4, 100), np.int64)
    weights[0, 0] = 3
    layer = layer_sizes("fc", weights, 4)
    # words of 8: 49 of zeros, one other; a bit each, and a table of 2 * (32 + 1)
    # words of 4: 100 words, a table of 2 * (16 + 1); of 6: 67 words, the last filled up, 2 * 25
    assert layer.bits["huffman"] == min(50 + 66, 67 + 50, 100 + 34)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(2, 5))
def test_relative_entries_can_be_read_back(values: list[int], width: int) -> None:
    flat = np.array(values)
    sizes = []
    for d in range(8):
        entries, gap = 0, 0
        for value in values:
            if value:
                entries, gap = entries + 1, 0
            else:
                gap += 1
                if gap == 1 << d and any(values[i] for i in range(len(values))):
                    entries, gap = entries + 1, 0
        trailing = len(values) - 1 - max((i for i, v in enumerate(values) if v), default=-1)
        entries -= trailing >> d if any(values) else 0
        sizes.append(entries * (d + width))
    assert relative_bits(flat, width) == min(sizes)


def test_every_kind_of_weight_of_integers() -> None:
    assert network_sizes(Graph((matrix([[1, -1]], BIPOLAR),))).layers[0].width == 1
    assert network_sizes(Graph((matrix([[1, 0]], TERNARY),))).layers[0].width == 2

    x = Node("x", Input(TensorType((4, 4, 2), I4)))
    taps = Array([[1, 1], [0, -3]])
    geometry = ((1, 2), (1, 1), (0, 0, 0, 0), (1, 1), Array([0]))
    node = Node("dw", Depthwise(*geometry, taps, I4), (x,))
    (layer,) = network_sizes(Graph((node,))).layers
    assert (layer.weights, layer.zeros, layer.bits["dense"]) == (4, 1, 16)
    ones = Node("pool", Depthwise(*geometry, Array([[1, 1], [1, 1]]), IntType(1, 1)), (x,))
    assert network_sizes(Graph((ones,))).layers == ()


def product(value: Array, grid: Grid | None) -> Graph:
    """A MatMul by a constant, perhaps on a grid."""
    x = Node("x", Input(TensorType((value.shape[0],), Real())))
    weight = Node("w", Const(value))
    if grid is not None:
        weight = Node("w_quant", FakeQuant(grid), (weight,))
    return Graph((Node("fc", MatMul(), (x, weight)),))


def test_real_weights_on_a_grid_count_by_their_codes() -> None:
    value = Array([[0.0, 0.9], [1.1, 2.2]])  # (in, out)
    whole = Grid("int", I4, Array(0.5))
    (layer,) = network_sizes(product(value, whole)).layers
    assert (layer.width, layer.zeros, layer.bits["dense"]) == (4, 1, 16)
    levels = Grid("codebook", I4, Array(0.5), levels=Array([0, 2]))
    assert network_sizes(product(value, levels)).layers[0].bits["codebook"] == 4 * 1 + 2 * 4


def test_real_weights_without_a_grid_are_float32() -> None:
    value = Array([[0.0, 0.25], [0.25, -3.0], [0.0, 0.0]])
    (layer,) = network_sizes(product(value, None)).layers
    assert (layer.width, layer.weights, layer.zeros) == (32, 6, 3)
    assert layer.bits["codebook"] == 6 * 2 + 3 * 32
    assert layer.bits["bitmask"] == 6 + 3 * 32
    (nonzero,) = network_sizes(product(Array([[0.5], [-0.5]]), None)).layers
    assert nonzero.zeros == 0


def test_too_many_values_for_a_code_stay_as_they_are() -> None:
    (layer,) = network_sizes(product(Array(np.arange(1.0, 20001.0)[:, None]), None)).layers
    assert layer.bits["huffman"] == layer.bits["dense"] == 32 * 20000


def test_ratio_is_to_the_network_before_pruning() -> None:
    graph = Graph((matrix([[0, 0, 0, 5]], I4),))
    sizes = network_sizes(graph, original=64)
    assert sizes.float32 == 2048
    assert sizes.bits["best"] == min(sizes.layers[0].bits.values()) == 6  # 2 bits for 3 zeros
    assert sizes.ratio() == 2048 / 6
    assert sizes.ratio("dense") == 128.0
    assert sizes.as_json()["layers"][0]["best"] == "relative"
    with pytest.raises(ValueError, match=r"^a network without weights has no compression ratio$"):
        network_sizes(Graph((graph.outputs[0].args[0],))).ratio()


def test_a_whole_float_network() -> None:
    graph = import_model(EXAMPLES / "float/digits_mlp_s0.onnx").graph
    sizes = network_sizes(graph)
    assert [layer.weights for layer in sizes.layers] == [64 * 64, 64 * 32, 32 * 10]
    assert set(sizes.bits) == {*FORMATS, "best"}
    assert sizes.ratio("dense") == 1.0
