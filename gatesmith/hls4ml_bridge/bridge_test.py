"""The whole way, through hls4ml and g++."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gatesmith
from gatesmith.cli import main
from gatesmith.errors import UserError, UserErrors
from gatesmith.hls4ml_bridge.run import MARK

missing = [name for name in ("hls4ml", "qonnx") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(missing), reason=f"not installed: {' '.join(missing)}"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on PATH"),
]
ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples/digits"
if not DIGITS.is_dir():
    pytest.skip("examples/ is not beside the package: it is installed", allow_module_level=True)


def network(
    folder: Path, *, scale: Any = 0.25, kind: str = "Relu", step: float = 0.5, hidden: int = 6
) -> Path:
    """x (4) -> Quant -> MatMul, quantized weights -> KIND -> Quant -> MatMul: QONNX."""
    rng = np.random.default_rng(5)
    constants, nodes = [], []

    def store(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(x: str, name: str, bits: int, signed: int, by: Any) -> str:
        given = [store(f"{name}_{k}", v) for k, v in (("s", by), ("z", 0.0), ("b", float(bits)))]
        nodes.append(helper.make_node(
            "Quant", [x, *given], [name], name, domain="qonnx.custom_op.general",
            signed=signed, narrow=0, rounding_mode="ROUND"))  # fmt: skip
        return name

    def emit(op: str, inputs: list[str], name: str) -> str:
        nodes.append(helper.make_node(op, inputs, [name], name))
        return name

    per = np.broadcast_to(np.asarray(scale, np.float32), (hidden,))
    first = rng.integers(-3, 4, (4, hidden)) * per
    x = quant("x", "input", 4, 1, step)
    w = quant(store("w1", first), "w1_quant", 3, 1, per[None] if np.ndim(scale) else scale)
    at = emit("MatMul", [x, w], "product")
    at = emit(kind, [at], "activation")
    at = quant(at, "hidden", 3, 0, step)
    w = quant(store("w2", rng.integers(-3, 4, (hidden, 3))), "w2_quant", 3, 1, 1.0)
    at = emit("MatMul", [at, w], "scores")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "net", [info("x", TensorProto.FLOAT, [1, 4])],
                              [info("scores", TensorProto.FLOAT, [1, 3])], constants)  # fmt: skip
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), folder / "net.onnx")
    frames = rng.normal(0, 2, (40, 4)).astype(np.float32)
    np.savez(folder / "data.npz", x=frames, y=rng.integers(0, 3, 40))
    return folder / "net.onnx"


def bridged(folder: Path, model: Path, **options: Any) -> dict[str, Any]:
    data = options.pop("data", folder / "data.npz")
    done = gatesmith.hls4ml(model, folder / "project", data=str(data), **options)
    return done.as_json()


def test_a_network_is_equal_in_every_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scales of any value, handed over as codes; what is printed and written."""
    model = network(tmp_path, scale=[0.1, 0.23, 0.3, 0.07, 0.51, 0.4], step=0.37)
    command = ["hls4ml", str(model), "--data", str(tmp_path / "data.npz"), "-o",
               str(tmp_path / "project"), "--json"]  # fmt: skip
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["equal"], found["unexplained"]) == (40, 40, 0)
    assert found["top1"] == found["top1_ours"]
    assert found["same_class"] == 40
    assert {layer["cause"] for layer in found["layers"]} == {"equal"}
    assert all(layer["step_equal"] for layer in found["layers"])
    ours = {layer["node"]: layer["types"]["result_t"] for layer in found["layers"]}
    assert ours["hidden"] == "ufixed<3,3,TRN,SAT>"
    project = tmp_path / "project"
    assert json.loads((project / MARK).read_text()) == found
    assert (project / "firmware/gatesmith_net.cpp").is_file()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    for file in project.rglob("*"):
        assert not file.is_file() or b"/.hls4ml-" not in file.read_bytes()


@pytest.mark.slow
def test_powers_of_two_are_equal_as_they_are(tmp_path: Path) -> None:
    found = bridged(tmp_path, network(tmp_path), form="real")
    assert (found["equal"], found["unexplained"]) == (40, 0)
    causes = {layer["cause"] for layer in found["layers"] if layer["kind"] != "Input"}
    assert causes <= {"equal", "from t_input_0"}


@pytest.mark.slow
def test_other_scales_differ_for_a_reason(tmp_path: Path) -> None:
    model = network(tmp_path, scale=[0.1, 0.23, 0.3, 0.07, 0.51, 0.4], step=0.37)
    found = bridged(tmp_path, model, form="real", fraction=3)
    assert found["unexplained"] == 0
    assert found["causes"].get("scale-not-representable", 0) > 0
    assert found["equal"] < 40
    codes = {layer["node"]: layer["codes"] for layer in found["layers"] if layer["node"]}
    assert codes["hidden"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["Vivado", "Quartus", "Catapult"])
def test_other_backends(tmp_path: Path, backend: str) -> None:
    found = bridged(tmp_path, DIGITS / "digits_2w2a.onnx", data=DIGITS / "digits_test.npz",
                    backend=backend, input_spec="u5:1/16")  # fmt: skip
    assert (found["equal"], found["frames"], found["unexplained"]) == (450, 450, 0)
    assert found["top1"] == found["top1_ours"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["codes", "real"])
