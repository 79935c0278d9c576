"""Another network of the same structure, for a core whose weights can be reloaded.

The weights of the drawn network change places, and so do constants that are added per channel,
which thresholds come from. Where the product says that this network does not run on the core (a
depthwise layer, a constant in the wires), only weights change; where it says so again, none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph

Reload: TypeAlias = Callable[[Path, Path, Path], Any]
"""gatesmith.reload."""

QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "DequantizeLinear")
PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose")


@dataclass(frozen=True, slots=True)
class Word:
    """32 bits of a word of a memory: ``chunk`` 0 has the lowest."""

    memory: int
    word: int
    chunk: int
    data: int


@dataclass(frozen=True, slots=True, eq=False)
class Other:
    """The other network.

    Attributes:
        words: What is written into the core, in order.
        graph: What it computes then.
    """

    words: tuple[Word, ...]
    graph: Graph


def other_network(folder: Path, model: Path, seed: int, reload: Reload) -> Other | None:
    """Another network for the core in ``folder``, built from ``model``; None if it takes none."""
    for constants in (True, False):
        changed = shuffled(onnx.load(model), seed, constants=constants)
        path = model.with_name(f"{model.stem}_other.onnx")
        onnx.save(changed, path)
        image = path.with_suffix(".gsr")
        try:
            made = reload(folder, path, image)
        except (UserError, UserErrors):
            continue
        return Other(tuple(words_of(image.read_bytes())), made.graph)
    return None


def shuffled(model: onnx.ModelProto, seed: int, *, constants: bool) -> onnx.ModelProto:
    """The model with weights in other places; ``constants``: those added per channel too."""
    rng = np.random.default_rng([seed, 7])
    readers = {name: (node, at) for node in model.graph.node for at, name in enumerate(node.input)}
    for tensor in model.graph.initializer:
        node, at = readers.get(tensor.name, (None, 0))
        if node is None:
            continue
        array = numpy_helper.to_array(tensor)
        is_weight = (node.op_type in QUANTIZERS and at == 0) or (
            node.op_type in PRODUCTS and at == 1
        )
        if is_weight and array.ndim >= 2:
            tensor.CopyFrom(numpy_helper.from_array(_rows(array, rng), tensor.name))
        elif constants and node.op_type == "Add" and array.size > 1:
            flat = rng.permutation(array.reshape(-1)).reshape(array.shape)
            tensor.CopyFrom(numpy_helper.from_array(flat, tensor.name))
    return model


def _rows(array: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Each row in another order: a scale of its own stays with its codes."""
    rows = array.reshape(array.shape[0], -1)
    return rng.permuted(rows, axis=1).reshape(array.shape)


def words_of(image: bytes) -> Iterator[Word]:
    """The words of an image (gatesmith/reloading/image.py)."""
    (count,) = struct.unpack_from("<I", image, 16)
    at = 20
    for _ in range(count):
        memory, depth, chunks, _ = struct.unpack_from("<4I", image, at)
        at += 16
        for place, data in enumerate(struct.unpack_from(f"<{depth * chunks}I", image, at)):
            yield Word(memory, place // chunks, place % chunks, data)
        at += 4 * depth * chunks
