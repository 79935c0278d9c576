"""QONNX networks through the RTL: every bit equal under stalls, the interval the predicted one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import gatesmith
from gatesmith.errors import UserError
from gatesmith.rtl_tests import branching_networks, integer_networks, qonnx_networks  # noqa: F401
from gatesmith.rtl_tests.qonnx_builder import NETWORKS, Net, Network
from gatesmith.rtl_tests.random_conv_network import random_conv_network

FRAMES = 10
EXPORTED = Path(gatesmith.__file__).parents[1] / "examples" / "exported"


def data(content: Mapping[str, Any], frames: int = FRAMES) -> NDArray[Any]:
    """Random frames for the only input of a build: reals for its quantizer, or its integers."""
    (entry,) = content["inputs"]
    rng = np.random.default_rng(3)
    if entry["host_quantizer"] is None:
        lo, hi, step = (entry["elem"][key] for key in ("lo", "hi", "step"))
        integers: NDArray[Any] = np.arange(lo, hi + 1, step)
        codes: NDArray[Any] = rng.choice(integers, (frames, *entry["shape"]))
        return codes
    size = rng.choice([0.5, 2.0, 8.0], (frames, *(1,) * len(entry["shape"])))
    reals: NDArray[Any] = rng.uniform(-1, 1, (frames, *entry["shape"])) * size
    return reals.astype(np.float32)


FASTEST = {
    "audio": 31,
    "awkward_pools": 49,
    "bipolar_input": 36,
    "channel_multiplier": 129,
    "channels_last_input": 36,
    "cnv_bipolar": 100,
    "cnv_bipolar_padded": 104,
    "finn_channels_first": 31,
    "finn_channels_last": 31,
    "fire": 288,
    "gated": 26,
    "integer_first_layer": 36,
    "integer_golden": 49,
    "integer_operators": 31,
    "join_by_channel": 12,
    "kernel_over_input": 18,
    "mobilenet": 81,
    "one_pixel": 3,
    "qkeras": 56,
    "radio": 34,
    "resnet_own_scales": 65,
    "resnet_shared_scale": 65,
    "rounded_scores": 1,
    "shuffle": 210,
    "strange_names": 26,
    "traffic_signs": 143,
    "two_ends": 26,
    "upsampling_autoencoder": 65,
    "vgg_ternary": 104,
    "vgg_two_bits": 104,
    "written_out_quantizers": 26,
}
"""Least cycles a frame, at which every window gives all taps at once."""

FEW = ("audio", "cnv_bipolar_padded", "gated", "resnet_own_scales", "upsampling_autoencoder")


def test_every_network_has_a_fast_target() -> None:
    assert FASTEST.keys() == NETWORKS.keys()


def check(network: Network, folder: Path, cycles: int | None) -> None:
    """Build, run under stalls, and look at what must hold for every network."""
    model = folder / "net.onnx"
    onnx.save(network.model, model)
    built = gatesmith.build(model, folder / "b", cycles=cycles, input_spec=network.spec)
    np.save(folder / "x.npy", data(built.content))

    verdict = gatesmith.verify(folder / "b", folder / "x.npy", stall=True)

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == FRAMES
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert cycles is None or verdict.interval_predicted <= cycles
    assert verdict.unexplained == 0


@pytest.mark.parametrize("name", FEW)
def test_network_as_fast_as_it_can_be(name: str, tmp_path: Path) -> None:
    check(NETWORKS[name](False), tmp_path, FASTEST[name])


@pytest.mark.parametrize("name", ["mobilenet"])
def test_network_at_the_default_target(name: str, tmp_path: Path) -> None:
    check(NETWORKS[name](False), tmp_path, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("fast", [False, True], ids=["default", "fast"])
def test_every_network(name: str, fast: bool, tmp_path: Path) -> None:
    check(NETWORKS[name](True), tmp_path, FASTEST[name] if fast else None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "residual", "mobile", "radio", "fake_quant"])
@pytest.mark.parametrize("cycles", [None, 130], ids=["default", "fast"])
def test_exported_networks(name: str, cycles: int | None, tmp_path: Path) -> None:
    check(Network(onnx.load(EXPORTED / f"{name}.onnx")), tmp_path, cycles)


def test_a_core_that_is_done_before_its_input_is(tmp_path: Path) -> None:
    net = Net((2, 5, 5))
    net.quant(3, 0.5).conv(2, 2, (2, 2), 2, strides=[4, 4])
    check(Network(net.model()), tmp_path, None)


def test_a_window_that_is_never_idle_is_not_held_up_by_a_converter(tmp_path: Path) -> None:
    check(random_conv_network(9), tmp_path, 432)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_random_convolutional_networks(seed: int, tmp_path: Path) -> None:
    cycles = [None, 432, 60][seed % 3]
    try:
        check(random_conv_network(seed), tmp_path, cycles)
    except UserError as error:
        assert cycles is not None
        assert error.code == "codegen.target"
        pytest.skip(f"not in {cycles} cycles")
