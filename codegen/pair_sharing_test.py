import numpy as np
import pytest

from gatesmith.codegen.number_rows import share
from gatesmith.codegen.pair_sharing import Digit, Node, PairSearch, Shared
from gatesmith.ir import Array, Ints


def value(shared: Shared, x: Ints) -> Ints:
    """Rows computed node by node, as the adders do."""
    nodes = [x[:, i] for i in range(shared.inputs)]

    def operand(number: int, inverted: bool) -> Ints:
        top = (1 << shared.nodes[number].bits) - 1
        return top - nodes[number] if inverted else nodes[number]

    for number in shared.sums:
        node = shared.nodes[number]
        low, high = operand(node.low, node.low_inverted), operand(node.high, node.high_inverted)
        nodes.append(low + (high << node.shift))
        assert nodes[-1].min() >= 0
        assert nodes[-1].max() <= node.top
    offsets = shared.offsets()
    return np.stack(
        [
            sum(
                ((-1) ** d.negative * (nodes[d.node] << d.shift) for d in row),
                np.zeros_like(x[:, 0]),
            )
            + shared.constant(number, offsets)
            for number, row in enumerate(shared.rows)
        ],
        axis=1,
    )


@pytest.mark.parametrize(
    ("outs", "ins", "top", "most"), [(12, 8, 255, 31), (20, 6, 1, 100), (3, 40, 9, 7), (9, 5, 6, 1)]
)
def test_rows_are_what_they_were(outs: int, ins: int, top: int, most: int) -> None:
    rng = np.random.default_rng(outs)
    weights = rng.integers(-most, most + 1, (outs, ins))
    x = rng.integers(0, top + 1, (50, ins))
    x[0], x[1] = 0, top

    shared = share(Array(weights), (top,) * ins)

    assert np.array_equal(value(shared, x), x @ weights.T)


def test_a_pair_of_three_rows_is_made_once() -> None:
    rows = [[Digit(0, 0, False), Digit(1, 2, False)] for _ in range(3)]

    shared = PairSearch(rows, [255, 255], depth=3, noise=0, seed=0).run(1000)

    assert shared.nodes[2:] == (Node(255 + 4 * 255, 6, 1, 0, 1, 2),)
    assert shared.rows == ((Digit(2, 0, False),),) * 3


def test_differences_share_whatever_their_sign() -> None:
    rows = [[Digit(0, 1, s), Digit(1, 0, not s)] for s in (True, False, True, False)]

    shared = PairSearch(rows, [255, 255], depth=3, noise=0, seed=0).run(1000)

    assert len(shared.sums) == 1
    assert [len(row) for row in shared.rows] == [1] * 4
    x = np.array([[0, 255], [255, 0], [7, 9]])
    assert value(shared, x).tolist() == [[s * (b - 2 * a) for s in (1, -1, 1, -1)] for a, b in x]


def test_a_budget_of_nothing_shares_nothing() -> None:
    rows = [[Digit(0, 0, False), Digit(1, 2, False)] for _ in range(3)]

    shared = PairSearch(rows, [255, 255], depth=3, noise=0, seed=0).run(0)

    assert not shared.sums


def test_depth_bounds_the_adders_in_a_row() -> None:
    weights = Array(np.random.default_rng(1).integers(-30, 31, (40, 8)))
    rows = [[Digit(i, 0, False) for i in range(8)] for _ in range(6)]

    assert max(node.depth for node in share(weights, (255,) * 8).nodes) <= 3
    for depth in (1, 2):
        shared = PairSearch(rows, [255] * 8, depth, noise=0, seed=0).run(10_000)
        assert max(node.depth for node in shared.nodes) == depth


def test_sharing_is_repeatable() -> None:
    weights = Array(np.random.default_rng(2).integers(-30, 31, (30, 16)))
    share.cache_clear()
    first = share(weights, (255,) * 16)
    share.cache_clear()

    assert share(weights, (255,) * 16) == first
