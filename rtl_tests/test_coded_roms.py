"""Folded units with coded ROMs: the integers, the edges and the interval of the plain unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from gatesmith.codegen import top
from gatesmith.codegen.dense import DenseStage
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, TERNARY, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.prune.coding.hashed import places
from gatesmith.rtl_tests import bench
from gatesmith.rtl_tests.bench import STALLS, Case
from gatesmith.rtl_tests.slots import check_timing
from gatesmith.rtl_tests.test_lint import expect_clean, write

U4, U8, I4, I8 = IntType(0, 15), IntType(0, 255), IntType(-8, 7), IntType(-128, 127)
WIDE, MOSTLY_DOWN = tuple(range(-60, 60, 8)), (-1, -1, -1, -1, 1)


def sparse(rng: np.random.Generator, elem: IntType, shape: tuple[int, ...], zeros: float) -> Ints:
    """Weights of a Laplace distribution, most of them 0."""
    size = (elem.hi - elem.lo) / 8
    weights = np.clip(np.rint(rng.laplace(scale=size, size=shape)), elem.lo, elem.hi)
    return np.where(rng.random(shape) < zeros, 0, weights).astype(np.int64)


def dense(
    name: str,
    rom: str,
    x: IntType,
    w: IntType,
    shape: tuple[int, int],
    *,
    simd: int,
    pe: int,
    zeros: float = 0.6,
    values: tuple[int, ...] = (),
    table: int = 0,
    vectors: int = 1,
    groups: int = 1,
) -> Case:
    """``shape``: inputs and outputs of one group; weights are drawn from ``values``, or shared by a
    hash, if these are given.
    """
    rng = np.random.default_rng(len(name))
    ins, outs = shape
    size = (groups * outs, ins)
    weights = rng.choice(values, size) if values else sparse(rng, w, size, zeros)
    if table:
        weights = rng.integers(w.lo, w.hi + 1, 1 << table)[places(*size, table)]
    op = Dense(Array(weights), w, groups)
    stream = Stream(x, ins, vectors * groups, simd)
    stage = DenseStage(name, name, (f"/{name}",), f"dense_{name}", op, stream, pe, rom=rom)

    def reference(frames: Ints) -> Ints:
        y: Ints = np.asarray(op.run(frames.reshape(len(frames), vectors, groups * ins)), np.int64)
        return y.reshape(len(frames), vectors * groups, outs)

    return Case(stage, reference)


CASES = [
    dense("code_folded", "codebook", I8, I8, (22, 6), simd=11, pe=2, values=(-100, -3, 0, 7, 90)),
    dense("code_one_pass", "codebook", U8, I4, (12, 3), simd=4, pe=3, values=(-8, 0, 7)),
    dense("code_one_beat", "codebook", I4, I8, (9, 6), simd=9, pe=2, values=(-5, 0, 5, 80)),
    dense("code_one_word", "codebook", I4, I4, (5, 3), simd=5, pe=3, values=(-5, 1)),
    dense("code_one_value", "codebook", I4, I4, (6, 4), simd=3, pe=2, values=(-5,)),
    dense("code_ternary", "codebook", I4, TERNARY, (12, 4), simd=3, pe=2, values=(0, -1)),
    dense("code_groups", "codebook", I8, I8, (6, 4), simd=3, pe=2, groups=3, values=(-128, 1, 127)),
    dense("code_bipolar_x", "codebook", BIPOLAR, I4, (20, 4), simd=5, pe=2, values=(-8, 1, 3)),
    dense("code_block", "codebook", I4, I8, (36, 36), simd=9, pe=1, values=WIDE),
    dense("huff_folded", "huffman", I8, I4, (24, 6), simd=4, pe=2),
    dense("huff_serial", "huffman", I8, I4, (24, 6), simd=1, pe=1),
    dense("huff_groups", "huffman", I8, I4, (12, 6), simd=3, pe=2, vectors=2, groups=4),
    dense("huff_groups_whole", "huffman", I8, I4, (4, 3), simd=4, pe=3, vectors=2, groups=7),
    dense("huff_one_pass", "huffman", U8, I4, (36, 4), simd=2, pe=4),
    dense("huff_one_beat", "huffman", U4, I4, (4, 36), simd=4, pe=2),
    dense("huff_two_words", "huffman", U4, I4, (4, 4), simd=2, pe=4, vectors=3),
    dense("huff_wide", "huffman", U4, I8, (30, 12), simd=3, pe=2, zeros=0.3),
    dense("huff_outputs", "huffman", U4, I4, (20, 32), simd=1, pe=8, zeros=0.95),
    dense("huff_ternary", "huffman", I4, TERNARY, (48, 16), simd=8, pe=2, zeros=0.9),
    dense("huff_bipolar", "huffman", I8, BIPOLAR, (24, 8), simd=4, pe=2, values=MOSTLY_DOWN),
    dense("huff_block", "huffman", I4, I8, (44, 21), simd=1, pe=3, zeros=0.0),
    dense("hash_folded", "hashed", I8, I4, (24, 6), simd=4, pe=2, table=3),
    dense("hash_groups", "hashed", I8, I4, (6, 4), simd=3, pe=2, groups=5, vectors=2, table=4),
    dense("hash_groups_whole", "hashed", U4, I8, (5, 3), simd=5, pe=3, groups=4, table=2),
    dense("hash_one_pass", "hashed", U8, I4, (24, 4), simd=2, pe=4, table=2),
    dense("hash_one_beat", "hashed", U4, I4, (6, 12), simd=6, pe=1, table=4),
    dense("huff_block_pairs", "huffman", I4, I8, (44, 28), simd=4, pe=1, zeros=0.0),
]
CASE = {case.stage.name: case for case in CASES}


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(source=STALLS, sink=STALLS)
async def equals_reference(dut: Any, source: bench.Stall, sink: bench.Stall) -> None:
    await bench.equal_under_stalls(dut, CASES, source, sink)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def survives_resets(dut: Any) -> None:
    await bench.survive_resets(dut, CASES)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(source=STALLS)
async def keeps_schedule(dut: Any, source: bench.Stall) -> None:
    await bench.keep_schedule(dut, CASES, source)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stage.name)
def test_timing_is_the_schedule(case: Case) -> None:
    check_timing(case.stage)


def test_rtl_equals_reference(tmp_path: Path) -> None:
    bench.check([case.stage for case in CASES], __name__, tmp_path)


def test_lint(tmp_path: Path) -> None:
    stages = [case.stage for case in CASES]
    write(tmp_path, dict(top.files(stages)) | {"tb.sv": bench.wrapper(stages)})
    expect_clean(tmp_path, "tb")


def flip(text: str) -> str:
    """Invert the lowest bit of the third word of a memory file."""
    lines = text.splitlines()
    lines[2] = f"{int(lines[2], 16) ^ 1:0{len(lines[2])}x}"
    return "\n".join(lines) + "\n"


DECODER = "dense_huff_folded_decoder.sv"
WRONG = {
    "a bit of a stream": ("dense_huff_folded_weights0.mem", "", ""),
    "a bit of the second of two streams in a ROM": ("dense_huff_block_weights1.mem", "", ""),
    "a bit of an index": ("dense_code_one_beat_weights.mem", "", ""),
    "the stream is not begun again at its first bit": (DECODER, "again_q ?", "!again_q ?"),
    "a stream goes on in the next one": (
        "dense_huff_block_decoder.sv",
        "BASE + WORDS - 1",
        "BASE + WORDS",
    ),
    "a symbol is dropped when it is not used": (DECODER, "if (take) place_q", "place_q"),
    "a word is missed": (DECODER, "turn   = take && behind[PLACE_W]", "turn   = behind[PLACE_W]"),
    "a reset keeps the place": (DECODER, "place_q   <= PLACE_W'(START);", ""),
    "a reset keeps the state": ("dense_hash_folded.sv", "            state_q <= FIRST;\n", ""),
    "the last word is not the last": ("dense_hash_groups.sv", "state_q == LAST", "1'b0"),
}


@pytest.mark.slow  # each is a simulator of its own
@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_noticed(what: str, tmp_path: Path) -> None:
    file, right, wrong = WRONG[what]
    changed = []

    def mutate(name: str, text: str) -> str:
        if name != file or right not in text:
            return text
        changed.append(name)
        return text.replace(right, wrong) if right else flip(text)

    stages = [case.stage for case in CASES]
    failed, log = bench.simulate(stages, __name__, tmp_path, mutate)

    assert changed == [file]
    assert failed > 0, log[-3000:]
