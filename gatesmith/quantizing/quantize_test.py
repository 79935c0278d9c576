"""The command as a user types it: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.cli import main
from gatesmith.frontend.importer import import_model
from gatesmith.ir import Array, Graph, IntType, Node
from gatesmith.ops.fake_quant import Grid
from gatesmith.pipeline import to_integers
from gatesmith.quantizing.output_file import same_integers
from gatesmith.quantizing.run import quantize
from gatesmith.quantizing.settings import Settings

ROOT = Path(__file__).parents[2]
MLP = ROOT / "examples/float/digits_mlp_s0.onnx"
CNN = ROOT / "examples/float/digits_cnn_s0.onnx"
TRAIN = ROOT / "examples/digits/digits_train.npz"
TEST = ROOT / "examples/digits/digits_test.npz"
QUICK = ("--samples", "64", "--input", "u5:1/16")


def command(model: Path, out: Path, *options: str) -> list[str]:
    return ["quantize", str(model), "--data", str(TRAIN), *QUICK, "-o", str(out), *options]


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


def test_the_object_and_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = run(capsys, command(CNN, out, "--test", str(TEST)))
    assert found["accuracy_float"] > 0.98
    assert found["accuracy_quantized"] >= found["accuracy_float"] - 0.005
    assert found["frames"] == 450 and found["seconds"] > 0
    bits = [(row["weight_bits"], row["activation_bits"]) for row in found["layers"]]
    assert bits == [(8, 5), (8, 8), (8, 8)]
    assert [step["name"] for step in found["steps"]] == ["float", "after calibration", "integers"]
    assert {node.domain for node in onnx.load(out).graph.node} == {"", "qonnx.custom_op.general"}
    assert [p.name for p in tmp_path.iterdir()] == ["out.onnx"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "out.onnx"
        settings = Settings(weights="int3", activations="int3", epochs=1, samples=64)
        quantize(MLP, str(TRAIN), out, settings)
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_both_formats_mean_the_same(tmp_path: Path) -> None:
    graphs: list[Graph] = []
    for form in ("qonnx", "qdq"):
        out = tmp_path / f"{form}.onnx"
        quantize(MLP, str(TRAIN), out, Settings(samples=64, format=form, input_spec="u5:1/16"))
        graphs.append(to_integers(import_model(out), out)[1])
    same_integers(*graphs)


def test_schemes_by_layer_and_for_the_ends(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ("--weights", "ternary", "--activations", "int3", "--ends", "int8")
    found = run(capsys, command(MLP, tmp_path / "o.onnx", *options))
    names = [row["name"] for row in found["layers"]]
    assert [row["weight_bits"] for row in found["layers"]] == [8, 2, 8]
    more = ("--layer", f"{names[1]}=bipolar/int6", "--layer", f"{names[2]}=/int4")
    found = run(capsys, command(MLP, tmp_path / "o.onnx", *more))
    assert [row["weight_bits"] for row in found["layers"]] == [8, 1, 8]
    assert [row["activation_bits"] for row in found["layers"]] == [5, 6, 4]


def test_a_budget_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("--budget", "weight_bits=20k", "--choices", "2,4,8", "--test", str(TEST))
    report = tmp_path / "report.html"
    found = run(capsys, command(MLP, tmp_path / "o.onnx", *options, "--report", str(report)))
    assert found["budget"]["cost"]["weight_bits"] <= 20_000
    assert sum(row["memory_bits"] for row in found["layers"]) <= 20_000
    assert len({row["weight_bits"] for row in found["layers"]}) > 1
    assert "<svg" in report.read_text()


def test_a_budget_that_cannot_be_met_names_the_nearest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ("--budget", "weight_bits=5k", "--choices", "2,8")
    told = refused(capsys, command(MLP, tmp_path / "o.onnx", *options))
    assert "12,928" in told["quantize.budget"] or "12928" in told["quantize.budget"]
    assert not list(tmp_path.iterdir())


def test_widths_are_trained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ("--budget", "weight_bits=20k", "--choices", "2,4,8", "--learn-bits", "--train", "2")
    found = run(capsys, command(MLP, tmp_path / "o.onnx", *options, "--test", str(TEST)))
    assert sum(row["memory_bits"] for row in found["layers"]) <= 20_000
    assert found["budget"]["chosen_by"] == "training"
    assert found["accuracy_quantized"] > 0.93


def test_training_goes_on_from_its_checkpoint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from gatesmith.quant.train import checkpoint

    options = ("--weights", "int2", "--activations", "int2", "--train", "3", "--test", str(TEST))
    whole = command(MLP, tmp_path / "whole.onnx", *options)
    first = run(capsys, whole)
    assert first["accuracy_quantized"] > 0.93
    save = checkpoint.Checkpoint.save

    def stopped(self: Any, state: Any) -> None:
        save(self, state)
        raise KeyboardInterrupt

    saved = ("--checkpoint", str(tmp_path / "state.pt"))
    resumed = command(MLP, tmp_path / "resumed.onnx", *options, *saved)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "save", stopped)
        assert main(resumed) not in (0, 2)
    assert not (tmp_path / "resumed.onnx").exists()
    run(capsys, resumed)
    assert (tmp_path / "resumed.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    other = command(MLP, tmp_path / "other.onnx", *options, *saved, "--lr", "0.1")
    assert "quantize.checkpoint" in refused(capsys, other)


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"x": np.zeros((0, 64), np.uint8)}, "data.empty"),
        ({"x": np.zeros((5, 63), np.uint8)}, "data.shape"),
        ({"x": np.full((5, 64), np.nan, np.float32)}, "data.not-finite"),
        ({"x": np.full((5, 64), 99, np.uint8)}, "data.range"),
        ({"x": np.zeros((5, 64), complex)}, "data.dtype"),
        ({"x": np.zeros((5, 64), np.uint8), "y": np.full(5, 10)}, "data.labels"),
    ],
)
def test_bad_data_is_refused_and_an_old_file_stays(
    arrays: dict[str, Any], code: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, out = tmp_path / "data.npz", tmp_path / "out.onnx"
    np.savez(data, **arrays)
    out.write_bytes(b"what was there")
    words = ["quantize", str(MLP), "--data", str(data), *QUICK, "-o", str(out)]
    assert code in refused(capsys, words)
    assert out.read_bytes() == b"what was there"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--weights", "int99"), "cli.scheme", "--weights int99"),
        (("--weights", "x", "--activations", "y"), "cli.scheme", "--activations y"),
        (("--layer", "nonsense=int4"), "quantize.unknown-layer", "the layers with weights are"),
        (("--layer", "n0_Gemm=/int4"), "quantize.layer-input", "the network's input"),
        (("--input", "u5:1e-60"), "cli.bad-value", "float32"),
        (("--input", "u5:1e60"), "cli.input-spec", "53 bits"),
        (("--layer", "nonsense"), "cli.scheme", "NAME=WEIGHTS"),
        (("--format", "caffe"), "cli.bad-value", "qonnx and qdq"),
        (("--observer", "luck"), "cli.bad-value", "observer must be one of"),
        (("--choices", "1,2"), "cli.bad-value", "2 to 16"),
        (("--budget", "gates=3"), "cli.budget", "gates"),
        (("--train", "1", "--augment", "x"), "cli.bad-value", "augment must be one of"),
        (("--input", "u5:1/16:3"), "quantize.input-zero", "even"),
        (("--lr", "0.1", "--hints"), "cli.missing-option", "--hints says nothing without --train"),
        (("--bf16",), "cli.missing-option", "--bf16 says nothing without --train"),
        (("--train", "1", "--device", "tpu"), "cli.bad-value", "auto, cpu, cuda"),
        (("--learn-bits",), "cli.missing-option", "--budget"),
        (("--outputs", "int8"), "quantize.outputs", "exact integers"),
        (("--budget", "lut=9,ff=9", "--learn-bits"), "quantize.learn-bits", "one resource"),
    ],
)
def test_bad_options_are_refused(
    options: tuple[str, ...],
    code: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    told = refused(capsys, command(MLP, tmp_path / "o.onnx", *options))
    assert words in told[code]


@pytest.mark.parametrize("out", ["folder/out.onnx", "out.txt", "."])
def test_a_place_that_cannot_be_written_is_refused_first(
    out: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "quantize.out" in refused(capsys, command(Path("missing.onnx"), tmp_path / out))


def test_a_quantized_network_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    digits = ROOT / "examples/digits/digits_2w2a.onnx"
    assert "quantize.already-quantized" in refused(capsys, command(digits, tmp_path / "o.onnx"))


def test_labels_are_missing_for_an_accuracy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = tmp_path / "x.npy"
    np.save(data, np.load(TRAIN)["x"])
    words = ["quantize", str(MLP), "--data", str(data), *QUICK, "-o", str(tmp_path / "o.onnx")]
    told = refused(capsys, [*words, "--budget", "accuracy>=90", "--choices", "4,8"])
    assert "quantize.budget-labels" in told
    found = run(capsys, words)
    assert found["accuracy_float"] is None and found["accuracy_quantized"] is None


def test_a_difference_from_the_file_would_be_seen() -> None:
    """The comparison that every run makes fails for one code, one step, one weight."""
    x = import_model(ROOT / "examples/digits/digits_2w2a.onnx")
    graph = to_integers(x, ROOT / "examples/digits/digits_2w2a.onnx")[1]
    same_integers(graph, graph)
    dense = next(n for n in graph if type(n.op).__name__ == "Dense")
    weights = dense.op.weights.data.copy()  # type: ignore[attr-defined]
    weights[0, 0] = -weights[0, 0] or 1

    def change(node: Node, _users: object) -> Node | None:
        from dataclasses import replace

        if node.name != dense.name:
            return None
        return replace(node, op=replace(node.op, weights=Array(weights)))  # type: ignore[call-arg]

    with pytest.raises(AssertionError, match=dense.name):
        same_integers(graph, graph.rewrite(change))


def test_grids_of_inputs_are_what_was_said() -> None:
    from gatesmith.frontend.input_spec import InputSpec
    from gatesmith.quantizing.recipe import input_grid

    assert input_grid(InputSpec.parse("i8:0.5:-4")) == (
        Grid("int", IntType(-128, 127), Array(0.5), Array(-4)),
        None,
    )
    grid, note = input_grid(InputSpec.parse("u8:1/255"))
    assert note is not None and grid.scale.data == np.float32(1 / 255)
    assert input_grid(InputSpec.parse("bipolar:1"))[0].kind == "bipolar"
