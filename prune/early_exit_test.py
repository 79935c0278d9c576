from fractions import Fraction

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Ints, Reals
from gatesmith.ops.decide import Decide
from gatesmith.prune.early_exit import choose_margin, exit_points


def data(seed: int, frames: int = 60) -> tuple[Reals, Reals, Ints]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, frames)
    early, late = (rng.integers(0, 6, (frames, 4)).astype(np.float64) / 4 for _ in range(2))
    early[np.arange(frames), labels] += 0.5
    late[np.arange(frames), labels] += 1.0
    return early, late, labels


def by_hand(early: Reals, late: Reals, labels: Ints, margin: float) -> tuple[int, int]:
    """Leaving and right, frame by frame, from the definition of Decide."""
    leaving = right = 0
    for e, y, label in zip(early, late, labels, strict=True):
        ahead = sorted(e)[-1] - sorted(e)[-2] > margin
        leaving += int(ahead)
        right += int((e if ahead else y).argmax() == label)
    return leaving, right


@pytest.mark.parametrize("seed", range(6))
def test_points_are_what_their_margins_do(seed: int) -> None:
    early, late, labels = data(seed)
    points = exit_points(early, late, labels)
    for point in points:
        assert (point.leaving, point.right) == by_hand(early, late, labels, point.margin)
    assert points[-1].leaving == 0
    shares = [point.leaving for point in points]
    assert shares == sorted(set(shares), reverse=True)
    seen = {by_hand(early, late, labels, margin) for margin in np.linspace(0, 3, 200)}
    assert seen <= {(point.leaving, point.right) for point in points}


@pytest.mark.parametrize("seed", range(6))
def test_integers_decide_as_the_margin_does(seed: int) -> None:
    early, late, labels = data(seed)
    for point in exit_points(early, late, labels):
        codes = np.rint(early * 4).astype(np.int64)
        found = Decide(int(point.margin * 4 // 1)).run(codes)
        assert found[:, 1].sum() == point.leaving


def test_most_leave_among_those_that_are_accurate_enough() -> None:
    early, late, labels = data(1)
    points = exit_points(early, late, labels)
    for floor in (0.0, 0.5, points[-1].accuracy, Fraction(points[-1].right, points[-1].frames)):
        chosen = choose_margin(early, late, labels, floor)
        enough = [p for p in points if p.reaches(floor)]
        assert chosen.leaving == max(p.leaving for p in enough)


def test_a_tie_never_leaves() -> None:
    early = np.array([[1.0, 1.0], [3.0, 1.0]])
    points = exit_points(early, early, np.array([0, 0]))
    assert [(p.margin, p.leaving) for p in points] == [(1.0, 1), (3.0, 0)]


def test_out_of_reach() -> None:
    early, late, labels = data(2)
    with pytest.raises(UserError, match=r"no margin gives an accuracy of 100.00 %\n") as caught:
        choose_margin(early, late, labels, 1)
    assert caught.value.code == "prune.exit-accuracy"
    with pytest.raises(ValueError, match=r"^scores of shapes"):
        exit_points(early, late[:, :2], labels)
    with pytest.raises(ValueError, match=r"^\(3,\) labels for 60 frames$"):
        exit_points(early, late, labels[:3])
