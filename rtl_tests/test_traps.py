"""Traps of docs/traps.md that whole cores can show; those of one operator: quant/traps_test.py."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import gatesmith
from gatesmith import pipeline
from gatesmith.codegen import plan
from gatesmith.codegen.design import Design
from gatesmith.errors import UserError
from gatesmith.rtl_tests import mutate
from gatesmith.rtl_tests.lint import lint
from gatesmith.rtl_tests.qonnx_builder import QONNX, Net
from gatesmith.templates.tb import toolchain

ROOT = Path(gatesmith.__file__).parents[1]
FRAMES = 24

try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
    SIMULATOR = ""
except toolchain.ToolError as missing:
    SIMULATOR = str(missing)

simulated = pytest.mark.skipif(bool(SIMULATOR), reason=f"no simulator: {SIMULATOR}")


# ---- 4: no state leaks from a frame to the next --------------------------------------------------

NO_BLOCKS = {"test_timing.py"}
"""Run blocks that are tested elsewhere."""


def test_every_block_is_tested_under_stalls_and_resets() -> None:
    """Every pairing of stalls, resets in mid-frame, and the exact schedule over eight frames."""
    found = 0
    for path in sorted((ROOT / "rtl_tests").glob("test_*.py")):
        text = path.read_text("utf-8")
        if path.name in NO_BLOCKS or not re.search(r"^ *bench\.check\(", text, re.MULTILINE):
            continue
        found += 1
        for name in ("equal_under_stalls", "survive_resets", "keep_schedule"):
            assert f"await bench.{name}(" in text, f"{path.name} never calls bench.{name}"
        assert "source=STALLS, sink=STALLS" in text, path.name
    assert found >= 20


# ---- 5: counters as wide as the frame ------------------------------------------------------------

ROWS, COLUMNS = 257, 258
assert ROWS * COLUMNS > 1 << 16


def as_planned(design: Design) -> Design:
    """FIFOs of a whole frame, as ``plan`` puts them: none is made shallower, or left out."""
    return design


@simulated
def test_frame_of_more_than_two_to_the_sixteen_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map times its own mean: the FIFO holds a whole frame, the gather gives one of one beat."""
    monkeypatch.setattr(pipeline, "sized", as_planned)
    net = Net((1, ROWS, COLUMNS), 1)
    net.quant(2, 0.5).conv(1, 1, (2, 2), 2, pads=[1, 0, 0, 1]).quant(2, 1.0)
    map_ = net.current
    net.put("GlobalAveragePool").quant(3, 0.125).put("Mul", map_).quant(2, 0.25)
    onnx.save(net.model(), tmp_path / "long.onnx")
    cycles = (ROWS + 2) * (COLUMNS + 2)
    built = gatesmith.build(tmp_path / "long.onnx", tmp_path / "b", cycles=cycles)
    kinds = {s["kind"] for s in built.content["stages"] if s["sinks"][0]["beats"] > 1 << 16}
    # The Requantize behind the convolution is part of it.
    assert kinds >= {"Window", "DenseNumbers", "Fork", "Fifo", "Gather", "Product", "SkidBuffer"}
    frames = np.random.default_rng(0).normal(size=(3, 1, ROWS, COLUMNS)).astype(np.float32)
    np.save(tmp_path / "x.npy", frames)

    verdict = gatesmith.verify(tmp_path / "b", tmp_path / "x.npy")

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert verdict.equal == 3


# ---- 6, 7, 13, 14, 16: an awkward network --------------------------------------------------------


