import numpy as np
import pytest
from numpy.typing import NDArray

from gatesmith.codegen.block_order import blocks
from gatesmith.codegen.dense_blocks import BLOCKS, BlocksUnit, DenseBlocksStage
from gatesmith.codegen.fold import Target, choose_folds, fold_cost, price
from gatesmith.codegen.matrix_unit import Fold, Layer
from gatesmith.codegen.matrix_units import fold_cycles
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, Ints, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.rtl_tests.slots import output_edges

I8, U8 = IntType(-128, 127), IntType(0, 255)


def weights(kept: NDArray[np.bool_], pe: int, simd: int) -> Ints:
    """With these blocks not zero: (output beats, input beats), in each block a single weight."""
    w = np.zeros((len(kept), pe, kept.shape[1], simd), np.int64)
    w[:, -1, :, 0] = 5 * kept
    return w.reshape(len(kept) * pe, -1)


def layer(w: Ints, vectors: int = 1) -> Node:
    x = Node("x", Input(TensorType((vectors, w.shape[1]), U8)))
    return Node("d", Dense(Array(w), I8), (x,))


def quarter(rng: np.random.Generator) -> Ints:
    """64 x 64, a quarter of its blocks of 4 x 4 is not zero."""
    kept = rng.permuted(np.broadcast_to(np.arange(16), (16, 16)), axis=1) < 4
    return weights(kept, 4, 4)


def test_words_are_in_order() -> None:
    kept = np.array([[0, 1, 1], [0, 0, 0], [1, 0, 1], [1, 0, 0]], np.bool_)
    found = blocks(Dense(Array(weights(kept, 2, 3)), I8, 2), 2, 3)

    assert found.beat.tolist() == [1, 2, 0, 0, 2, 0]
    assert found.last.tolist() == [False, True, True, False, True, True]
    assert found.ends.tolist() == [False, False, True, False, False, True]
    assert found.counts.tolist() == [3, 3]
    within = [found.outputs_within(n) for n in (1, 2, 3, 4, 5, 8)]  # around the end, too
    assert within == [1, 2, 2, 3, 4, 6]


def test_memories() -> None:
    kept = np.array([[0, 1, 0], [0, 0, 0]], np.bool_)
    stage = DenseBlocksStage(
        "d", "d", (), "d", Dense(Array(weights(kept, 1, 2)), I8), Stream(U8, 6, 1, 2), 1
    )

    assert stage.weights_mem() == "0005\n0000\n"
    assert stage.order_mem() == "5\nc\n"  # beat 1 and last; beat 0, last, end
    assert stage.weight_bits == 2 * (16 + 4)
    assert stage.work().products == 2 * 2
    assert stage.work().weight_bits_read == stage.weight_bits


@pytest.mark.parametrize("seed", range(40))
def test_interval_is_that_of_the_slots(seed: int) -> None:
    """Many vectors at a beat an edge, played slot by slot: groups of many words and of few."""
    rng = np.random.default_rng(seed)
    groups, nf, sf = (int(rng.integers(lo, hi)) for lo, hi in ((1, 6), (2, 5), (2, 9)))
    kept = rng.random((groups, nf, sf)) < rng.random((groups, 1, 1))
    op = Dense(Array(weights(kept.reshape(-1, sf), 1, 1)), I8, groups)
    laps = 12
    stage = DenseBlocksStage("d", "d", (), "d", op, Stream(U8, sf, groups * laps, 1), 1)
    lap = DenseBlocksStage("d", "d", (), "d", op, Stream(U8, sf, groups, 1), 1)

    edges = output_edges(stage.timing(), np.arange(stage.x.beats))

    np.testing.assert_array_equal(edges, stage.schedule(np.arange(stage.x.beats)))
    ends = edges.reshape(laps, -1)[:, -1]
    np.testing.assert_array_equal(np.diff(ends)[5:], lap.interval)
    assert stage.interval == laps * lap.interval
    counts = stage.blocks.counts
    assert lap.interval <= int(np.maximum(counts, sf).sum())
    assert lap.interval >= max(groups * sf, int(counts.sum()))


