"""FuseSoC and edalize on a build folder that was copied elsewhere: lint, simulation, projects."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gatesmith.build_folder import Built
from gatesmith.rtl_tests import ip_builds, object_cache
from gatesmith.rtl_tests.tcl_stubs import QUARTUS, VIVADO, run_script, values
from gatesmith.templates.tb import cache, toolchain

pytest.importorskip("fusesoc")
pytest.importorskip("edalize")

try:
    SETTINGS = toolchain.make_settings()
except toolchain.ToolError as missing:
    pytest.skip(f"no simulator: {missing}", allow_module_level=True)

QUICK = "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
"""For the compiler: a few frames are run, not a data set."""

OBJCACHE = " ".join(
    (sys.executable, str(Path(object_cache.__file__).absolute()), str(cache.folder("objects")))
)


def run(folder: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``fusesoc run`` in ``work``, with nothing of the user's own settings."""
    top = next(folder.glob("*.core")).stem
    environment = {**os.environ, **SETTINGS}
    environment["MAKEFLAGS"] = f"{SETTINGS.get('MAKEFLAGS', '')} {QUICK}"
    environment["OBJCACHE"] = OBJCACHE
    environment |= {f"XDG_{kind}_HOME": str(work / "xdg") for kind in ("CONFIG", "DATA", "CACHE")}
    options = [a for a in arguments if a.startswith(("--target", "--setup", "--run", "--build"))]
    rest = [a for a in arguments if a not in options]
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(folder)]
    return subprocess.run(
        [*command, "run", *options, f"gatesmith:ip:{top}", *rest],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def moved(built: Built, folder: Path) -> Path:
    """The build at another place, with a blank in its name; the old one is gone."""
    target = folder / "moved here" / "core"
    target.parent.mkdir()
    shutil.move(built.folder, target)
    return target


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    return moved(ip_builds.small(folder), folder)


def simulate(folder: Path, work: Path) -> Path:
    """The sim target passes; returns the folder it ran in."""
    done = run(folder, work, "--target=sim")
    assert done.returncode == 0, done.stdout + done.stderr
    equal = re.search(r"^(\d+) of (\d+) frames equal$", done.stdout, re.MULTILINE)
    assert equal, done.stdout
    assert equal[1] == equal[2]
    assert int(equal[1]) >= 3
    return next(work.glob("build/*/sim"))


def test_sim_target_passes_and_fails_for_a_reason(small: Path, tmp_path: Path) -> None:
    ran = simulate(small, tmp_path)

    stalls = ("--source_stall=96", "--sink_stall=96", "--resets=8")
    again = run(small, tmp_path, "--target=sim", "--run", *stalls)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "256 of 256 frames equal" in again.stdout
    assert (ran / "times.txt").read_text().count("\nr ") >= 4

    none = run(small, tmp_path, "--target=sim", "--run", "--frames=0")
    assert none.returncode != 0
    assert "say how many frames" in none.stdout + none.stderr

    other = tmp_path / "other"  # the next runs copy these files to where they run
    shutil.copytree(small, other)
    expected = other / "vectors" / "expected_0.bin"
    right = expected.read_bytes()
    expected.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    wrong = run(other, tmp_path, "--target=sim", "--run")
    assert wrong.returncode != 0
    assert "bench: 1 errors; the first: kind 1" in wrong.stdout + wrong.stderr

    expected.write_bytes(right)
    weights = max((other / "rtl").glob("*.mem"), key=lambda path: path.stat().st_size)
    weights.write_text("".join(f"{'0' * len(line)}\n" for line in weights.read_text().split()))
    blank = run(other, tmp_path, "--target=sim", "--run")
    assert blank.returncode != 0  # so the image beside the simulator is the one that is read
    assert "bench:" in blank.stdout + blank.stderr


def test_lint_target(small: Path, tmp_path: Path) -> None:
    done = run(small, tmp_path, "--target=lint")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "%Warning" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "commands", "reads"),
    [("vivado", VIVADO, ("read_verilog", "-sv")), ("quartus", QUARTUS, ("set_global_assignment",))],
)
def test_edalize_sets_up_the_project(
    small: Path, tmp_path: Path, target: str, commands: tuple[str, ...], reads: tuple[str, ...]
) -> None:
    done = run(small, tmp_path, f"--target={target}", "--setup")
    assert done.returncode == 0, done.stdout + done.stderr
    (script,) = (
        p for p in tmp_path.glob(f"build/*/{target}*/*.tcl") if re.search(r"1[._]0\.tcl", p.name)
    )
    calls = run_script(script, commands, script.parent)

    named = [Path(last) for last in values(calls, *reads) if last.endswith(".sv")]
    assert {p.name for p in named} == {p.name for p in (small / "rtl").glob("*.sv")}
    assert all((script.parent / path).is_file() for path in named)
    images = {path.name for path in (small / "rtl").glob("*.mem")}
    if target == "vivado":
        assert {Path(path).name for path in values(calls, "read_mem")} == images
        assert ("set_property", "part", "xc7z020clg400-1", "<current_project>") in calls
    else:
        assert {path.name for path in script.parent.glob("*.mem")} == images
        assert ("set_global_assignment", "-name", "FAMILY", "Cyclone V") in calls


@pytest.mark.slow
@pytest.mark.parametrize("make", [ip_builds.ends, ip_builds.bipolar])
def test_sim_target_of_other_networks(make: Callable[[Path], Built], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    simulate(moved(make(tmp_path), tmp_path), work)
