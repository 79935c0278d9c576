import itertools

import numpy as np
import pytest

from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.dense_skip import DenseSkipStage
from gatesmith.codegen.fold import Target, choose_folds
from gatesmith.codegen.plan import plan
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Array, Graph, Ints, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input

RNG = np.random.default_rng(0)
I4, U4 = IntType(-8, 7), IntType(0, 15)
SHAPES = [(2, 2, 1, 1, 1), (12, 6, 3, 2, 4), (10, 3, 1, 1, 7), (24, 8, 4, 2, 5), (64, 4, 2, 2, 3)]


def stage(ins: int, outs: int, simd: int, pe: int, vectors: int) -> DenseSkipStage:
    op = Dense(Array(RNG.integers(-8, 8, (outs, ins))), I4)
    return DenseSkipStage("d", "d", (), "d", op, Stream(U4, ins, vectors, simd), pe)


def frames(unit: DenseSkipStage, count: int, zeros: float) -> Ints:
    x = RNG.integers(1, 16, (count * unit.x.vectors, unit.sf, unit.simd))
    x[RNG.random(x.shape[:2]) < zeros] = 0
    return x


@pytest.mark.parametrize("shape", SHAPES)
def test_without_zeros_edges_are_the_schedule(shape: tuple[int, int, int, int, int]) -> None:
    unit = stage(*shape)
    for gap in (1, 2, 5):
        arrivals = gap * np.arange(unit.x.beats)
        found = unit.edges(frames(unit, 1, 0), arrivals)
        np.testing.assert_array_equal(found, unit.schedule(arrivals))
    assert (unit.expected_cycles(frames(unit, 5, 0)) == unit.interval).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("zeros", [0.2, 0.6, 0.95])
def test_zeros_only_make_it_faster(shape: tuple[int, int, int, int, int], zeros: float) -> None:
    unit = stage(*shape)
    for _ in range(10):
        arrivals = np.cumsum(RNG.integers(1, 4, unit.x.beats))
        x = frames(unit, 1, zeros)
        found, slowest = unit.edges(x, arrivals), unit.schedule(arrivals)
        assert (found <= slowest).all()
        fewer = x.copy()
        fewer[RNG.random(x.shape[:2]) < 0.3] = 0
        assert (unit.edges(fewer, arrivals) <= found).all()
        assert unit.slots(x)[0] <= unit.interval
        assert unit.slots(fewer)[0] <= unit.slots(x)[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_cycles_are_those_of_the_slower_end(shape: tuple[int, int, int, int, int]) -> None:
    unit = stage(*shape)
    x = frames(unit, 40, 0.5)
    slots, cycles = unit.slots(x), unit.expected_cycles(x)
    # In the long run no frame takes less than its slots, or its input beats: what the buffer
    # evens out at both ends is two vectors.
    spare = 2 * unit.nf * unit.sf
    assert cycles.sum() >= max(slots[1:].sum(), len(cycles) * unit.x.beats) - spare
    assert cycles.sum() <= np.maximum(slots, unit.x.beats)[1:].sum() * 2
    assert (cycles <= unit.interval).all()


def test_a_vector_of_zeros_keeps_its_last_beat() -> None:
    unit = stage(12, 6, 3, 2, 2)
    x = np.zeros((2, 12), np.int64)
    x[1, 4] = 1
    kept = [[False, False, False, True], [False, True, False, False]]
    assert unit.kept(x).tolist() == kept
    assert unit.slots(x).tolist() == [2 * 3]


def network(outs: int, elem: IntType, ins: int = 12) -> Graph:
    x = Node("x", Input(TensorType((4, ins), elem)))
    weights = RNG.choice([-1, 1], (outs, ins))
    return Graph((Node("fc", Dense(Array(weights), BIPOLAR), (x,)),))


def test_by_wish_only() -> None:
    graph = network(8, U4)
    (node,) = graph.outputs
    for cycles in (32, 96, 400):
        assert choose_folds(graph, Target(cycles))[node].unit == "folded"
        wish = {"fc": Wish.parse("skip")}
        folds = choose_folds(graph, Target(cycles, wish))
        assert folds[node].unit == "skip"
        design = plan(graph, folds, "net", cycles)
        (unit,) = (s for s in design if isinstance(s, DenseStage))
        assert isinstance(unit, DenseSkipStage)
        assert unit.data_dependent
        assert unit.interval <= cycles
        assert not any(s.data_dependent for s in design if s is not unit)


def test_by_numbers() -> None:
    graph = network(8, U4)
    for pe, simd in itertools.product((1, 2, 4), (1, 3, 6)):
        wish = {"fc": Wish.parse(f"{pe},{simd},skip")}
        fold = choose_folds(graph, Target(None, wish))[graph.outputs[0]]
        assert (fold.pe, fold.simd, str(fold)) == (pe, simd, f"pe={pe} simd={simd} skip")


@pytest.mark.parametrize(
    ("graph", "text", "why"),
    [
        (network(8, BIPOLAR), "skip", "its inputs are never 0: they are bipolar"),
        (network(8, IntType(1, 3)), "2,2,skip", "its inputs are never 0: they are u2[1..3]"),
        (network(8, IntType(-3, 3, 2)), "skip", "its inputs are never 0: they are u2[-3..3 by 2]"),
        (network(1, U4), "skip",
         "it has a single output: one pass takes no longer than the inputs to come in"),
        (network(4, U4, 1), "skip",
         "it has a single input, so a vector without it would be empty"),
    ],
)  # fmt: skip
def test_what_it_refuses(graph: Graph, text: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_folds(graph, Target(None, {"fc": Wish.parse(text)}))
    assert (caught.value.code, caught.value.why) == ("codegen.unit", why)


def test_folds_without_use_are_refused() -> None:
    with pytest.raises(UserError) as caught:
        choose_folds(network(8, U4), Target(None, {"fc": Wish.parse("8,12,skip")}))
    assert caught.value.code == "codegen.fold"
    assert caught.value.fix == ("PE: one of 1, 2, 4", "SIMD: one of 1, 2, 3, 4, 6")
    op = Dense(Array(np.ones((4, 6), np.int64)), IntType(0, 1))
    with pytest.raises(ValueError, match=r"^no 0 in bipolar, so no beat could be dropped$"):
        DenseSkipStage("d", "d", (), "d", op, Stream(BIPOLAR, 6, 1, 3), 2)
    with pytest.raises(ValueError, match=r"^2 beats in and 1 out: both must be 2 or more$"):
        DenseSkipStage("d", "d", (), "d", op, Stream(U4, 6, 1, 3), 4)
