"""Walk the real IR and the float runtime's tensors together, chunk by chunk (agreement.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from gatesmith.cpu_gpu_baselines import error_bound
from gatesmith.cpu_gpu_baselines.error_bound import Bounded
from gatesmith.cpu_gpu_baselines.float_constants import runtime_constants, sources
from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime, Tensors
from gatesmith.errors import UserError
from gatesmith.ir import Graph, Ints, Node, Op, Real, Values
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.const import Const
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.input import Input
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.sign import Sign
from gatesmith.ops.top_k import TopK

QUANTIZERS = (Quantize, BipolarQuant, MultiThreshold, Sign)
Known: TypeAlias = Bounded | Ints


@dataclass(slots=True)
class _Tally:
    """Running counts of one quantizer or output."""

    tensor: str
    compared: int = 0
    differing: int = 0
    explained: int = 0
    bound: float = 0.0
    difference: float = 0.0


@dataclass(frozen=True, slots=True)
class TensorAgreement:
    """One quantizer, or one output of the model.

    Attributes:
        node: Node of the real IR.
        tensor: ONNX tensor that was read.
        compared: Elements compared.
        differing: Codes that are not equal; for a real result, elements outside the bound.
        explained: Those of them that float32 rounding accounts for.
        bound: Largest error bound at the quantizer's input, or of the real result.
        difference: Largest difference of a real result.
    """

    node: str
    tensor: str
    compared: int
    differing: int
    explained: int
    bound: float
    difference: float = 0.0

    @property
    def unexplained(self) -> int:
        """Differences that float32 rounding does not account for."""
        return self.differing - self.explained


class Comparison:
    """The walk over one chunk of frames, and the counts over all of them."""

    def __init__(self, real: Graph, model: ModelProto, onnxruntime: bool) -> None:
        self._graph, self._nodes = real, tuple(real)
        stored = {tensor.name for tensor in model.graph.initializer}
        fed = {value.name for value in model.graph.input} - stored
        made = {name for node in model.graph.node for name in node.output}
        self._names = made | stored | fed
        self._feeds = {n: self._feed(n, fed) for n in self._nodes if isinstance(n.op, Input)}
        observers = {n: self._observer(n) for n in self._nodes if isinstance(n.op, QUANTIZERS)}
        self._observed = {n: seen for n, seen in observers.items() if seen is not None}
        read = [n.tensor for n in self._nodes if n.tensor and self._is_read(n)]
        read += [source.tensor for source in sources(real, model).values()]
        keep = [name for name in dict.fromkeys(read) if name in self._names]
        self.runtime = FloatRuntime(model, keep, onnxruntime=onnxruntime)
        self._constants = runtime_constants(real, model, self.runtime.constants, onnxruntime)
        self._fixed: dict[Node, Known] = {n: c.bounded for n, c in self._constants.items()}
        self._tallies: dict[Node, _Tally] = {}

    def given(self, inputs: NDArray[Any] | Mapping[Node, NDArray[Any]]) -> dict[Node, Values]:
        """One array per Input, in the shape and kind of the Input."""
        if not isinstance(inputs, Mapping):
            (only,) = self._feeds
            inputs = {only: inputs}
        return {node: _shaped(node, inputs[node]) for node in self._feeds}

    def feeds(self, given: Mapping[Node, Values]) -> Tensors:
        """What the model's inputs are fed for frames of the graph's, by name of the ONNX tensor."""
        feeds = {}
        for node, source in self._feeds.items():
            name = source.tensor or ""
            value = given[node] if source is node else source.op.run(given[node])
            shape = (len(value), *self.runtime.frames[name])
            feeds[name] = np.asarray(value, self.runtime.inputs[name]).reshape(shape)
        return feeds

    def compare(self, given: Mapping[Node, Values]) -> Ints:
        """Walk the graph for some frames; the runtime's predictions."""
        found = self.runtime.run(self.feeds(given)) | self.runtime.constants
        state: dict[Node, Known] = dict(self._fixed)
        for node in self._nodes:
            if node not in state:
                fixed = bool(node.args) and all(arg in self._fixed for arg in node.args)
                state[node] = self._visit(node, state, given, found, fixed)
                if fixed or isinstance(node.op, Const):
                    self._fixed[node] = state[node]
        for output in self._graph.outputs:
            self._output(output, state[output], found)
        return self._predict(self._graph.outputs[0], found)

    @property
    def constants(self) -> tuple[TensorAgreement, ...]:
        """Constants that could be compared and have an element that differs."""
        return tuple(
            TensorAgreement(
                node.name, found.tensor, node.type.size, found.differing, found.explained, 0.0
            )
            for node, found in self._constants.items()
            if found.differing
        )

    def result(self) -> tuple[tuple[TensorAgreement, ...], tuple[TensorAgreement, ...]]:
        """Quantizers and outputs."""
        parts = {
            node: TensorAgreement(
                node.name,
                tally.tensor,
                tally.compared,
                tally.differing,
                tally.explained,
                tally.bound,
                tally.difference,
            )
            for node, tally in self._tallies.items()
        }
        quantizers = tuple(part for n, part in parts.items() if n in self._observed)
        return quantizers, tuple(part for n, part in parts.items() if n not in self._observed)

    def _visit(
        self,
        node: Node,
        state: Mapping[Node, Known],
        given: Mapping[Node, Values],
        found: Tensors,
        fixed: bool,
    ) -> Known:
        args = [state[arg] for arg in node.args]
        seen = found.get(node.tensor) if node.tensor is not None else None
        result: Known
        match node.op:
            case Input():
                result = _known(given[node])
            case Const(value=value):  # of integers; the others are in self._fixed
                result = _known(value.data)
            case Dequantize() as op:
                result = error_bound.dequantized(op, _codes(node, args[0]), seen)
            case Quantize() | BipolarQuant() | MultiThreshold() | Sign():
                result = self._quantizer(node, _real(node, args[0]), found, fixed)
            case TopK() as op:
                result = self._top_k(node, op, args[0], found)
            case _ if not isinstance(args[0], Bounded):  # Reshape, Take, Concat, ... of codes
                result = _run(node.op, fixed, *(_codes(node, arg) for arg in args))
            case _:
                result = error_bound.step(node, [_real(node, arg) for arg in args], fixed)
        return result

    def _quantizer(self, node: Node, x: Bounded, found: Tensors, fixed: bool) -> Known:
        """Compare the codes of one quantizer; what follows uses the runtime's."""
        x = x.settled()
        exact = _run(node.op, fixed, x.value)
        if node not in self._observed:
            return exact
        codes, off_grid = self._read_codes(node, found, exact.shape)
        differing = (codes != exact) | off_grid
        error = error_bound.quantizer_error(node.op, x)
        tally = self._tally(node, self._observed[node].tensor, exact.size, _largest(error))
        if differing.any():
            frames = slice(None) if fixed else differing.reshape(len(differing), -1).any(axis=1)
            ends = [x.value[frames] - error[frames], x.value[frames] + error[frames]]
            lo, hi = (_run(node.op, fixed, end) for end in ends)
            inside = (lo <= codes[frames]) & (codes[frames] <= hi) & ~off_grid[frames]
            tally.differing += int(differing.sum())
            tally.explained += int((inside & differing[frames]).sum())
        return _exactly(codes.astype(np.float64), 1.0) if isinstance(node.op, Sign) else codes

    def _read_codes(
        self, node: Node, found: Tensors, shape: tuple[int, ...]
    ) -> tuple[Ints, NDArray[np.bool_]]:
        """The runtime's codes, and where its result is not the value of a code."""
        source = self._observed[node]
        y = found[source.tensor or ""].reshape(shape).astype(np.float64)
        if not isinstance(source.op, Dequantize):
            return np.rint(y).astype(np.int64), np.asarray(y != np.rint(y))
        op = source.op
        codes = np.rint((y * op.denominator - op.offset.data) / op.scale.data).astype(np.int64)
        terms = (np.abs(codes * op.scale.data) + np.abs(op.offset.data)) / op.denominator
        off = np.abs(y - op.run(codes)) > error_bound.gamma(error_bound.DERIVED) * terms
        return codes, np.asarray(off)

    def _top_k(self, node: Node, op: TopK, x: Known, found: Tensors) -> Ints:
        """Compare indices; what follows uses the runtime's."""
        x = x.settled() if isinstance(x, Bounded) else _exactly(x.astype(np.float64))
        exact = np.asarray(op.run(x.value), np.int64)
        name = next((n.tensor for n in (node, *self._users(node)) if n.tensor in found), None)
        if name is None:
            return exact
        chosen = np.asarray(found[name], np.int64).reshape(exact.shape)
        differing = chosen != exact
        possible = _possible(chosen, x, op.largest)
        tally = self._tally(node, name, exact.size, _largest(x.error))
        tally.differing += int(differing.sum())
        tally.explained += int((differing & possible[..., np.newaxis]).sum())
        return chosen

    def _output(self, node: Node, x: Known, found: Tensors) -> None:
        """A real result must lie within its bound."""
        if not isinstance(x, Bounded) or node.tensor not in found or node in self._observed:
            return
        error = x.settled().error
        difference = np.abs(found[node.tensor].reshape(x.value.shape) - x.value)
        tally = self._tally(node, node.tensor, x.value.size, _largest(error))
        tally.differing += int((difference > error).sum())
        tally.difference = max(tally.difference, _largest(difference))

    def _tally(self, node: Node, tensor: str | None, compared: int, bound: float) -> _Tally:
        tally = self._tallies.setdefault(node, _Tally(tensor or ""))
        tally.compared += compared
        tally.bound = max(tally.bound, bound)
        return tally

    def _predict(self, output: Node, found: Tensors) -> Ints:
        name = output.tensor if output.tensor in found else self.runtime.outputs[0]
        array = found[name]
        flat = array.reshape(len(array), -1)
        while isinstance(output.op, Reshape):
            (output,) = output.args
        chosen = flat[:, 0] if isinstance(output.op, TopK) else flat.argmax(axis=1)
        return np.asarray(chosen, np.int64)

    def _readable(self, node: Node) -> bool:
        return node.tensor in self._names

    def _is_read(self, node: Node) -> bool:
        kinds = (*QUANTIZERS, Dequantize, TopK)
        return isinstance(node.op, kinds) or node in self._graph.outputs

    def _users(self, node: Node) -> Sequence[Node]:
        return [user for user in self._nodes if node in user.args]

    def _observer(self, node: Node) -> Node | None:
        """The node whose ONNX tensor shows a quantizer's codes: itself, or its Dequantize.

        None for a quantizer inside one ONNX operator, as Trunc has one: it rounds to the grid on
        which its input is, so what the runtime has there is not in doubt.
        """
        users = [user for user in self._users(node) if isinstance(user.op, Dequantize)]
        for candidate in (node, *users):
            if self._readable(candidate):
                return candidate
        return None

    def _feed(self, node: Node, fed: set[str]) -> Node:
        """The node that holds what the ONNX input of this Input holds."""
        users = [user for user in self._users(node) if isinstance(user.op, Dequantize)]
        for candidate in (node, *users):
            if candidate.tensor in fed:
                return candidate
        raise ValueError(f"no ONNX input belongs to {node.name}: import must keep its name")


