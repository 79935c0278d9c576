from dataclasses import replace

import numpy as np
import pytest

from gatesmith.codegen import parts
from gatesmith.codegen.coded_rom import CodebookRom, FoldedWeights, block_rams, price
from gatesmith.codegen.coded_roms import CODED_ROMS, coded_rom
from gatesmith.codegen.dense import DenseStage, FoldedUnit
from gatesmith.codegen.fold import price as fold_price
from gatesmith.codegen.hashed_rom import HashedRom
from gatesmith.codegen.huffman_rom import LIMITS, HuffmanRom
from gatesmith.codegen.matrix_unit import FOLDED, PLAIN, Fold, Layer, Naming
from gatesmith.codegen.stream import Stream
from gatesmith.ir import BIPOLAR, Array, Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.prune.coding.hashed import places
from gatesmith.prune.coding.huffman import code_of, decode, lengths_of, pack

I4, I8 = IntType(-8, 7), IntType(-128, 127)


def sparse(outs: int, ins: int, zeros: float, elem: IntType = I4, seed: int = 0) -> Ints:
    rng = np.random.default_rng(seed)
    weights = np.clip(np.rint(rng.laplace(scale=elem.hi / 4, size=(outs, ins))), elem.lo, elem.hi)
    return np.where(rng.random((outs, ins)) < zeros, 0, weights).astype(np.int64)


def layer(weights: Ints, elem: IntType = I4, groups: int = 1) -> Layer:
    return Layer(Dense(Array(weights), elem, groups), I8, groups)


def stage(of: Layer, pe: int, simd: int, rom: str) -> DenseStage:
    x = Stream(of.x, of.inputs, of.vectors, simd)
    return FoldedUnit().stage(Naming("d", "d", (), "d"), of, x, Fold(pe, simd, FOLDED, rom))


def huffman(weights: Ints, elem: IntType, pe: int, simd: int) -> HuffmanRom:
    found = HuffmanRom.of(FoldedWeights(Array(weights), elem, pe, simd))
    assert found is not None
    return found


SHAPES = [
    (sparse(12, 40, 0.6), I4, 2, 4),
    (sparse(12, 40, 0.9), I4, 3, 1),
    (sparse(64, 96, 0.5), I4, 2, 4),
    (sparse(30, 44, 0.0, I8), I8, 3, 1),
    (sparse(4, 4, 0.8), I4, 4, 2),
]


@pytest.mark.parametrize(("weights", "elem", "pe", "simd"), SHAPES)
def test_streams_hold_the_weights(weights: Ints, elem: IntType, pe: int, simd: int) -> None:
    rom = huffman(weights, elem, pe, simd)
    words = rom.weights.codes()
    symbols = pack(words.reshape(-1), rom.group, elem.bits).reshape(rom.weights.depth, -1)
    images = rom.images()

    assert [d.number for d in rom.decoders] == list(range(symbols.shape[1]))
    for decoder in rom.decoders:
        image = images[decoder.rom][decoder.base :][: decoder.words]
        bits = (image[:, None] >> np.arange(rom.word_bits) & 1).reshape(-1).astype(np.uint8)
        times = rom.rounds * rom.weights.depth
        stream = bits[decoder.start :]
        found = decode(rom.code, stream, times)
        np.testing.assert_array_equal(found, np.tile(symbols[:, decoder.number], rom.rounds))
        assert lengths_of(rom.code, found).sum() == stream.size  # the last word ends with a code
        assert decoder.words >= 2 and 0 <= decoder.start < rom.word_bits
        assert decoder.first == image[0]
    assert rom.code.longest <= rom.word_bits


@pytest.mark.parametrize(("weights", "elem", "pe", "simd"), SHAPES)
def test_bits_are_those_of_the_images(weights: Ints, elem: IntType, pe: int, simd: int) -> None:
    rom = huffman(weights, elem, pe, simd)
    words = sum(image.size for image in rom.images())
    table = rom.code.table_bits(rom.symbol_bits)

    assert rom.stored_bits == words * rom.word_bits + table
    assert rom.cost().ram_bits == (words * rom.word_bits if rom.style == "block" else 0)
    assert rom.blocks == sum(
        block_rams(image.size, rom.word_bits) for image in rom.images() if rom.style == "block"
    )
    built = stage(layer(weights, elem), pe, simd, "huffman")
    assert built.weight_bits == rom.stored_bits
    images = [text for name, text in built.files().items() if name.endswith(".mem")]
    assert sum(len(text.split()) for text in images) == words


def test_two_streams_share_a_block_ram() -> None:
    rom = huffman(sparse(30, 44, 0.0, I8), I8, 3, 1)
    assert rom.style == "block"
    assert [len(r.decoders) for r in rom.roms] == [2, 1]
    assert rom.blocks == 2
    assert huffman(sparse(12, 40, 0.6), I4, 2, 4).style == "distributed"


