import numpy as np
import pytest

from gatesmith.codegen import top
from gatesmith.codegen.fold import Target, choose_folds
from gatesmith.codegen.fold_options import MAX_WIDTH
from gatesmith.codegen.fold_test import network
from gatesmith.codegen.matrix_unit import Fold
from gatesmith.codegen.plan import check_target, plan
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.threshold import ThresholdStage
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold
from gatesmith.ops.top_k import TopK


@pytest.mark.parametrize("cycles", [1, 10, 64, 500, 10**6])
def test_stages_fit_together_and_the_target_is_met(cycles: int) -> None:
    graph = network(784, 64, 60, 10)
    result = plan(graph, choose_folds(graph, Target(cycles)), "net")

    for driver, reader in zip(result.stages, result.stages[1:], strict=False):
        assert driver.sink.elem == reader.source.elem
        assert (driver.sink.lanes, driver.sink.beats) == (reader.source.lanes, reader.source.beats)
    assert result.interval <= cycles
    assert result.least_latency >= result.inputs[0].stream.beats - 1
    assert len({stage.name for stage in result.stages}) == len(result.stages)
    assert "module net" in top.render_top(result)


def test_input_has_the_fewest_lanes_that_keep_up() -> None:
    graph = network(784, 64)
    folds = {node: Fold(16, 49) for node in graph if isinstance(node.op, Dense)}

    result = plan(graph, folds, "net")

    assert result.interval == 64
    assert result.inputs[0].stream.lanes == 49  # 14 is no ratio to SIMD = 49


@pytest.mark.parametrize(("steps", "falls", "kept"), [([1], 0, 0), ([1], 1, 1), ([3], 0, 1)])
def test_a_threshold_that_changes_nothing_is_no_stage(
    steps: list[int], falls: int, kept: int
) -> None:
    """The quantizer behind a sign; one that turns signs round is something else."""
    x = Node("x", Input(TensorType((4,), BIPOLAR)))
    threshold = Threshold(Array([steps] * 4), BIPOLAR, Array([falls] * 4))
    graph = Graph((Node("y", threshold, (x,)),))

    result = plan(graph, {}, "net", cycles=1)

    assert sum(isinstance(stage, ThresholdStage) for stage in result.stages) == kept


def test_reshape_moves_vector_boundaries_without_hardware() -> None:
    x = Node("x", Input(TensorType((6, 4), IntType(0, 3))))
    scale = Node("r", Requantize(Array([2]), Array([0]), 0, IntType(0, 6)), (x,))
    flat = Node("f", Reshape((24,)), (scale,))
    weights = Array(np.ones((3, 24), np.int64))
    dense = Node("d", Dense(weights, IntType(1, 1)), (flat,))
    graph = Graph((Node("t", TopK(2), (dense,)),))

    result = plan(graph, {dense: Fold(3, 4)}, "net")

    assert [type(stage).__name__ for stage in result.stages] == [
        "RequantizeStage",
        "SkidBufferStage",
        "DenseStage",
        "SkidBufferStage",
        "WidthConverterStage",
        "TopKStage",
        "SkidBufferStage",
    ]


def test_beats_may_cross_vectors_where_one_is_too_narrow() -> None:
    x = Node("x", Input(TensorType((7, 4), IntType(0, 9))))
    limits = Array(np.arange(4).reshape(4, 1))
    bits = Node("t", Threshold(limits, IntType(0, 1), Array([0])), (x,))
    flat = Node("f", Reshape((28,)), (bits,))
    dense = Node("d", Dense(Array(np.ones((2, 28), np.int64)), IntType(1, 1)), (flat,))
    graph = Graph((dense,))

    result = plan(graph, {dense: Fold(2, 14)}, "net")

    assert result.interval == 2
    assert result.inputs[0].stream == Stream(IntType(0, 9), 28, 1, 14)
    (stage,) = [s for s in result.stages if isinstance(s, ThresholdStage)]
    np.testing.assert_array_equal(stage.op.thresholds.data[:, 0], np.tile(np.arange(4), 7))


def test_a_target_that_a_stage_misses_is_refused() -> None:
    x = Node("x", Input(TensorType((16,), IntType(0, 9))))
    dense = Node("d", Dense(Array(np.ones((10, 16), np.int64)), IntType(1, 1)), (x,))
    graph = Graph((Node("t", TopK(3), (dense,)),))
    target = Target(4, said="--cycles 4")
    result = plan(graph, choose_folds(graph, target), "net")
    with pytest.raises(UserError) as raised:
        check_target(result, target)

    assert raised.value.code == "codegen.target"
    assert raised.value.fix == ("ask for 10 cycles or more",)


def test_names_of_helpers_do_not_clash_with_layers() -> None:
    x = Node("x", Input(TensorType((4,), IntType(0, 3))))
    first = Node("a", Dense(Array(np.ones((4, 4), np.int64)), IntType(1, 1)), (x,))
    second = Node("a_skid", Dense(Array(np.ones((2, 4), np.int64)), IntType(1, 1)), (first,))
    graph = Graph((second,))

    result = plan(graph, {first: Fold(1, 4), second: Fold(1, 4)}, "net")

    assert len({stage.name for stage in result.stages}) == len(result.stages)


def test_too_wide_a_stream_is_refused() -> None:
    x = Node("x", Input(TensorType((1 << 15,), IntType(0, 255))))
    dense = Node("d", Dense(Array(np.ones((1, 1 << 15), np.int64)), IntType(1, 1)), (x,))
    with pytest.raises(UserError) as raised:
        plan(Graph((dense,)), {dense: Fold(1, 1 << 15)}, "net")

    assert raised.value.code == "codegen.too-wide"
    assert str(MAX_WIDTH) in raised.value.why


def test_too_large_a_design_is_refused_before_it_is_written() -> None:
    x = Node("x", Input(TensorType((2048,), IntType(0, 255))))
    weights = Array(np.random.default_rng(0).integers(-7, 8, (2048, 2048)))
    dense = Node("d", Dense(weights, IntType(-7, 7)), (x,))
    with pytest.raises(UserError) as raised:
        plan(Graph((dense,)), {dense: Fold(2048, 2048)}, "net")

    assert raised.value.code == "codegen.too-large"


def test_unrolled_layers_follow_each_other_and_requantize_themselves() -> None:
    rng = np.random.default_rng(0)
    node = Node("x", Input(TensorType((6,), IntType(0, 63))))
    for number, mul in enumerate((1, 2, 3, 1, 1, 1, 1, 1)):
        weights = Array(rng.integers(-7, 8, (6, 6)))
        node = Node(f"d{number}", Dense(weights, IntType(-7, 7)), (node,))
        op = Requantize(Array([mul]), Array([5]), 4, IntType(0, 63))
        node = Node(f"r{number}", op, (node,))
    graph = Graph((node,))

    result = plan(graph, choose_folds(graph, Target(1, {"*": Wish(unit="unrolled")})), "net")

    assert [(stage.name, stage.node) for stage in result.stages] == [
        ("d0", "r0"),
        ("d1", "r1"),
        ("d2", "d2"),  # times 3 is a stage of its own
        ("r2", "r2"),
        ("r2_skid", "r2"),
        ("d3", "r3"),
        ("d4", "r4"),
        ("d5", "r5"),
        ("d6", "r6"),
        ("d6_skid", "r6"),  # four in a row
        ("d7", "r7"),
        ("d7_skid", "r7"),
    ]
