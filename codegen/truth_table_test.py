"""Decisions agree with their table wherever it matters; in SystemVerilog they are the same."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gatesmith.codegen.truth_table import Decision, decide, text_of

SEEDS = range(12)


def drawn(seed: int, wires: int, density: float) -> tuple[np.ndarray, np.ndarray]:
    """A table and what matters of it."""
    rng = np.random.default_rng([seed, wires])
    shape = (2,) * wires
    return rng.random(shape) < 0.5, rng.random(shape) < density


def value(text: str, lines: tuple[tuple[str, str], ...], bits: tuple[int, ...]) -> int:
    """Of SystemVerilog, read as Python: only ~ & | ?: and names of single bits occur."""
    names: dict[str, int] = {f"x{k}": bit for k, bit in enumerate(bits)}
    for name, line in lines:
        names[name] = value_of(line, names)
    return value_of(text, names)


def value_of(text: str, names: dict[str, int]) -> int:
    """One expression, by recursive descent."""
    rest = list(text.replace("1'b0", "0").replace("1'b1", "1").replace("(", "( ").split())
    tokens = [t for word in rest for t in split(word)]
    result = expression(tokens, names)
    assert not tokens
    return result


def split(word: str) -> list[str]:
    """``~x`` and ``x)`` are two."""
    if word.startswith("~"):
        return ["~", *split(word[1:])]
    closing = len(word) - len(word.rstrip(")"))
    return [*([word.rstrip(")")] if word.rstrip(")") else []), *")" * closing]


def expression(tokens: list[str], names: dict[str, int]) -> int:
    """Of tokens, which are used up."""
    match tokens.pop(0):
        case "~":
            return 1 - expression(tokens, names)
        case "(":
            left = expression(tokens, names)
            match tokens.pop(0):
                case "&":
                    left &= expression(tokens, names)
                case "|":
                    left |= expression(tokens, names)
                case "?":
                    high = expression(tokens, names)
                    assert tokens.pop(0) == ":"
                    low = expression(tokens, names)
                    left = high if left else low
                case other:
                    raise AssertionError(other)
            assert tokens.pop(0) == ")"
            return left
        case "0" | "1" as number:
            return int(number)
        case name:
            return names[name]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wires", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("density", [1.0, 0.7, 0.2])
def test_agrees_where_it_matters(seed: int, wires: int, density: float) -> None:
    table, care = drawn(seed, wires, density)
    found = decide(table, care)
    text = text_of(found, [f"x{k}" for k in range(wires)], "t")
    for bits in product((0, 1), repeat=wires):
        if care[bits]:
            assert found.run(bits) == table[bits]
        assert value(text.value, text.lines, bits) == found.run(bits)


@pytest.mark.parametrize("seed", SEEDS)
def test_reads_nothing_in_vain(seed: int) -> None:
    """Of a whole table: exactly the wires that change something."""
    rng = np.random.default_rng(seed)
    small = rng.random((2, 2)) < 0.5
    table = np.broadcast_to(small[None, :, None, :], (2, 2, 2, 2))
    needed = tuple(
        wire
        for wire, axis in ((1, 0), (3, 1))
        if (small.take(0, axis) != small.take(1, axis)).any()
    )
    assert decide(table, np.ones(table.shape, bool)).support == needed


def test_what_never_comes_saves_wires() -> None:
    """Two bits that are never equal: one of them says it all."""
    table = np.zeros((2, 2, 2), bool)
    care = np.zeros((2, 2, 2), bool)
    for a, b, c in product((0, 1), repeat=3):
        table[a, b, c], care[a, b, c] = a & c, a != b
    assert len(decide(table, care).support) == 2
    assert len(decide(table, np.ones_like(care)).support) == 2
    table[1, 1, 1] = False
    assert len(decide(table, np.ones_like(care)).support) == 3


def test_luts() -> None:
    """Of six wires one; parity of eight as decisions, not as four tables."""
    wires = np.indices((2,) * 8).sum(axis=0) % 2 == 1
    parity = decide(wires, np.ones_like(wires))
    assert len(parity.nodes) == 15
    assert parity.luts == 4
    six = decide(wires[0, 0], np.ones((2,) * 6, bool))
    assert (six.luts, Decision().luts) == (1, 0)
