"""Builds that are killed, stopped, crowded or without room: the old folder or the new, whole."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

import gatesmith
from gatesmith.cli import main
from gatesmith.errors import UserError
from gatesmith.rtl_tests.fuzz.killed import contents
from gatesmith.rtl_tests.integer_networks import rounded_scores
from gatesmith.templates.tb import toolchain

SPEC = "i5:1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "scores.onnx"
    onnx.save(rounded_scores(True).model, path)
    return path


@pytest.fixture
def out(model: Path, tmp_path: Path) -> Path:
    """A folder with a build in it, alone in its place."""
    place = tmp_path / "place" / "out"
    gatesmith.build(model, place, input_spec=SPEC, cycles=32)
    return place


def run_killed(model: Path, place: Path, number: int, points: int) -> dict[str, Any]:
    words = [str(model), str(place / "out"), str(int(number)), "1", str(points), "--input", SPEC]
    done = subprocess.run(
        [sys.executable, "-m", "gatesmith.rtl_tests.fuzz.killed", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signal_at_any_step(number: int, model: Path, tmp_path: Path) -> None:
    told = run_killed(model, tmp_path / "place", number, 30)
    assert told["torn"] == []
    assert told["end"]
    assert told["kept"] == ["out"]
    assert str(-number if number == signal.SIGKILL else 128 + number) in told["codes"]


def test_signal_while_folders_are_exchanged(model: Path, tmp_path: Path) -> None:
    told = run_killed(model, tmp_path / "place", signal.SIGKILL, 1)
    assert told["torn"] == []
    assert told["left"] > 0  # something was left over, or nothing was tested
    assert told["end"]
    assert told["kept"] == ["out"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopped_build_cleans_up(
    number: int, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before = contents(out)

    def stop(*_: object) -> bytes:
        os.kill(os.getpid(), number)
        raise AssertionError("the handler raises")

    monkeypatch.setattr("gatesmith.build_folder.one_file", stop)
    handler = signal.getsignal(number)
    if handler == signal.SIG_IGN:
        pytest.skip("who started the tests has this signal ignored (nohup), and so it stays")
    assert main(["build", str(model), "-o", str(out), "--input", SPEC]) == 128 + number
    assert signal.getsignal(number) == handler
    assert signal.Signals(number).name in capsys.readouterr().err
    assert contents(out) == before
    assert os.listdir(out.parent) == ["out"]


# ---- room ---------------------------------------------------------------------------------------


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond a few bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_no_room_for_a_file(model: Path, out: Path) -> None:
    before = contents(out)
    with pytest.raises(UserError) as caught, small_files():
        gatesmith.build(model, out, input_spec=SPEC)
    assert caught.value.code == "build.cannot-write"
    assert caught.value.why == os.strerror(errno.EFBIG)
    assert contents(out) == before
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.parametrize("number", [1, 5, 20])
def test_full_disk(
    number: int, model: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    before, write, done = contents(out), Path.write_text, []

    def full(path: Path, *given: Any, **options: Any) -> int:
        done.append(path)
        if len(done) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, *given, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["build", str(model), "-o", str(out), "--input", SPEC]) == 2
    told = capsys.readouterr().err
    assert "error[build.cannot-write]" in told
    assert "No space left on device" in told
    assert contents(out) == before
    assert os.listdir(out.parent) == ["out"]


# ---- places -------------------------------------------------------------------------------------


def test_link_to_a_build_is_followed(model: Path, out: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(out)
    before = contents(out)
    gatesmith.build(model, link, input_spec=SPEC)
    assert link.is_symlink()
    assert contents(out) != before
    assert contents(link) == contents(out)


def test_link_to_nothing_is_made_good(model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "place")
    gatesmith.build(model, link, input_spec=SPEC)
    assert (tmp_path / "far/place/build.json").is_file()


def test_link_in_a_circle_is_refused(model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link.name)
    assert main(["build", str(model), "-o", str(link), "--input", SPEC]) == 2
    assert link.is_symlink()


def test_two_builds_at_once(model: Path, tmp_path: Path) -> None:
    """Both into one folder, and one into another."""
    place = tmp_path / "place"
    todo = [("same", "32"), ("same", "64"), ("own", "32")]
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "gatesmith", "build", str(model), "-o", str(place / name)),
                *("--input", SPEC, "--cycles", cycles),
            ],
            stdout=subprocess.DEVNULL,
        )
        for name, cycles in todo
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert sorted(os.listdir(place)) == ["own", "same"]
    known = {}
    for cycles in (32, 64):
        gatesmith.build(model, tmp_path / "alone", input_spec=SPEC, cycles=cycles)
        known[cycles] = contents(tmp_path / "alone")
    assert contents(place / "own") == known[32]
    assert contents(place / "same") in known.values()


# ---- compilers ----------------------------------------------------------------------------------


def test_killed_compiler_is_reported_and_leaves_nothing(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\ncase "$*" in *--version*) echo fake;; *) kill -9 $$;; esac\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "cache"))
    toolchain.find_compiler.cache_clear()
    try:
        data = sorted((out / "vectors").glob("*.npz"))[0]
        assert main(["verify", str(out), "--data", str(data)]) == 2
    finally:
        toolchain.find_compiler.cache_clear()
    told = capsys.readouterr().err
    assert "error[verify.build-failed]" in told
    assert "signal 9" in told
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.name in {"sim", "csim"}]
    assert [path for path in kept if path.is_file()] == []
    assert list((tmp_path / "cache" / "sim").iterdir()) == []
    assert [path for path in (tmp_path / "cache").rglob("*.o")] == []