def test_grouping_and_limit_are_the_cheapest() -> None:
    weights = sparse(48, 96, 0.8)
    folded = FoldedWeights(Array(weights), I4, 1, 6)
    found = huffman(weights, I4, 1, 6)
    prices = []
    for group in (1, 2, 3, 6):
        symbols = pack(folded.codes().reshape(-1), group, 4)
        values, counts = np.unique(symbols, return_counts=True)
        for limit in LIMITS:
            if values.size <= min(256, 1 << limit):
                code = code_of(values.tolist(), counts.tolist(), limit)
                bits = int(lengths_of(code, symbols).sum())
                streams = 6 // group
                even = (parts.ceil_div(bits, streams),) * streams
                rom = HuffmanRom(folded, group, code, even)
                prices.append((price(rom.cost(), rom.blocks), group, code))
    assert len(prices) > 4
    best = min(prices, key=lambda p: p[0])
    assert (found.group, found.code) == best[1:]


def test_pace_is_that_of_the_plain_unit() -> None:
    rng = np.random.default_rng(0)
    shared = rng.integers(-8, 8, 4)[places(12, 24, 2)]
    for rom, weights in (
        ("codebook", shared),
        ("hashed", shared),
        ("huffman", sparse(12, 24, 0.7)),
    ):
        coded = stage(layer(weights), 2, 4, rom)
        plain = replace(coded, rom=PLAIN)
        edges = np.cumsum(rng.integers(1, 5, coded.source.beats))
        assert coded.rom == rom
        assert (coded.interval, coded.latency) == (plain.interval, plain.latency)
        np.testing.assert_array_equal(coded.schedule(edges), plain.schedule(edges))
        assert coded.timing().delay == plain.timing().delay
        assert coded.weight_bits < plain.weight_bits
        assert coded.work().weight_bits_read < plain.work().weight_bits_read
        assert coded.work().products == plain.work().products == 12 * 24


def test_codebook_by_hand() -> None:
    weights = np.array([[-8, 0, 7, 0], [0, 0, 7, 7]])
    rom = CodebookRom.of(FoldedWeights(Array(weights), I4, 1, 2))
    assert rom is not None
    assert rom.values == (0, 7, 8)  # the codes of 0, 7 and -8
    assert (rom.index_bits, rom.stored_bits, rom.round_bits) == (2, 8 * 2 + 3 * 4, 16)
    assert rom.files("m") == {"m_weights.mem": "2\n1\n0\n5\n"}  # -8 0, 7 0, 0 0, 7 7
    assert CodebookRom.of(FoldedWeights(Array([list(range(9))]), IntType(0, 15), 1, 3)) is None


def test_hashed_weights_take_no_memory() -> None:
    table = np.array([3, -1, 0, 7])
    weights = table[places(8, 20, 2)]
    rom = HashedRom.of(FoldedWeights(Array(weights), I4, 2, 5))
    assert rom is not None and rom.table == (3, -1, 0, 7)
    assert (rom.stored_bits, rom.round_bits, rom.cost().ram_bits, rom.files("m")) == (16, 0, 0, {})
    assert HashedRom.of(FoldedWeights(Array(weights), I4, 8, 20)) is None  # one word: no next state


def test_what_saves_nothing_is_refused() -> None:
    unit = FoldedUnit()
    small, even = layer(sparse(3, 8, 0.5)), layer(np.arange(-8, 8).repeat(64).reshape(32, 32))
    assert [unit.refuses(small, rom) for rom in unit.roms[:1]] == [None]
    assert unit.refuses(even, "codebook") == (
        "its weights take 16 values, and their indices would need no fewer than the 4 bit(s) that "
        "a weight has"
    )
    assert unit.refuses(small, "huffman") == (
        "its 24 weights of 4 bit(s) have 2.60 bits of entropy each, and no Huffman code with its "
        "decoders takes fewer block RAMs or LUTs"
    )
    assert unit.refuses(even, "hashed") == (
        "its weights do not share the values of a table of up to 1024 by the hash of their places, "
        "counted in the order of the stream"
    )
    bipolar = layer(np.ones((64, 64), np.int64), BIPOLAR)
    assert unit.refuses(bipolar, "codebook") is not None
    large = layer(sparse(128, 288, 0.8))
    assert unit.refuses(large, "huffman") is None


def test_folds_are_those_with_such_a_rom() -> None:
    unit, dense = FoldedUnit(), layer(sparse(16, 48, 0.7))
    plain = [(f.pe, f.simd) for f in unit.folds(dense)]
    coded = [(f.pe, f.simd) for f in unit.folds(dense, "huffman")]
    assert set(coded) < set(plain)
    assert (16, 48) not in coded  # a single word
    for pe, simd in set(plain) - set(coded):
        with pytest.raises(ValueError, match=r"^there is no huffman ROM for the weights of this"):
            stage(dense, pe, simd, "huffman")
    assert all(f.rom == "huffman" for f in unit.folds(dense, "huffman"))


def test_names() -> None:
    assert FoldedUnit.roms == (PLAIN, *CODED_ROMS)
    assert coded_rom(PLAIN, FoldedWeights(Array([[1]]), I4, 1, 1)) is None


def test_price_is_that_of_folding_with_whole_blocks() -> None:
    rom = huffman(sparse(64, 96, 0.2, I8), I8, 1, 1)
    assert rom.style == "block"
    full = replace(rom.cost(), ram_bits=rom.blocks * parts.BLOCK_SIZE)
    assert price(rom.cost(), rom.blocks) == pytest.approx(fold_price(full), rel=0.02)
