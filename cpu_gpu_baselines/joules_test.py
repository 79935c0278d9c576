"""Energy counters, on a made sysfs."""

from pathlib import Path

import pytest

from gatesmith.cpu_gpu_baselines import joules
from gatesmith.cpu_gpu_baselines.joules import Meter, meter


def zone(folder: Path, number: int, used: int) -> Path:
    made = folder / f"intel-rapl:{number}"
    made.mkdir()
    (made / "energy_uj").write_text(f"{used}\n")
    (made / "max_energy_range_uj").write_text("262143000000\n")
    return made


def test_no_counter(tmp_path: Path) -> None:
    assert meter("cpu", tmp_path / "none") == (
        f"this machine has no RAPL counter ({tmp_path / 'none'})"
    )
    assert meter("cpu", tmp_path) == f"this machine has no RAPL counter ({tmp_path})"


def test_a_counter_that_only_root_reads(tmp_path: Path) -> None:
    (zone(tmp_path, 0, 5) / "energy_uj").unlink()
    found = meter("cpu", tmp_path)
    assert isinstance(found, str)
    assert found.startswith("the RAPL counter cannot be read: No such file or directory")


def test_packages_are_added(tmp_path: Path) -> None:
    zone(tmp_path, 0, 2_000_000)
    zone(tmp_path, 1, 500_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of package 0
    found = meter("cpu", tmp_path)
    assert isinstance(found, Meter)
    assert (found.name, found.read(), found.wraps) == ("RAPL, 2 packages", 2.5, 524286.0)


def test_a_counter_that_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joules, "LEAST_SECONDS", 0.0)
    told = iter((9.0, 1.0))
    used, calls = joules.joules(Meter("made", lambda: next(told), 10.0), lambda: None)
    assert (used, calls) == (2.0, 1)
