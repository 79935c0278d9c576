"""A compiled integer graph: bound to arrays once, then called without any work in between."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.cpu_gpu_baselines.native.compiler import has_byte_products, library
from gatesmith.cpu_gpu_baselines.native.source import Written, numpy_type, write
from gatesmith.ir import Graph, Ints

ALIGNMENT = 64  # bytes


class Program:
    """An integer graph in C++.

    Args:
        graph: Of integers.
        sparse: Layers with many zero weights are stored without them.
        machine: Instruction set: native, avx2 or plain (compiler.py).

    Raises:
        NotCovered: An operator has no kernel.
        CannotCompile: There is no compiler, or it fails.
    """

    def __init__(self, graph: Graph, *, sparse: bool = False, machine: str = "native") -> None:
        self.written: Written = write(
            graph, sparse=sparse, byte_products=has_byte_products(machine)
        )
        self._library = library(self.written.text, machine)
        self._library.gs_isa.restype = ctypes.c_char_p
        self.isa = self._library.gs_isa().decode()
        self._weights = _pointers(list(self.written.constants))

    @property
    def weight_bytes(self) -> int:
        """Of all constants, as they are held."""
        return sum(array.nbytes for array in self.written.constants)

    def bind(
        self, x: Mapping[str, NDArray[Any]], threads: int = 1
    ) -> tuple[Callable[[], None], list[NDArray[Any]]]:
        """A call that computes the outputs of these frames, and the arrays it writes them to.

        Args:
            x: (frames, *shape) by name of the Input node, values of its type.
            threads: That share the frames.
        """
        given = [
            np.ascontiguousarray(x[node.name], numpy_type(node.type.int_elem))
            for node in self.written.inputs
        ]
        frames = len(given[0])
        outputs = [
            np.zeros((frames, *node.type.shape), numpy_type(node.type.int_elem))
            for node in self.written.outputs
        ]
        scratch = np.zeros(self.written.scratch * max(1, threads) + ALIGNMENT, np.uint8)
        start = scratch.ctypes.data
        aligned = ctypes.c_void_p(start + -start % ALIGNMENT)
        arguments = (self._weights, _pointers(given), _pointers(outputs), aligned)
        numbers = (ctypes.c_long(frames), ctypes.c_int(threads))
        function = self._library.gs_run
        held = (self, given, scratch, outputs)

        def call(held: object = held) -> None:  # what the pointers point at lives with the call
            function(*arguments, *numbers)

        return call, outputs

    def run(self, x: Mapping[str, NDArray[Any]], threads: int = 1) -> list[Ints]:
        """Outputs as int64."""
        call, outputs = self.bind(x, threads)
        call()
        return [output.astype(np.int64) for output in outputs]


def _pointers(arrays: list[NDArray[Any]]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))
