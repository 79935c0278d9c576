"""The command as a function: rows, what ends one, files. No time is asserted."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatesmith
from gatesmith.benching import run, settings
from gatesmith.benching.fpga import fpga
from gatesmith.benching.result import CSV, Benched, Row
from gatesmith.benching.settings import Settings
from gatesmith.cpu_gpu_baselines.engines import Bound, Engine, Opened, Subject, Unavailable
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Ints
from gatesmith.pipeline import quiet

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
MODEL, DATA = DIGITS / "digits_1w1a.onnx", DIGITS / "digits_test.npz"
SPEC = "u5:1/16"


class Made(Engine):
    """An engine that gives what is expected, or what a test wants."""

    name = "made"
    kind = "integer"

    def __init__(
        self,
        change: Callable[[Ints], Ints] = lambda y: y,
        fails: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.change, self.fails = change, fails
        self.timed: list[int] = []

    def open(self, subject: Subject, threads: int) -> Opened:
        return _Opened(self, subject)


class _Opened(Opened):
    note = "made"

    def __init__(self, engine: Made, subject: Subject) -> None:
        self.engine, self.subject = engine, subject

    def bind(self, frames: Ints) -> Bound:
        size = len(frames)

        def call() -> None:
            self.engine.timed.append(size)
            self.engine.fails(size)

        def read() -> Sequence[Any]:
            return [self.engine.change(self.subject.expected[0][frames])]

        return Bound(call, read)


def bench(**options: Any) -> Benched:
    given = {"seconds": 0.005, "frames": 70, "input_spec": SPEC, "energy": False, **options}
    return gatesmith.bench(MODEL, DATA, **given)


def with_engine(monkeypatch: pytest.MonkeyPatch, engine: Engine, **options: Any) -> Benched:
    monkeypatch.setattr(settings, "all_engines", lambda: {engine.name: engine})
    return bench(**{"threads": (1,), **options})


def test_a_row_for_each_engine_and_number_of_threads() -> None:
    names = ("native", "numpy", "onnxruntime")
    found = bench(engines=names, threads=(1, 2), batches=(1, 16, 64, 256))
    assert found.all_equal
    assert [(row.engine, row.threads) for row in found.rows] == [
        ("numpy", None),
        ("native", 1),
        ("native", 2),
        ("onnxruntime", 1),
        ("onnxruntime", 2),
    ]
    for row in found.rows:
        assert row.skipped is None and row.problems == []
        assert [entry.batch for entry in row.batches] == [1, 16, 64]
        assert row.latency_us == row.batches[0].median_us
        assert row.throughput == max(entry.throughput for entry in row.batches)
        assert row.compared == 700
    numpy, native, _, ort, _ = found.rows
    assert numpy.equal and native.equal
    assert numpy.top1 == native.top1
    assert (ort.equal, ort.differing, ort.unexplained) == (None, 0, 0)
    assert found.notes[0] == "batches 256 left out: the data has 70 frames"
    assert found.model["weight_bytes"] == 808
    assert found.fpga is None


def test_a_wrong_engine_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(y: Ints) -> Ints:
        return np.where(np.arange(len(y))[:, None] == 5, y + 1, y)

    engine = Made(change)
    found = with_engine(monkeypatch, engine)
    (row,) = found.rows
    assert row.equal is False and row.differing == 10
    assert row.problems == ["wrong from frame 5 on: not timed"]
    assert row.batches == [] and row.latency_us is None and row.throughput is None
    assert not found.all_equal
    assert engine.timed == [70]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Failed to allocate memory for requested buffer of size 1073741824"),
    ],
)
def test_out_of_memory_ends_a_row_and_smaller_batches_stay(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(size: int) -> None:
        if size == 16:
            raise error

    (row,) = with_engine(monkeypatch, Made(fails=fails)).rows
    assert row.skipped is None and row.equal
    assert [entry.batch for entry in row.batches] == [1, 4]
    assert row.problems == ["out of memory at a batch of 16"]


def test_an_engine_that_breaks_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(size: int) -> None:
        raise RuntimeError("no kernel image\nis available")

    found = with_engine(monkeypatch, Made(fails=fails))
    (row,) = found.rows
    assert row.skipped == "it failed: RuntimeError: no kernel image"
    assert row.equal is None
    assert found.all_equal


def test_an_engine_that_cannot_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent(Made):
        def open(self, subject: Subject, threads: int) -> Opened:
            raise Unavailable("it is not here")

    found = with_engine(monkeypatch, Absent(), threads=(1, 2))
    assert [(row.skipped, row.equal) for row in found.rows] == [("it is not here", None)]


def test_several_errors_at_once() -> None:
    with pytest.raises(UserErrors) as caught:
        bench(engines=("native", "abacus"), batches=(0,), threads=(0,), seconds=0.0, frames=0)
    assert [error.code for error in caught.value.errors] == ["bench.engine", *["cli.bad-value"] * 4]
    assert str(caught.value.errors[0]) == (
        'error[bench.engine]: there is no engine "abacus"\n'
        "  at   --engines native,abacus\n"
        "  why  the engines are numpy, native, native-sparse, onnxruntime-codes, onnxruntime,"
        " onnxruntime-int8, torch, torch-compile, torch-bfloat16, torch-int8, onnxruntime-cuda,"
        " onnxruntime-tensorrt, torch-cuda, torch-cuda-float16, torch-cuda-int8, triton-xnor\n"
        "  fix  use some of these names, with commas between them"
    )


def test_files_are_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "read", None)
    with pytest.raises(UserErrors) as caught:
        bench(out=tmp_path, csv=tmp_path / "no" / "a.csv", keep=tmp_path / "none")
    assert [error.code for error in caught.value.errors] == ["bench.out"] * 3
    assert str(caught.value.errors[0]) == (
        "error[bench.out]: cannot write a result\n"
        f"  at   --out {tmp_path}\n"
        "  why  it is a folder\n"
        "  fix  name a file in a folder that is there and that you may write"
    )


def test_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = bench(
        engines=("native", "torch-cuda"),
        threads=(1,),
        out=tmp_path / "a.json",
        csv=tmp_path / "a.csv",
        plot=tmp_path / "a.png",
        keep=tmp_path,
    )
    kept = tmp_path / f"bench-digits_1w1a-{found.date[:19].replace('-', '').replace(':', '')}.json"
    assert sorted(tmp_path.iterdir()) == sorted([*tmp_path.glob("a.*"), kept])
    assert kept.read_text() == (tmp_path / "a.json").read_text()
    assert json.loads(kept.read_text()) == json.loads(json.dumps(found.as_json()))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == ",".join(CSV)
    assert len(lines) == 1 + len(found.rows)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# ---- builds -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "digits"
    gatesmith.build(MODEL, folder, cycles=64, input_spec=SPEC)
    return folder


def test_a_build_has_cycles_and_no_time_without_a_clock(built: Path) -> None:
    found = gatesmith.bench(built, DATA, engines=("native",), threads=(1,), seconds=0.005, frames=9)
    core = found.fpga
    assert core is not None
    build = json.loads((built / "build.json").read_text())
    assert core["interval_cycles"] == build["interval"] == 64
    assert core["latency_cycles"] == build["latency"]
    assert core["cycles_from"] == "build.json: exact schedule"
    assert (core["latency_us"], core["throughput"], core["equal"]) == (None, None, None)
    assert core["clock_from"] == "none stated"
    assert "the FPGA's figures are cycles only: state a clock with --clock-mhz" in found.notes
    assert found.all_equal


def test_a_clock_makes_times_of_cycles(built: Path) -> None:
    build = json.loads((built / "build.json").read_text())
    core = fpga(built, build, DATA, Settings(clock_mhz=200.0), quiet)
    assert core["throughput"] == 200e6 / 64
    assert core["latency_us"] == build["latency"] / 200
    assert core["clock_from"] == "stated by --clock-mhz"


def test_measured_cycles(built: Path) -> None:
    build = json.loads((built / "build.json").read_text())
    core = fpga(built, build, DATA, Settings(clock_mhz=100.0, measure=4), quiet)
    assert core["cycles_from"] == "measured in simulation, 4 frames"
    assert (core["interval_cycles"], core["equal"], core["frames"]) == (64, True, 4)


def test_a_core_that_is_wrong_fails_the_benchmark() -> None:
    row = Row(engine="native", kind="integer", device="cpu", equal=True)
    for equal, whole in ((True, True), (None, True), (False, False)):
        assert Benched("", {}, {}, {}, [row], {"equal": equal}, ()).all_equal is whole


@pytest.mark.parametrize("option, value", [("measure", 4), ("clock_mhz", 100.0)])
def test_what_only_a_build_has(option: str, value: float) -> None:
    with pytest.raises(UserError) as caught:
        bench(**{option: value})
    told = f"--{option.replace('_', '-')} {value:g}"
    assert str(caught.value) == (
        "error[bench.no-build]: a model has no cycles\n"
        f"  at   {told}\n"
        f"  why  {MODEL} is no build folder\n"
        f"  fix  gatesmith build {MODEL} -o DIR, and bench DIR\n"
        f"  fix  leave {told.split(maxsplit=1)[0]} out"
    )


def test_a_build_has_its_input_declared(built: Path) -> None:
    with pytest.raises(UserError) as caught:
        gatesmith.bench(built, DATA, input_spec=SPEC)
    assert str(caught.value) == (
        "error[bench.input]: a build has its input declared already\n"
        f"  at   --input {SPEC}\n"
        f"  why  {built} was built with {SPEC}\n"
        "  fix  leave --input out\n"
        "  fix  give the model in the place of the build"
    )
