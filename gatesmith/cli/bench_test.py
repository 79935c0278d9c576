"""``gatesmith bench``: exit codes, what is printed, and the JSON."""

import json
from pathlib import Path

import numpy as np
import pytest

from gatesmith.cli import main

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
MODEL, DATA = str(DIGITS / "digits_1w1a.onnx"), DIGITS / "digits_test.npz"
QUICK = ["--input", "u5:1/16", "--seconds", "0.005", "--frames", "20", "--threads", "1"]


def bench(*args: str, data: Path = DATA) -> int:
    return main(["bench", MODEL, "--data", str(data), *QUICK, *args])


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        bench("--json", "--engines", "native,onnxruntime,native-sparse", "--batches", "1,16") == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        *("format", "all_equal", "date", "model", "machine", "settings", "rows", "fpga", "notes"),
    }
    assert found["settings"] == {
        "seconds": 0.005,
        "batches": [1, 16],
        "threads": [1],
        "frames": 20,
    }
    assert {"cpu", "gpu", "cores", "load_average", "numpy", "onnxruntime"} <= set(found["machine"])
    native, sparse, ort = found["rows"]
    assert set(native) == set(sparse) == set(ort)
    assert {"engine", "batch", "threads", "latency_us", "throughput", "equal"} <= set(native)
    assert (native["equal"], native["threads"], native["skipped"]) == (True, 1, None)
    assert native["latency_us"] > 0 and native["throughput"] > 0 and native["batch"] in (1, 16)
    assert set(native["batches"][0]) == {
        *("batch", "median_us", "low_us", "high_us", "least_us", "samples", "throughput"),
    }
    assert ort["equal"] is None and ort["compared"] == 200 and ort["unexplained"] == 0
    assert sparse["skipped"].startswith("no layer has 50% zero weights")
    assert sparse["equal"] is None and sparse["batches"] == []


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--engines", "native,torch-cuda", "--batches", "1") == 0
    said = capsys.readouterr().out
    assert "digits_1w1a: 13,216 operations a frame" in said
    assert "equal: 200 codes" in said
    assert "skipped   torch-cuda" in said
    assert "note      no FPGA figures: give a build folder in the place of the model" in said


def test_a_wrong_engine_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatesmith.cpu_gpu_baselines import outcome

    monkeypatch.setattr(outcome, "_wrong", lambda got, wanted: np.ones(wanted.shape, bool))
    assert bench("--engines", "numpy", "--batches", "1") == 1
    said = capsys.readouterr().out
    assert "WRONG: 200 of 200 codes" in said
    assert "wrong from frame 0 on: not timed" in said


@pytest.mark.parametrize(
    "args, code",
    [
        (["--engines", "abacus"], "bench.engine"),
        (["--batches", "1,many"], "cli.bad-value"),
        (["--threads", "0"], "cli.bad-value"),
        (["--labels", "no-such-file.npy"], "verify.data-unreadable"),
        (["--csv", "no-such-folder/a.csv"], "bench.out"),
    ],
)
def test_wrong_options_end_with_2(
    capsys: pytest.CaptureFixture[str], args: list[str], code: str
) -> None:
    assert bench("--json", *args) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == code


def test_wrong_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--batches", "1,many") == 2
    assert capsys.readouterr().err.splitlines()[:4] == [
        "error[cli.bad-value]: these are no whole numbers",
        "  at   --batches 1,many",
        "  why  expected whole numbers with commas between them",
        "  fix  write --batches 1,16,256",
    ]


def test_wrong_data_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.npz"
    for array, code in ((np.full((9, 64), 99), "range"), (np.zeros((9, 7), int), "shape")):
        np.savez(data, x=array)
        assert bench("--json", data=data) == 2
        (error,) = json.loads(capsys.readouterr().out)["errors"]
        assert error["code"] == f"verify.data-{code}"
    np.savez(data, x=np.zeros((9, 64), int), y=np.zeros(4, int))
    assert bench("--json", data=data) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == "verify.labels"


def test_no_such_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "none.onnx", "--data", str(DATA), "--json"]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == "frontend.missing-file"
