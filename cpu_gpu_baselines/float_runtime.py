"""Run the float32 original: onnxruntime where it is installed, else the onnx package's evaluator.

Graph optimizations of onnxruntime are switched off. What runs is then what the file says, operator
by operator, and every tensor of the file exists as float32; the error bound (error_bound.py)
relies on that. Inside an operator the runtime may still add and multiply in any order.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.exact_integers import exact
from gatesmith.cpu_gpu_baselines.pool_extents import told_by_the_kernel
from gatesmith.cpu_gpu_baselines.standard_onnx import shapes, to_standard, varying
from gatesmith.errors import UserError

Tensors: TypeAlias = dict[str, NDArray[Any]]
_Run: TypeAlias = Callable[[Mapping[str, NDArray[Any]]], Tensors]

MEMORY = 2**27
"""Bytes that the tensors of one chunk of frames may take, all together."""


class FloatRuntime:
    """One model, ready to run on any number of frames.

    Attributes:
        engine: Name and version of what evaluates the model.
        inputs: Name and element type of each input.
        frames: Name and shape of one frame of each input.
        outputs: Names of the model's outputs.
        batched: Whether it takes many frames a run; None before the first run.
        chunk: Frames a run, if it does.
        constants: Kept tensors that do not depend on the input, without a batch axis.

    Args:
        model: The model with batch size 1; QONNX and FINN operators are allowed.
        keep: Tensors to return beside the outputs, inputs and constants of the model included.
        onnxruntime: ``False`` takes the onnx package's evaluator even so.
    """

    def __init__(
        self, model: ModelProto, keep: Sequence[str] = (), *, onnxruntime: bool = True
    ) -> None:
        stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        values = [value for value in model.graph.input if value.name not in stored]
        self.inputs = {
            value.name: np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
            for value in values
        }
        self.outputs = tuple(value.name for value in model.graph.output)
        made = [name for name in keep if name not in stored and name not in self.inputs]
        self._standard = to_standard(model, made)
        self._names = [value.name for value in self._standard.graph.output]
        self._given = [name for name in keep if name in self.inputs]
        self._vary = varying(model)
        self.chunk = _chunk(self._standard)
        use = onnxruntime and importlib.util.find_spec("onnxruntime") is not None
        self.engine, self._run = _onnxruntime(self._standard) if use else _reference(self._standard)
        self.batched: bool | None = None
        self.frames = {value.name: _frame(value) for value in values}
        self.constants = {name: stored[name] for name in keep if name in stored}
        if fixed := [name for name in self._names if name not in self._vary]:
            found = self._run(
                {k: np.zeros((1, *s), self.inputs[k]) for k, s in self.frames.items()}
            )
            self.constants |= {name: found[name] for name in fixed}

    def run(self, x: NDArray[Any] | Mapping[str, NDArray[Any]]) -> Tensors:
        """Outputs and kept tensors, (frames, ...), in the element types of the model.

        A bare array is the value of the only input. Errors: ``float.wrong-input``.
        """
        if not isinstance(x, Mapping):
            (name,) = self.inputs
            x = {name: x}
        self._check(x)
        (frames,) = {array.shape[0] for array in x.values()}
        if self.batched is None:
            self.batched = frames > 1 and self._takes_batches({k: a[:2] for k, a in x.items()})
        step = self.chunk if self.batched else 1
        parts = [self._part(x, at, at + step) for at in range(0, frames, step)]
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return found | {name: x[name] for name in self._given}

    def _part(self, x: Mapping[str, NDArray[Any]], start: int, stop: int) -> Tensors:
        found = self._run({name: array[start:stop] for name, array in x.items()})
        found = {name: array for name, array in found.items() if name in self._vary}
        if self.batched:
            return found
        return {k: a if a.shape[:1] == (1,) else a[np.newaxis] for k, a in found.items()}

    def _takes_batches(self, two: Mapping[str, NDArray[Any]]) -> bool:
        """Whether two frames at once work: every tensor must have them on its first axis."""
        try:
            found = self._run(two)
        except Exception:  # each runtime raises its own kinds; one frame a run always works
            return False
        return all(found[name].shape[:1] == (2,) for name in self._names if name in self._vary)

    def _check(self, x: Mapping[str, NDArray[Any]]) -> None:
        got = {name: (array.shape[1:], array.dtype) for name, array in x.items()}
        want = {name: (self.frames[name], dtype) for name, dtype in self.inputs.items()}
        if got != want or not all(array.shape[0] for array in x.values()):
            raise UserError(
                "float.wrong-input",
                "the float model cannot take this input",
                where=f"inputs {', '.join(want)}",
                why=f"expected (shape of a frame, type) {want}, not {got}, and at least one frame",
                fix=("give every input as (frames, *shape) in the model's element type",),
            )


def _frame(value: Any) -> tuple[int, ...]:
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim[1:])


def _chunk(standard: ModelProto) -> int:
    """Frames whose tensors fit :data:`MEMORY` (unknown extents count as one)."""
    known = shapes(standard)
    vary = varying(standard)
    sizes = (np.prod([max(dim, 1) for dim in known.get(name, ())]) for name in vary)
    return int(max(1, min(4096, MEMORY // (4 * max(1, sum(int(size) for size in sizes))))))


def _onnxruntime(model: ModelProto) -> tuple[str, _Run]:
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    data = told_by_the_kernel(exact(model)).SerializeToString()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.output]

    def run(x: Mapping[str, NDArray[Any]]) -> Tensors:
        return dict(zip(names, session.run(names, dict(x)), strict=True))

    return f"onnxruntime {ort.__version__}", run


def _reference(model: ModelProto) -> tuple[str, _Run]:
    from onnx.reference import ReferenceEvaluator

    from gatesmith.cpu_gpu_baselines.reference_ops import replacements

    (opset,) = (item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    evaluator = ReferenceEvaluator(model, new_ops=replacements(opset))
    names = [value.name for value in model.graph.output]

    def run(x: Mapping[str, NDArray[Any]]) -> Tensors:
        found = zip(names, evaluator.run(names, dict(x)), strict=True)
        return {name: np.asarray(array) for name, array in found}

    return f"onnx.reference {onnx.__version__}", run
