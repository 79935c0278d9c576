"""torch on the integer graph: int8 products with int32 sums (``torch._int_mm``), exact.

Written for chains of Dense, Threshold, Requantize, Table and Reshape whose weights and activations
fit int8. On a GPU the tensor cores do the products, which want dimensions in eights and more than
16 rows: weights are padded once, small batches with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from gatesmith.cpu_gpu_baselines.engines.engine import (
    Array,
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
)
from gatesmith.cpu_gpu_baselines.engines.torch_engine import torch_package
from gatesmith.ir import Ints, IntType, Node
from gatesmith.ops.dense import Dense
from gatesmith.ops.input import Input
from gatesmith.ops.requantize import Requantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.table import Table
from gatesmith.ops.threshold import Threshold

INT8 = IntType(-128, 127)
LEAST_ROWS, MULTIPLE = 17, 8
"""What ``torch._int_mm`` takes on a GPU."""

Step: TypeAlias = Callable[[Any], Any]


class TorchInt8(Engine):
    """On the CPU."""

    name = "torch-int8"
    kind = "integer"

    def open(self, subject: Subject, threads: int) -> Opened:
        """A step for each node."""
        torch = torch_package(self.device)
        return _Opened(torch, subject, threads, "cuda" if self.device == "gpu" else "cpu")


class TorchCudaInt8(TorchInt8):
    """On a GPU."""

    name = "torch-cuda-int8"
    device = "gpu"
    threaded = False


class _Opened(Opened):
    def __init__(self, torch: Any, subject: Subject, threads: int, device: str) -> None:
        self._torch, self._threads, self._device = torch, threads, device
        self._subject = subject
        self.weight_bytes = 0
        nodes = [node for node in subject.integer if not isinstance(node.op, Input)]
        inputs = [node for node in subject.integer if isinstance(node.op, Input)]
        chain = [*inputs, *nodes]
        straight = all(node.args == (chain[at],) for at, node in enumerate(nodes))
        strange = [f"{n.name} ({type(n.op).__name__})" for n in nodes if not _covered(n)]
        if strange:
            raise Unavailable(f"no int8 form of {', '.join(strange)}")
        if not straight or len(inputs) != 1 or subject.integer.outputs != (chain[-1],):
            raise Unavailable("written for chains only")
        self._input = inputs[0].name
        self._steps = [self._step(node) for node in nodes]
        self.note = f"torch {torch.__version__}, _int_mm"
        if device == "cuda":
            self.note += f", {torch.cuda.get_device_name()}, transfers counted"

    def _tensor(self, data: Array, kind: Any) -> Any:
        made = self._torch.tensor(np.ascontiguousarray(data), dtype=kind, device=self._device)
        self.weight_bytes = (self.weight_bytes or 0) + made.numel() * made.element_size()
        return made

    def _step(self, node: Node) -> Step:
        torch = self._torch
        match node.op:
            case Dense():
                return self._product(node, node.op)
            case Reshape(shape=shape):
                return lambda x: x.reshape(len(x), *shape)
            case Threshold(thresholds=at, falling=falling, out=out):
                steps = at.shape[1]
                limits = self._tensor(at.data, torch.int64)
                turn = self._tensor(np.where(falling.data, -out.step, out.step), torch.int64)
                base = self._tensor(out.lo + out.step * steps * falling.data, torch.int64)
                return lambda x: base + turn * (x[..., None] >= limits).sum(-1)
            case Requantize() as op:
                mul, add = (self._tensor(a.data, torch.int64) for a in (op.mul, op.add))
                return lambda x: _requantized(torch, op, x.to(torch.int64) * mul + add + op.half)
            case Table(values=values, domain=domain):
                table = self._tensor(values.data, torch.int64)
                row = torch.arange(len(table), device=self._device) if len(table) > 1 else 0
                return lambda x: table[row, (x.to(torch.int64) - domain.lo) // domain.step]
            case _:
                raise AssertionError(f"{node.name} is not covered")

    def _product(self, node: Node, op: Dense) -> Step:
        torch, gpu = self._torch, self._device == "cuda"
        outs, ins = op.weights.shape
        more = (-outs % MULTIPLE, -ins % MULTIPLE) if gpu else (0, 0)
        weights = np.pad(op.weights.data, ((0, more[0]), (0, more[1])))
        right = self._tensor(weights, torch.int8).t()

        def product(x: Any) -> Any:
            rows = x.reshape(-1, ins).to(torch.int8)
            spare = max(0, LEAST_ROWS - len(rows)) if gpu else 0
            if spare or more[1]:
                rows = torch.nn.functional.pad(rows, (0, more[1], 0, spare))
            y = torch._int_mm(rows, right)
            return y[: len(y) - spare, :outs].reshape(*x.shape[:-1], outs)

        return product

    @contextmanager
    def active(self) -> Iterator[None]:
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(self._threads)
        try:
            with self._torch.inference_mode():
                yield
        finally:
            self._torch.set_num_threads(before)

    def bind(self, frames: Ints) -> Bound:
        torch, steps, device = self._torch, self._steps, self._device
        given = torch.from_numpy(np.ascontiguousarray(self._subject.codes[self._input][frames]))
        last: list[Any] = []

        def call() -> None:
            x = given.to(device)
            for step in steps:
                x = step(x)
            last[:] = [x.cpu()]

        def read() -> Sequence[Array]:
            return [value.numpy() for value in last]

        return Bound(call, read)


def _covered(node: Node) -> bool:
    if isinstance(node.op, Dense):
        (x,) = node.args
        fits = all(INT8.lo <= t.lo and t.hi <= INT8.hi for t in (x.type.int_elem, _range(node.op)))
        return fits and node.op.groups == 1
    return isinstance(node.op, Threshold | Requantize | Table | Reshape)


def _range(op: Dense) -> IntType:
    return IntType(int(op.weights.data.min()), int(op.weights.data.max()))


def _requantized(torch: Any, op: Requantize, product: Any) -> Any:
    y = product >> op.shift
    if op.even:
        tie = (product & ((1 << op.shift) - 1)) == 0
        y = torch.where(tie, y & ~1, y)
    return y.clamp(op.out.lo, op.out.hi)
