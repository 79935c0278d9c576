"""The command as a user types it: what it writes, what it saves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gatesmith.cli import main
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Graph
from gatesmith.ops.const import Const
from gatesmith.pruning.counts import counts, totals
from gatesmith.quant.prepare.channels_last import channels_last
from gatesmith.quant.prepare.fold_affine import fold_affine

ROOT = Path(__file__).parents[2]
CNN = ROOT / "examples/float/digits_cnn_s0.onnx"
MLP = ROOT / "examples/float/digits_mlp_s0.onnx"
RESNET = ROOT / "examples/float/resnet8_s0.onnx"
TRAIN = ROOT / "examples/digits/digits_train.npz"
TEST = ROOT / "examples/digits/digits_test.npz"
DATA = ("--data", str(TRAIN), "--test", str(TEST), "--input", "u5:1/16", "--samples", "64")


def command(model: Path, out: Path, *options: str) -> list[str]:
    return ["prune", str(model), *DATA, "-o", str(out), *options]


def run(capsys: pytest.CaptureFixture[str], words: list[str]) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> dict[str, str]:
    """The codes and reasons of a run that has to fail with exit code 2."""
    assert main([*words, "--json"]) == 2
    done = capsys.readouterr()
    assert "Traceback" not in done.err
    return {
        e["code"]: " ".join((e["what"], e["where"], e["why"]))
        for e in json.loads(done.out)["errors"]
    }


def tidied(file: Path) -> Graph:
    return fold_affine(channels_last(import_model(file).graph))


def weights(file: Path) -> list[Any]:
    """Arrays of more than one axis in the file."""
    found = map(numpy_helper.to_array, onnx.load(file).graph.initializer)
    return [array for array in found if array.ndim > 1]


def price(hardware: dict[str, Any]) -> int:
    """LUTs, a DSP block as 100: narrow products may become LUTs where there are fewer of them."""
    found: int = hardware["lut"] + 100 * hardware["dsp"]
    return found


def test_half_of_the_multiplications(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = run(capsys, command(CNN, out, "--ratio", "0.5", "--train", "4", "--lr", "3e-3"))
    assert found["macs_before"] == 84_224 and found["parameters_before"] == 6_090
    assert found["macs_after"] <= found["macs_before"] / 2
    assert totals(tidied(out)) == {
        "parameters": found["parameters_after"],
        "macs": found["macs_after"],
    }
    assert found["accuracy_before"] > 0.98
    assert found["accuracy_after"] > max(0.9, found["steps"][1]["accuracy"])
    before, after = found["hardware_before"], found["hardware_after"]
    assert after["cycles"] <= before["cycles"]
    assert price(after) < price(before) and after["weight_bits"] < before["weight_bits"]
    assert after["energy_nj"] < before["energy_nj"] and after["fastest"] < before["cycles"]
    assert [p.name for p in tmp_path.iterdir()] == ["out.onnx"]


@pytest.mark.parametrize(
    ("options", "share"),
    [
        (("--kind", "unstructured", "--ratio", "0.75"), 0.75),
        (("--kind", "nm"), 0.5),
        (("--kind", "nm", "--pattern", "1:4"), 0.75),
        (("--kind", "block", "--pattern", "2x4", "--ratio", "0.5"), 0.5),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else str(v),
)
def test_zeros(
    options: tuple[str, ...], share: float, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.onnx"
    found = run(capsys, command(CNN, out, *options))
    (size, kept) = (sum(row[f"parameters_{k}"] for row in found["layers"]) for k in _BOTH)
    assert abs(1 - kept / size - share) < 0.02
    assert sum(int(np.count_nonzero(w)) for w in weights(out)) == kept
    assert found["macs_after"] < found["macs_before"]


_BOTH = ("before", "after")


def test_two_of_four_in_the_order_of_the_hardware(tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    assert main(command(CNN, out, "--kind", "nm")) == 0
    for node in tidied(out):
        if isinstance(node.op, Const) and node.op.value.data.ndim == 4:
            kh, kw, ins, outs = node.op.value.shape
            rows = node.op.value.data.reshape(kh * kw * ins, outs)
            whole = rows[: len(rows) // 4 * 4].reshape(-1, 4, outs)
            assert (np.count_nonzero(whole, axis=1) <= 2).all()


def test_zeros_stay_through_quantization(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pruned, out = tmp_path / "pruned.onnx", tmp_path / "out.onnx"
    run(capsys, command(CNN, pruned, "--kind", "unstructured", "--ratio", "0.6"))
    zero = {
        node.name: node.op.value.data == 0
        for node in tidied(pruned)
        if isinstance(node.op, Const) and node.op.value.data.ndim > 1
    }
    words = ["quantize", str(pruned), *DATA, "-o", str(out), "--train", "1", "--weights", "int4"]
    found = run(capsys, words)
    assert any("stay so" in note for note in found["notes"])
    quantized = {node.name: node for node in import_model(out).graph}
    seen = 0
    for name, mask in zero.items():
        codes = next(node for key, node in quantized.items() if key.startswith(name))
        assert isinstance(codes.op, Const)
        data = codes.op.value.data
        if data.shape != mask.shape:  # the file's order of axes
            data = data.transpose(2, 3, 1, 0)
        assert not data[mask].any()
        seen += int(mask.sum())
    assert seen > 3000


@pytest.mark.parametrize("kind", ["svd", "tucker", "cp", "separable", "depthwise"])
def test_low_rank(kind: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    # At few cycles a frame multiplications are what costs; at many the parts would cost more.
    words = command(CNN, tmp_path / "out.onnx", "--kind", kind, "--ratio", "0.4")
    found = run(capsys, [*words, "--cycles", "256"])
    assert found["macs_after"] < found["macs_before"]
    assert any(text.startswith("ranks") for text in found["removed"].values())


def test_residual_blocks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((8, 3, 32, 32), np.float32)
    np.savez(tmp_path / "x.npz", x=frames)
    words = ["prune", str(RESNET), "--data", str(tmp_path / "x.npz"), "--kind", "layers"]
    found = run(capsys, [*words, "--ratio", "0.3", "-o", str(tmp_path / "out.onnx")])
    assert found["macs_after"] <= 0.7 * found["macs_before"]
    assert all(said.startswith(("residual", "layer")) for said in found["removed"].values())
    assert found["accuracy_before"] is None


@pytest.mark.parametrize(
    "options",
    [
        ("--schedule", "iterative:2", "--ratio", "0.5"),
        ("--schedule", "gradual", "--ratio", "0.5"),
        ("--kind", "unstructured", "--schedule", "iterative:2", "--ratio", "0.8"),
        ("--kind", "unstructured", "--schedule", "gradual", "--ratio", "0.8"),
        ("--kind", "nm", "--schedule", "gradual", "--criterion", "l1"),
    ],
    ids=" ".join,
)
def test_schedules(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = run(capsys, command(MLP, tmp_path / "out.onnx", *options, "--train", "4"))
    goal = 0.2 if "0.8" in options else 0.5
    sizes = [sum(row[f"parameters_{k}"] for row in found["layers"]) for k in _BOTH]
    if "--kind" in options:
        assert abs(sizes[1] / sizes[0] - goal) < 0.01
    else:
        assert found["macs_after"] <= goal * found["macs_before"]
    assert found["accuracy_after"] > (0.5 if goal < 0.5 else 0.8) and len(found["epochs"]) == 4


def test_a_budget_and_rounding(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = run(capsys, command(CNN, out, "--budget", "lut=4000", "--round", "4"))
    assert found["hardware_after"]["lut"] <= 4000 < found["hardware_before"]["lut"]
    assert all(row["channels_after"] % 4 == 0 for row in found["layers"][:-1])


def test_a_ratio_of_one_layer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    first = counts(tidied(CNN))[0]
    found = run(capsys, command(CNN, out, "--layer", f"{first.name}=0.25"))
    assert [row["channels_after"] for row in found["layers"]] == [12, 32, 10]
    assert found["removed"][first.name] == "4 of 16 channels"


@pytest.mark.parametrize("criterion", ["l1", "taylor", "fisher", "hessian", "apoz", "random"])
def test_criteria(criterion: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = command(MLP, tmp_path / "out.onnx", "--ratio", "0.3", "--criterion", criterion)
    assert run(capsys, words)["macs_after"] > 0


def test_sensitivity_gives_each_layer_a_ratio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.onnx"
    found = run(capsys, command(CNN, out, "--ratio", "0.4", "--sensitivity"))
    assert len({row[0] for row in found["sensitivity"]}) == 2
    words = command(CNN, out, "--kind", "unstructured", "--ratio", "0.5", "--sensitivity")
    assert len({row[0] for row in run(capsys, words)["sensitivity"]}) == 3


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "out.onnx"
        assert (
            main(command(MLP, out, "--ratio", "0.4", "--train", "1", "--criterion", "taylor")) == 0
        )
        files.append(out.read_bytes())
    assert files[0] == files[1]


BAD: list[tuple[tuple[str, ...], str, str]] = [
    ((), "cli.missing-option", "no --ratio"),
    (("--ratio", "1"), "prune.empties-layer", "nothing would be left"),
    (("--ratio", "0.99999"), "prune.unreachable", "at most"),
    (("--ratio", "1", "--kind", "unstructured"), "prune.empties-layer", ""),
    (("--ratio", "0.5", "--kind", "some"), "cli.bad-value", "structured"),
    (("--ratio", "0.5", "--of", "some"), "cli.bad-value", "macs"),
    (("--ratio", "0.5", "--criterion", "some"), "prune.criterion", "some"),
    (("--ratio", "0.5", "--kind", "unstructured", "--criterion", "apoz"), "prune.criterion", ""),
    (("--ratio", "0.5", "--budget", "macs=1k"), "cli.contradicting-options", "--budget"),
    (("--budget", "lut=1"), "prune.unreachable", "lut"),
    (("--budget", "accuracy>=90"), "cli.budget", "accuracy"),
    (("--ratio", "0.5", "--pattern", "2:4"), "cli.contradicting-options", "--pattern"),
    (("--kind", "nm", "--pattern", "4:2"), "cli.bad-pattern", "4"),
    (("--kind", "nm", "--ratio", "0.3"), "prune.pattern-ratio", ""),
    (("--ratio", "0.5", "--schedule", "gradual"), "cli.missing-option", "--train"),
    (("--ratio", "0.5", "--schedule", "slow", "--train", "1"), "cli.bad-schedule", "slow"),
    (("--ratio", "0.5", "--lr", "0.1"), "cli.missing-option", "--lr"),
    (("--layer", "n9_Gemm=0.5"), "prune.fixed-layer", "output"),
    (("--layer", "n0_Conv=1"), "prune.empties-layer", "nothing would be left"),
    (("--layer", "n7_None=0.5"), "prune.fixed-layer", "no such layer"),
    (("--layer", "n0_Conv"), "cli.bad-value", "NAME=RATIO"),
    (("--kind", "layers", "--ratio", "0.5"), "prune.unreachable", ""),
    (("--kind", "cp", "--energy", "1"), "prune.nothing", ""),
]


@pytest.mark.parametrize(("options", "code", "said"), BAD, ids=lambda v: " ".join(v)[:40] or "none")
def test_what_is_refused(
    options: tuple[str, ...],
    code: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out.onnx"
    out.write_bytes(b"what was there")
    found = refused(capsys, command(CNN, out, *options))
    assert code in found and said in found[code]
    assert out.read_bytes() == b"what was there"
    assert [p.name for p in tmp_path.iterdir()] == ["out.onnx"]


def test_without_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    words = ["prune", str(CNN), "-o", str(out), "--ratio", "0.5"]
    found = run(capsys, words)
    assert found["accuracy_after"] is None and found["hardware_after"] is not None
    for option in (("--criterion", "taylor"), ("--train", "1"), ("--sensitivity",)):
        assert "prune.data" in refused(capsys, [*words, *option])


def test_the_command_as_a_function_whatever_was_imported_before(tmp_path: Path) -> None:
    import gatesmith
    import gatesmith.prune.cut

    done = gatesmith.prune(MLP, None, tmp_path / "out.onnx", ratio=0.3, criterion="l2")
    assert done.as_json()["macs_after"] < done.as_json()["macs_before"]
