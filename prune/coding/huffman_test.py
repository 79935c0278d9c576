import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.prune.coding.huffman import (
    Code,
    code_lengths,
    decode,
    encode,
    entropy,
    lengths_of,
    make_code,
    pack,
)

COUNTS = st.lists(st.integers(1, 10**6), min_size=1, max_size=40)
SEQUENCES = st.lists(st.integers(-9, 9), min_size=1, max_size=300)


def kraft(lengths: tuple[int, ...], limit: int) -> int:
    """Sum of 2**-length, in units of 2**-limit."""
    return sum(1 << (limit - length) for length in lengths)


def total(counts: list[int], lengths: tuple[int, ...]) -> int:
    return sum(count * length for count, length in zip(counts, lengths, strict=True))


def best_of_all(counts: list[int], limit: int) -> int:
    """Least size over every choice of lengths."""
    choices = itertools.product(range(1, limit + 1), repeat=len(counts))
    return min(total(counts, ls) for ls in choices if kraft(ls, limit) <= 1 << limit)


def huffman_size(counts: list[int]) -> int:
    """Size by Huffman's own algorithm: each merge adds a bit to all below it."""
    heap, size = sorted(counts), 0
    while len(heap) > 1:
        merged = heap[0] + heap[1]
        size += merged
        heap = sorted([*heap[2:], merged])
    return size


@given(COUNTS, st.integers(0, 8))
def test_codes_are_prefix_free_and_no_longer_than_the_limit(counts: list[int], more: int) -> None:
    limit = max(1, (len(counts) - 1).bit_length()) + more
    lengths = code_lengths(counts, limit)

    assert max(lengths) <= limit
    assert kraft(lengths, limit) == 1 << limit or lengths == (1,)
    pairs = sorted(zip(lengths, range(len(counts)), strict=True))
    code = Code(tuple(s for _, s in pairs), tuple(n for n, _ in pairs))
    texts = [f"{w:0{n}b}" for w, n in zip(code.words, code.lengths, strict=True)]
    assert all(len(t) == n for t, n in zip(texts, code.lengths, strict=True))
    assert not any(b.startswith(a) for a, b in itertools.permutations(texts, 2))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=5), st.integers(3, 4))
def test_the_limit_costs_as_little_as_can_be(counts: list[int], limit: int) -> None:
    assert total(counts, code_lengths(counts, limit)) == best_of_all(counts, limit)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=40))
def test_without_a_limit_it_is_huffmans(counts: list[int]) -> None:
    assert total(counts, code_lengths(counts, 40)) == huffman_size(counts)


def test_a_limit_that_binds() -> None:
    counts = [1, 1, 2, 3, 5, 8, 13, 21]  # Fibonacci: the longest codes there are
    assert code_lengths(counts, 9) == (7, 7, 6, 5, 4, 3, 2, 1)
    assert code_lengths(counts, 4) == (4, 4, 4, 4, 3, 3, 2, 2)
    assert total(counts, code_lengths(counts, 4)) == 135
    assert code_lengths(counts, 3) == (3,) * 8


@given(SEQUENCES)
def test_decode_undoes_encode(sequence: list[int]) -> None:
    symbols = np.array(sequence)
    code = make_code(symbols, 12)
    stream = encode(code, symbols)

    np.testing.assert_array_equal(decode(code, stream, len(sequence)), symbols)
    assert stream.size == lengths_of(code, symbols).sum()
    assert len(sequence) * entropy(symbols) <= stream.size + 1e-6
    assert stream.size <= len(sequence) * (entropy(symbols) + 1) + 1e-6


def test_codes_are_canonical() -> None:
    code = make_code(np.array([4] * 8 + [0] * 4 + [9] * 2 + [-7] * 2), 8)
    assert code == Code((4, 0, -7, 9), (1, 2, 3, 3))
    assert code.words == (0b0, 0b10, 0b110, 0b111)
    assert code.table_bits(5) == 4 * (5 + 2)


def test_one_symbol_has_one_bit() -> None:
    code = make_code(np.zeros(5, np.int64), 4)
    assert encode(code, np.zeros(5, np.int64)).tolist() == [0] * 5
    assert decode(code, np.zeros(5, np.uint8), 5).tolist() == [0] * 5
    assert str(entropy(np.zeros(5, np.int64))) == "0.0"


def test_zeros_in_words_cost_less_than_a_bit() -> None:
    rng = np.random.default_rng(0)
    weights = np.where(rng.random(8000) < 0.05, rng.integers(1, 4, 8000), 0)
    words = pack(weights, 8, 2)
    stream = encode(make_code(words, 12), words)
    assert stream.size < 0.5 * weights.size


def test_pack_puts_the_first_element_lowest() -> None:
    assert pack(np.array([[1, 2], [3, 0]]), 4, 2).tolist() == [0b00111001]
    assert pack(np.array([1, 1, 1]), 2, 1).tolist() == [3, 1]
    with pytest.raises(ValueError, match=r"^16 x 4 bits do not fit a word of 62 bits$"):
        pack(np.zeros(16, np.int64), 16, 4)


def test_what_is_no_code() -> None:
    with pytest.raises(ValueError, match=r"^5 symbols need codes of more than 2 bits$"):
        code_lengths([1] * 5, 2)
    with pytest.raises(ValueError, match=r"^every symbol must occur$"):
        code_lengths([1, 0], 2)
    with pytest.raises(ValueError, match=r"^there is no prefix code of the lengths \(1, 1, 1\)$"):
        Code((0, 1, 2), (1, 1, 1))
    with pytest.raises(ValueError, match=r"^symbols must differ"):
        Code((1, 0), (1, 1))
    code = Code((0, 1), (1, 2))
    with pytest.raises(ValueError, match=r"^7 is not a symbol of the code$"):
        encode(code, np.array([0, 7]))
    with pytest.raises(ValueError, match=r"^11 is no code$"):
        decode(code, np.array([1, 1], np.uint8), 1)
    with pytest.raises(ValueError, match=r"^the stream ends behind 1 of 2 symbols$"):
        decode(code, np.array([0, 1], np.uint8), 2)
