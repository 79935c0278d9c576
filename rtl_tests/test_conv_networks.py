"""Quantized convolutional networks through everything: ONNX in, every bit of the RTL compared.

onnxruntime agrees but for what its float32 rounding explains, and the interval is the predicted
one. What differs most in kind runs always, the others and other folds are ``slow``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.rtl_tests.qdq_by_hand import tflite
from gatesmith.rtl_tests.qdq_net import frames, quantized
from gatesmith.rtl_tests.qdq_networks import NETWORKS

FRAMES = 4

ALWAYS = [
    ("tflite", "", None),  # integers in and out, residual join, depthwise, Mean
    ("unet", "s8", None),  # channels last, Resize, Concat
    ("squeeze", "u8", 80),  # two streams multiplied; all taps of a window in a cycle
    ("two_inputs", "operators", None),
    ("branches", "u8", None),  # two outputs, one of which is read inside
]
MORE = [
    ("resnet", "s8", None),
    ("resnet", "operators", 80),
    ("resnet", "s4", 9000),
    ("mobilenet_v1", "s8", None),
    ("mobilenet_v2", "u8", 80),
    ("mobilenet_v2", "s8", 9000),
    ("autoencoder", "u8", None),
    ("branches", "s8", 9000),
    ("activations", "s8", None),
    ("shuffle", "u8", None),
    ("dilated", "symmetric", None),
    ("pools", "u8u8", None),
    ("super_resolution", "u8", None),
    ("movements", "operators", None),
    ("lenet", "kept", None),
    ("shared_weight", "u8", None),
    ("one_pixel", "s8", None),
    ("one_channel", "s8", None),
    ("one_dimension", "u8", None),
    ("batch_norm", "u8", None),
    ("joins", "s8", None),
    ("resizes", "s8", None),
    ("reductions", "s8", None),
    ("normalized_input", "u8", None),
    ("spatial_attention", "s8", None),
    ("dense_block", "s8", None),
    ("mixer", "s8", None),
    ("crop_and_pad", "s8", None),
    ("gate", "s8", None),
    ("bottlenecks", "s8", 2592),
    ("bottlenecks", "s8", 5184),  # took 5187 while FIFOs had no spare place
    ("unet", "operators", 9000),
]


def check(name: str, style: str, cycles: int | None, folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = quantized(NETWORKS[name], style) if style else tflite()
    onnx.save(model, folder / f"{name}.onnx")
    gatesmith.build(folder / f"{name}.onnx", folder / "b", cycles=cycles)
    given: dict[str, Any] = frames(model, FRAMES, seed=1)
    np.savez(folder / "x.npz", **given)

    verdict = gatesmith.verify(folder / "b", folder / "x.npz", stall=True)

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames == FRAMES
    assert verdict.unexplained == 0
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert cycles is None or verdict.interval_predicted <= cycles
    assert verdict.stalls is not None
    assert verdict.stalls["resets_mid_frame"] > 0


@pytest.mark.parametrize(("name", "style", "cycles"), ALWAYS)
def test_network(name: str, style: str, cycles: int | None, tmp_path: Path) -> None:
    check(name, style, cycles, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "style", "cycles"), MORE)
def test_more_networks(name: str, style: str, cycles: int | None, tmp_path: Path) -> None:
    check(name, style, cycles, tmp_path)
