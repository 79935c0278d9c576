"""Run a real graph fast: written as ONNX, run by onnxruntime on all cores, in chunks of frames.

What quantization needs of a float runtime is the value of some nodes for many frames. FakeQuant is
allowed. Values are float32 and rounded as the runtime rounds: good for ranges and errors, not for
proofs (cpu_gpu_baselines/agreement.py is for those). Without onnxruntime the onnx package's own
evaluator runs, which is slow; that is said once.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime
from gatesmith.cpu_gpu_baselines.standard_onnx import to_standard
from gatesmith.frontend.to_onnx import Exported, to_onnx
from gatesmith.ir import Graph, Node
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input

Floats: TypeAlias = NDArray[np.float32]
Frames: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
_Run: TypeAlias = Callable[[dict[str, NDArray[Any]]], list[NDArray[Any]]]

MEMORY = 2**27
"""Bytes that the tensors of one chunk of frames may take, all together."""

SESSIONS = 8
"""Graphs that stay ready to run."""


class GraphRunner:
    """Values of nodes of real graphs for many frames; sessions are kept by the nodes wanted.

    Args:
        threads: Cores to use; 0 is all.
        onnxruntime: ``False`` takes the onnx package's evaluator even so.
    """

    def __init__(self, *, threads: int = 0, onnxruntime: bool = True) -> None:
        self._threads = threads
        found = importlib.util.find_spec("onnxruntime") is not None
        self._fast = onnxruntime and found
        self._warn = onnxruntime and not found
        self._sessions: OrderedDict[tuple[Node, ...], _Session] = OrderedDict()

    def __call__(self, graph: Graph, wanted: Collection[Node], frames: Frames) -> dict[str, Floats]:
        """Value of each wanted node by name, (frames, *shape of the node).

        Args:
            graph: Real; FakeQuant may be in it.
            wanted: Nodes of it.
            frames: (n, *shape) of the only input, or one array for each by name of its node.

        Raises:
            ValueError: Frames that do not fit the inputs, or an integer graph.
        """
        nodes = tuple(dict.fromkeys(wanted))
        given = _given(graph, frames)
        count = len(next(iter(given.values())))
        fixed = _constant(nodes)
        made = tuple(n for n in nodes if n not in fixed and not isinstance(n.op, Input))
        result = {node.name: _spread(value, count) for node, value in fixed.items()}
        result |= {n.name: given[n.name] for n in nodes if isinstance(n.op, Input)}
        if made:
            result |= self._session(made).run(given, count)
        return {node.name: result[node.name] for node in nodes}

    def _session(self, nodes: tuple[Node, ...]) -> _Session:
        if nodes not in self._sessions:
            if self._warn:
                warnings.warn(
                    "onnxruntime is not installed: float networks run slowly", stacklevel=3
                )
                self._warn = False
            self._sessions[nodes] = _Session(nodes, self._threads if self._fast else None)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(nodes)
        return self._sessions[nodes]


class _Session:
    """One set of wanted nodes, ready to run."""

    def __init__(self, nodes: tuple[Node, ...], threads: int | None) -> None:
        part = Graph(nodes, "part")
        exported = to_onnx(part, form="qonnx", any_order=True)
        self._nodes = nodes
        self._turns = [_turn(exported, node) for node in nodes]
        inputs = (node for node in part if isinstance(node.op, Input))
        types = exported.model.graph.input
        self._inputs = {
            node.name: (value.name, _dtype(value))
            for node, value in zip(inputs, types, strict=True)
        }
        self._chunk = _chunk(exported.model)
        self._run = _reference(exported.model) if threads is None else _fast(exported, threads)

    def run(self, given: Mapping[str, NDArray[Any]], count: int) -> dict[str, Floats]:
        """All frames, a chunk at a time."""
        result = {
            node.name: np.empty((count, *node.type.shape), np.float32) for node in self._nodes
        }
        feeds = {
            name: np.ascontiguousarray(given[node], dtype)
            for node, (name, dtype) in self._inputs.items()
        }
        for start in range(0, count, self._chunk):
            part = {name: value[start : start + self._chunk] for name, value in feeds.items()}
            for node, turn, value in zip(self._nodes, self._turns, self._run(part), strict=True):
                result[node.name][start : start + self._chunk] = value.transpose(turn)
        return result


def _given(graph: Graph, frames: Frames) -> dict[str, NDArray[Any]]:
    """One array for each input, checked."""
    types = {node.name: node.type for node in graph if isinstance(node.op, Input)}
    if not isinstance(frames, Mapping):
        if len(types) != 1:
            raise ValueError(f"inputs {', '.join(types)}: give the frames of each by name")
        frames = dict.fromkeys(types, frames)
    if missing := sorted(types.keys() - frames.keys()):
        raise ValueError(f"no frames of {', '.join(missing)}")
    for name, wanted in types.items():
        shape = frames[name].shape
        if shape[1:] != wanted.shape or not shape[0]:
            raise ValueError(f"{name}: (frames, {wanted}) is needed, not {list(shape)}")
    if len({len(frames[name]) for name in types}) > 1:
        raise ValueError("inputs have different numbers of frames")
    return {name: np.asarray(frames[name], np.float32) for name in types}


def _constant(nodes: Collection[Node]) -> dict[Node, NDArray[Any]]:
    """Values of the nodes that depend on no input."""
    fixed: dict[Node, bool] = {}
    for node in Graph(tuple(nodes)):
        fixed[node] = not isinstance(node.op, Input) and all(fixed[arg] for arg in node.args)
    found = tuple(node for node in nodes if fixed[node])
    return {node: value[0] for node, value in execute(Graph(found), {}).items()}


def _spread(value: NDArray[Any], count: int) -> Floats:
    return np.broadcast_to(value.astype(np.float32), (count, *value.shape))


def _turn(exported: Exported, node: Node) -> tuple[int, ...]:
    """Axes of the file in the order of the IR, frames first."""
    order = exported.orders[node]
    return (0, *(1 + order.index(axis) for axis in range(len(order))))


def _dtype(value: Any) -> np.dtype[Any]:
    from onnx import helper

    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _chunk(model: ModelProto) -> int:
    """Frames whose tensors fit :data:`MEMORY`."""
    graph = model.graph
    size = 0
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        size += int(np.prod([dim.dim_value for dim in dims[1:]], dtype=np.int64))
    return int(max(1, min(1024, MEMORY // (4 * max(1, size)))))


def _fast(exported: Exported, threads: int) -> _Run:
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # no integer kernels
    data = to_standard(exported.model).SerializeToString()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in exported.model.graph.output]

    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return [np.asarray(value) for value in session.run(names, feeds)]

    return run


def _reference(model: ModelProto) -> _Run:
    runtime = FloatRuntime(model, onnxruntime=False)

    def run(feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        found = runtime.run(feeds)
        return [found[name] for name in runtime.outputs]

    return run
