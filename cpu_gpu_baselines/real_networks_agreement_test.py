"""Agreement on the real networks of ../shared: accuracy in the float runtime, and no mystery."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto

from gatesmith.cpu_gpu_baselines.agreement import agreement
from gatesmith.cpu_gpu_baselines.agreement_test import change
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Array, Graph

F32 = np.float32
ROOT = Path(__file__).absolute()
SHARED = next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), ROOT)


def imported(name: str, spec: str | None) -> tuple[Graph, ModelProto]:
    path = SHARED / "models" / name
    if not path.is_file():
        pytest.skip(f"{name} is not at hand")
    read = import_model(path, None if spec is None else InputSpec.parse(spec))
    return read.graph, read.model


def data(name: str) -> Path:
    path = SHARED / "data" / name
    if not path.is_file():
        pytest.skip(f"{name} is not at hand")
    return path


def idx(name: str) -> NDArray[np.uint8]:
    content = gzip.decompress(data(name).read_bytes())
    shape = np.frombuffer(content, ">i4", content[3], 4)
    return np.frombuffer(content, np.uint8, -1, 4 + 4 * content[3]).reshape(shape)


def mnist() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return idx("mnist/t10k-images-idx3-ubyte.gz"), idx("mnist/t10k-labels-idx1-ubyte.gz")


@pytest.mark.parametrize(("name", "top1"), [("TFC_1W1A.onnx", 0.9296), ("TFC_2W2A.onnx", 0.966)])
def test_tfc_on_mnist(name: str, top1: float) -> None:
    real, model = imported(name, "u8:1/255")

    found = agreement(real, model, *mnist())

    assert found.frames == 10000
    assert [part.compared for part in found.quantizers] == [7840000, 640000, 640000, 640000]
    assert found.top1_float == pytest.approx(top1, abs=1e-9)
    assert found.unexplained == 0
    # Products of codes are exact in float32, so the bounds are those of batch norm alone.
    assert max(part.bound for part in found.quantizers) < 1e-4


def test_tfc_with_wrong_pixels_is_unexplained() -> None:
    real, model = imported("TFC_2W2A.onnx", "u8:1/255")
    pixels, _ = mnist()
    shifted = change(real, "n0_dequantize", lambda op: replace(op, offset=Array(1.0)))

    assert agreement(shifted, model, pixels[:200]).unexplained == 0  # both get the same reals
    doubled = change(real, "Mul_7_32", lambda op: replace(op, value=Array(2.01)))
    assert agreement(doubled, model, pixels[:200]).unexplained > 0


@pytest.mark.parametrize("spec", [None, "i8:0.33674246"])
def test_kws_mlp(spec: str | None) -> None:
    real, model = imported("kws_mlp_w3a3_QONNX.onnx", spec)
    with np.load(data("kws_finn_mfcc_int8.npz")) as arrays:
        x, labels = arrays["x"], arrays["y"]
    given = x if spec else x.astype(F32) * F32(0.33674246072769165)

    found = agreement(real, model, given, labels)

    assert found.top1_float == 0.999
    assert found.unexplained == 0
    # One of its 3-bit weights stands on a rounding boundary of float32.
    assert [(part.differing, part.explained) for part in found.constants] == [(1, 1)]


def test_finn_dialect_gives_its_golden_outputs() -> None:
    real, model = imported("finn_tfc_w1a1/model.onnx", "u8:1")
    folder = SHARED / "models" / "finn_tfc_w1a1"
    golden = np.load(folder / "expected_output.npy").ravel()

    found = agreement(real, model, np.load(folder / "input.npy"), golden)

    assert found.predictions.tolist() == golden.tolist()
    assert found.top1_float == 1.0
    assert found.unexplained == 0
    pixels, labels = mnist()
    more = agreement(real, model, pixels[:500], labels[:500])
    assert (more.top1_float, more.unexplained) == (0.922, 0)
