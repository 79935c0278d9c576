"""Exit codes and streams, with the stages replaced by functions that fail in every way."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

import gatesmith.api
from gatesmith.cli import main
from gatesmith.codegen.wish import Wish
from gatesmith.errors import UserError, UserErrors

HEAVY = ("numpy", "onnx", "onnxruntime", "torch", "cocotb", "jinja2", "google.protobuf")
BUILD = ["build", "net.onnx", "-o", "out"]


FOLDING = {
    "asked": "--budget 2500",
    "interval": 128,
    "proven": True,
    "gap": 0.0,
    "limits": {"lut": 2500},
    "used": {"lut": 2400},
    "limiting": ["fc1"],
    "faster": {
        "interval": 64,
        "more": {"lut": 800, "ff": -3, "dsp": 0, "bram": 0, "ram_bits": 9},
        "changed": {"fc1": ["pe=4 simd=8", "pe=8 simd=8"]},
    },
}


class Built:
    """What a build of two stages says of itself."""

    def summary(self) -> dict[str, Any]:
        cost = {"lut": 1200, "ff": 34, "dsp": 0, "ram_bits": 4096}
        stage = {"kind": "dense", "origin": ["fc1"], "pe": 4, "simd": 8, "interval": 128}
        stage |= {"depth": None, "drivers": ["x"]}
        stages = [
            {**stage, "name": "fc1", "cost": cost, "types": "u2[8] -> i9[4]"},
            {**stage, "name": "fc2", "cost": cost, "types": "u2[4] -> i9[4]", "interval": 64},
        ]
        return {
            "stages": stages,
            "interval": 128,
            "latency": 222,
            "inputs": ["x: u5[1, 64]"],
            "outputs": ["y: i9[10]"],
            "folding": FOLDING,
            "notes": ["mind the [gap]"],
        }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Calls that the build command made."""
    calls: list[dict[str, Any]] = []

    def build(model: Path, out: Path, *, progress: Any, **options: Any) -> Built:
        progress("lower", 1, 2)
        print("the graph, as --dump-ir prints it")
        calls.append({"model": model, "out": out, **options})
        return Built()

    monkeypatch.setattr(gatesmith.api, "build", build)
    return calls


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def build(*_args: Any, **_options: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(gatesmith.api, "build", build)


def problem(code: str) -> UserError:
    return UserError(code, f"no [{code}]", where="net.onnx", why="a rule", fix=("do this", "or"))


def test_help_is_quick_and_loads_no_stage() -> None:
    script = (
        "import sys, gatesmith.cli\n"
        "assert gatesmith.cli.main(['--help']) == 0\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        assert done.stdout.endswith("LOADED []\n"), done.stdout + done.stderr
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--help"], 0),
        (["build", "-h"], 0),
        (["--version"], 0),
        ([], 2),
        (["biuld"], 2),
        (["build"], 2),
        ([*BUILD, "--cycels", "3"], 2),
        ([*BUILD, "--cycles", "many"], 2),
        ([*BUILD, "--cycles", "0"], 2),
    ],
)
def test_usage(argv: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == code
    assert (capsys.readouterr().err == "") == (code == 0)


def test_build_hands_over_every_option(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["build", "a.onnx", "--out", "b", "--fps", "2e6", "--clock-mhz", "250"]
    argv += ["--budget", "lut=2500", "--unroll", "fc2", "--registers", "--dma", "--reloadable"]
    argv += ["fc1"]
    assert main([*argv, "--input", "u8:1/255", "--dump-ir", "after=lower"]) == 0
    assert asked == [
        {
            "model": Path("a.onnx"),
            "out": Path("b"),
            "cycles": None,
            "fps": 2e6,
            "clock_mhz": 250.0,
            "latency_us": None,
            "device": None,
            "budget": "lut=2500",
            "unroll": ("fc2",),
            "fold": None,
            "input_spec": "u8:1/255",
            "input_lanes": None,
            "exit_at": None,
            "registers": True,
            "dma": True,
            "reloadable": ("fc1",),
            "report": None,
            "dump_ir": ("after=lower",),
        }
    ]
    out = capsys.readouterr().out
    assert "interval  128 cycles a frame, 1,953,125 frames/s" in out
    total = next(line.split() for line in out.splitlines() if line.startswith(" in all"))
    assert total == ["in", "all", "128", "2,400", "68", "0", "8,192"]
    assert "mind the [gap]" in out
    assert "slowest   fc1: 128 cycles\n" in out
    assert "next step 64 cycles: +800 LUTs, -3 flip-flops\n" in out
    assert "          fc1 pe=4 simd=8 -> pe=8 simd=8\n" in out
    assert "within    2,400 of 2,500 LUTs (--budget 2500)\n" in out


def test_json_is_one_object_and_nothing_else(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BUILD, "--fold", "fc1=4,8", "--fold", "fc2=1,2", "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out) == Built().summary()
    assert "the graph" in streams.err
    assert asked[0]["fold"] == {"fc1": Wish(4, 8), "fc2": Wish(1, 2)}


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (["--cycles", "8", "--fps", "9", "--clock-mhz", "1"], ["cli.contradicting-options"]),
        (["--cycles", "8", "--fold", "a=1,1"], ["cli.contradicting-options"]),
        (
            ["--cycles", "8", "--latency-us", "9", "--clock-mhz", "1"],
            ["cli.contradicting-options"],
        ),
        (["--unroll", "a", "--fold", "a=folded"], ["cli.contradicting-options"]),
        (["--latency-us", "9"], ["cli.missing-option"]),
        (["--latency-us", "0", "--clock-mhz", "1"], ["cli.bad-value"]),
        (["--fps", "9"], ["cli.missing-option"]),
        (["--clock-mhz", "9"], ["cli.missing-option"]),
        (["--fps", "-9", "--clock-mhz", "0"], ["cli.bad-value", "cli.bad-value"]),
        (["--fps", "nan", "--clock-mhz", "inf"], ["cli.bad-value", "cli.bad-value"]),
        (["--fold", "nowhere.toml"], ["cli.bad-fold"]),
        (["--fold", "a=0,1", "--fold", "b=1,0"], ["cli.bad-fold", "cli.bad-fold"]),
    ],
)
def test_options_that_cannot_be(
    options: list[str],
    codes: list[str],
    asked: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*BUILD, *options, "--json"]) == 2
    streams = capsys.readouterr()
    assert [error["code"] for error in json.loads(streams.out)["errors"]] == codes
    assert streams.err.count("error[") == len(codes)
    assert not asked