def _shaped(node: Node, array: NDArray[Any]) -> Values:
    """Frames in the shape and kind of an Input; UserError float.wrong-input."""
    kind, frame = node.type.elem, node.type.shape
    if array.shape[0] == 0 or array.size != array.shape[0] * node.type.size:
        why = f"expected frames of {list(frame)} elements, not {list(array.shape[1:])}"
        raise _wrong_input(node, why)
    shaped = array.reshape(len(array), *frame)
    if isinstance(kind, Real):
        return shaped.astype(np.float32).astype(np.float64)
    if not kind.contains(shaped) or (shaped != np.rint(shaped)).any():
        why = f"expected codes of {kind}, not values from {shaped.min()} to {shaped.max()}"
        raise _wrong_input(node, why)
    return shaped.astype(np.int64)


def _wrong_input(node: Node, why: str) -> UserError:
    return UserError(
        "float.wrong-input",
        "the data does not fit the input of the model",
        where=f"input {node.name}",
        why=why,
        fix=("give (frames, ...) of what arrives on the stream: codes where the input is integer",),
    )


def _largest(array: NDArray[np.float64]) -> float:
    return float(array.max(initial=0.0))


def _known(value: Values) -> Known:
    """Codes as they are; real values that both sides have."""
    return _exactly(value) if value.dtype.kind == "f" else np.asarray(value, np.int64)


