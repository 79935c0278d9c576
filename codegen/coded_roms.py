"""The ways to store the weights of a folded unit in fewer bits, by name."""

from __future__ import annotations

from gatesmith.codegen.coded_rom import CodebookRom, CodedRom, FoldedWeights
from gatesmith.codegen.hashed_rom import HashedRom
from gatesmith.codegen.huffman_rom import HuffmanRom

CODED_ROMS: dict[str, type[CodedRom]] = {
    "codebook": CodebookRom,
    "huffman": HuffmanRom,
    "hashed": HashedRom,
}


def coded_rom(name: str, weights: FoldedWeights) -> CodedRom | None:
    """The cheapest memory of this kind; None where there is none, or where ``name`` is plain."""
    return CODED_ROMS[name].of(weights) if name in CODED_ROMS else None