def test_a_fold_file(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "fold.toml"
    file.write_text('[fc1]\npe = 4\nsimd = 8\n["/net/fc2"]\npe = 1\nsimd = 2\n')
    assert main([*BUILD, "--fold", str(file), "--fold", "fc1=2,2"]) == 0
    assert asked[0]["fold"] == {"fc1": Wish(2, 2), "/net/fc2": Wish(1, 2)}


@pytest.mark.parametrize(
    "text",
    ["[fc1]\npe = 4", "[fc1]\npe = 4\nsimd = 1.5", "fc1 = 3", "[fc1", "[a]\npe=1\nsimd=1\nx=1"],
)
def test_a_bad_fold_file(
    text: str, asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fold.toml"
    file.write_text(text)
    assert main([*BUILD, "--fold", str(file)]) == 2
    assert "error[cli.bad-fold]" in capsys.readouterr().err
    assert not asked


def test_every_problem_of_a_model_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    several = UserErrors([problem("a.b"), problem("c.d")])
    fail_with(monkeypatch, several)
    assert main(BUILD) == 2
    streams = capsys.readouterr()
    assert streams.err.split("\n\n") == [str(several.errors[0]), str(several.errors[1]) + "\n"]
    assert streams.out == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "Permission denied", "/out/rtl"), "cli.file-system"),
        (OSError(28, "No space left on device"), "cli.file-system"),
        (MemoryError(), "cli.out-of-memory"),
    ],
)
def test_what_the_machine_refuses_is_not_a_bug(
    error: BaseException,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail_with(monkeypatch, error)
    assert main([*BUILD, "--json"]) == 2
    streams = capsys.readouterr()
    assert f"error[{code}]" in streams.err
    assert json.loads(streams.out)["errors"][0]["code"] == code


@pytest.mark.parametrize(
    "error",
    [
        KeyError("dense_7"),
        AssertionError("expected an integer tensor"),
        FileNotFoundError(2, "No such file", str(Path(gatesmith.__file__).parent / "x.sv.j2")),
        OSError("no number, so not from the operating system"),
    ],
)
def test_a_bug_is_one_of_ours_and_its_traceback_is_in_a_file(
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fail_with(monkeypatch, error)
    assert main(BUILD) == 1
    streams = capsys.readouterr()
    assert streams.err.startswith(f"gatesmith has a bug: {type(error).__name__}")
    assert "Traceback" not in streams.err
    (report,) = tmp_path.iterdir()
    assert str(report) in streams.err
    text = report.read_text("utf-8")
    assert "Traceback" in text and "command: gatesmith build net.onnx -o out" in text
