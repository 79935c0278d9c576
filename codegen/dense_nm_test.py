import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.codegen.dense_nm import NM, SIZES, DenseNmStage, NmUnit, Sparsity, pack, sparsity
from gatesmith.codegen.fold import Target, choose_folds, fold_cost, price
from gatesmith.codegen.matrix_unit import Fold, Layer
from gatesmith.codegen.matrix_units import fold_cycles, layer_of
from gatesmith.codegen.plan import plan
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.windowing import stream_groups
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError
from gatesmith.ir import Array, Graph, Ints, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.window import Window

I8, U8 = IntType(-128, 127), IntType(0, 255)


def half(outs: int, ins: int, seed: int = 0) -> Ints:
    """2:4, and no sparser in groups of other sizes."""
    rng = np.random.default_rng(seed)
    weights = rng.choice([-97, -3, 1, 56], (outs, ins // 4, 4))
    weights[rng.permuted(np.arange(4) + 0 * weights, axis=-1) < 2] = 0
    weights[0] = [1, 2, 0, 0]
    return weights.reshape(outs, ins)


def layer(weights: Ints, ins: int) -> Node:
    x = Node("x", Input(TensorType((ins,), U8)))
    return Node("d", Dense(Array(weights), I8), (x,))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_packed_weights_are_the_weights(data: st.DataObject) -> None:
    of = data.draw(st.sampled_from(SIZES))
    kept = data.draw(st.integers(1, of - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weights = rng.integers(-3, 4, (5, 4, of))
    weights[rng.permuted(np.arange(of) + 0 * weights, axis=-1) >= kept] = 0

    values, offsets = pack(weights, Sparsity(kept, of))

    assert values.shape == offsets.shape == (5, 4, kept)
    assert offsets.min() >= 0
    assert offsets.max() <= of - kept
    whole = np.zeros_like(weights)
    for k in range(kept):  # += would hide an input that is chosen twice
        places = k + offsets[..., k : k + 1]
        assert (np.take_along_axis(whole, places, axis=-1) == 0).all()
        np.put_along_axis(whole, places, values[..., k : k + 1], axis=-1)
    np.testing.assert_array_equal(whole, weights)
    found = sparsity(Array(weights.reshape(5, -1)))
    assert found is not None
    assert found.kept * of <= kept * found.of


def test_the_sparsest_pattern_is_found() -> None:
    weights = np.zeros((2, 48), np.int64)
    assert sparsity(Array(weights)) == Sparsity(1, 16)
    weights[1, 16:21] = 7
    assert sparsity(Array(weights)) == Sparsity(5, 16)
    weights[0, 2:48:4] = 1
    weights[1] = 0
    assert sparsity(Array(weights)) == Sparsity(1, 4)  # as sparse as 2:8 and 4:16
    assert sparsity(Array(weights[:, :42])) == Sparsity(1, 2)
    assert sparsity(Array(weights[:, :41])) is None


def test_half_is_taken_where_it_is_cheaper() -> None:
    sparse, full = layer(half(64, 64), 64), layer(np.full((64, 64), 3), 64)

    (fold,) = choose_folds(Graph((sparse,)), Target(128)).values()
    (other,) = choose_folds(Graph((full,)), Target(128)).values()

    assert fold.unit == NM
    assert other.unit == "folded"
    assert 2 * fold.pe * fold.simd == other.pe * other.simd
    assert fold_cycles(sparse, fold) == fold_cycles(full, other) == 128
    folded = Fold(other.pe, other.simd)
    assert price(fold_cost(sparse, None, fold)) < 0.7 * price(fold_cost(sparse, None, folded))


def test_one_multiplier_is_cheaper_where_time_does_not_matter() -> None:
    (fold,) = choose_folds(Graph((layer(half(8, 8), 8),)), Target(10**6)).values()

    assert fold == Fold(1, 1)


def test_folds_take_whole_groups() -> None:
    weights = half(6, 24)
    unit, one = NmUnit(), Layer(Dense(Array(weights), I8), U8, 5)

    folds = list(unit.folds(one))

    assert {fold.simd for fold in folds} == {2, 4, 6, 12}
    assert {unit.lanes(one, fold) for fold in folds} == {4, 8, 12, 24}
    assert unit.cycles(one, Fold(3, 4, NM)) == 5 * 2 * 3
    with pytest.raises(ValueError, match=r"^SIMD 3 for weights of pattern 2:4$"):
        unit.lanes(one, Fold(3, 3, NM))


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (np.full((2, 8), 5), "none of its weights is zero"),
        (np.eye(3, dtype=np.int64), "its 3 inputs are no multiple of 2, so that N:M has no groups"),
        (
            np.array([[0, 1, 1, 1], [1, 1, 1, 1]]),
            "of some 2, 4 neighbours an output uses all, counted in the order of the stream; "
            "behind a window that gives all taps at once that is not the order of the channels",
        ),
    ],
)
def test_a_wish_that_cannot_be(weights: Ints, why: str) -> None:
    graph = Graph((layer(weights, weights.shape[1]),))

    with pytest.raises(UserError) as raised:
        choose_folds(graph, Target(64, {"d": Wish(unit=NM)}))

    assert raised.value.code == "codegen.unit"
    assert raised.value.why == why
    assert choose_folds(graph, Target(64)).popitem()[1].unit != NM


def convolution() -> tuple[Node, Node]:
    """3 x 3 over 8 channels of 6 x 6, the weights 2:4 along the channels, and dense taps."""
    x = Node("x", Input(TensorType((6, 6, 8), U8)))
    window = Node("w", Window((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), Array([0]), 1), (x,))
    weights = half(4, 72)
    weights[1] = np.tile([0, 0, 5, 5], 18)
    weights[2] = np.tile([5, 5, 0, 0], 18)
    return window, Node("d", Dense(Array(weights), I8), (window,))


@pytest.mark.parametrize(("cycles", "lanes", "units"), [(324, 8, 1), (150, 2, 0), (80, 4, 1)])
def test_behind_a_window_the_order_of_the_stream_counts(
    cycles: int, lanes: int, units: int
) -> None:
    """Two channels of all taps at a time tear groups of four apart; four or eight do not."""
    window, dense = convolution()
    graph = Graph((dense,))
    assert 8 // stream_groups(window, cycles) == lanes
    x = np.random.default_rng(1).integers(0, 9, (3, 6, 6, 8))
    taps = window.op.run(x).reshape(3, 36, 9, 8 // lanes, lanes)
    streamed = taps.transpose(0, 1, 3, 2, 4).reshape(3, 36, 72)
    np.testing.assert_array_equal(
        layer_of(dense, cycles).op.run(streamed), dense.op.run(window.op.run(x)).reshape(3, 36, 4)
    )

    if units:
        folds = choose_folds(graph, Target(cycles, {"d": Wish(unit=NM)}))
        assert folds[dense].unit == NM
    else:
        folds = choose_folds(graph, Target(cycles))
        assert folds[dense].unit != NM
        with pytest.raises(
            UserError, match="behind a window that gives all taps at once"
        ) as raised:
            choose_folds(graph, Target(cycles, {"d": Wish(unit=NM)}))
        assert raised.value.code == "codegen.unit"

    design = plan(graph, folds, "net", cycles)
    stage = next(stage for stage in design if stage.name == "d")
    assert type(stage).__name__ == ("DenseNmStage" if units else "DenseStage")
    assert stage.interval == fold_cycles(dense, folds[dense], cycles) <= cycles


def test_folds_for_other_cycles_are_refused() -> None:
    _, dense = convolution()
    folds = choose_folds(Graph((dense,)), Target(324, {"d": Wish(unit=NM)}))

    with pytest.raises(ValueError, match=r"^SIMD \d+ for weights of pattern None$"):
        plan(Graph((dense,)), folds, "net", 150)


def test_memory_and_work() -> None:
    op = Dense(Array(np.array([[0, 0, 3, -1], [7, 0, 0, 0]])), I8)
    stage = DenseNmStage("d", "d", (), "d", op, Stream(U8, 4, 5, 4), 1)

    # Offsets 2 and 2 (inputs 2 and 3), 0 and 0 (inputs 0 and 1, of which one is not used).
    assert stage.weights_mem() == f"{2 << 18 | 255 << 10 | 2 << 8 | 3:05x}\n{7:05x}\n"
    assert stage.weight_bits == 2 * 2 * (8 + 2)
    assert stage.work().products == 5 * 2 * 2
    assert stage.work().weight_bits_read == 5 * stage.weight_bits


def test_what_does_not_fit() -> None:
    op = Dense(Array(half(6, 24)), I8)
    with pytest.raises(ValueError, match=r"^beats of 6 inputs for weights that are 2:4$"):
        DenseNmStage("d", "d", (), "d", op, Stream(U8, 24, 1, 6), 2)
    op = Dense(Array(np.ones((6, 24), np.int64)), I8)
    with pytest.raises(ValueError, match=r"^the weights are of no pattern N:M$"):
        DenseNmStage("d", "d", (), "d", op, Stream(U8, 24, 1, 8), 2)