def test_blocks_are_taken_where_they_are_cheaper() -> None:
    node = layer(quarter(np.random.default_rng(0)))

    (fold,) = choose_folds(Graph((node,)), Target(128)).values()

    assert fold.unit == BLOCKS
    assert fold_cycles(node, fold) <= 128
    (full,) = choose_folds(Graph((layer(np.full((64, 64), 3)),)), Target(128)).values()
    assert full.unit == "folded"
    costs = [price(fold_cost(node, None, f)) for f in (fold, Fold(full.pe, full.simd))]
    assert costs[0] < 0.6 * costs[1]


def test_scattered_zeros_are_left_to_the_folded_unit() -> None:
    rng = np.random.default_rng(2)
    w = np.where(rng.random((64, 64)) < 0.1, 0, 3)

    (fold,) = choose_folds(Graph((layer(w),)), Target(64)).values()

    assert fold.unit == "folded"


def test_folds_are_those_that_save_cycles() -> None:
    kept = np.array([[1, 1, 0], [1, 1, 1]], np.bool_)
    unit, one = BlocksUnit(), Layer(Dense(Array(weights(kept, 2, 2)), I8), U8, 7)

    cycles = {(f.pe, f.simd): unit.cycles(one, f) for f in unit.folds(one)}

    assert cycles == {
        (1, 1): 7 * 7,
        (1, 2): 7 * 7,
        (1, 3): 7 * 5,
        (2, 1): 7 * 6,  # five words, but six beats
        (2, 2): 7 * 5,
        (2, 3): 7 * 3,
    }
    assert unit.lanes(one, Fold(2, 2, BLOCKS)) == 2


@pytest.mark.parametrize(
    ("w", "why"),
    [
        (np.full((4, 8), 5), "none of its weights is zero"),
        (np.array([[0], [1]]), "it has a single input: every output needs a cycle"),
        (
            np.array([[0, 1]]),
            "it has a single output: one pass takes no longer than the inputs to come in",
        ),
    ],
)
def test_a_wish_that_cannot_be(w: Ints, why: str) -> None:
    with pytest.raises(UserError) as raised:
        choose_folds(Graph((layer(w),)), Target(64, {"d": Wish(unit=BLOCKS)}))

    assert raised.value.code == "codegen.unit"
    assert raised.value.why == why


def test_cycles_that_the_wish_cannot_reach() -> None:
    with pytest.raises(UserError) as raised:
        choose_folds(
            Graph((layer(quarter(np.random.default_rng(0))),)),
            Target(3, {"d": Wish(unit=BLOCKS)}, "--cycles 3"),
        )

    assert raised.value.code == "codegen.target"
    assert raised.value.why.startswith("built as blocks it takes ")


def test_a_fold_without_zero_blocks_is_refused() -> None:
    w = np.ones((4, 4), np.int64)
    w[0, 0] = 0
    with pytest.raises(UserError) as raised:
        choose_folds(Graph((layer(w),)), Target(64, {"d": Wish(2, 2, BLOCKS)}))

    assert raised.value.code == "codegen.fold"
    assert raised.value.fix == ("PE: one of 1", "SIMD: one of 1")


def test_what_does_not_fit() -> None:
    op = Dense(Array(np.eye(4, dtype=np.int64)), I8)
    with pytest.raises(ValueError, match=r"^1 beats in and 4 out: both must be 2 or more$"):
        DenseBlocksStage("d", "d", (), "d", op, Stream(U8, 4, 1, 4), 1)
    op = Dense(Array(np.ones((4, 4), np.int64)), IntType(-1, 1, 2))
    with pytest.raises(ValueError, match=r"^no zero among weights of type "):
        DenseBlocksStage("d", "d", (), "d", op, Stream(U8, 4, 1, 2), 1)