def _exactly(value: Values, grid: float | None = None) -> Bounded:
    """Real values that both sides have."""
    real = np.asarray(value, np.float64)
    return Bounded(real, np.zeros_like(real), np.abs(real), 0, grid)


def _possible(chosen: Ints, x: Bounded, largest: bool) -> NDArray[np.bool_]:
    """Whether values within their bounds have the ``chosen`` indices first, in this order.

    That is so when no value must be above an earlier one: with u the upper end and l the lower
    end of each interval, l[later] <= u[earlier], and l[not chosen] <= u[chosen].
    """
    signed = x.value if largest else -x.value
    lower, upper = signed - x.error, signed + x.error
    least = np.minimum.accumulate(np.take_along_axis(upper, chosen, axis=-1), axis=-1)
    ordered = np.take_along_axis(lower, chosen, axis=-1) <= least
    np.put_along_axis(lower, chosen, -np.inf, axis=-1)
    return np.asarray(ordered.all(axis=-1) & (lower.max(axis=-1) <= least[..., -1]))


def _run(op: Op, fixed: bool, *args: Values) -> Ints:
    """Codes that ``op`` gives; a constant has no batch axis."""
    y = op.run(*(x[np.newaxis] for x in args))[0] if fixed else op.run(*args)
    return np.asarray(y, np.int64)


def _real(node: Node, x: Known) -> Bounded:
    assert isinstance(x, Bounded), f"{node.name} takes a real operand"
    return x


def _codes(node: Node, x: Known) -> Ints:
    assert not isinstance(x, Bounded), f"{node.name} takes integer codes"
    return x
