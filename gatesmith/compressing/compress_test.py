"""The command as a user types it: what a recipe makes, how a run goes on, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatesmith
from gatesmith.cli import main

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/recipes/digits_cnn.toml"
DATA = f"""
model = "{ROOT}/examples/float/digits_mlp_s0.onnx"
data = "{ROOT}/examples/digits/digits_train.npz"
test = "{ROOT}/examples/digits/digits_test.npz"
input = "u5:1/16"
out = "out"
"""
STEPS = """
[[prune]]
ratio = 0.4
round = 4
train = 1
[[prune]]
kind = "unstructured"
ratio = 0.5
[quantize]
weights = "int4"
train = 2
samples = 64
[code]
rom = "least"
"""

if not EXAMPLE.exists():
    pytest.skip("examples/ is not beside the package: it is installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """A coarse search for the least cycles: most of the time goes there, and nothing is of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gatesmith.pruning.hardware.HALVINGS", 1)
        yield


def write(folder: Path, text: str = DATA + STEPS) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "small.toml"
    file.write_text(text, "utf-8")
    return file


def run(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["compress", *map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    """What is said of a run that has to fail with exit code 2."""
    assert main(["compress", *map(str, words), "--json"]) == 2
    done = capsys.readouterr()
    assert "Traceback" not in done.err
    errors: list[dict[str, Any]] = json.loads(done.out)["errors"]
    return errors


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The recipe above, run once without interruption: its JSON and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    done = gatesmith.compress(write(folder)).as_json()
    return json.loads(json.dumps(done)), folder


def test_the_object_and_the_files(whole: tuple[dict[str, Any], Path]) -> None:
    found, folder = whole
    stages = found["stages"]
    names = ["float", "prune 0: structured", "prune 1: unstructured", "quantize", "code"]
    assert [stage["name"] for stage in stages] == names
    assert [stage["resumed"] for stage in stages] == [False] * 5
    assert found["accuracy_before"] > 0.98 and found["accuracy_after"] > 0.9
    assert stages[0]["weight_bits"] == 32 * (64 * 64 + 64 * 32 + 32 * 10)
    macs = [stage["macs"] for stage in stages]
    assert macs[1] <= 0.6 * macs[0] and macs[2] <= 0.55 * macs[1] and macs[3] <= macs[2]
    bits = [stage["weight_bits"] for stage in stages]
    assert bits[1] == bits[2] == 8 * bits[3]  # zeros take room until they are coded
    assert bits[4] == found["weight_bits_after"] < bits[3]
    assert bits[4] == sum(layer["bits"] for layer in found["layers"])
    for layer in found["layers"]:
        assert layer["sizes"]["dense"] == 4 * layer["weights"]
    zeros = sum(layer["zeros"] for layer in found["layers"])
    assert zeros >= 0.45 * sum(layer["weights"] for layer in found["layers"])
    assert found["compression_ratio"] == round(bits[0] / bits[4], 3) > 13
    out = folder / "out"
    assert (out / "result.onnx").read_bytes() == (out / stages[3]["network"]).read_bytes()
    assert stages[3]["hardware"]["lut"] < stages[0]["hardware"]["lut"]
    assert {stage["hardware"]["cycles"] <= 1024 for stage in stages} == {True}
    assert "<svg" in (out / "report.html").read_text("utf-8")
    assert not [name for name in files(out) if ".pt" in name or name.startswith(".")]


def test_a_second_run_makes_nothing_again(
    whole: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, folder = whole
    before = files(folder)
    found = run(capsys, folder / "small.toml")
    assert [stage.pop("resumed") for stage in found["stages"]] == [True] * 5
    assert files(folder) == before
    assert found.pop("seconds") <= first["seconds"]
    assert {stage.pop("seconds") for stage in found["stages"]} == {0.0}
    assert all(first[key] == found[key] for key in found if key != "stages")
    assert main(["compress", str(folder / "small.toml")]) == 0
    assert "5 of 5 stages, finished by an earlier run" in capsys.readouterr().out


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(
    whole: tuple[dict[str, Any], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped after the first epoch of the second training, in another folder."""
    from gatesmith.quant.train import checkpoint

    file, out = write(tmp_path / "other"), tmp_path / "other" / "out"
    out.mkdir()
    (out / "result.onnx").write_bytes(b"what was there")
    save, saved = checkpoint.Checkpoint.save, []

    def stopped(self: Any, state: Any) -> None:
        save(self, state)
        saved.append(self.path)
        if "quantize" in self.path.name:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "save", stopped)
        assert main(["compress", str(file)]) not in (0, 2)
    capsys.readouterr()
    assert (out / "result.onnx").read_bytes() == b"what was there"
    assert saved[-1].exists() and not list(out.glob("*.json"))
    found = run(capsys, file)
    assert [stage["resumed"] for stage in found["stages"]] == [True] * 3 + [False] * 2
    assert not saved[-1].exists()
    assert files(out) == files(whole[1] / "out")


def test_a_stage_whose_file_was_changed_is_made_again(
    whole: tuple[dict[str, Any], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    before = files(tmp_path / "out")
    network = tmp_path / "out" / whole[0]["stages"][2]["network"]
    network.write_bytes(network.read_bytes()[:-1])
    found = run(capsys, tmp_path / "small.toml")
    assert [stage["resumed"] for stage in found["stages"]] == [True, True, False, True, True]
    assert files(tmp_path / "out") == before
    changed = STEPS.replace('"int4"', '"int3"')
    found = run(capsys, write(tmp_path, DATA + changed))
    assert [stage["resumed"] for stage in found["stages"]] == [True] * 3 + [False] * 2


PARETO = """
axis = "weight_bits"
[[prune]]
most = 0.5
[quantize]
samples = 64
[[pareto]]
"prune.0.ratio" = [0.3, 0.99]
quantize.weights = ["int8", "int12", "int2"]
"""


def test_networks_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, DATA + PARETO)
    found = run(capsys, file)
    points = {point["name"]: point for point in found["points"]}
    made = ["0.3, int8", "0.3, int12", "0.3, int2"]
    lost = ["0.99, int8", "0.99, int12", "0.99, int2"]
    assert list(points) == [*made, *lost]
    for name in lost:
        assert points[name]["accuracy"] is None and not points[name]["front"]
        assert "[[prune]] 0" in points[name]["why"]
    assert "3 of 6 networks could not be made" in found["notes"]
    assert [points[name]["front"] for name in made] == front([points[name] for name in made])
    assert [points[name]["front"] for name in made] == [True, False, True]
    values = points["0.3, int12"]["values"]
    assert values == {"prune.0.ratio": 0.3, "quantize.weights": "int12"}
    assert found["accuracy_after"] == points["0.3, int8"]["accuracy"]
    assert len({points[name]["stages"][1] for name in made}) == 1  # they share what is the same
    again = run(capsys, file, "--axis", "macs")["points"]
    assert [point["cost"] for point in again[:3]] == [points[name]["macs"] for name in made]
    assert [point["front"] for point in again[:3]] == front(again[:3])
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert ">0.3, int12</text>" in page and "multiplications a frame" in page


def front(points: list[dict[str, Any]]) -> list[bool]:
    """By definition, one pair at a time."""

    def beats(a: dict[str, Any], b: dict[str, Any]) -> bool:
        no_worse = a["accuracy"] >= b["accuracy"] and a["cost"] <= b["cost"]
        return bool(no_worse and (a["accuracy"], -a["cost"]) != (b["accuracy"], -b["cost"]))

    return [not any(beats(other, point) for other in points) for point in points]


def test_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compress", str(EXAMPLE), "-o", str(tmp_path / "new" / "small")]) == 0
    told = capsys.readouterr().out
    assert "prune 1: unstructured" in told and "huffman" in told
    out = tmp_path / "new" / "small"
    found = json.loads((out / "result.json").read_text("utf-8"))
    assert found["accuracy_after"] > found["accuracy_before"] - 0.02
    assert found["compression_ratio"] > 20
    build = json.loads((out / "build/build.json").read_text("utf-8"))
    assert build["interval"] <= 1024
    roms = {layer["name"]: layer["rom"] for layer in found["layers"] if layer["rom"] != "plain"}
    assert build["options"]["fold"] == roms


def test_labels_are_missing_for_a_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.load(ROOT / "examples/digits/digits_train.npz")["x"])
    lines = [line for line in DATA.splitlines() if not line.startswith(("data", "test"))]
    file = write(tmp_path, "\n".join([*lines, 'data = "x.npy"', PARETO]))
    (error,) = refused(capsys, file)
    assert error["code"] == "compress.recipe" and "without an accuracy" in error["what"]
    assert len(list((tmp_path / "out/stages").iterdir())) == 1  # only that of the float network


# ---- what is refused ----------------------------------------------------------------------------

Change = Callable[[str], str]


def without(line: str) -> Change:
    return lambda text: "\n".join(x for x in text.splitlines() if not x.startswith(line))


def with_line(table: str, line: str) -> Change:
    return lambda text: text.replace(f"{table}\n", f"{table}\n{line}\n", 1)


def top(line: str) -> Change:
    return lambda text: f"{line}\n{text}"


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (top("modle = 3"), "top, modle", "did you mean model?"),
        (top("seed = 1.5"), "seed", "expected an integer, not 1.5"),
        (top('axis = "luck"'), "axis", "weight_bits, parameters"),
        (top('labels = "y.npy"'), "labels", "there is no file y.npy"),
        (without("model"), "model", "model is missing"),
        (without("out"), "out", "-o DIR"),
        (lambda text: text.replace("mlp_s0", "none"), "model", "relative to the recipe's folder"),
        (lambda text: text.replace("u5:1/16", "u5"), "input", "2 or 3"),
        (lambda text: text.split("[[prune]]")[0], "top", "no [[prune]] and no [quantize]"),
        (lambda text: text.replace("[[prune]]", "[prune]", 1).replace("[[prune]]", "[old]", 1),
         "[[prune]]", "there may be several of them"),
        (with_line("[[prune]]", "rato = 1"), "[[prune]] 0, rato", "did you mean ratio?"),
        (with_line("[[prune]]", 'input = "u8:1"'), "[[prune]] 0, input", "at the top"),
        (with_line("[[prune]]", 'checkpoint = "x"'), "[[prune]] 0, checkpoint", "takes care"),
        (lambda text: text.replace("ratio = 0.4", 'ratio = "0.4"'), "[[prune]] 0, ratio",
         'expected a number, not "0.4"'),
        (lambda text: text.replace("ratio = 0.4", "ratio = 1.5"), "[[prune]] 0, ratio",
         "expected 0 to 1, not 1.5"),
        (lambda text: text.replace("ratio = 0.4", "ratio = nan"), "[[prune]] 0, ratio", "nan"),
        (lambda text: text.replace("ratio = 0.4\n", ""), "[[prune]] 0", "add ratio = 0.5"),
        (lambda text: text.replace("ratio = 0.5", 'ratio = 0.5\nbatch = 64'), "[[prune]] 1",
         "batch says nothing without train"),
        (lambda text: text.replace('"unstructured"', '"magic"'), "[[prune]] 1",
         "kind = 'magic' is unknown"),
        (with_line("[[prune]]", 'schedule = "sometimes"'), "[[prune]] 0, schedule", "sometimes"),
        (with_line("[[prune]]", 'augment = "x"'), "[[prune]] 0, augment", "augment must be one"),
        (with_line("[[prune]]", 'device = "tpu"'), "[[prune]] 0, device", "auto, cpu, cuda"),
        (with_line("[[prune]]", "layer = { a = 2 }"), "[[prune]] 0, layer", "0 to 1"),
        (lambda text: text.replace("ratio = 0.4", 'budget = "gates=1"'), "[[prune]] 0, budget",
         "gates"),
        (with_line("[quantize]", "wieghts = 1"), "[quantize], wieghts", "did you mean weights?"),
        (with_line("[quantize]", 'activations = "int99"'), "[quantize], activations", "int99"),
        (with_line("[quantize]", 'layer = { a = "int99/int4" }'), "[quantize], layer, a", "int99"),
        (with_line("[quantize]", 'observer = "luck"'), "[quantize]", "observer must be one of"),
        (with_line("[quantize]", 'format = "caffe"'), "[quantize], format", "qonnx, qdq"),
        (with_line("[quantize]", "choices = [1, 2]"), "[quantize], choices", "2 to 16, not 1"),
        (with_line("[quantize]", "learn-bits = true"), "[quantize]", "learn_bits says nothing"),
        (with_line("[quantize]", "hints = 1"), "[quantize], hints", "expected true or false"),
        (lambda text: text.replace('"least"', '"zip"'), "[code], rom", "auto, least, plain"),
        (lambda text: text + "[build]\ncycles = 0\n", "[build], cycles", "expected 1 or more"),
        (lambda text: text + "[build]\nfps = 3\n", "[build]", "clock_mhz"),
        (lambda text: text + '[build]\ncycles = 9\nfold = { a = "2,2" }\n', "[build]",
         "cycles and fold each set"),
        (lambda text: text + '[build]\nfold = { a = "nonsense" }\n', "[build], fold, a",
         "nonsense"),
        (lambda text: text.split("[quantize]")[0] + "[code]\n", "[code]", "[code] needs integers"),
        (without("data"), "data", "add data"),
        (without("test"), "test", "different frames"),
        (lambda text: text + '[[pareto]]\n"prune.2.ratio" = [0.1]\n', "[[pareto]] 0, prune.2.ratio",
         "N from 0 to 1"),
        (lambda text: text + '[[pareto]]\n"prune.0.rato" = [0.1]\n', "[[pareto]] 0, prune.0.rato",
         "the keys of prune are"),
        (lambda text: text + '[[pareto]]\n"build.cycles" = [9]\n', "[[pareto]] 0, build.cycles",
         "the recipe has no build"),
        (lambda text: text + '[[pareto]]\n"quantize.weights" = "int8"\n',
         "[[pareto]] 0, quantize.weights", "expected a list"),
        (lambda text: text + '[[pareto]]\n"quantize.weights" = ["int8", "int99"]\n',
         "[quantize], weights", "int99"),
    ],
)  # fmt: skip
def test_bad_recipes_are_refused(
    change: Change, where: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = change(DATA + STEPS)
    assert text != DATA + STEPS
    errors = refused(capsys, write(tmp_path, text))
    assert {error["code"] for error in errors} == {"compress.recipe"}
    told = {
        error["where"]: " ".join([error["what"], error["why"], *error["fix"]]) for error in errors
    }
    assert words in told[f"small.toml, {where}"]
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_everything_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DATA + STEPS).replace("0.4", "7").replace("samples = 64", "samples = 0\nx = 1")
    errors = refused(capsys, write(tmp_path, 'modle = "x"\n' + text + "[build]\ncycles = 0\n"))
    places = [error["where"].removeprefix("small.toml, ") for error in errors]
    assert places == [
        "top, modle",
        "[[prune]] 0, ratio",
        "[quantize], samples",
        "[quantize], x",
        "[build], cycles",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"a = ", "not TOML"), (b"\xff\xfe", "not UTF-8")],
)
def test_what_is_no_recipe(
    content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.toml"
    if content is not None:
        file.write_bytes(content)
    (error,) = refused(capsys, file)
    assert error["code"] == "compress.recipe" and words in error["why"]


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path)
    (tmp_path / "out").write_text("a file")
    (error,) = refused(capsys, file)
    assert error["code"] == "compress.recipe" and "is a file" in error["why"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/build").mkdir()
    (tmp_path / "other/build/mine.txt").write_text("x")
    file = write(tmp_path, DATA + STEPS + "[build]\n")
    (error,) = refused(capsys, file, "-o", tmp_path / "other")
    assert error["code"] == "build.foreign-folder"


def test_errors_of_a_step_name_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DATA + "[[prune]]\nlayer = { nonsense = 0.5 }\n"
    (error,) = refused(capsys, write(tmp_path, text))
    assert error["code"] == "prune.fixed-layer"
    assert error["where"] == "[[prune]] 0: --layer nonsense=0.5"
    assert not (tmp_path / "out/result.onnx").exists()
