from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Affine, Array, Graph, IntType, Node, Real, TensorType
from gatesmith.ir.store import load, save
from gatesmith.ops.clip import Clip
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.threshold import Threshold


def network() -> Graph:
    weights = Array(np.where(np.arange(12).reshape(3, 4) % 5 < 2, 1, -1))
    x = Node("x", Input(TensorType((2, 2), BIPOLAR)))
    flat = Node("flat", Reshape((4,)), (x,), origin=("/Flätten:0",))
    meaning = Affine((Fraction(1, 3),), (Fraction(-1), Fraction(0), Fraction(2, 7)))
    acc = Node("acc", Dense(weights, BIPOLAR), (flat,), meaning=meaning)
    op = Threshold(Array([[-2, 6]]), IntType(-1, 1), Array([0, 1, 0]))
    return Graph((Node("y", op, (acc,)), acc), "test")


def test_round_trip_is_lossless_and_deterministic(tmp_path: Path) -> None:
    save(network(), tmp_path / "one")
    again = load(tmp_path / "one")
    save(again, tmp_path / "two")

    assert str(again) == str(network())
    assert [n.meaning for n in again] == [n.meaning for n in network()]
    assert [n.origin for n in again] == [n.origin for n in network()]
    for suffix in (".json", ".npz"):
        one, two = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("one", "two"))
        assert one == two


def test_infinite_floats_survive(tmp_path: Path) -> None:
    x = Node("x", Input(TensorType((1,), Real())))
    save(Graph((Node("y", Clip(0.1, float("inf")), (x,)),)), tmp_path / "g")

    assert load(tmp_path / "g").outputs[0].op == Clip(0.1, float("inf"))


@pytest.mark.parametrize("damage", ["{", '{"format": 99}', '{"format": 1}'])
def test_damaged_file_is_a_user_error(tmp_path: Path, damage: str) -> None:
    save(network(), tmp_path / "g")
    (tmp_path / "g.json").write_text(damage)

    with pytest.raises(UserError, match="cannot read a stored graph"):
        load(tmp_path / "g")
