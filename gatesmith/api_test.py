"""The commands as functions, on the committed example: whole, deterministic, safe."""

from __future__ import annotations

import filecmp
import json
import os
from pathlib import Path

import onnx
import pytest

import gatesmith
from gatesmith import build_folder
from gatesmith.errors import UserError
from gatesmith.rtl_tests.verify import read_build

EXAMPLES = Path(__file__).parents[1] / "examples"
DIGITS = EXAMPLES / "digits" / "digits_2w2a.onnx"
INPUT = "u5:1/16"


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_same_input_same_options_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        gatesmith.build(DIGITS, tmp_path / name, cycles=64, input_spec=INPUT)
    names = files(tmp_path / "one")

    assert names == files(tmp_path / "two")
    same, _, _ = filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)
    assert sorted(same) == names
    assert "build.json" in names
    assert not list(tmp_path.glob(".*"))  # nothing half made is left beside it


def test_build_json_tells_enough_to_reproduce(tmp_path: Path) -> None:
    built = gatesmith.build(DIGITS, tmp_path / "b", fps=1e6, clock_mhz=100, input_spec=INPUT)
    content = read_build(tmp_path / "b")

    assert content == built.content == json.loads((tmp_path / "b" / "build.json").read_text())
    assert content["interval"] <= 100
    assert content["options"] == {
        "cycles": None,
        "fps": 1e6,
        "clock_mhz": 100,
        "latency_us": None,
        "device": None,
        "budget": None,
        "unroll": None,
        "fold": None,
        "input": INPUT,
        "input_lanes": None,
        "exit": None,
        "registers": None,
        "dma": None,
        "reloadable": None,
    }
    assert set(content["files"]) == set(files(tmp_path / "b")) - {"build.json"}
    assert content["inputs"][0]["meaning"] == {"scale": ["1/16"], "offset": ["0"]}


def test_an_older_build_is_replaced_and_kept_when_the_new_one_fails(tmp_path: Path) -> None:
    out = tmp_path / "b"
    gatesmith.build(DIGITS, out, cycles=64, input_spec=INPUT)
    before = (out / "build.json").read_bytes()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(DIGITS.read_bytes()[:1000])

    with pytest.raises(UserError):
        gatesmith.build(broken, out)
    assert (out / "build.json").read_bytes() == before

    gatesmith.build(DIGITS, out, cycles=128, input_spec=INPUT)
    assert (out / "build.json").read_bytes() != before


def test_external_data_travels_with_the_build(tmp_path: Path) -> None:
    model = tmp_path / "outside.onnx"
    onnx.save(onnx.load(DIGITS), model, save_as_external_data=True, size_threshold=0)
    assert len(list(tmp_path.iterdir())) > 1

    gatesmith.build(model, tmp_path / "b", cycles=64, input_spec=INPUT)

    kept = onnx.load(tmp_path / "b" / "model.onnx", load_external_data=False)
    assert not any(tensor.external_data for tensor in kept.graph.initializer)
    gatesmith.build(tmp_path / "b" / "model.onnx", tmp_path / "again", cycles=64, input_spec=INPUT)
    for name in ("integer.json", "integer.npz"):
        one, two = ((tmp_path / b / "ir" / name).read_bytes() for b in ("b", "again"))
        assert one.replace(b"outside", b"model") == two


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError) as raised:
        gatesmith.build(DIGITS, tmp_path, input_spec=INPUT)

    assert raised.value.code == "build.foreign-folder"
    assert files(tmp_path) == ["thesis.tex"]


def test_output_below_a_file_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(UserError) as raised:
            gatesmith.build(DIGITS, out, input_spec=INPUT)
        assert raised.value.code == "build.cannot-write"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_output_is_a_user_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write"):
        gatesmith.build(DIGITS, tmp_path / "b", input_spec=INPUT)


def test_a_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_folder, "save", full)
    with pytest.raises(UserError) as raised:
        gatesmith.build(DIGITS, tmp_path / "b", input_spec=INPUT)

    assert raised.value.why == "No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_targets_out_of_reach_say_so(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        gatesmith.build(DIGITS, tmp_path / "b", fps=2e8, clock_mhz=100, input_spec=INPUT)

    assert raised.value.code == "codegen.target"
    assert not (tmp_path / "b").exists()


def test_inspect_lists_layers_and_totals() -> None:
    table = gatesmith.inspect(DIGITS, INPUT)

    assert table["form"] == "integer"
    assert table["problems"] == []
    dense = [layer for layer in table["layers"] if layer["op"] == "Dense"]
    assert sum(layer["parameters"] for layer in table["layers"]) == table["parameters"]
    assert all(layer["operations"] == 2 * layer["parameters"] for layer in dense)
    assert table["chain"]
    names = [layer["name"] for layer in table["layers"]]
    assert [layer["args"] for layer in table["layers"]] == [[], *([name] for name in names[:-1])]
    assert len(table["inputs"]) == len(table["outputs"]) == 1
    assert table["inputs"][0].endswith(table["layers"][0]["type"])


def test_dump_ir_prints_the_graph_after_a_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gatesmith.build(DIGITS, tmp_path / "b", input_spec=INPUT, dump_ir=("after=lower",))

    assert capsys.readouterr().out.startswith("# after lower\nx: u5[")
    with pytest.raises(UserError, match='no pass "lowering"'):
        gatesmith.build(DIGITS, tmp_path / "b", input_spec=INPUT, dump_ir=("after=lowering",))


@pytest.mark.parametrize("clock", [0.0, -1.0, float("inf"), float("nan")])
def test_a_clock_that_is_none_is_refused(tmp_path: Path, clock: float) -> None:
    with pytest.raises(UserError, match="clock-mhz is") as refused:
        gatesmith.build(DIGITS, tmp_path / "b", fps=1000, clock_mhz=clock, input_spec=INPUT)
    assert refused.value.code == "cli.bad-value"
    assert not (tmp_path / "b").exists()


def test_places_may_be_texts(tmp_path: Path) -> None:
    place = str(tmp_path / "b")
    built = gatesmith.build(str(DIGITS), place, cycles=300, input_spec=INPUT)

    assert built.folder == Path(place)
    assert gatesmith.inspect(str(DIGITS))["model"] == gatesmith.inspect(DIGITS)["model"]
    with pytest.raises(UserError, match="npz"):
        gatesmith.verify(place, f"{place}.npz")
