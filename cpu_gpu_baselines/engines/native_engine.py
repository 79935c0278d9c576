"""The integer graph as C++ (gatesmith/cpu_gpu_baselines/native), whole, and without its zeros."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from gatesmith.cpu_gpu_baselines.engines.engine import (
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
)
from gatesmith.cpu_gpu_baselines.native import CannotCompile, NotCovered, Program
from gatesmith.cpu_gpu_baselines.native.source import LEAST_ZEROS
from gatesmith.ir import Ints
from gatesmith.ops.dense import Dense


class Native(Engine):
    """Packed XNOR and popcount where values are -1, 0 and +1, integer products elsewhere."""

    name = "native"
    kind = "integer"
    sparse: ClassVar[bool] = False

    def open(self, subject: Subject, threads: int) -> Opened:
        """Compile, or find in the cache."""
        self.check(subject)
        try:
            return _Opened(subject, Program(subject.integer, sparse=self.sparse), threads)
        except (NotCovered, CannotCompile) as error:
            raise Unavailable(str(error)) from error

    def check(self, subject: Subject) -> None:
        """Whether this engine makes sense for the network."""


class Sparse(Native):
    """Layers with many zero weights store and multiply only the others."""

    name = "native-sparse"
    sparse = True

    def check(self, subject: Subject) -> None:
        """Some layer must have the zeros."""
        shares = [
            (float((node.op.weights.data == 0).mean()), node.name)
            for node in subject.integer
            if isinstance(node.op, Dense)
        ]
        most, layer = max(shares, default=(0.0, "none"))
        if most < LEAST_ZEROS:
            raise Unavailable(
                f"no layer has {LEAST_ZEROS:.0%} zero weights; the most are {most:.0%} ({layer})"
            )


class _Opened(Opened):
    def __init__(self, subject: Subject, program: Program, threads: int) -> None:
        self._subject, self._program, self._threads = subject, program, threads
        self.weight_bytes = program.weight_bytes
        kinds = Counter(kind for kind in program.written.kinds.values() if kind != "nothing")
        used = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        self.note = f"C++, {program.isa}: {used}"

    def bind(self, frames: Ints) -> Bound:
        given = {name: x[frames] for name, x in self._subject.codes.items()}
        call, outputs = self._program.bind(given, self._threads)
        return Bound(call, lambda: outputs)
