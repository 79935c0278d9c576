"""Trees of rows: what they share, and that every row gives what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.compression_test import settled, value_of
from gatesmith.codegen.row_tree import RowTree, row_trees
from gatesmith.codegen.shared_rows import Asked, SharedRows
from gatesmith.codegen.unrolled_bits import unroll_bits
from gatesmith.ir import BIPOLAR, Array, Ints, IntType
from gatesmith.ops.threshold import Threshold


def signs(rows: int, inputs: int, zeros: float = 0.0, seed: int = 0) -> Ints:
    """Random weights."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice([-1, 1], (rows, inputs))
    return np.where(rng.random(drawn.shape) < zeros, 0, drawn)


def leaves(tree: RowTree) -> list[int]:
    """Rows of its leaves."""
    if not tree.children:
        return list(tree.rows)
    below = [leaf for child in tree.children for leaf in leaves(child)]
    assert sorted(below) == sorted(tree.rows)
    return below


@pytest.mark.parametrize("rows", [1, 2, 7, 20])
def test_every_row_is_a_leaf(rows: int) -> None:
    trees = row_trees(signs(rows, 60))
    assert sorted(leaf for tree in trees for leaf in leaves(tree)) == list(range(rows))
    assert all(len(tree.children) in {0, 2} for tree in trees)


def test_equal_input_the_search_gives_equal_trees() -> None:
    weights = signs(24, 90)
    assert row_trees(weights) == row_trees(weights.copy())


def test_rows_that_are_alike_share_a_tree() -> None:
    """Two families of rows, each of which differs in few inputs."""
    weights = np.repeat(signs(2, 400), 8, axis=0)[np.arange(16).reshape(2, 8).T.ravel()]
    flips = np.random.default_rng(1).random(weights.shape) < 0.02
    weights = np.where(flips, -weights, weights)
    trees = row_trees(weights)
    assert sorted(tuple(sorted(tree.rows)) for tree in trees) == [
        tuple(range(0, 16, 2)),
        tuple(range(1, 16, 2)),
    ]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_answers(zeros: float, depth: int) -> None:
    weights = signs(9, 50, zeros)
    asked = {row: Asked(least=row - 4, falling=row % 2 == 1) for row in range(6)}
    asked |= {row: Asked(bits=7, constant=5) for row in range(6, 9)}
    made = SharedRows(weights, asked, row_trees(weights), depth)
    texts = made.outputs(made.levels)
    for seed in range(20):
        x = np.random.default_rng(seed).integers(0, 2, 50)
        wires = settled(made.wiring, {"x": int("".join(map(str, x[::-1])), 2)})
        for row, total in enumerate((weights @ x).tolist()):
            want = asked[row]
            value, _ = value_of(texts[row], wires)
            if want.bits:
                assert value == (total + 5) % 128
            else:
                assert value == ((total >= want.least) != want.falling)


def test_no_question() -> None:
    weights = np.array([[1, 1, -1]])
    with pytest.raises(ValueError, match=r"^whether a sum in \[-1, 2\] is 3 is no question$"):
        SharedRows(weights, {0: Asked(least=3)}, [RowTree((0,))], 1)


def test_sharing_pays() -> None:
    """Sixteen rows of 200 bits take less than half of what they take alone."""
    weights = Array(signs(16, 200))
    y = IntType(-200, 200, 2)
    limits = Threshold(Array(np.zeros((16, 1), np.int64)), BIPOLAR, Array(np.zeros(16, np.int64)))
    together = unroll_bits(weights, BIPOLAR, y, limits).cost()
    alone = unroll_bits(Array(weights.data[:1]), BIPOLAR, y, limits_of_one(limits)).cost()
    assert together.lut < 0.5 * 16 * alone.lut


def limits_of_one(limits: Threshold) -> Threshold:
    """The first output's."""
    return Threshold(Array(limits.thresholds.data[:1]), limits.out, Array(limits.falling.data[:1]))


def test_equal_rows_are_made_once() -> None:
    weights = np.concatenate([signs(2, 20), signs(2, 20), np.zeros((1, 20), np.int64)])
    found = unroll_bits(Array(weights), BIPOLAR, IntType(-20, 20))
    assert found.places[:2] == found.places[2:4]
    assert found.blocks[found.places[4][0]].outputs == ("6'd0",)
