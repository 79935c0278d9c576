import numpy as np
import pytest

from gatesmith.data.dataset import Data
from gatesmith.data.split import calibration, split
from gatesmith.errors import UserError


def numbered(count: int, classes: list[int] | None = None) -> Data:
    y = None if classes is None else np.array(classes, np.int64)
    return Data(np.arange(count, dtype=np.float32)[:, None], y, "here")


def test_nothing_is_lost_or_doubled() -> None:
    rest, held = split(numbered(100), 0.25, seed=1)

    assert (len(rest), len(held)) == (75, 25)
    both = np.concatenate([rest.x, held.x])[:, 0]
    assert sorted(both.tolist()) == list(range(100))
    assert (np.diff(held.x[:, 0]) > 0).all()
    assert held.y is None


def test_the_seed_decides_and_nothing_else() -> None:
    def held(seed: int) -> list[float]:
        return split(numbered(50), 0.2, seed)[1].x[:, 0].tolist()  # type: ignore[no-any-return]

    assert held(1) == held(1)
    assert held(1) != held(2)


def test_every_class_has_its_share() -> None:
    data = numbered(100, [0] * 50 + [1] * 30 + [2] * 20)
    rest, held = split(data, 0.1, seed=0)
    assert np.bincount(held.labels("a test")).tolist() == [5, 3, 2]
    assert np.bincount(rest.labels("a test")).tolist() == [45, 27, 18]
    some = calibration(data, 9, seed=0)  # 4.5, 2.7, 1.8
    assert np.bincount(some.labels("a test")).tolist() == [4, 3, 2]
    assert len(some) == 9


def test_ends_of_the_range() -> None:
    assert len(split(numbered(2), 0.001, 0)[1]) == 1
    assert len(split(numbered(2), 0.999, 0)[0]) == 1
    data = numbered(3)
    assert calibration(data, 3, 0) is data
    assert len(calibration(data, 1, 0)) == 1
    with pytest.raises(UserError) as caught:
        split(numbered(1), 0.5, 0)
    assert (caught.value.code, caught.value.why) == (
        "data.too-few",
        "there is 1 frame, expected 2 or more",
    )
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            split(data, wrong, 0)
