"""Softmax: what is left to the host, what is built, and how near that is to the real function."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import BIPOLAR, Array, IntType
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.function import Function
from gatesmith.ops.int_softmax import IntSoftmax
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.softmax import Softmax
from gatesmith.ops.top_k import TopK
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.lower import Lowered, lower
from gatesmith.quant.lower_test import Net, integers

I8 = IntType(-128, 127)
ROW = np.array([0.5, 1.0, 0.25, 2.0, 0.5, 0.75])
ODD = np.random.default_rng(0).normal(size=6).astype(np.float32)
PLAN = np.random.default_rng(1).integers(-3, 4, (6, 4))


def logits(*shape: int, scale: float = 1 / 16) -> Net:
    return integers(*(shape or (6,)), elem=I8, scale=scale)


def dense() -> Net:
    return logits().put(MatMul(), PLAN)


def quantized(net: Net, bits: int = 8) -> Net:
    net.put(Quantize(Array(1 / (1 << bits)), Array(0.0), IntType(0, (1 << bits) - 1)))
    return net.put(Dequantize(Array(1 / (1 << bits)), Array(0.0)))


def built(lowered: Lowered) -> IntSoftmax:
    (op,) = [node.op for node in lowered.graph if isinstance(node.op, IntSoftmax)]
    return op


@pytest.mark.parametrize(
    "net",
    [
        dense().put(Softmax()),
        quantized(dense().put(Softmax())),
        quantized(quantized(dense().put(Softmax()))),
        dense().put(Softmax()).put(TopK(1)),
    ],
    ids=["last", "quantized", "twice quantized", "top_k"],
)
def test_is_left_out(net: Net) -> None:
    lowered = lower(net.graph(), "m")
    assert not any(isinstance(node.op, IntSoftmax) for node in lowered.graph)
    assert not any(note.startswith("approximated") for note in lowered.notes)


BUILT = {
    "mat_mul": quantized(logits().put(Softmax())).put(MatMul(), PLAN),
    "mat_mul at once": logits().put(Softmax()).put(MatMul(), PLAN),
    "mul": logits().put(Softmax()).put(Mul(), ROW),
    "top_k of codes": quantized(logits().put(Softmax()), 4).put(TopK(1)),
    "scales by channel": quantized(logits().put(Mul(), ROW).put(Softmax())).put(Mul(), 2.0),
    "falling": quantized(logits().put(Mul(), -1.5).put(Softmax())).put(Mul(), 2.0),
    "offsets": quantized(logits().put(Add(), ROW).put(Softmax())).put(Mul(), 2.0),
    "odd scales": quantized(logits().put(Mul(), ODD).put(Softmax())).put(Mul(), 2.0),
    "odd offsets": quantized(logits().put(Add(), ODD).put(Softmax())).put(Mul(), 2.0),
    "fine scale": quantized(logits(scale=1e-7).put(Mul(), 99.0).put(Softmax())).put(Mul(), 2.0),
    "bipolar": integers(6, elem=BIPOLAR).put(Softmax()).put(Mul(), ROW),
    "vectors": quantized(logits(3, 6).put(Softmax())).put(MatMul(), PLAN),
    "two axes": quantized(logits(2, 3, 4).put(Softmax(2))).put(Mul(), 2.0),
    "moved": quantized(
        logits(6, 3).put(Transpose((1, 0))).put(Softmax()).put(Transpose((1, 0)))
    ).put(Reshape((18,))),
}


@pytest.mark.parametrize("name", BUILT)
def test_is_built_within_what_the_note_says(name: str) -> None:
    net = BUILT[name]
    real = net.graph()
    lowered = lower(real, "test.onnx")
    data = samples(real, 60, seed=1)
    check(lowered.graph, "lower", {"x": data["inp"]})
    (node,) = [n for n in lowered.graph if isinstance(n.op, IntSoftmax)]
    (soft,) = [n for n in real if isinstance(n.op, Softmax)]
    found = execute(lowered.graph, {"x": data["inp"]}, keep=[node])[node]
    wanted = execute(real, data, keep=[soft])[soft]
    assert isinstance(node.op, IntSoftmax)
    (note,) = [note for note in lowered.notes if note.startswith("approximated: /softmax")]
    said = re.search(r"2\*\*-(\d+), at most ([\d.]+) of", note)
    assert said is not None and int(said[1]) == node.op.bits
    exact = wanted.reshape(found.shape) * 2.0**node.op.bits
    assert float(said[2]) < 1
    assert np.abs(found - exact).max() <= float(said[2]) + 1e-3  # the note has three digits


@pytest.mark.parametrize("bits", [2, 8, 10])
def test_codes_behind_it_are_at_most_one_off_and_rarely(bits: int) -> None:
    real = quantized(logits(50, 6).put(Softmax()), bits).put(Mul(), 1.0).graph()
    lowered = lower(real, "m")
    data = samples(real, 60, seed=2)
    assert built(lowered).bits == bits + 4
    (output,) = lowered.graph.outputs
    assert output.meaning is not None
    codes = execute(lowered.graph, {"x": data["inp"]})[output].astype(np.int64)
    found = output.meaning.real(codes) * (1 << bits)
    wanted = execute(real, data)[real.outputs[0]] * (1 << bits)
    assert np.abs(found - wanted).max() <= 1
    assert (found != wanted).mean() < 0.03


def test_logarithm_of_softmax_is_refused() -> None:
    with pytest.raises(UserError) as raised:
        lower(logits().put(Softmax()).put(Function("log")).graph(), "m")
    assert raised.value.code == "quant.behind-host"