def awkward() -> onnx.ModelProto:
    """A residual, one pixel beside it, a constant channel; names that are no identifiers.

    One kernel is read by two convolutions and given as an input, too; one output is read inside,
    another one is always zero; an input and nodes that nobody needs; an open batch.
    """
    net = Net((3, 5, 7), 6, batch="batch size")
    net.quant(4, 0.5)
    start = net.current
    net.conv(3, 3, (3, 3), 3, pads=[1] * 4).put("Relu").quant(3, 1.0, signed=0)
    kernel, inside = net.nodes[-3].input[1], net.current
    net.raw("Conv", [inside, kernel], pads=[1] * 4, kernel_shape=[3, 3])
    net.norm(3, [1.0, 0.0, -0.5]).quant(4, 2.0)
    net.raw("Add", [net.current, start]).quant(4, 1.0)
    joined = net.current
    net.current = start
    net.put("Conv", np.zeros((2, 3, 1, 1)), np.array([0.5, -1.0])).quant(3, 0.5)
    net.raw("Concat", [net.current, joined], axis=1).put("Conv", net.codes(2, 1, 5, 2, 3))
    mixed = net.current
    net.current = start
    nothing = net.put("Conv", np.zeros((1, 3, 2, 2))).current
    net.raw("Quant", ["pixel", *net.nodes[0].input[1:]], QONNX, rounding_mode="ROUND")
    net.nodes[-1].attribute.extend(
        helper.make_attribute(k, v) for k, v in (("signed", 1), ("narrow", 0))
    )
    net.conv(1, 1, (3, 3), 2, pads=[1] * 4).quant(2, 1.0).flat().dense(1, 1, 2)
    best = net.put("ArgMax", axis=1).current
    net.put("Identity").raw("Identity", ["spare"])
    strange = ["module", "0", "a b", "x/y:0", "größe", "層", "conv.1", "A_B", "a-b", "\\ `define"]
    made = [name for node in net.nodes for name in node.output]
    kept = {inside, mixed, nothing, best, kernel}
    net.rename = dict(zip([n for n in made if n not in kept], strange, strict=False))
    net.rename |= {"x": "input:0 /x", mixed: "wire", best: "begin", inside: "reg", nothing: "end"}
    model = net.model(mixed, inside, best, nothing)
    model.graph.output[2].type.tensor_type.elem_type = TensorProto.INT64
    info = helper.make_tensor_value_info
    model.graph.input.append(info("pixel", TensorProto.FLOAT, ["batch size", 1, 1, 1]))
    model.graph.input.append(info("spare", TensorProto.FLOAT, [1, 9]))
    floats = next(n.input[0] for n in model.graph.node if kernel in n.output)
    (tensor,) = (t for t in model.graph.initializer if t.name == floats)
    shape = numpy_helper.to_array(tensor).shape
    model.graph.input.append(info(floats, TensorProto.FLOAT, shape))
    return model


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, built, with data beside it."""
    folder = tmp_path_factory.mktemp("awkward")
    onnx.save(awkward(), folder / "2 awkward-net.onnx")
    gatesmith.build(folder / "2 awkward-net.onnx", folder / "b")
    rng = np.random.default_rng(2)
    data: dict[str, Any] = {
        "input:0 /x": rng.normal(size=(FRAMES, 3, 5, 7), scale=2).astype(np.float32),
        "pixel": rng.normal(size=(FRAMES, 1, 1, 1), scale=2).astype(np.float32),
    }
    np.savez(folder / "x.npz", **data)
    return folder


@simulated
def test_awkward_network(core: Path) -> None:
    verdict = gatesmith.verify(core / "b", core / "x.npz", stall=True)

    assert verdict.mismatch is None
    assert verdict.all_equal
    assert [output["equal"] for output in verdict.outputs] == [FRAMES] * 4
    assert verdict.interval == verdict.interval_min == verdict.interval_predicted
    assert verdict.unexplained == 0
    assert verdict.stalls is not None
    assert verdict.stalls["resets_mid_frame"] > 0


def test_awkward_network_is_clean(core: Path) -> None:
    top = json.loads((core / "b" / "build.json").read_text("utf-8"))["top"]
    reports = lint(core / "b" / "rtl", top)

    assert not {tool: report.messages for tool, report in reports.items() if report.messages}


@simulated
@pytest.mark.parametrize("memory", ["Conv_t2_weights", "Quant_t4_thresholds"])
def test_one_wrong_bit_of_a_convolution_is_caught(memory: str, core: Path, tmp_path: Path) -> None:
    """By the bench that goes with the core, on the vectors that go with it."""
    folder = Path(shutil.copytree(core / "b", tmp_path / "b"))
    (path,) = (folder / "rtl").glob(f"*_{memory}.mem")
    mutate.flip_bit(path, word=0, bit=1)

    command = [sys.executable, str(folder / "tb" / "run.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stdout + done.stderr
    equal, frames = map(int, re.findall(r"(\d+) of (\d+) frames equal", done.stdout)[0])
    assert equal < frames, done.stdout


# ---- 17, 18: said before anything is written -----------------------------------------------------


@pytest.mark.parametrize(("limit", "code"), [("MAX_WIDTH", "too-wide"), ("MAX_LUT", "too-large")])
def test_what_no_tool_digests_is_not_written(
    limit: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real limits are in codegen/plan_test.py."""
    monkeypatch.setattr(plan, limit, 100)
    net = Net((4, 6, 6)).quant(4, 1.0).conv(4, 8, (3, 3), 4).quant(4).conv(8, 4, (1, 1), 4)
    onnx.save(net.model(), tmp_path / "net.onnx")
    with pytest.raises(UserError) as raised:
        gatesmith.build(tmp_path / "net.onnx", tmp_path / "b", cycles=40)

    assert raised.value.code == f"codegen.{code}"
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


# ---- 19, 20: what is loaded, and what is written -------------------------------------------------

HEAVY = (
    "torch tensorflow keras jax onnxruntime qonnx brevitas hls4ml finn scipy sklearn pandas "
    "matplotlib cocotb pyosys pyslang"
)
LOADED = "print([m for m in '{}'.split() if m in sys.modules])"


def test_import_loads_nothing_heavy() -> None:
    light = "numpy onnx jinja2 rich typer"
    code = f"import sys, gatesmith; {LOADED.format(f'{HEAVY} {light}')}; " \
           f"gatesmith.build; {LOADED.format(HEAVY)}"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n[]\n"


def test_a_build_is_the_same_in_every_process_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """Sets are walked in another order under another hash seed."""
    net = Net((3, 6, 6), 31).quant(4, 0.5).conv(3, 2, (1, 1), 3).put("Relu").quant(3, 1.0, signed=0)
    narrow = net.current
    net.conv(2, 3, (3, 3), 3, pads=[1] * 4, bias=True).put("Relu").quant(4, 0.375, signed=0)
    net.raw("Concat", [narrow, net.current], axis=1).pool((2, 2)).put("Add", net.real(5, 1, 1))
    net.quant(4).flat().dense(45, 4, 3)
    onnx.save(net.model(net.current, narrow), tmp_path / "net.onnx")
    code = "import sys, gatesmith; from pathlib import Path; "
    code += "gatesmith.build(Path(sys.argv[1]), Path(sys.argv[2])); "
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code + LOADED.format(HEAVY), "net.onnx", str(tmp_path / seed)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    told = [run.communicate()[0] for run in runs]
    one, two = (written(tmp_path / seed) for seed in ("1", "2"))

    assert told == ["[]\n"] * 2
    assert "build.json" in one
    assert len(one) > 20
    assert one == two


def written(folder: Path) -> dict[str, str]:
    """Digest of each file of a build."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }
