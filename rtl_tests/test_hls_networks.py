"""Whole networks in HLS C++: every code equal to the reference; what is wrong is found.

One network of each kind runs always. All others that the RTL's tests know, and whole test sets, are
``slow``.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import gatesmith
from gatesmith.errors import UserError
from gatesmith.rtl_tests import (  # noqa: F401
    branching_networks,
    exit_networks,
    integer_networks,
    qonnx_networks,
    test_normalized_networks,
)
from gatesmith.rtl_tests.csim import build_csim, find_headers, run_csim
from gatesmith.rtl_tests.pragmas import problems
from gatesmith.rtl_tests.qdq_by_hand import tflite
from gatesmith.rtl_tests.qdq_net import quantized
from gatesmith.rtl_tests.qdq_networks import NETWORKS as QDQ
from gatesmith.rtl_tests.qonnx_builder import NETWORKS as QONNX
from gatesmith.rtl_tests.random_conv_network import random_conv_network
from gatesmith.rtl_tests.random_network import random_model
from gatesmith.rtl_tests.test_conv_networks import ALWAYS, MORE
from gatesmith.rtl_tests.test_qonnx_networks import FASTEST
from gatesmith.rtl_tests.test_random_networks import REFUSED
from gatesmith.rtl_tests.verify import Verdict, verify
from gatesmith.templates.tb import toolchain

ROOT = Path(gatesmith.__file__).parents[1]
DIGITS = ROOT / "examples" / "digits"
MNIST = ROOT.parent / "shared" / "data" / "mnist"
KWS = ROOT.parent / "shared" / "data" / "kws01_mfcc_int8.npz"
MODELS = ROOT.parent / "shared" / "models"

try:
    find_headers()
    toolchain.find_compiler()
except (UserError, toolchain.ToolError) as missing:
    pytest.skip(str(missing), allow_module_level=True)


def build(model: onnx.ModelProto, folder: Path, **options: Any) -> Path:
    onnx.save(model, folder / "net.onnx")
    gatesmith.build(folder / "net.onnx", folder / "b", **options)
    return folder / "b"


def run(folder: Path, data: Path | None = None) -> Verdict:
    """The frames that the build carries along, or others: all must be right."""
    verdict = verify(folder, data or folder / "vectors" / "sample.npz", rtl=False, hls=True)
    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == verdict.frames
    assert verdict.hls is not None and verdict.hls["warning"] is None
    assert (verdict.cycles, verdict.interval, verdict.latency) == (0, None, None)
    return verdict


def run_in_ap_int(folder: Path, work: Path) -> None:
    """The same with all arithmetic in ap_int, as synthesis sees it."""
    build_json = json.loads((folder / "build.json").read_text("utf-8"))
    frames = (folder / "vectors/input_0.bin").stat().st_size
    frames //= build_json["inputs"][0]["beats"] * build_json["inputs"][0]["tdata_bits"] // 8
    for ran in run_csim(build_csim(folder, "ap_int"), folder / "vectors", 0, frames, work):
        assert ran.equal and not ran.warning


# ---- a network of each kind ----------------------------------------------------------------------


def test_bipolar_layers_whole_test_set(tmp_path: Path) -> None:
    gatesmith.build(DIGITS / "digits_1w1a.onnx", tmp_path / "b", cycles=64, input_spec="u5:1/16")
    verdict = run(tmp_path / "b", DIGITS / "digits_test.npz")
    assert verdict.frames == 450
    assert verdict.top1 is not None and verdict.top1 > 0.9


def check_exits(folder: Path) -> None:
    """Frames leave and stay in patterns; answers stay in the order of the frames."""
    codes, leaves = exit_networks.pool(folder)
    assert 0 < leaves.mean() < 1
    exits = [1] * 6 + [0] * 6 + [1, 0] * 8 + [1] * 9 + [0] * 3
    np.save(folder.parent / "x.npy", exit_networks.pattern(codes, leaves, exits))
    verdict = run(folder, folder.parent / "x.npy")
    assert verdict.early == sum(exits) / len(exits)


def test_an_early_exit(tmp_path: Path) -> None:
    model = exit_networks.chain()
    folder = build(model, tmp_path, cycles=512, input_spec="u4:1", exit_at="early:3.5")
    text = (folder / "hls" / "net.cpp").read_text("utf-8")
    assert "gs::gate<" in text and "gs::early_exit<" in text
    check_exits(folder)


def test_norms_and_softmax(tmp_path: Path) -> None:
    network = test_normalized_networks.encoder()
    run(build(network.model, tmp_path, input_spec=network.spec))


@pytest.mark.parametrize("name", ["tflite", "two_inputs", "branches"])
def test_eight_bits(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    run(build(tflite() if name == "tflite" else quantized(QDQ[name], "u8"), tmp_path))


# ---- the project that is written -----------------------------------------------------------------


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = QONNX["resnet_own_scales"](False)
    folder = tmp_path_factory.mktemp("joined")
    return build(network.model, folder, input_spec=network.spec, cycles=65)


def test_a_residual_in_ap_int(joined: Path, tmp_path: Path) -> None:
    run_in_ap_int(joined, tmp_path)


def test_depths_are_those_of_the_fifos(joined: Path) -> None:
    """A channel is as deep as what stands on it: FIFOs, and two beats of each skid buffer."""
    content = json.loads((joined / "build.json").read_text("utf-8"))
    text = (joined / "hls" / "net.cpp").read_text("utf-8")
    found = {
        wire: int(depth)
        for wire, depth in re.findall(r'\("(\w+)"\);.*\n#pragma HLS STREAM .* depth=(\d+)', text)
    }
    wanted: dict[str, list[int]] = {entry["node"]: [] for entry in content["inputs"]}
    place = {wire: wire for wire in wanted}
    for stage in content["stages"]:
        if stage["kind"] in ("Fifo", "SkidBuffer"):
            start = place[stage["drivers"][0]]
            place[stage["sinks"][0]["wire"]] = start
            wanted[start].append(stage["depth"] if stage["kind"] == "Fifo" else 2)
        else:
            for sink in stage["sinks"]:
                place[sink["wire"]] = sink["wire"]
                wanted[sink["wire"]] = []
    assert found == {wire: sum(depths) or 2 for wire, depths in wanted.items()}
    assert any(stage["kind"] == "Fifo" for stage in content["stages"])


def test_pragmas_of_a_network(joined: Path) -> None:
    assert problems((joined / "hls" / "net.cpp").read_text("utf-8"), "net") == []


def test_the_same_network_gives_the_same_files(joined: Path, tmp_path: Path) -> None:
    network = QONNX["resnet_own_scales"](False)
    again = build(network.model, tmp_path, input_spec=network.spec, cycles=65)
    hashes = [json.loads((f / "build.json").read_text("utf-8"))["files"] for f in (joined, again)]
    hls = [{n: h for n, h in files.items() if n.startswith("hls/")} for files in hashes]
    assert hls[0] == hls[1]
    assert {"hls/net.cpp", "hls/net_tb.cpp", "hls/vitis_hls.tcl", "hls/gs/types.h"} <= hls[0].keys()


# ---- what is wrong is found ----------------------------------------------------------------------


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    gatesmith.build(DIGITS / "digits_2w2a.onnx", tmp_path / "b", cycles=50, input_spec="u5:1/16")
    return tmp_path / "b"


def caught(folder: Path) -> Mapping[str, Any]:
    """The first difference."""
    verdict = verify(folder, DIGITS / "digits_test.npz", frames=64, rtl=False, hls=True)
    assert not verdict.all_equal
    assert verdict.equal < verdict.frames
    assert verdict.hls is not None and verdict.hls["equal"] == verdict.equal
    found = verdict.mismatch
    assert found is not None and found == verdict.hls["mismatch"]
    assert found["run"] == "hls"
    assert found["expected"] != found["found"]
    return found


def change(path: Path, pattern: str, new: Callable[[re.Match[str]], str]) -> None:
    text = path.read_text("utf-8")
    assert re.search(pattern, text), pattern
    path.write_text(re.sub(pattern, new, text, count=1), "utf-8")


def of_kind(folder: Path, kind: str, number: int) -> str:
    content = json.loads((folder / "build.json").read_text("utf-8"))
    return str([s["name"] for s in content["stages"] if s["kind"] == kind][number])


def test_a_wrong_weight_is_found(digits: Path) -> None:
    name = of_kind(digits, "Dense", 1)

    def flipped(match: re.Match[str]) -> str:
        return f"{match[1]}0x{int(match[2], 16) ^ 1:x}"

    change(digits / "hls/weights" / f"{name}.h", r"(_weights.*\n\s*\{\s*)0x([0-9a-f]+)", flipped)
    found = caught(digits)
    assert (found["layer"], found["kind"]) == (name, "data")
    assert found["channel"] is not None


def test_a_wrong_threshold_is_found(digits: Path) -> None:
    name = of_kind(digits, "Threshold", 1)
    pattern = r"(_thresholds.*\n\s*\{\s*)0x([0-9a-f]+)"
    path = digits / "hls/weights" / f"{name}.h"
    change(path, pattern, lambda match: f"{match[1]}0x{int(match[2], 16) ^ 4:x}")
    assert caught(digits)["layer"] == name


def test_a_wrong_clamp_is_found(tmp_path: Path) -> None:
    network = QONNX["integer_golden"](False)
    folder = build(network.model, tmp_path, input_spec=network.spec)
    change(folder / "hls/net.cpp", r"HI = 127;", lambda match: "HI = 63;")
    verdict = verify(folder, folder / "vectors/sample.npz", rtl=False, hls=True)
    assert verdict.equal < verdict.frames
    found = verdict.mismatch
    assert found is not None
    assert found["layer"] == of_kind(folder, "Requantize", 0)
    assert found["expected"] > found["found"] == 63


# ---- what is missing -----------------------------------------------------------------------------


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        verify(folder, folder / "vectors/sample.npz", rtl=False, hls=True, **options)
    return str(error.value)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = QONNX["rounded_scores"](False)
    return build(network.model, tmp_path_factory.mktemp("small"), input_spec=network.spec)


def test_a_build_without_hls(small: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(small, tmp_path / "old"))
    shutil.rmtree(old / "hls")
    assert refusal(old).splitlines() == [
        "error[verify.no-hls]: the build has no HLS project",
        f"  at   {old}",
        f"  why  there is no test bench in {old}/hls; builds of older versions have none",
        "  fix  run gatesmith build again",
    ]


def test_no_headers(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("GATESMITH_AP_TYPES", raising=False)
    assert refusal(small).splitlines() == [
        "error[verify.no-ap-types]: the types of HLS are missing, so its C++ cannot be compiled",
        "  at   this Python environment",
        "  why  hls4ml, which carries ap_int.h and hls_stream.h along, is not installed",
        "  fix  pip install 'gatesmith[hls]'",
        "  fix  set GATESMITH_AP_TYPES to a folder with ap_int.h and hls_stream.h",
    ]
    monkeypatch.setenv("GATESMITH_AP_TYPES", "/nowhere")
    assert "  why  there is no ap_int.h in /nowhere" in refusal(small).splitlines()


def test_no_compiler(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    toolchain.find_compiler.cache_clear()
    try:
        assert refusal(small).splitlines()[0] == "error[verify.no-compiler]: no C++ compiler"
    finally:
        toolchain.find_compiler.cache_clear()


def test_cpp_that_does_not_compile(small: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(small, tmp_path / "broken"))
    with (broken / "hls/net.cpp").open("a") as file:
        file.write("int wrong = ;\n")
    lines = refusal(broken).splitlines()
    assert lines[0] == "error[verify.hls-failed]: the HLS C++ does not compile"
    assert lines[-1] == "  fix  if hls/ is as gatesmith wrote it, report this with build.json"


def test_stalls_need_the_rtl(small: Path) -> None:
    assert refusal(small, stall=True).splitlines() == [
        "error[verify.stall-without-rtl]: C simulation has no clock, so that nothing can stall",
        "  at   --stall with --hls",
        "  why  stalls are cycles of the RTL's simulation",
        "  fix  leave --stall out",
        "  fix  add --rtl: the RTL with stalls, and the HLS",
    ]


# ---- all networks --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("fast", [False, True], ids=["slow_core", "fast_core"])
@pytest.mark.parametrize("name", QONNX)
def test_qonnx_networks(name: str, fast: bool, tmp_path: Path) -> None:
    network = QONNX[name](False)
    cycles = FASTEST[name] if fast else None
    run(build(network.model, tmp_path, input_spec=network.spec, cycles=cycles))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "style", "cycles"), [*ALWAYS, *MORE])
def test_qdq_networks(name: str, style: str, cycles: int | None, tmp_path: Path) -> None:
    run(build(quantized(QDQ[name], style) if style else tflite(), tmp_path, cycles=cycles))


@pytest.mark.slow
@pytest.mark.parametrize("name", test_normalized_networks.NETWORKS)
def test_normalized(name: str, tmp_path: Path) -> None:
    network = test_normalized_networks.NETWORKS[name]()
    folder = build(network.model, tmp_path, input_spec=network.spec)
    run(folder)
    run_in_ap_int(folder, tmp_path / "ap_int")


@pytest.mark.slow
def test_a_residual_around_an_exit(tmp_path: Path) -> None:
    model = exit_networks.residual()
    check_exits(build(model, tmp_path, cycles=512, input_spec="u4:1", exit_at="early:4/3"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    try:
        if seed % 2:
            folder = build(random_model(seed), tmp_path, cycles=(1, 3, 8, 40, 1000)[seed % 5])
        else:
            network = random_conv_network(seed)
            folder = build(network.model, tmp_path, input_spec=network.spec)
    except UserError as error:
        assert error.code in REFUSED, error
        pytest.skip(f"refused: {error.code}")
    run(folder)


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason="needs MNIST in ../shared/data")
@pytest.mark.parametrize("cycles", [8, 64, 784])
@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_2W2A"])
def test_tfc_on_all_of_mnist(name: str, cycles: int, tmp_path: Path) -> None:
    model = ROOT / "examples" / "tfc" / f"{name}.onnx"
    gatesmith.build(model, tmp_path / "b", cycles=cycles, input_spec="u8:1/255")
    verdict = run(tmp_path / "b", MNIST / "t10k-images-idx3-ubyte.gz")
    assert verdict.frames == 10_000
    assert verdict.hls is not None and verdict.hls["seconds_sim"] < 60
