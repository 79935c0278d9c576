"""Huffman coded weights: streams of bits in ROMs, and decoders that give a word a cycle.

``group`` neighbouring lanes of a word are a symbol; every group of lanes has a stream of its own,
with a symbol for each word, and a decoder (templates/sv/huffman_decoder.sv.j2). All streams are in
one code (prune/coding/huffman.py). A symbol is at most ``longest`` bits, a ROM word of 8 or 16 bits
is no shorter, so a decoder that holds two ROM words has all of the next symbol, and takes one more
ROM word at most with each symbol it gives: it never has to wait.

Words come round and round. A stream ends with the last bit of a ROM word; what is left over stands
before its first symbol, in bits that are never looked at (``start``). So the decoder goes on from
the last ROM word to the first like from any other, and only sets its place to ``start``. In reset
it is put there with both ROM words loaded: the first word of weights is there at once.

Bit t of ROM word j is bit j * W + t of the stream. A ROM in block RAM has two ports, for two
streams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.coded_rom import CodedRom, FoldedWeights, block_rams, price, rom_type
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.matrix_unit import Layer, divisors
from gatesmith.codegen.render import render
from gatesmith.ir import Array, Ints, IntType
from gatesmith.prune.coding.huffman import Code, code_of, encode, entropy, lengths_of, pack

LIMITS = (6, 8, 10, 12)
"""Longest codes that are tried."""

MOST_SYMBOLS, MOST_GROUP, SYMBOL_BITS = 256, 8, 24
"""Largest code, most weights in a symbol, most bits of them: what is tried."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """One decoder and its stream.

    Attributes:
        number: Its own.
        rom: Number of its ROM.
        base: Address of the stream's first word there.
        words: ROM words of the stream, 2 or more.
        start: Bits of the first word before the first symbol.
        first: The first word.
    """

    number: int
    rom: int
    base: int
    words: int
    start: int
    first: int


@dataclass(frozen=True, slots=True)
class Rom:
    """One ROM.

    Attributes:
        number: Its own.
        depth: Words.
        decoders: Its readers, one or two.
    """

    number: int
    depth: int
    decoders: tuple[Decoder, ...]

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return parts.counter_bits(self.depth)


@dataclass(frozen=True, slots=True)
class HuffmanRom(CodedRom):
    """Streams and their decoders.

    Attributes:
        weights: What they give.
        group: Weights in a symbol: neighbouring lanes.
        code: Of the symbols.
        stream_bits: Bits of each stream.
    """

    weights: FoldedWeights
    group: int
    code: Code
    stream_bits: tuple[int, ...] = field(repr=False)

    @staticmethod
    def of(weights: FoldedWeights) -> HuffmanRom | None:
        """The cheapest; None where there is none."""
        return _cheapest(weights)

    # ---- shape ----------------------------------------------------------------------------------

    @property
    def symbol_bits(self) -> int:
        """Bits of a symbol."""
        return self.group * self.weights.elem.bits

    @property
    def word_bits(self) -> int:
        """Bits of a ROM word, a power of two."""
        return _word_bits(self.code)

    @property
    def rounds(self) -> int:
        """Times that all words are in each stream: once, unless one would be a lone ROM word."""
        return parts.ceil_div(self.word_bits + 1, min(self.stream_bits))

    @property
    def words(self) -> tuple[int, ...]:
        """ROM words of each stream."""
        rounds, bits = self.rounds, self.word_bits
        return tuple(parts.ceil_div(rounds * n, bits) for n in self.stream_bits)

    @property
    def style(self) -> str:
        """Where the streams go."""
        return _style(self.words, self.word_bits)

    @property
    def rom_depths(self) -> tuple[tuple[int, ...], ...]:
        """ROM words of the streams in each ROM."""
        ports, words = 2 if self.style == "block" else 1, self.words
        return tuple(words[k : k + ports] for k in range(0, len(words), ports))

    # ---- cost -----------------------------------------------------------------------------------

    @property
    def stored_bits(self) -> int:
        """ROM words, and the code once: symbols and their lengths."""
        return sum(self.words) * self.word_bits + self.code.table_bits(self.symbol_bits)

    @property
    def round_bits(self) -> int:
        """Bits of all streams."""
        return sum(self.stream_bits)

    @property
    def blocks(self) -> int:
        """Of all ROMs."""
        if self.style != "block":
            return 0
        counts = Counter(map(sum, self.rom_depths))
        return sum(block_rams(depth, self.word_bits) * n for depth, n in counts.items())

    def cost(self) -> Cost:
        """ROMs (parts.memory_cost), decoders (:func:`decoder_cost`), the register of a word."""
        block, bits = self.style == "block", self.word_bits
        cost = Cost(ff=self.weights.lanes * self.weights.elem.bits)
        for words, count in Counter(self.words).items():
            one = decoder_cost(self.code, self.symbol_bits, words)
            if not block:
                one += Cost(lut=parts.ceil_div(words, parts.LUT_DEPTH) * bits, ff=bits)
            stored = words * bits * block
            cost += Cost(lut=count * one.lut, ff=count * one.ff, ram_bits=count * stored)
        return cost

    # ---- text -----------------------------------------------------------------------------------

    @property
    def remark(self) -> str:
        """As in the header."""
        bits, plain = sum(self.stream_bits), self.weights.weights.data.size
        each = f"{self.group} weights" if self.group > 1 else "one weight"
        return (
            f"Huffman coded, {len(self.code.symbols)} symbols of {each}, "
            f"{bits} bits for {plain} weights of {self.weights.elem.bits} bits"
        )

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """In the order of the lanes."""
        return tuple(decoder for rom in self.roms for decoder in rom.decoders)

    @property
    def roms(self) -> tuple[Rom, ...]:
        """In the order of their decoders."""
        images, found, number = self.images(), [], 0
        for index, (depths, image) in enumerate(zip(self.rom_depths, images, strict=True)):
            decoders, base = [], 0
            for words in depths:
                start = words * self.word_bits - self.rounds * self.stream_bits[number]
                first = int(image[base])
                decoders.append(Decoder(number, index, base, words, start, first))
                base, number = base + words, number + 1
            found.append(Rom(index, base, tuple(decoders)))
        return tuple(found)

    def images(self) -> list[Ints]:
        """Words of each ROM."""
        symbols = _symbols(self.weights, self.group)
        streams = [self._stream(symbols[:, k]) for k in range(symbols.shape[1])]
        ports = 2 if self.style == "block" else 1
        return [np.concatenate(streams[k : k + ports]) for k in range(0, len(streams), ports)]

    def _stream(self, symbols: Ints) -> Ints:
        """ROM words of one stream."""
        bits = np.tile(encode(self.code, symbols), self.rounds)
        filled = np.zeros(-(-bits.size // self.word_bits) * self.word_bits, np.int64)
        filled[filled.size - bits.size :] = bits
        return pack(filled, self.word_bits, 1)

    @property
    def entries(self) -> Iterator[tuple[str, int, int]]:
        """Of each symbol: its bits in the window, the first one lowest ("?" behind), it, length."""
        table = zip(self.code.words, self.code.symbols, self.code.lengths, strict=True)
        for word, symbol, length in table:
            first_lowest = f"{word:0{length}b}"[::-1]
            yield first_lowest.rjust(self.code.longest, "?"), symbol, length

    def files(self, module: str) -> Mapping[str, str]:
        """The decoder, and an image for each ROM."""
        texts = {
            f"{module}_weights{index}.mem": parts.mem_text(image[:, None], self.word_bits)
            for index, image in enumerate(self.images())
        }
        decoder = render("sv/huffman_decoder.sv.j2", hw=self, module=module)
        return {f"{module}_decoder.sv": decoder} | texts

    @staticmethod
    def refuses(layer: Layer) -> str | None:
        """No fold at which block RAMs or the price fall."""
        return _refuses(layer.op.weights, rom_type(layer), layer.outputs)


def decoder_cost(code: Code, symbol_bits: int, words: int) -> Cost:
    """One decoder, without its ROM and the register behind it.

    Code: a LUT for each symbol or bit of the result, or for each 64 windows and bit of the result.
    Shift: a LUT for a bit of the window, and a third of one for each bit of a ROM word and of the
    window. Place: 3 LUTs and an FF a bit. Address: 3 LUTs and an FF a bit. A ROM word of FFs.
    """
    longest, out = code.longest, symbol_bits + code.longest.bit_length()
    table = parts.ceil_div(1 << longest, parts.LUT_DEPTH) * out
    word, address = _word_bits(code), parts.counter_bits(words)
    place = parts.counter_bits(word)
    lut = min(max(len(code.symbols), out), table) + longest + (word + longest) // 3
    return Cost(lut=lut + 3 * place + 3 * address, ff=word + place + address + 1)


# ---- which grouping, which limit -----------------------------------------------------------------


def _word_bits(code: Code) -> int:
    return 8 if code.longest <= 8 else 16


def _style(words: Sequence[int], word_bits: int) -> str:
    """By the first ROM of two streams."""
    return parts.memory_style(sum(words[:2]), word_bits)


def _symbols(weights: FoldedWeights, group: int) -> Ints:
    """Symbols, (depth, streams)."""
    words = pack(weights.codes().reshape(-1), group, weights.elem.bits)
    return words.reshape(weights.depth, -1)


@lru_cache(maxsize=256)
def _histogram(weights: Array, elem: IntType, rows: int, columns: int) -> tuple[Ints, Ints]:
    """Symbols of ``rows`` outputs by ``columns`` inputs that occur, and how often."""
    outs, ins = weights.shape
    blocks = weights.data.reshape(outs // rows, rows, ins // columns, columns)
    words = pack(elem.encode(blocks.transpose(0, 2, 1, 3)), rows * columns, elem.bits)
    return np.unique(words, return_counts=True)


@lru_cache(maxsize=1024)
def _code(weights: Array, elem: IntType, rows: int, columns: int, limit: int) -> Code | None:
    """Of these symbols; None where there are too many of them, or one."""
    symbols, counts = _histogram(weights, elem, rows, columns)
    if not 2 <= symbols.size <= min(MOST_SYMBOLS, 1 << limit):
        return None
    return code_of(symbols.tolist(), counts.tolist(), limit)


def _groupings(weights: FoldedWeights) -> Iterator[tuple[int, int]]:
    """Outputs and inputs of a symbol: part of the inputs of an output, or all of several."""
    most = min(MOST_GROUP, SYMBOL_BITS // weights.elem.bits)
    for size in divisors(weights.lanes):
        if size > most:
            break
        if weights.simd % size == 0:
            yield 1, size
        elif size % weights.simd == 0 and weights.pe % (size // weights.simd) == 0:
            yield size // weights.simd, weights.simd


@lru_cache(maxsize=1024)  # the search for a fold asks again and again
def _cheapest(weights: FoldedWeights) -> HuffmanRom | None:
    """The least price as if all streams were equally long; of equal ones the first."""
    best: tuple[float, int, Code] | None = None
    for rows, columns in _groupings(weights):
        symbols, counts = _histogram(weights.weights, weights.elem, rows, columns)
        streams = weights.lanes // (rows * columns)
        for limit in LIMITS:
            code = _code(weights.weights, weights.elem, rows, columns, limit)
            if code is None or weights.depth < 2:
                continue
            bits = int((lengths_of(code, symbols) * counts).sum())
            even = (parts.ceil_div(bits, streams),) * streams
            rom = HuffmanRom(weights, rows * columns, code, even)
            found = price(rom.cost(), rom.blocks), rows * columns, code
            if best is None or found[0] < best[0]:
                best = found
    if best is None:
        return None
    _, group, code = best
    lengths = lengths_of(code, _symbols(weights, group)).reshape(weights.depth, -1)
    return HuffmanRom(weights, group, code, tuple(lengths.sum(axis=0).tolist()))


@lru_cache(maxsize=256)
def _refuses(weights: Array, elem: IntType, outputs: int) -> str | None:
    for pe in divisors(outputs):
        for simd in divisors(weights.shape[1]):
            folded = FoldedWeights(weights, elem, pe, simd)
            rom = HuffmanRom.of(folded)
            if rom is None:
                continue
            cheaper = price(rom.cost(), rom.blocks) < folded.plain_price
            if cheaper or rom.blocks < folded.plain_blocks:
                return None
    least = entropy(elem.encode(weights.data).reshape(-1))
    return (
        f"its {weights.data.size} weights of {elem.bits} bit(s) have {least:.2f} bits of entropy "
        "each, and no Huffman code with its decoders takes fewer block RAMs or LUTs"
    )
