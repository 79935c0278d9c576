"""Verdicts of cores whose cycles hang on the data."""

from __future__ import annotations

from typing import Any

import pytest

import gatesmith.api
from gatesmith.cli import main
from gatesmith.cli.commands_test import verdict
from gatesmith.rtl_tests.verify import Verdict
from gatesmith.templates.tb import bench, shards

VARIES = {"interval": 180, "interval_min": 64, "interval_mean": 99.25, "interval_worst": 200}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            verdict(**VARIES, interval_predicted=200, late=-17),
            ["interval     99.2 cycles on average (64 to 180); worst case 200",
             "latency      245 cycles; worst case 245",
             "late         behind the schedule of the worst case: never"],
        ),
        (
            verdict(**VARIES, interval_predicted=200, late=3, early=0.625),
            ["late         behind the schedule of the worst case: by 3 cycles",
             "left early   62.50 % of the frames"],
        ),
        (
            verdict(interval=None, interval_min=None, interval_mean=None, interval_worst=200),
            ["latency      245 cycles; worst case 245"],
        ),
    ],
)  # fmt: skip
def test_what_varies_is_told_with_its_worst_case(
    found: Verdict,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def verify(*_args: Any, **_options: Any) -> Verdict:
        return found

    monkeypatch.setattr(gatesmith.api, "verify", verify, raising=False)
    assert main(["verify", "out", "--data", "x.npz"]) == 0
    text = capsys.readouterr().out
    assert all(line in text for line in lines), text
    assert "as predicted" not in text


def test_late_is_the_frame_furthest_behind_its_time() -> None:
    build = {"interval": 100, "latency": 250}
    assert shards.late(build, [{"ends": [250, 350, 450]}]) == 0
    assert shards.late(build, [{"ends": [90, 330, 451]}, {"ends": [260]}]) == 10
    assert shards.late(build, [{"ends": []}]) is None


def test_times_of_a_run_give_mean_and_ends() -> None:
    lines = ["i 4 10", "i 5 20", "i 6 31", "i 7 40"]
    lines += ["o 4 30", "o 5 47", "o 6 80", "o 7 115"]
    found = bench.timing(lines)
    assert found["ends"] == [20, 37, 70, 105]
    assert found["intervals"] == [35, 35, 1, 35]  # behind those that filled the pipeline
    parts: list[dict[str, Any]] = [
        {"intervals": [3, 9, 2, 12]},
        {"intervals": [5, 5, 1, 5]},
        {"intervals": None},
    ]
    told: dict[str, Any] = {"first": None, "latency": None, "outputs": [], "frames": 1, "wrong": []}
    told |= {"errors": 0, "cycles": 0, "resets": []}
    total = shards.total([told | part for part in parts])
    assert total["interval_mean"] == 17 / 3
    assert (total["interval_min"], total["interval_max"]) == (3, 9)


HLS = {
    "frames": 1000,
    "equal": 1000,
    "all_equal": True,
    "seconds_compile": 8.25,
    "seconds_sim": 2.5,
    "warning": None,
    "mismatch": None,
}


@pytest.mark.parametrize(
    ("options", "rtl", "hls"),
    [([], True, False), (["--hls"], False, True), (["--hls", "--rtl"], True, True)],
)
def test_hls_alone_or_with_the_rtl(
    options: list[str],
    rtl: bool,
    hls: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[tuple[bool, bool]] = []

    def verify(*_args: Any, **given: Any) -> Verdict:
        asked.append((given["rtl"], given["hls"]))
        cycles = {} if given["rtl"] else {"cycles": 0, "interval": None, "latency": None}
        return verdict(**cycles, hls=HLS if given["hls"] else None)

    monkeypatch.setattr(gatesmith.api, "verify", verify, raising=False)
    assert main(["verify", "out", "--data", "x.npz", *options]) == 0
    assert asked == [(rtl, hls)]
    text = capsys.readouterr().out
    told = "HLS          1,000 of 1,000 frames equal in C simulation, 2.5 s, compiled in 8.25 s"
    assert (told in text) == hls
    assert ("simulated" in text) == rtl
    assert ("as predicted" in text) == rtl


def test_what_the_streams_complain_about_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned = {**HLS, "all_equal": False, "warning": "WARNING: a stream is read while empty"}

    def verify(*_args: Any, **_options: Any) -> Verdict:
        return verdict(all_equal=False, hls=warned)

    monkeypatch.setattr(gatesmith.api, "verify", verify, raising=False)
    assert main(["verify", "out", "--data", "x.npz", "--hls"]) == 1
    assert "HLS          WARNING: a stream is read while empty" in capsys.readouterr().out
