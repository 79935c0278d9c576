"""Ways to store weights: the cheapest, the smallest, and one that was named."""

from __future__ import annotations

import numpy as np
import pytest

from gatesmith.codegen.wish import Wish
from gatesmith.compressing.measure import hardware
from gatesmith.compressing.roms import stored_as, with_roms
from gatesmith.ir import Array, Graph, IntType, Node, TensorType
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input

I8 = IntType(-128, 127)
CYCLES = 64 * 256 // 4


def network() -> Graph:
    """A layer of many zeros, large enough for a block RAM, and a small one of four values."""
    random = np.random.default_rng(0)
    first = random.integers(-127, 128, (64, 256)) * (random.random((64, 256)) < 0.1)
    second = random.choice([-100, -3, 3, 100], (8, 64))
    x = Node("x", Input(TensorType((256,), IntType(0, 15))))
    a = Node("a", Dense(Array(first), I8), (x,))
    return Graph((Node("b", Dense(Array(second), I8), (a,)),))


def chosen(wanted: str, fold: dict[str, Wish] | None = None) -> tuple[dict[str, str], list[str]]:
    notes: list[str] = []
    rows = stored_as(network(), wanted, CYCLES, fold or {}, notes)
    for row in rows:
        sizes = {"plain": "dense"}
        assert row["bits"] == row["sizes"][sizes.get(row["rom"], row["rom"])]
    return {row["name"]: row["rom"] for row in rows}, notes


def total(wanted: str) -> int:
    return sum(row["bits"] for row in stored_as(network(), wanted, CYCLES, {}, []))


def worth(roms: dict[str, str]) -> float:
    found = hardware(network(), CYCLES, with_roms({}, roms))
    return found.lut + 0.25 * found.ff + 100 * found.dsp + 0.011 * found.ram_bits


def test_the_smallest_and_the_cheapest() -> None:
    least, auto, plain = (chosen(wanted)[0] for wanted in ("least", "auto", "plain"))
    assert set(plain.values()) == {"plain"}
    assert least["a"] == "huffman" and least["b"] == "codebook"
    assert total("least") < total("plain") == 8 * (64 * 256 + 8 * 64)
    assert worth(auto) <= min(worth(least), worth(plain))


def test_a_way_that_was_named_and_does_not_fit() -> None:
    roms, notes = chosen("codebook")
    assert roms == {"a": "plain", "b": "codebook"}
    assert notes == ["the weights of a cannot be stored as codebook, but as plain"]


@pytest.mark.parametrize("pattern", ["a", "*"])
def test_a_unit_that_was_wished_for_stays_as_it_is(pattern: str) -> None:
    fold = {pattern: Wish(unit="folded")}
    roms, _ = chosen("least", fold)
    assert roms["a"] == "plain"
    assert (roms["b"] == "plain") == (pattern == "*")
    assert str(with_roms({"b": Wish(2, 4)}, {"b": "codebook"})["b"]) == "2,4,codebook"
    assert with_roms(fold, roms | {"b": "plain"}) == fold
