"""How many bits the weights of a network take, stored in each of several ways.

Of a layer of n weights, each one of ``width`` bits, z of them 0:

    float32    32 * n
    dense      width * n
    bitmask    n + width * (n - z): a bit for every weight, and those that are not 0
    relative   those that are not 0, each with the number of zeros before it (Han et al., Deep
               Compression, 2016, section 2): (d + width) * entries, for the best d; where d bits
               do not hold that number, an entry of value 0 stands between
    codebook   ceil(log2(K)) * n + K * width: K values in a table, an index for each weight
               (section 3 there)
    huffman    a Huffman code of words of 1, 2, 3, 4, 6 or 8 neighbouring weights, whichever is
               least, and its table: every word that occurs and the length of its code; as dense
               where that is less
    hashed     a table alone, where weights share its values by a hash of their place
               (prune/coding/hashed.py); else as dense

Weights are in the order of the hardware: output by output, the inputs of one as they come. Biases
and scales are no weights: they go into thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatesmith.ir import BIPOLAR, Graph, Ints, IntType, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.depthwise import Depthwise
from gatesmith.ops.fake_quant import FakeQuant
from gatesmith.prune.coding.hashed import table_of
from gatesmith.prune.coding.huffman import code_of, pack
from gatesmith.prune.dense_order import input_order
from gatesmith.quant.calibrate.layers import Layer, const, layers

FORMATS = ("dense", "bitmask", "relative", "codebook", "huffman", "hashed")
"""What :attr:`LayerSizes.bits` has."""

WORDS = (1, 2, 3, 4, 6, 8)
"""Weights in a symbol of a Huffman code that are tried."""

LONGEST, MOST_SYMBOLS = 16, 1 << 14
"""Longest code, and most symbols of one."""

FLOAT_BITS = 32


@dataclass(frozen=True, slots=True)
class LayerSizes:
    """Of one layer.

    Attributes:
        name: Of the layer.
        weights: Their number.
        zeros: Those that are 0.
        width: Bits of one weight.
        bits: Bits of all of them, by format.
    """

    name: str
    weights: int
    zeros: int
    width: int
    bits: Mapping[str, int]

    @property
    def best(self) -> str:
        """Format of the fewest bits; of equal ones the first of FORMATS."""
        return min(FORMATS, key=lambda name: self.bits[name])

    @property
    def least(self) -> int:
        """Bits in that format."""
        return self.bits[self.best]


@dataclass(frozen=True, slots=True)
class NetworkSizes:
    """Of all layers.

    Attributes:
        layers: In the order of the graph.
        original: Weights of the network that it is compared with, 32 bits each.
    """

    layers: tuple[LayerSizes, ...]
    original: int

    @property
    def float32(self) -> int:
        """Bits of the original."""
        return FLOAT_BITS * self.original

    @property
    def bits(self) -> dict[str, int]:
        """Bits of all layers in one format, by format; ``best`` chooses for each layer."""
        found = {name: sum(layer.bits[name] for layer in self.layers) for name in FORMATS}
        return found | {"best": sum(layer.least for layer in self.layers)}

    def ratio(self, form: str = "best") -> float:
        """How many times smaller than float32.

        Raises:
            ValueError: The network has no weights.
        """
        if not self.layers:
            raise ValueError("a network without weights has no compression ratio")
        return self.float32 / self.bits[form]

    def as_json(self) -> dict[str, Any]:
        """Everything, for reports."""
        return {
            "weights": sum(layer.weights for layer in self.layers),
            "zeros": sum(layer.zeros for layer in self.layers),
            "float32_bits": self.float32,
            "bits": self.bits,
            "ratio": {name: round(self.ratio(name), 2) for name in self.bits},
            "layers": [
                {
                    "name": layer.name,
                    "weights": layer.weights,
                    "zeros": layer.zeros,
                    "width": layer.width,
                    "bits": dict(layer.bits),
                    "best": layer.best,
                }
                for layer in self.layers
            ],
        }


def network_sizes(graph: Graph, original: int | None = None) -> NetworkSizes:
    """Sizes of an integer graph (Dense, Depthwise) or a real one (Conv, MatMul).

    Args:
        graph: A constant on a grid (FakeQuant) counts by its codes, any other as float32.
        original: Weights of the network before pruning; None: as many as there are.
    """
    found = tuple(layer_sizes(name, *table) for name, table in _tables(graph))
    count = sum(layer.weights for layer in found)
    return NetworkSizes(found, count if original is None else original)


def layer_sizes(name: str, weights: Ints, width: int) -> LayerSizes:
    """Sizes of one layer.

    Args:
        name: Of it.
        weights: (outputs, inputs); any integers, the weights that are 0 as 0.
        width: Bits of one.
    """
    flat = weights.reshape(-1)
    zeros = int((flat == 0).sum())
    values, places = np.unique(flat, return_inverse=True)
    table = table_of(weights)
    bits = {
        "dense": width * flat.size,
        "bitmask": flat.size + width * (flat.size - zeros),
        "relative": relative_bits(flat, width),
        "codebook": int(values.size - 1).bit_length() * flat.size + width * values.size,
        "huffman": huffman_bits(places.reshape(-1), values.size, width),
        "hashed": width * (flat.size if table is None else len(table)),
    }
    return LayerSizes(name, flat.size, zeros, width, bits)


def relative_bits(flat: Ints, width: int) -> int:
    """Bits of the weights that are not 0, each with the number of zeros before it.

    An entry of value 0 stands for 2**d zeros. Zeros at the end are not stored.

    >>> relative_bits(np.array([7, 0, 0, 5]), 4), relative_bits(np.zeros(9, np.int64), 4)
    (12, 0)
    """
    kept = np.flatnonzero(flat)
    if kept.size == 0:
        return 0
    gaps = np.diff(kept, prepend=-1) - 1
    most = int(gaps.max()).bit_length()
    return min(int((1 + (gaps >> d)).sum()) * (d + width) for d in range(max(1, most) + 1))


def huffman_bits(indices: Ints, values: int, width: int) -> int:
    """Bits of a Huffman code of the best number of neighbours, with its table.

    Args:
        indices: Of the value of each weight.
        values: Their number.
        width: Bits of a weight, as the table has them.
    """
    index_bits = max(1, (values - 1).bit_length())
    counts = [count for count in WORDS if count * index_bits <= 48]
    sizes = [_coded(pack(indices, count, index_bits), count * width) for count in counts]
    return min([width * indices.size, *(size for size in sizes if size is not None)])


def _coded(words: Ints, word_bits: int) -> int | None:
    """Bits of the codes of words and of the table; None for too many different words."""
    symbols, counts = np.unique(words, return_counts=True)
    if symbols.size > MOST_SYMBOLS:
        return None
    code = code_of(symbols.tolist(), counts.tolist(), LONGEST)
    by_symbol = dict(zip(code.symbols, code.lengths, strict=True))
    lengths = np.array([by_symbol[symbol] for symbol in symbols.tolist()])
    return int((lengths * counts).sum()) + code.table_bits(word_bits)


def _tables(graph: Graph) -> Iterable[tuple[str, tuple[Ints, int]]]:
    """Weights of each layer as (outputs, inputs), and their width; each constant once."""
    for node in graph:
        if isinstance(node.op, Dense | Depthwise):
            table, width = _of_integers(node)
            if isinstance(node.op, Dense) or (table != 1).any():  # the sum of a pool has none
                yield node.name, (table, width)
    seen = set[Node]()
    for layer in layers(graph):
        if layer.weight not in seen:
            seen.add(layer.weight)
            yield layer.name, _of_reals(layer)


def _of_integers(node: Node) -> tuple[Ints, int]:
    match node.op:
        case Dense(weights=weights, weight_type=elem):
            table = weights.data
        case Depthwise(weights=weights, weight_type=elem):
            table = weights.data.T
        case _:
            raise AssertionError(f"{node.name} has no weights: see prune/coding/sizes.py")
    return table, _width(elem)


def _of_reals(layer: Layer) -> tuple[Ints, int]:
    value = const(layer.weight)
    op = layer.node.args[1].op
    if isinstance(op, FakeQuant):
        codes = op.grid.codes(value)
        return _as_read(layer, codes), _width(op.grid.clip)
    values, places = np.unique(value, return_inverse=True)
    zero = np.searchsorted(values, 0.0)  # the number of each value, so that 0 stays 0
    numbers = places.reshape(value.shape) - zero
    if zero == values.size or values[zero] != 0:
        numbers = np.where(numbers >= 0, numbers + 1, numbers)
    return _as_read(layer, numbers), FLOAT_BITS


def _as_read(layer: Layer, weights: Ints) -> Ints:
    """Weights (..., outputs) as (outputs, inputs), in the order of the hardware."""
    return weights.reshape(-1, weights.shape[-1])[input_order(layer)].T


def _width(elem: IntType) -> int:
    """Bits of a weight in a ROM."""
    return 1 if elem == BIPOLAR else IntType(elem.lo, elem.hi).bits
