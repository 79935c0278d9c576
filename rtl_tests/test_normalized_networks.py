"""Networks with LayerNormalization and Softmax inside: RTL equals the integer reference.

The codes behind both differ from the real network's by one at most and rarely, because quantizers
are in between; the notes say how far the integer algorithms are from the real functions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.rtl_tests.qonnx_builder import Net, Network

FRAMES = 8


def encoder() -> Network:
    """Tokens: norm, feed forward, residual, norm; a softmax over the features gates them."""
    net = Net((6, 8), seed=3, dyadic=False, opset=17).quant(8, 1 / 16)
    x = net.current
    net.put("LayerNormalization", net.real(8, size=1), net.real(8, size=1), axis=-1).quant(
        8, 1 / 32
    )
    net.put("MatMul", net.weight(4, 8, 12)).put("Relu").quant(8, 1 / 8, signed=0)
    net.put("MatMul", net.weight(4, 12, 8)).put("Add", x).quant(8, 1 / 8)
    net.put("LayerNormalization", net.real(8, size=1), epsilon=1e-3).quant(6, 1 / 8)
    values = net.current
    net.put("MatMul", net.weight(4, 8, 8)).put("Softmax", axis=-1).quant(8, 1 / 256, signed=0)
    net.put("Mul", values).quant(8, 1 / 256)
    return Network(net.flat().put("MatMul", net.weight(4, 48, 5)).model())


def attention_over_positions() -> Network:
    """A softmax along another axis than the last, of an accumulator with a scale a channel."""
    net = Net((5, 4), seed=4, dyadic=True, opset=17).quant(6, 1 / 8)
    net.put("MatMul", net.weight(3, 4, 4)).put("Mul", [0.5, 0.25, 1.0, 0.125])
    net.put("Softmax", axis=1).quant(8, 1 / 256, signed=0)
    return Network(net.put("MatMul", net.weight(4, 4, 3)).model())


def group_norm() -> Network:
    """InstanceNormalization: layer norms over positions, a long vector each."""
    net = Net((3, 6, 6), seed=5, dyadic=False, opset=17).quant(8, 1 / 16)
    net.conv(3, 4, bits=3, pads=[1, 1, 1, 1])
    net.put("InstanceNormalization", net.real(4), net.real(4)).put("Relu").quant(8, 1 / 32)
    return Network(net.conv(4, 2, (1, 1), bits=3).model())


def classifier() -> Network:
    """Nothing behind the Softmax and its quantizer: the host's, as ever."""
    net = Net((12,), seed=6, opset=17).quant(8, 1 / 16).dense(12, 5, 4)
    return Network(net.put("Softmax", axis=-1).quant(8, 1 / 256, signed=0).model())


NETWORKS: dict[str, Callable[[], Network]] = {
    f.__name__: f for f in (encoder, attention_over_positions, group_norm, classifier)
}

APPROXIMATED = {"encoder": 3, "attention_over_positions": 1, "group_norm": 1, "classifier": 0}


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    onnx.save(network.model, tmp_path / "net.onnx")
    built = gatesmith.build(tmp_path / "net.onnx", tmp_path / "b", input_spec=network.spec)
    (entry,) = built.content["inputs"]
    rng = np.random.default_rng(3)
    size = rng.choice([0.5, 2.0, 8.0], (FRAMES, *(1,) * len(entry["shape"])))
    data = np.float32(rng.uniform(-1, 1, (FRAMES, *entry["shape"])) * size)
    np.save(tmp_path / "x.npy", data)
    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npy", stall=True)
    assert verdict.mismatch is None and verdict.all_equal
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.unexplained == 0
    said = [note for note in built.notes if note.startswith("approximated: ")]
    assert len(said) == APPROXIMATED[name]
