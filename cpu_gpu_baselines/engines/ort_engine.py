"""onnxruntime: the file as it is in float32, and as QDQ with its integer kernels.

All graph optimizations are on, which is how it is used; inputs and outputs are bound once. The
agreement of the file with the integers, and the reason of each difference, is measured in another
session (comparison.py), whose optimizations are off so that every tensor is there to see.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import onnx

from gatesmith.cpu_gpu_baselines.engines.engine import (
    Array,
    Bound,
    Engine,
    Opened,
    Subject,
    Unavailable,
    first_of,
)
from gatesmith.cpu_gpu_baselines.exact_integers import saturates
from gatesmith.cpu_gpu_baselines.standard_onnx import MOST_IR, to_standard
from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.to_onnx import to_onnx
from gatesmith.ir import Ints

QDQ = {"QuantizeLinear", "DequantizeLinear"}


def runtime() -> Any:
    """The package. Raises Unavailable."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise Unavailable("onnxruntime is not installed: pip install 'gatesmith[quantize]'")
    return importlib.import_module("onnxruntime")


class OnnxRuntime(Engine):
    """The model in float32; QONNX quantizers are written out as standard operators."""

    name = "onnxruntime"
    kind = "float"
    provider: ClassVar[str] = "CPUExecutionProvider"

    def open(self, subject: Subject, threads: int) -> Opened:
        """One session."""
        ort = runtime()
        if not subject.whole:
            raise Unavailable("the build has an early exit, which the model has not")
        if self.provider not in ort.get_available_providers():
            raise Unavailable(f"this onnxruntime {ort.__version__} has no {self.provider}")
        model, feeds = self.model(subject)
        return Session(
            model, named_alike(feeds, model), threads, self.provider, integers=self.integers
        )

    integers: ClassVar[bool] = False
    """Whether the integer kernels of QDQ networks may be used."""

    def model(self, subject: Subject) -> tuple[onnx.ModelProto, Mapping[str, Array]]:
        """What is run, and what it is fed."""
        try:
            return to_standard(subject.model), subject.feeds
        except UserError as error:
            raise Unavailable(f"{error.what}: {error.why}") from error


class OnnxRuntimeInt8(OnnxRuntime):
    """The file's own QDQ form, or that which gatesmith writes of it."""

    name = "onnxruntime-int8"
    integers = True

    def model(self, subject: Subject) -> tuple[onnx.ModelProto, Mapping[str, Array]]:
        """The file, where it has QDQ; else the real graph, written."""
        if any(node.op_type in QDQ for node in subject.model.graph.node):
            return super().model(subject)
        try:
            return to_onnx(subject.real, form="qdq").model, subject.reals
        except (UserError, UserErrors) as error:
            first = first_of(error)
            raise Unavailable(f"no QDQ form: {first.what}: {first.why}") from error
        except ValueError as error:
            raise Unavailable(f"no QDQ form: {error}") from error


class OnnxRuntimeCuda(OnnxRuntime):
    """On a GPU."""

    name = "onnxruntime-cuda"
    device = "gpu"
    threaded = False
    provider = "CUDAExecutionProvider"


class OnnxRuntimeTensorRt(OnnxRuntime):
    """On a GPU, by TensorRT."""

    name = "onnxruntime-tensorrt"
    device = "gpu"
    threaded = False
    provider = "TensorrtExecutionProvider"


def named_alike(feeds: Mapping[str, Array], model: onnx.ModelProto) -> dict[str, Array]:
    """Feeds in the names, types and shapes of a model; other names than its own: in its order."""
    stored = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in stored]
    found = {}
    own = {value.name for value in values} == feeds.keys()
    ordered = {v.name: feeds[v.name] for v in values} if own else feeds
    for value, (name, array) in zip(values, ordered.items(), strict=True):
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
        if int(np.prod(shape)) * len(array) != array.size:
            raise Unavailable(f"input {name} of {list(array.shape[1:])} is {shape} in the file run")
        found[value.name] = array.astype(kind, copy=False).reshape(len(array), *shape)
    return found


class Session(Opened):
    """A session of onnxruntime and the frames it is fed."""

    def __init__(
        self,
        model: onnx.ModelProto,
        feeds: Mapping[str, Array],
        threads: int,
        provider: str,
        *,
        integers: bool,
    ) -> None:
        ort = runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        if saturates():  # QDQ becomes 8-bit products only inside the session
            options.add_session_config_entry("session.x64quantprecision", "1")
        if not integers:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        model.ir_version = min(model.ir_version, MOST_IR)
        data = model.SerializeToString()
        try:
            self._session = ort.InferenceSession(data, options, providers=[provider])
        except Exception as error:  # onnxruntime raises its own kinds
            raise Unavailable(
                f"onnxruntime cannot load it: {str(error).splitlines()[0]}"
            ) from error
        self._feeds = feeds
        self._names = [value.name for value in model.graph.output]
        self.weight_bytes = len(data)
        kind = "integer kernels" if integers else "float32"
        self.note = f"onnxruntime {ort.__version__}, {provider}, {kind}, all optimizations"
        self._batched = self._takes_batches()
        if not self._batched:
            self.note += ", one frame a run: the file has its batch fixed"

    def bind(self, frames: Ints) -> Bound:
        """Inputs bound where they lie; one call a frame where the file takes one only."""
        parts = [frames] if self._batched else np.split(frames, len(frames))
        bound = [self._bound(part) for part in parts]
        if len(bound) == 1:
            return bound[0]

        def call() -> None:
            for part in bound:
                part.call()

        def read() -> Sequence[Array]:
            return [np.concatenate(same) for same in zip(*(b.read() for b in bound), strict=True)]

        return Bound(call, read)

    def _takes_batches(self) -> bool:
        """Whether two frames at once give two results: a file may have its batch of 1 inside."""
        two = self._bound(np.zeros(2, np.int64))
        try:
            two.call()
        except Exception as error:  # onnxruntime raises its own kinds
            if "memory" in str(error).lower():
                raise
            return False
        return all(output.shape[:1] == (2,) for output in two.read())

    def _bound(self, frames: Ints) -> Bound:
        session, binding = self._session, self._session.io_binding()
        held = {name: np.ascontiguousarray(x[frames]) for name, x in self._feeds.items()}
        for name, array in held.items():
            binding.bind_cpu_input(name, array)
        for name in self._names:
            binding.bind_output(name)

        def call(held: object = held) -> None:  # the binding has pointers only
            session.run_with_iobinding(binding)

        def read() -> Sequence[Array]:
            return [np.asarray(value) for value in binding.copy_outputs_to_cpu()]

        return Bound(call, read)
