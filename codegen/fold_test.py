import itertools

import numpy as np
import pytest

from gatesmith.codegen.fold import Target, choose_folds, price
from gatesmith.codegen.matrix_unit import Fold, divisors
from gatesmith.codegen.plan import plan
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import BIPOLAR, Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.threshold import Threshold

RNG = np.random.default_rng(0)


def network(*widths: int, vectors: int = 1) -> Graph:
    node = Node("x", Input(TensorType((vectors, widths[0]), BIPOLAR)))
    for index, (ins, outs) in enumerate(itertools.pairwise(widths)):
        weights = Array(RNG.choice([-1, 1], (outs, ins)))
        node = Node(f"d{index}", Dense(weights, BIPOLAR), (node,), (f"/MatMul_{index}",))
        threshold = Threshold(Array([[0]]), BIPOLAR, Array([0]))
        node = Node(f"t{index}", threshold, (node,))
    return Graph((node,))


def test_divisors_are_all_of_them() -> None:
    for n in range(1, 200):
        assert divisors(n) == [d for d in range(1, n + 1) if n % d == 0]


def total(graph: Graph, folds: dict[Node, Fold], cycles: int) -> float:
    """Price of the whole design."""
    return price(plan(graph, folds, "net", cycles).cost)


@pytest.mark.parametrize("target", [1, 3, 12, 60, 10**6])
def test_target_is_met_at_the_least_price_of_the_whole_design(target: int) -> None:
    graph = network(12, 6, 10)
    layers = [node for node in graph if isinstance(node.op, Dense)]
    ways = [
        [
            Fold(pe, simd)
            for pe in divisors(node.type.channels)
            for simd in divisors(node.args[0].type.channels)
            if node.type.channels // pe * (node.args[0].type.channels // simd) <= target
        ]
        for node in layers
    ]

    folds = choose_folds(graph, Target(target))

    least = min(
        total(graph, dict(zip(layers, choice, strict=True)), target)
        for choice in itertools.product(*ways)
    )
    assert total(graph, folds, target) == least
    assert all(folds[node] in own for node, own in zip(layers, ways, strict=True))


def test_a_faster_target_takes_more_products() -> None:
    graph = network(784, 64)
    products = [
        next(f.pe * f.simd for f in choose_folds(graph, Target(cycles)).values())
        for cycles in (1, 16, 64, 784)
    ]

    assert products == sorted(products, reverse=True)
    assert products[0] == 784 * 64


def test_prime_widths_fold_by_one_or_whole() -> None:
    folds = choose_folds(network(17, 13), Target(13))

    assert list(folds.values()) == [Fold(1, 17)]


def test_hand_folds_by_ir_name_and_by_onnx_name() -> None:
    folds = choose_folds(
        network(12, 6, 4), Target(by_hand={"d0": Wish(2, 3), "/MatMul_1": Wish(4, 6)})
    )

    assert list(folds.values()) == [Fold(2, 3), Fold(4, 6)]


def test_vectors_bound_the_target() -> None:
    graph = network(8, 4, vectors=20)
    with pytest.raises(UserError) as raised:
        choose_folds(graph, Target(19, said="--cycles 19"))

    assert raised.value.code == "codegen.target"
    assert raised.value.fix == ("ask for 20 cycles or more",)
    assert choose_folds(graph, Target(20)).popitem()[1] == Fold(4, 8)


def test_without_a_target_more_vectors_take_more_cycles() -> None:
    assert choose_folds(network(8, 4, vectors=2000), Target()).popitem()[1] == Fold(4, 8)


def test_every_wrong_hand_fold_is_reported() -> None:
    with pytest.raises(UserErrors) as raised:
        choose_folds(network(12, 6), Target(by_hand={"d0": Wish(4, 3), "d7": Wish(1, 1)}))

    one, two = raised.value.errors
    assert one.what == "PE=4, SIMD=3 cannot fold d0"
    assert one.fix == ("PE: one of 1, 2, 3, 6", "SIMD: one of 1, 2, 3, 4, 6, 12")
    assert two.what == 'no layer "d7" to fold'


def test_multi_bit_layers_are_folded_too() -> None:
    x = Node("x", Input(TensorType((16,), IntType(-128, 127))))
    weights = Array(RNG.integers(-31, 32, (64, 16)))
    graph = Graph((Node("d", Dense(weights, IntType(-31, 31)), (x,)),))

    (fold,) = choose_folds(graph, Target(16)).values()
    assert fold.pe * fold.simd == 64
