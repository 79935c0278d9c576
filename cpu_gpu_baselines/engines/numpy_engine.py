"""The NumPy reference itself: what everything else is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatesmith.cpu_gpu_baselines.engines.engine import Array, Bound, Engine, Opened, Subject
from gatesmith.figures import parameters
from gatesmith.ir import Ints
from gatesmith.ir.execute import execute


class NumPy(Engine):
    """``gatesmith.ir.execute`` on int64; matrix products by BLAS, on the threads it likes."""

    name = "numpy"
    kind = "integer"
    threaded = False

    def open(self, subject: Subject, threads: int) -> Opened:
        """Always there."""
        return _Opened(subject)


class _Opened(Opened):
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.weight_bytes = 8 * sum(map(parameters, subject.integer))
        self.note = f"NumPy {np.__version__}, the reference"

    def bind(self, frames: Ints) -> Bound:
        graph = self._subject.integer
        given = {name: x[frames].astype(np.int64) for name, x in self._subject.codes.items()}
        last: list[Array] = []

        def call() -> None:
            found = execute(graph, given)
            last[:] = [found[node] for node in graph.outputs]

        def read() -> Sequence[Array]:
            return last

        return Bound(call, read)