@pytest.mark.parametrize("io", ["stream", "parallel"])
def test_a_convolutional_network(tmp_path: Path, form: str, io: str) -> None:
    model = tmp_path / "cnn.onnx"
    gatesmith.quantize(
        ROOT / "examples/float/digits_cnn_s0.onnx",
        DIGITS / "digits_train.npz",
        model,
        weights="int4",
        activations="int4",
        input_spec="u5:1/16",
    )
    found = bridged(tmp_path, model, data=DIGITS / "digits_test.npz", form=form, io=io,
                    input_spec="u5:1/16")  # fmt: skip
    assert found["unexplained"] == 0
    assert found["same_class"] == found["frames"] == 450
    if form == "codes":
        assert found["equal"] == 450
    for layer in found["layers"]:  # every code of ours is met, whatever the scales
        assert layer["node"] is None or layer["equal"] == layer["compared"]


@pytest.mark.slow
def test_bipolar_networks(tmp_path: Path) -> None:
    found = bridged(tmp_path, DIGITS / "digits_1w1a.onnx", data=DIGITS / "digits_test.npz",
                    input_spec="u5:1/16")  # fmt: skip
    assert (found["equal"], found["unexplained"]) == (450, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["residual", "mobile", "radio"])
def test_networks_of_other_exporters(tmp_path: Path, name: str) -> None:
    """Joins, depthwise and pointwise, 1-D, sums over positions, falling channels, odd clamps."""
    model = ROOT / f"examples/exported/{name}.onnx"
    shape = {"residual": (3, 8, 8), "mobile": (1, 9, 7), "radio": (24, 2)}[name]
    x = np.random.default_rng(0).integers(-128, 128, (30, *shape))
    np.savez(tmp_path / "data.npz", x=x)
    found = bridged(tmp_path, model)
    assert (found["equal"], found["frames"], found["unexplained"]) == (30, 30, 0)
    assert all(layer["step_equal"] for layer in found["layers"])


def test_a_backend_that_needs_a_vendor_gets_its_project(tmp_path: Path) -> None:
    if shutil.which("icpx"):
        pytest.skip("icpx is there")
    found = bridged(tmp_path, network(tmp_path), backend="oneapi")
    assert found["simulated"] is False
    assert found["not_simulated"] == "the backend oneAPI simulates with icpx, not on PATH"
    assert found["layers"][0]["types"] == {"result_t": "fixed<4,4>"}
    assert (tmp_path / "project/src/firmware/gatesmith_net.cpp").is_file()


def refused(tmp_path: Path, model: Path, **options: Any) -> str:
    with pytest.raises((UserError, UserErrors)) as raised:
        bridged(tmp_path, model, **options)
    assert not (tmp_path / "project").exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    return str(raised.value)


def test_an_operator_without_a_layer_is_named(tmp_path: Path) -> None:
    told = refused(tmp_path, network(tmp_path, kind="Erf"), form="real")
    first, rest = told.split("  why  its ONNX converter has Add, ")
    assert first == (
        "error[hls.no-layer]: hls4ml has no layer for Erf\n  at   net.onnx, node activation\n"
    )
    assert rest.endswith(
        "  fix  hand over the integers: --form codes\n"
        "  fix  or build the core itself: gatesmith build"
    )


def test_bipolar_quantizers_go_as_codes(tmp_path: Path) -> None:
    told = refused(tmp_path, DIGITS / "digits_1w1a.onnx", data=DIGITS / "digits_test.npz",
                   input_spec="u5:1/16", form="real")  # fmt: skip
    assert told.startswith(
        "error[hls.bipolar]: the bridge does not hand over bipolar quantizers as they are\n"
        "  at   digits_1w1a.onnx, node "
    )


def test_the_time_is_limited(tmp_path: Path) -> None:
    assert refused(tmp_path, network(tmp_path), timeout=0.05) == (
        "error[hls.time]: hls4ml and g++ took more than 0.05 seconds\n  at   --timeout 0.05\n"
        "  why  a large network that is unrolled is a large C++ function\n"
        "  fix  raise --timeout\n  fix  take the streaming form: --io stream"
    )


def test_what_hls4ml_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "cache"))
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "g++").write_text("#!/bin/sh\necho 'net.cpp:7:1: error: no such thing' >&2\nexit 1\n")
    (fake / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", str(fake), prepend=":")
    assert refused(tmp_path, network(tmp_path)) == (
        "error[hls.failed]: g++ cannot compile hls4ml's project\n"
        "  at   --backend Vitis --io parallel --form codes\n"
        '  why  Exception: Failed to compile project "gatesmith_net" '
        "(net.cpp:7:1: error: no such thing)\n"
        "  fix  try another --backend or --io"
    )


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    model, out = network(tmp_path), tmp_path / "project"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    with pytest.raises(UserError) as raised:
        bridged(tmp_path, model)
    assert str(raised.value) == (
        f"error[hls.out]: the project's folder cannot be written\n  at   -o {out}\n"
        "  why  it holds files that gatesmith hls4ml did not write\n"
        "  fix  name a new or empty folder"
    )
    assert (out / "mine.txt").read_text() == "precious"


def test_a_missing_option_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hls4ml", str(network(tmp_path)), "-o", str(tmp_path / "project")]) == 2
    assert "error[cli.missing-option]" in capsys.readouterr().err
