"""Memories as Yosys 0.70 maps them on UltraScale+; figures of FIFOs were synthesised."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gatesmith.codegen.memories import CONTENT, Memory, ram, rom


def blocks(memory: Memory) -> tuple[int, int]:
    return memory.cost.ramb18, memory.cost.ramb36


@pytest.mark.parametrize(
    ("depth", "bits", "found"),
    [
        (300, 16, (1, 0)),
        (600, 18, (1, 0)),
        (1200, 30, (3, 0)),
        (512, 40, (0, 1)),
        (2048, 8, (1, 0)),
        (5000, 9, (3, 0)),
        (1024, 72, (0, 2)),
        (900, 100, (0, 3)),
    ],
)
def test_block_rams_of_fifos(depth: int, bits: int, found: tuple[int, int]) -> None:
    assert blocks(ram(depth, bits, "block")) == found


@pytest.mark.parametrize(
    ("depth", "bits", "kind", "luts"),
    [
        (2, 8, "ff", None),
        (3, 4, "ff", None),
        (5, 20, "lutram", 16),
        (33, 7, "lutram", 8),
        (64, 16, "lutram", 24),
        (40, 60, "lutram", 72),
    ],
)
def test_small_memories(depth: int, bits: int, kind: str, luts: int | None) -> None:
    found = ram(depth, bits, "distributed", through=True)
    assert found.kind == kind
    assert luts is None or found.cost.lut == luts
    assert blocks(found) == (0, 0)


def test_what_is_not_asked_for_goes_to_block_ram_where_that_is_worth_less() -> None:
    assert rom(512, 8, "distributed").kind == "logic"  # 64 LUTs' worth against 129
    assert blocks(rom(1024, 16, "distributed")) == (1, 0)


def test_constant_columns_of_a_rom_are_not_stored() -> None:
    """The thresholds of a keyword spotting network: 133 bits a word, 103 of them vary."""
    words = np.random.default_rng(0).integers(0, 2, (256, 133)).astype(np.uint8)
    words[:, 103:] = 1
    assert blocks(rom(256, 133, "block", lambda: words)) == (3, 0)
    assert blocks(rom(256, 133, "block")) == (0, 2)


def test_equal_columns_are_one() -> None:
    words = np.random.default_rng(0).integers(0, 2, (16, 8)).astype(np.uint8)
    once = rom(16, 8, "distributed", lambda: words)
    twice = rom(16, 16, "distributed", lambda: np.concatenate([words, words], axis=1))
    assert (once.kind, once.columns) == ("logic", 8)
    assert twice == once


def test_the_content_of_a_large_rom_is_not_asked_for() -> None:
    def never() -> NDArray[np.uint8]:
        raise AssertionError("asked for")

    assert rom(16, CONTENT // 16 + 1, "distributed", never).kind == "logic"
