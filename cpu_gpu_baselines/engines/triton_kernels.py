"""Packed XNOR and popcount on a GPU, in Triton; bits as in native/bits.h, in words of 32.

    sums[r, o] = N - 2 * sum over k of ones(x[r, k] ^ w[o, k])

A program computes a block of rows and 32 outputs, whose comparisons with thresholds are one word of
the next layer's input. Triton: Tillet, Kung, Cox, MAPL 2019. Popcount by halves, as in Warren,
Hacker's Delight, section 5-1: it is the same on every back end.
"""

# Kernels are Triton's, not Python's: arguments are pointers and tensors, constants are in capitals.
# mypy: ignore-errors
# ruff: noqa: N803, PLR0917

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

HERE = importlib.util.find_spec("triton") is not None
tl: Any = importlib.import_module("triton.language") if HERE else None
jit: Any = importlib.import_module("triton").jit if HERE else (lambda function: function)

WORD = 32
ROWS = 32
"""Rows of a program."""


@jit
def ones(v):
    """Popcount of 32 bits."""
    v = v - ((v >> 1) & 0x55555555)
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    return (v * 0x01010101) >> 24


@jit
def pack(x, y, rows, INS: tl.constexpr, WORDS: tl.constexpr, R: tl.constexpr):
    """Bytes of -1 and 1 to bits: program (rows, word)."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    lane = tl.arange(0, 32)
    i = tl.program_id(1) * 32 + lane
    there = (r < rows)[:, None] & (i < INS)[None, :]
    value = tl.load(x + r[:, None] * INS + i[None, :], mask=there, other=-1)
    word = tl.sum((value > 0).to(tl.int32) << lane[None, :], axis=1)
    tl.store(y + r * WORDS + tl.program_id(1), word, mask=r < rows)


@jit
def layer(
    x, w, at, flip, y, rows,
    INS: tl.constexpr, WORDS: tl.constexpr, OUTS: tl.constexpr,
    BITS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Sums of a layer, or with BITS the bits of what they are compared with."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    lane = tl.arange(0, 32)
    o = tl.program_id(1) * 32 + lane
    differ = tl.zeros((R, 32), tl.uint32)
    for k in range(WORDS):
        a = tl.load(x + r * WORDS + k, mask=r < rows, other=0)
        b = tl.load(w + o * WORDS + k, mask=o < OUTS, other=0)
        differ += ones((a[:, None] ^ b[None, :]).to(tl.uint32, bitcast=True))
    sums = INS - 2 * differ.to(tl.int32)
    if BITS:
        limit = tl.load(at + o, mask=o < OUTS, other=2147483647)
        turn = tl.load(flip + o, mask=o < OUTS, other=0)
        bits = (sums >= limit[None, :]).to(tl.int32) ^ turn[None, :]
        words = (OUTS + 31) // 32
        word = tl.sum(bits << lane[None, :], axis=1)
        tl.store(y + r * words + tl.program_id(1), word, mask=r < rows)
    else:
        there = (r < rows)[:, None] & (o < OUTS)[None, :]
        tl.store(y + r[:, None] * OUTS + o[None, :], sums, mask=there)
