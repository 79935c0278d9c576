"""LayerNorm is built, and as near to the real function as the note says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Array, IntType
from gatesmith.ir.check import check, samples
from gatesmith.ir.execute import execute
from gatesmith.ops.add import Add
from gatesmith.ops.clip import Clip
from gatesmith.ops.int_layer_norm import IntLayerNorm
from gatesmith.ops.layer_norm import LayerNorm
from gatesmith.ops.mat_mul import MatMul
from gatesmith.ops.mul import Mul
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.reshape import Reshape
from gatesmith.ops.transpose import Transpose
from gatesmith.quant.lower import lower
from gatesmith.quant.lower_test import Net, integers

I8 = IntType(-128, 127)
RNG = np.random.default_rng(0)
ROW = np.array([0.5, 1.0, 0.25, 2.0, 0.5, 0.75])
ODD = RNG.normal(size=6).astype(np.float32)
WEIGHTS = RNG.integers(-3, 4, (6, 6)) * 2.0**-6


def features(*shape: int, scale: float = 1 / 16) -> Net:
    return integers(*(shape or (6,)), elem=I8, scale=scale)


def norm(net: Net, epsilon: float = 2.0**-16, scale: float = 1 / 32) -> Net:
    net.put(LayerNorm(epsilon)).put(Mul(), ODD).put(Add(), ROW)
    return net.put(Quantize(Array(scale), Array(0.0), I8))


NETS = {
    "integers": norm(features()),
    "vectors": norm(features(5, 6)),
    "large epsilon": norm(features(5, 6), 1.0),
    "small epsilon": norm(features(5, 6), 1e-12),
    "accumulator": norm(features(2, 6).put(MatMul(), WEIGHTS)),
    "falling": norm(features().put(Mul(), -0.3)),
    "scales by channel": norm(features().put(Mul(), ROW)),
    "offsets": norm(features().put(Add(), ROW)),
    "odd scales": norm(features().put(Mul(), ODD)),
    "odd offsets": norm(features().put(Add(), ODD)),
    "clipped": norm(features().put(Clip(-3.0, 2.5))),
    "no quantizer": features().put(LayerNorm(1e-5)).put(MatMul(), WEIGHTS),
    "moved": norm(features(6, 4).put(Transpose((1, 0)))).put(Reshape((24,))),
    "fine": norm(features(), scale=1e-3),
}


@pytest.mark.parametrize("name", NETS)
def test_is_built_within_what_the_note_says(name: str) -> None:
    real = NETS[name].graph()
    lowered = lower(real, "test.onnx")
    data = samples(real, 60, seed=1)
    data["inp"][10:40] = np.clip(data["inp"][10:40] // 16, -128, 127)
    check(lowered.graph, "lower", {"x": data["inp"]})
    (node,) = [n for n in lowered.graph if isinstance(n.op, IntLayerNorm)]
    (soft,) = [n for n in real if isinstance(n.op, LayerNorm)]
    found = execute(lowered.graph, {"x": data["inp"]}, keep=[node])[node]
    wanted = execute(real, data, keep=[soft])[soft]
    assert isinstance(node.op, IntLayerNorm)
    (note,) = [note for note in lowered.notes if note.startswith("approximated: /layernorm")]
    said = re.search(r"2\*\*-(\d+), at most ([\d.]+) of", note)
    assert said is not None and int(said[1]) == node.op.bits
    assert float(said[2]) < 1
    exact = wanted.reshape(found.shape) * 2.0**node.op.bits
    assert np.abs(found - exact).max() <= float(said[2]) + 1e-3  # the note has three digits


def test_codes_behind_it_are_at_most_one_off_and_rarely() -> None:
    real = norm(features(200, 6)).graph()
    lowered = lower(real, "m")
    data = samples(real, 60, seed=2)
    (output,) = lowered.graph.outputs
    found = execute(lowered.graph, {"x": data["inp"]})[output].astype(np.int64)
    wanted = execute(real, data)[real.outputs[0]].astype(np.int64)
    assert np.abs(found - wanted).max() <= 1
    assert (found != wanted).mean() < 0.03


def test_one_element_is_constant() -> None:
    lowered = lower(norm(features(4, 1).put(Reshape((4, 1)))).graph(), "m")
    assert not any(isinstance(node.op, IntLayerNorm) for node in lowered.graph)


def test_too_fine_an_input_is_refused() -> None:
    net = features(scale=1e-3).put(Mul(), ODD * 1000).put(LayerNorm(1e-12)).put(Mul(), 1.0)
    net.put(Quantize(Array(1e-5), Array(0.0), IntType(-1 << 20, 1 << 20)))
    with pytest.raises(UserError) as raised:
        lower(net.graph(), "m")
    assert raised.value.code == "quant.missing-quantizer"
