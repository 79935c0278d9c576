"""Values of a stream as the bytes that the bench reads, and back; the reference between the ports.

A beat is ``lanes`` elements, element i on bits [i*bits +: bits], then zeros up to ``tdata_bits``;
its bytes come most significant first, which is how $fread fills a register. A frame is row-major;
a last beat that it does not fill is padded with zeros.

Where a port of build.json has ``axes`` p, its stream carries ``codes.transpose(p)``: channels last,
while the model may have them first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Ints, IntType
from gatesmith.ir.execute import execute

Bytes = NDArray[np.uint8]
AnyArray = TypeVar("AnyArray", bound=NDArray[Any])

CHUNK_ELEMENTS = 1 << 22
"""Largest intermediate value of the reference, elements of all frames of a chunk."""


@dataclass(frozen=True, slots=True)
class Port:
    """Shape of a stream as bits.

    >>> port = Port(IntType(0, 15), lanes=2, beats=2, tdata_bits=8, size=4)
    >>> port.encode(np.array([[1, 2, 3, 4]]))
    array([[[33],
            [67]]], dtype=uint8)
    >>> port.decode(port.encode(np.array([[1, 2, 3, 4]])))
    array([[1, 2, 3, 4]])
    """

    elem: IntType
    lanes: int
    beats: int
    tdata_bits: int
    size: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Port:
        """An input or output of build.json, or a source or sink of a stage."""
        elem = IntType(**entry["elem"])
        lanes, beats = int(entry["lanes"]), int(entry["beats"])
        size = int(entry["channels"]) * int(entry["vectors"])
        bits = -(-lanes * elem.bits // 8) * 8
        return Port(elem, lanes, beats, int(entry.get("tdata_bits", bits)), size)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.beats * self.tdata_bits // 8

    def encode(self, values: Ints) -> Bytes:
        """(frames, ...) values to (frames, beats, bytes of a beat)."""
        frames, bits = len(values), self.elem.bits
        words = np.zeros((frames, self.beats * self.lanes), np.int64)
        words[:, : self.size] = self.elem.encode(values.reshape(frames, self.size))
        if bits == 8 and self.lanes * 8 == self.tdata_bits:
            lanes = words.astype(np.uint8).reshape(frames, self.beats, self.lanes)
            return np.ascontiguousarray(lanes[..., ::-1])
        wires = np.zeros((frames, self.beats, self.tdata_bits), np.uint8)
        lane_wires = np.empty((frames, self.beats * self.lanes, bits), np.uint8)
        for bit in range(bits):
            lane_wires[..., bit] = (words >> bit) & 1
        used = self.lanes * bits
        wires[..., :used] = lane_wires.reshape(frames, self.beats, used)
        little: Bytes = np.packbits(wires, axis=-1, bitorder="little")
        return np.ascontiguousarray(little[..., ::-1])

    def decode(self, beats: Bytes) -> Ints:
        """Inverse of :meth:`encode`: (frames, beats, bytes) to (frames, size) values."""
        frames, bits = len(beats), self.elem.bits
        wires = np.unpackbits(beats[..., ::-1], axis=-1, bitorder="little")
        used = wires[..., : self.lanes * bits].reshape(frames, self.beats * self.lanes, bits)
        words = np.zeros(used.shape[:2], np.int64)
        for bit in range(bits):
            words |= used[..., bit].astype(np.int64) << bit
        return self.elem.decode(words[:, : self.size])

    def lane_of(self, expected: int, found: int) -> int | None:
        """First lane in which two beats, as integers, differ; None where only padding does."""
        differing = expected ^ found
        for lane in range(self.lanes):
            if (differing >> (lane * self.elem.bits)) & ((1 << self.elem.bits) - 1):
                return lane
        return None

    def element(self, beat: int, lane: int) -> int:
        """Value on one lane of a beat given as an integer."""
        word = (beat >> (lane * self.elem.bits)) & ((1 << self.elem.bits) - 1)
        return int(self.elem.decode(np.array([word]))[0])


def to_stream(x: AnyArray, axes: Sequence[int] | None) -> AnyArray:
    """Frames with their axes in the order of the stream; a view.

    >>> to_stream(np.zeros((9, 3, 32, 40)), (1, 2, 0)).shape
    (9, 32, 40, 3)
    """
    return x if axes is None else x.transpose(0, *(1 + axis for axis in axes))


def to_model(x: AnyArray, axes: Sequence[int] | None) -> AnyArray:
    """Inverse of :func:`to_stream`: axes in the model's order."""
    return x if axes is None else x.transpose(0, *(1 + axes.index(k) for k in range(len(axes))))


class Reference:
    """The integer graph, as a function from the inputs of a build to its outputs."""

    def __init__(self, graph: Graph, build: Mapping[str, Any]) -> None:
        self.graph = graph
        self.entries: list[Mapping[str, Any]] = build["inputs"]
        self.sources = [Port.of(entry) for entry in build["inputs"]]
        self.sinks = [Port.of(entry) for entry in build["outputs"]]
        self._shapes = {node.name: node.type.shape for node in graph}
        self._sizes = [node.type.size for node in graph]

    @property
    def chunk(self) -> int:
        """Frames that :meth:`outputs` is to be given at once, so that memory stays bounded."""
        return max(1, CHUNK_ELEMENTS // max(self._sizes))

    @property
    def elements(self) -> int:
        """Elements that all values of a frame have together."""
        return sum(self._sizes)

    def given(self, frames: Sequence[Ints]) -> dict[str, Ints]:
        """Values of the graph's Input nodes, for codes of each input in its ``code_shape``."""
        named = {}
        for entry, x in zip(self.entries, frames, strict=True):
            name = str(entry["node"])
            named[name] = to_stream(x, entry["axes"]).reshape(len(x), *self._shapes[name])
        return named

    def outputs(self, given: Mapping[str, Ints]) -> list[Ints]:
        """Values of each output for what :meth:`given` made."""
        values = execute(self.graph, given)
        return [values[node].astype(np.int64) for node in self.graph.outputs]


def in_chunks(reference: Reference, inputs: Sequence[Ints]) -> list[Ints]:
    """Outputs for codes of each input in its ``code_shape``, as many frames at once as fit."""
    parts = [
        reference.outputs(reference.given([x[at : at + reference.chunk] for x in inputs]))
        for at in range(0, len(inputs[0]), reference.chunk)
    ]
    return [np.concatenate(same) for same in zip(*parts, strict=True)]
