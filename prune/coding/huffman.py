"""Canonical Huffman codes of limited length.

A code of symbols with counts c has the lengths l <= limit that make sum(c * l) least. They are
found by package-merge (Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman
codes", JACM 1990); without a limit that is Huffman's code (1952). Symbols are integers: a weight,
or several neighbouring ones packed into a word (:func:`pack`), so that many zeros cost less than a
bit each.

Canonical: codes are numbers in ascending order of (length, symbol), each the one before it plus
one, shifted left to its length (Connell, 1973; RFC 1951, 3.2.2). The first bit of a code in a
stream is its most significant one. A lone symbol has a code of one bit, 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints

Bits = NDArray[np.uint8]
"""A stream: one element, 0 or 1, a bit."""


@dataclass(frozen=True, slots=True)
class Code:
    """A prefix code.

    Attributes:
        symbols: By (length, symbol), ascending.
        lengths: Bits of the code of each.

    >>> code = Code((5, 2, 7), (1, 2, 2))
    >>> [f"{word:0{length}b}" for word, length in zip(code.words, code.lengths)]
    ['0', '10', '11']
    """

    symbols: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        order = list(zip(self.lengths, self.symbols, strict=True))
        if not order or order != sorted(set(order)) or len(set(self.symbols)) < len(order):
            raise ValueError("symbols must differ, in ascending order of (length, symbol)")
        if self.lengths[0] < 1 or sum(1 << (self.longest - n) for n in self.lengths) > (
            1 << self.longest
        ):
            raise ValueError(f"there is no prefix code of the lengths {self.lengths}")

    @property
    def longest(self) -> int:
        """Bits of the longest code."""
        return self.lengths[-1]

    @property
    def words(self) -> tuple[int, ...]:
        """The code of each symbol, as a number."""
        found, word, before = [], 0, self.lengths[0]
        for length in self.lengths:
            word <<= length - before
            found.append(word)
            word, before = word + 1, length
        return tuple(found)

    def table_bits(self, symbol_bits: int) -> int:
        """Bits to store the code: of every symbol itself, and its length."""
        return len(self.symbols) * (symbol_bits + self.longest.bit_length())


def code_lengths(counts: Sequence[int], limit: int) -> tuple[int, ...]:
    """Lengths of an optimal code of at most ``limit`` bits, in the order of the counts.

    Args:
        counts: How often each symbol occurs, 1 or more.
        limit: Longest code.

    Raises:
        ValueError: There is no such code: too many symbols.

    >>> code_lengths([8, 1, 2, 1], 9), code_lengths([8, 1, 2, 1], 2)
    ((1, 3, 2, 3), (2, 2, 2, 2))
    """
    count = len(counts)
    if count == 0 or min(counts) < 1:
        raise ValueError("every symbol must occur")
    if count > 1 << limit:
        raise ValueError(f"{count} symbols need codes of more than {limit} bits")
    if count == 1:
        return (1,)
    order = np.argsort(np.asarray(counts, np.int64), kind="stable")
    leaves = np.asarray(counts, np.int64)[order]
    levels: list[NDArray[np.bool_]] = []  # of each level, shortest code last: which are leaves
    packages = leaves[:0]
    for _ in range(limit):
        weights = np.concatenate([leaves, packages])
        merged = np.argsort(weights, kind="stable")
        levels.append(merged < count)
        even = weights[merged][: len(weights) // 2 * 2]
        packages = even[0::2] + even[1::2]
    lengths = np.zeros(count, np.int64)
    taken = 2 * count - 2
    for is_leaf in reversed(levels):
        single = int(is_leaf[:taken].sum())
        lengths[order[:single]] += 1
        taken = 2 * (taken - single)
    return tuple(lengths.tolist())


def make_code(symbols: Ints, limit: int) -> Code:
    """The optimal code of at most ``limit`` bits for a sequence of symbols."""
    values, counts = np.unique(symbols, return_counts=True)
    return code_of(values.tolist(), counts.tolist(), limit)


def code_of(values: Sequence[int], counts: Sequence[int], limit: int) -> Code:
    """The same from counts. Errors: as :func:`code_lengths`."""
    pairs = sorted(zip(code_lengths(counts, limit), values, strict=True))
    return Code(tuple(value for _, value in pairs), tuple(length for length, _ in pairs))


def lengths_of(code: Code, symbols: Ints) -> Ints:
    """Bits of the code of each symbol; ValueError for one that has none."""
    lengths: Ints = np.asarray(code.lengths, np.int64)[_places(code, symbols)]
    return lengths


def encode(code: Code, symbols: Ints) -> Bits:
    """The codes of the symbols, one behind the other.

    >>> encode(Code((5, 2, 7), (1, 2, 2)), np.array([7, 5, 2]))
    array([1, 1, 0, 1, 0], dtype=uint8)
    """
    places = _places(code, symbols)
    lengths = np.asarray(code.lengths, np.int64)[places]
    words = np.asarray(code.words, np.int64)[places]
    ends = np.cumsum(lengths)
    stream = np.zeros(int(ends[-1]) if ends.size else 0, np.uint8)
    for bit in range(code.longest):  # counted from the last of a code
        has = lengths > bit
        stream[ends[has] - 1 - bit] = words[has] >> bit & 1
    return stream


def decode(code: Code, stream: Bits, count: int) -> Ints:
    """The next ``count`` symbols of a stream, bit by bit; ValueError where it is cut or no code."""
    table = dict(
        zip(zip(code.lengths, code.words, strict=True), code.symbols, strict=True),
    )
    found: list[int] = []
    word = length = 0
    for bit in stream.tolist():
        if len(found) == count:
            break
        word, length = word << 1 | bit, length + 1
        symbol = table.get((length, word))
        if symbol is not None:
            found.append(symbol)
            word, length = 0, 0
        elif length == code.longest:
            raise ValueError(f"{word:0{length}b} is no code")
    if len(found) < count:
        raise ValueError(f"the stream ends behind {len(found)} of {count} symbols")
    return np.array(found, np.int64)


def entropy(symbols: Ints) -> float:
    """Bits a symbol below which no code of single symbols comes (Shannon, 1948).

    >>> entropy(np.array([0, 0, 1, 2]))
    1.5
    """
    counts = np.unique(symbols, return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0  # no -0.0


def pack(codes: Ints, count: int, bits: int) -> Ints:
    """``count`` neighbours as one word; element i stands at bit i * bits. Zeros fill the last one.

    >>> pack(np.array([1, 2, 3]), 2, 4)
    array([33,  3])
    """
    if count * bits > 62:
        raise ValueError(f"{count} x {bits} bits do not fit a word of 62 bits")
    flat = codes.reshape(-1)
    flat = np.concatenate([flat, np.zeros(-flat.size % count, np.int64)])
    words: Ints = (flat.reshape(-1, count) << (bits * np.arange(count))).sum(axis=1)
    return words


def _places(code: Code, symbols: Ints) -> Ints:
    """Place of each symbol in the code."""
    known = np.asarray(code.symbols, np.int64)
    order = np.argsort(known)
    flat = np.asarray(symbols, np.int64).reshape(-1)
    at = np.minimum(np.searchsorted(known, flat, sorter=order), len(known) - 1)
    places: Ints = order[at]
    if (known[places] != flat).any():
        raise ValueError(f"{flat[known[places] != flat][0]} is not a symbol of the code")
    return places
