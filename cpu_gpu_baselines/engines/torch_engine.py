"""torch on the real graph: eager, compiled, with products in bfloat16, and on a GPU.

The module is the one that training uses (quant/train/module.py); what depends on no input is
computed beforehand. It is float32 arithmetic in another order than onnxruntime's.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from gatesmith.cpu_gpu_baselines.engines.engine import (
    Array,
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
    first_of,
)
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Array as Constant
from gatesmith.ir import Graph, Ints, Node, Real
from gatesmith.ir.execute import execute
from gatesmith.ops.const import Const
from gatesmith.ops.input import Input


def torch_package(device: str) -> Any:
    """The package. Raises Unavailable where it, or the GPU, is not there."""
    if importlib.util.find_spec("torch") is None:
        raise Unavailable("torch is not installed: pip install 'gatesmith[train]'")
    torch = importlib.import_module("torch")
    if device == "gpu" and not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} finds no CUDA device")
    return torch


class Eager(Engine):
    """Operator by operator, float32."""

    name = "torch"
    kind = "float"
    compiled: ClassVar[bool] = False
    half: ClassVar[str | None] = None
    """Type of matrix products: bfloat16 or float16."""

    def open(self, subject: Subject, threads: int) -> Opened:
        """The module, on its device."""
        torch = torch_package(self.device)
        if not subject.whole:
            raise Unavailable("the build has an early exit, which the model has not")
        from gatesmith.quant.train.module import GraphModule

        try:
            module = GraphModule(folded(subject.real)).eval()
        except (UserError, UserErrors) as error:
            raise Unavailable(f"no torch form: {first_of(error).what}") from error
        return _Opened(self, torch, module, subject, threads)


class Compiled(Eager):
    """``torch.compile``: operators are fused to C++ by inductor."""

    name = "torch-compile"
    compiled = True


class BFloat16(Eager):
    """Matrix products in bfloat16 (autocast), the rest in float32."""

    name = "torch-bfloat16"
    half = "bfloat16"


class Cuda(Eager):
    """On a GPU, float32."""

    name = "torch-cuda"
    device = "gpu"
    threaded = False


class CudaFloat16(Cuda):
    """On a GPU, matrix products in float16."""

    name = "torch-cuda-float16"
    half = "float16"


def folded(graph: Graph) -> Graph:
    """The graph with what depends on no input computed: weights are constants, not quantizers."""
    fixed: dict[Node, bool] = {}
    for node in graph:
        fixed[node] = not isinstance(node.op, Input) and all(fixed[arg] for arg in node.args)
    done = [n for n in graph if fixed[n] and isinstance(n.type.elem, Real)]
    values = execute(Graph(tuple(done)), {}) if done else {}
    known = {n.name: Constant(np.asarray(values[n][0], np.float64)) for n in done}

    def rule(node: Node, _users: Mapping[Node, int]) -> Node | None:
        if node.name not in known or isinstance(node.op, Const):
            return None
        return replace(node, op=Const(known[node.name]), args=())

    return graph.rewrite(rule)


class _Opened(Opened):
    def __init__(
        self, engine: Eager, torch: Any, module: Any, subject: Subject, threads: int
    ) -> None:
        self._torch, self._threads, self._reals = torch, threads, subject.reals
        self._device = "cuda" if engine.device == "gpu" else "cpu"
        self._half = None if engine.half is None else getattr(torch, engine.half)
        self._names = [node.name for node in subject.real.outputs]
        module = module.to(self._device)
        self.weight_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
        self._run = module.run
        self.note = f"torch {torch.__version__}, {engine.half or 'float32'}"
        if self._device == "cuda":
            self.note += f", {torch.cuda.get_device_name()}, transfers counted"
        if engine.compiled:
            self.note += ", inductor"
            self._compile()

    def _compile(self) -> None:
        """Compile now: what fails must fail before anything is timed.

        The module's plan is laid out as plain tensor operations of any batch size first: inductor
        would else give up on the Python in between, after a while and without a word.
        """
        from torch.fx.experimental.proxy_tensor import make_fx

        run = self._run

        def plan(x: Any) -> Any:  # a plain function: make_fx counts the self of a method
            return run(x)

        try:
            with self.active():
                extents = {extent for x in self._reals.values() for extent in x.shape[1:]}
                batch = next(n for n in range(2, 99) if n not in extents)  # its own symbol
                some = {name: self._given(x, np.arange(batch)) for name, x in self._reals.items()}
                flat = make_fx(plan, tracing_mode="symbolic", _allow_non_fake_inputs=True)(some)
                self._run = self._torch.compile(flat, fullgraph=True)
                for count in (1, 2, 3):  # one frame, then what is found to vary
                    self.bind(np.arange(count)).call()
        except Exception as error:  # inductor raises kinds of its own, and of its tool chain
            first = str(error).strip().splitlines() or [""]
            why = f"{type(error).__name__}: {first[0]}"
            raise Unavailable(f"torch.compile does not work here: {why}") from error

    @contextmanager
    def active(self) -> Iterator[None]:
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(self._threads)
        try:
            with self._torch.inference_mode(), self._precision():
                yield
        finally:
            self._torch.set_num_threads(before)

    def _precision(self) -> Any:
        return self._torch.autocast(self._device, self._half, enabled=self._half is not None)

    def _given(self, x: Array, frames: Ints) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(x[frames % len(x)], np.float32))

    def bind(self, frames: Ints) -> Bound:
        run, device = self._run, self._device
        given = {name: self._given(x, frames) for name, x in self._reals.items()}
        last: dict[str, Any] = {}

        def on_cpu() -> None:
            last.update(run(given))

        def on_gpu() -> None:
            found = run({name: x.to(device, non_blocking=True) for name, x in given.items()})
            last.update({name: y.cpu() for name, y in found.items()})  # waits for the result

        def read() -> Sequence[Array]:
            return [last[name].float().numpy() for name in self._names]

        return Bound(on_cpu if device == "cpu" else on_gpu, read)
