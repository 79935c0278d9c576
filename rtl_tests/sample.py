"""Frames that a build carries along: of many kinds, for the bench to notice what it can.

Numbers drawn evenly from their range all look alike to a network: every sum is near its mean, the
same few steps of each quantizer are met, and a wrong weight behind them changes nothing. Of the
2-bit layers of examples/digits, 64 such frames notice 53 to 94 % of changed weights and 27 to 67 %
of changed thresholds; 256 of the kinds below 93 to 100 % and 47 to 89 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatesmith.ir import Graph, Ints, IntType
from gatesmith.ir.npz import save_arrays
from gatesmith.rtl_tests.stream_sums import stream_sums, streams_of
from gatesmith.rtl_tests.vectors import Port, Reference, in_chunks

FRAMES, MOST_FRAMES = 64, 256
"""Frames of a sample; up to the second number where they take few cycles."""

CYCLES, ELEMENTS, SUMMED = 1 << 20, 1 << 26, 1 << 23
"""Cycles behind which there are not more than FRAMES; most elements of all values together, and of
all values of the frames whose streams are summed up."""


def write_sample(directory: Path, graph: Graph, build: Mapping[str, Any], seed: int = 0) -> None:
    """vectors/ of a build: frames that tb/run.py streams without gatesmith.

    Writes input_K.bin and expected_K.bin (beats), streams.bin (stream_sums.py), and sample.npz: an
    array for each input (named as its node), for ``gatesmith verify``, and expected_K.
    """
    reference = Reference(graph, build)
    frames = min(MOST_FRAMES, max(FRAMES, CYCLES // max(1, int(build["interval"]))))
    frames = max(3, min(frames, ELEMENTS // reference.elements))
    rng = np.random.default_rng(seed)
    inputs = [
        sample_frames(Port.of(entry).elem, (frames, *entry["code_shape"]), rng)
        for entry in build["inputs"]
    ]
    outputs = in_chunks(reference, inputs)
    folder = directory / "vectors"
    folder.mkdir(parents=True, exist_ok=True)
    given = reference.given(inputs).values()
    for k, (port, x) in enumerate(zip(reference.sources, given, strict=True)):
        (folder / f"input_{k}.bin").write_bytes(port.encode(x).tobytes())
    for k, (port, y) in enumerate(zip(reference.sinks, outputs, strict=True)):
        (folder / f"expected_{k}.bin").write_bytes(port.encode(y).tobytes())
    summed = [x[: max(3, SUMMED // reference.elements)] for x in inputs]
    sums = stream_sums(streams_of(build), graph, reference.given(summed))
    (folder / "streams.bin").write_bytes(sums.astype(">u8").tobytes())
    arrays = {entry["node"]: x for entry, x in zip(build["inputs"], inputs, strict=True)}
    arrays |= {f"expected_{k}": y for k, y in enumerate(outputs)}
    save_arrays(folder / "sample.npz", arrays)


def sample_frames(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Values of an input, ``shape[0]`` frames of them.

    The first frame is all lowest and the second all highest values; the others take turns through
    KINDS, in an order of their own in each round so that two inputs do not march in step.
    """
    codes = np.empty(shape, np.int64)
    kinds: list[Callable[..., Ints]] = []
    for frame in range(shape[0]):
        if not kinds:
            kinds = [KINDS[k] for k in rng.permutation(len(KINDS))]
        codes[frame] = kinds.pop()(elem, shape[1:], rng)
    codes[0], codes[1:2] = 0, elem.count - 1
    values: Ints = elem.lo + elem.step * codes
    return values


def _even(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    return rng.integers(0, elem.count, shape, dtype=np.int64)


def _sparse(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Zero but for some; half to nearly all."""
    return np.where(rng.random(shape) < rng.uniform(0.5, 1.0), _zero(elem), _even(elem, shape, rng))


def _ends(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Lowest and highest, in any ratio."""
    return np.where(rng.random(shape) < rng.random(), 0, elem.count - 1)


def _spikes(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Zero and highest, in any ratio."""
    return np.where(rng.random(shape) < rng.random(), _zero(elem), elem.count - 1)


def _flat(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Near one value."""
    width = max(1, elem.count // 8)
    base = rng.integers(0, elem.count)
    near: Ints = np.clip(base + rng.integers(-width, width + 1, shape), 0, elem.count - 1)
    return near


def _wave(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """A triangular wave of any length over the elements: neighbours are alike."""
    most = elem.count - 1
    place = np.arange(np.prod(shape, dtype=np.int64), dtype=np.int64).reshape(shape)
    period = int(rng.integers(2, max(3, place.size)))
    phase = (place + rng.integers(0, period)) % period
    height: Ints = most - np.abs(2 * phase * most // period - most)
    return height


def _dim(elem: IntType, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Nothing above one value."""
    below: Ints = np.minimum(_even(elem, shape, rng), rng.integers(0, elem.count, dtype=np.int64))
    return below


def _zero(elem: IntType) -> int:
    """Code of 0, or of what is next to it."""
    return min(max(0, -elem.lo // elem.step), elem.count - 1)


KINDS: tuple[Callable[..., Ints], ...] = (_even, _sparse, _ends, _spikes, _flat, _wave, _dim)
