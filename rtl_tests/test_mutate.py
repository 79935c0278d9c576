"""``gatesmith mutate`` end to end: a good bench kills, one that cannot fail is found out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gatesmith.cli import main
from gatesmith.errors import UserError
from gatesmith.pipeline import quiet
from gatesmith.rtl_tests import mutate as by_hand
from gatesmith.rtl_tests import tiny
from gatesmith.rtl_tests.mutation.run import mutate
from gatesmith.templates.tb import toolchain

pytest.importorskip("pyslang")
try:
    toolchain.find_cocotb()
    toolchain.find_verilator()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)

MUTANTS = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_build(tmp_path_factory.mktemp("mutate") / "build")


@pytest.fixture
def build(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "build"))


@pytest.mark.slow  # a model
def test_bench_kills_and_the_build_stays_as_it_is(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}

    code = main(["mutate", str(build), "--mutants", str(MUTANTS), "--json", "--no-prove"])

    result = json.loads(capsys.readouterr().out)
    assert result["mutants"] + result["survivors"] >= MUTANTS
    assert result["mutants"] == result["killed"] + result["survivors"]
    assert result["kill_rate"] > 0.8
    assert sum(row["mutants"] for row in result["kinds"].values()) == result["mutants"]
    assert len(result["surviving"]) == result["survivors"]
    assert code == (result["kill_rate"] < 0.98)
    assert before == {path: path.read_bytes() for path in build.rglob("*") if path.is_file()}


@pytest.mark.slow  # a model
def test_a_bench_that_cannot_fail_kills_nothing_by_its_data(build: Path) -> None:
    """Trap 14. What still kills is what the bench does not decide: assertions, and no end."""
    bench = build / "tb" / "tb.sv"
    by_hand.substitute(bench, "            errors = errors + 1;", "            errors = 0;")

    found = mutate(build, quiet, mutants=MUTANTS, prove=False)

    assert found.rate < 0.5
    assert {killed.by for killed in found.killed.values() if killed} <= {
        *("assertion", "late", "crash", "no-end"),
    }


@pytest.mark.slow  # a model
def test_a_core_that_is_wrong_before_anything_is_changed(build: Path) -> None:
    by_hand.flip_bit(build / "rtl" / "scale_mul.mem", word=2, bit=13)

    with pytest.raises(UserError) as caught:
        mutate(build, quiet, mutants=5, prove=False)

    assert caught.value.code == "mutate.not-right"


@pytest.mark.parametrize("options", [("--least", "101"), ("--mutants", "0"), ("--timeout", "0")])
def test_bad_numbers(options: tuple[str, str], build: Path) -> None:
    assert main(["mutate", str(build), *options]) == 2


def test_no_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutate", str(tmp_path)]) == 2
    assert "verify.incomplete-build" in capsys.readouterr().err
