"""Whole networks of which every layer is unrolled: a frame, or a set of taps, a cycle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import gatesmith
from gatesmith.errors import UserError
from gatesmith.rtl_tests.qonnx_builder import Net
from gatesmith.rtl_tests.verify import Verdict
from gatesmith.templates.tb import toolchain

DIGITS = Path(gatesmith.__file__).parents[1] / "examples" / "digits"
UNROLLED = {"*": "unrolled"}


def simulator() -> None:
    """Skip where there is none."""
    try:
        toolchain.find_cocotb()
        toolchain.find_verilator()
    except toolchain.ToolError as missing:
        pytest.skip(f"no simulator: {missing}")


def folds(folder: Path) -> list[tuple[int, int]]:
    """PE and SIMD of every layer of a build."""
    content: Mapping[str, Any] = json.loads((folder / "build.json").read_text("utf-8"))
    return [(s["pe"], s["simd"]) for s in content["stages"] if s["pe"] is not None]


def expect_equal(verdict: Verdict, frames: int) -> None:
    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == frames
    assert verdict.unexplained == 0
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.latency == verdict.latency_predicted


def test_a_frame_a_cycle(tmp_path: Path) -> None:
    simulator()
    model = DIGITS / "digits_2w2a.onnx"
    gatesmith.build(model, tmp_path / "b", cycles=1, fold=UNROLLED, input_spec="u5:1/16")
    assert folds(tmp_path / "b") == [(64, 64), (32, 64), (10, 32)]

    verdict = gatesmith.verify(tmp_path / "b", DIGITS / "digits_test.npz", frames=100, stall=True)

    expect_equal(verdict, 100)
    assert verdict.interval == 1


class Sparse(Net):
    """A network of whose weights three in four are zero."""

    def codes(self, bits: float, *shape: int) -> NDArray[Any]:
        """Pruned."""
        drawn = Net.codes(self, bits, *shape)
        return np.where(self.rng.random(shape) < 0.75, 0, drawn)


def conv_net(folder: Path, groups: int = 1) -> Path:
    """Padded convolution, one with strides, dense layer."""
    net = Sparse((4, 6, 6), seed=3)
    net.quant(3, 0.5, signed=1).conv(4, 8, (3, 3), 4, pads=[1, 1, 1, 1], group=groups)
    net.norm(8).put("Relu").quant(4, 1.0, signed=0)
    net.conv(8, 6, (2, 2), 3, strides=[2, 2]).put("Relu").quant(4, 2.0, signed=0)
    net.flat().dense(54, 4, 4)
    path = folder / "net.onnx"
    onnx.save(net.model(), path)
    return path


def bipolar_net(folder: Path) -> Path:
    """A bipolar map that is padded with zeros: inputs of the second layer are -1, 0 and 1."""
    net = Net((2, 5, 5), seed=4)
    net.bipolar(1.0).conv(2, 6, (3, 3), 1).bipolar(1.0)
    net.conv(6, 5, (3, 3), 1, pads=[1, 1, 1, 1]).bipolar(1.0).flat().dense(45, 3, 1)
    path = folder / "net.onnx"
    onnx.save(net.model(), path)
    return path


@pytest.mark.parametrize(
    ("make", "cycles", "shape", "found"),
    [
        # 36 positions; 9 taps of each, one after the other, would take 324 cycles.
        (conv_net, 48, (4, 6, 6), [(8, 36), (6, 32), (4, 54)]),
        pytest.param(
            bipolar_net, 25, (2, 5, 5), [(6, 18), (5, 54), (3, 45)], marks=pytest.mark.slow
        ),
    ],
)
def test_a_set_of_taps_a_cycle(
    make: Any, cycles: int, shape: tuple[int, ...], found: Any, tmp_path: Path
) -> None:
    simulator()
    gatesmith.build(make(tmp_path), tmp_path / "b", cycles=cycles, fold=UNROLLED)
    assert folds(tmp_path / "b") == found
    frames = np.random.default_rng(5).integers(-4, 4, (8, *shape)) / 2
    np.savez(tmp_path / "x.npz", x=frames.astype(np.float32))

    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npz", stall=True)

    expect_equal(verdict, 8)
    assert verdict.interval_predicted is not None
    assert verdict.interval_predicted <= cycles


def signs_net(folder: Path) -> Path:
    """Signs of few signs; the last layer has no threshold."""
    net = Net((9, 1, 1), seed=6)
    net.bipolar(1.0).flat().dense(9, 8, 3).bipolar(1.0).dense(8, 6, 1).bipolar(1.0).dense(6, 3, 2)
    path = folder / "net.onnx"
    onnx.save(net.model(), path)
    return path


def test_truth_tables_take_their_thresholds_in(tmp_path: Path) -> None:
    simulator()
    gatesmith.build(signs_net(tmp_path), tmp_path / "b", cycles=1, fold={"*": "truth"})
    content = json.loads((tmp_path / "b" / "build.json").read_text("utf-8"))
    kinds = [stage["kind"] for stage in content["stages"] if stage["kind"] != "SkidBuffer"]
    assert kinds == ["TruthRows"] * 3
    frames = np.random.default_rng(7).integers(-4, 4, (64, 9, 1, 1)) / 2
    np.savez(tmp_path / "x.npz", x=frames.astype(np.float32))

    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npz", stall=True)

    expect_equal(verdict, 64)
    assert verdict.interval == 1


def test_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        gatesmith.build(conv_net(tmp_path, groups=2), tmp_path / "b", fold=UNROLLED)
    assert caught.value.code == "codegen.unit"
    assert caught.value.why.startswith("its vectors belong to 2 groups in turn")
    assert not (tmp_path / "b").exists()
