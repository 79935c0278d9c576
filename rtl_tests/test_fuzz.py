"""Damaged model files are built or refused, and the judge sees what it is there to see."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from gatesmith.rtl_tests.fuzz import judge as judging
from gatesmith.rtl_tests.fuzz.case import DAMAGES, SECRET, Case
from gatesmith.rtl_tests.fuzz.judge import judge
from gatesmith.rtl_tests.fuzz.stock import generated, make_case
from gatesmith.rtl_tests.fuzz.watch import Watch

ROOT = Path(__file__).parents[2]
WATCH = Watch()


def run(files: int, seed: int, *words: str) -> None:
    """In a process of its own: the farm forks."""
    command = [sys.executable, "benchmarks/fuzz.py", "--files", str(files), "--seed", str(seed)]
    done = subprocess.run(
        [*command, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'"files": {files}' in done.stdout


def test_a_few_damaged_files() -> None:
    run(120, 1, "--small")


@pytest.mark.slow
def test_many_damaged_files() -> None:
    run(1500, 2)


def test_cases_hang_on_seed_and_index_only() -> None:
    models = generated()
    first = [make_case(index, 7, models)[0].data() for index in range(40)]
    again = [make_case(index, 7, generated())[0].data() for index in range(40)]
    assert first == again
    assert [make_case(index, 8, models)[0].data() for index in range(40)] != first


def test_every_damage_changes_something() -> None:
    """On some of the models; what it does not find there it cannot change."""
    models = [onnx.ModelProto.FromString(model.data) for model in generated()[:6]]
    for name, damage in DAMAGES.items():
        changed = False
        for seed, model in enumerate(models):
            copy = onnx.ModelProto.FromString(model.SerializeToString())
            case = Case(copy, random.Random(seed), models[0])
            before = (case.data(), case.name, case.options, case.odd)
            damage(case)
            changed |= before != (case.data(), case.name, case.options, case.odd)
        assert changed, name


# ---- the judge ----------------------------------------------------------------------------------


def judged(
    does: Callable[[Path], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> judging.Judged:
    """Verdict on a command that does this instead, given the folder it may write to."""

    def command(words: list[str]) -> int:
        if words[0] == "inspect":
            return 0
        code = does(Path(words[3]).parent)
        if code == 2:
            print("error[some.code]: something", file=sys.stderr)
        return code

    monkeypatch.setattr(judging, "main", command)
    model = onnx.ModelProto.FromString(generated()[0].data)
    case = Case(model, random.Random(4), model)
    case.options = ()
    return judge(case, tmp_path / "case", WATCH)


def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda text: {})
    assert judged(lambda made: 2, tmp_path, monkeypatch).outcome == "refused"


def fails(made: Path) -> int:
    print("gatesmith has a bug: KeyError", file=sys.stderr)
    return 1


def writes_beside(made: Path) -> int:
    (made.parent / "evil").write_text("")
    return 2


def leaves_a_file(made: Path) -> int:
    (made / "left").write_text("")
    return 2


def reads_outside(made: Path) -> int:
    (made.parent / "secret.bin").read_bytes()
    return 2


def starts_a_process(made: Path) -> int:
    subprocess.run(["true"], check=False)
    return 2


def loses_the_old_build(made: Path) -> int:
    (made / "core" / "rtl" / "old.sv").unlink()
    return 2


def changes_the_old_build(made: Path) -> int:
    (made / "core" / "rtl" / "old.sv").write_text("more than there was")
    return 2


def leaks(made: Path) -> int:
    (made / "core" / "rtl" / "old.sv").unlink()
    (made / "core" / "rtl" / "new.sv").write_bytes(b"x" + SECRET)
    print("{}")
    return 0


def keeps_the_old_file(made: Path) -> int:
    print("{}")
    return 0


def obeys_the_terminal(made: Path) -> int:
    print("\x1b[31m", file=sys.stderr)
    return 2


def says_nothing(made: Path) -> int:
    return 3


def eats(made: Path) -> int:
    block = bytearray(judging.MOST_MEMORY)
    block[::4096] = b"x" * len(block[::4096])
    return 2


@pytest.mark.parametrize(
    ("does", "outcome"),
    [
        (fails, "traceback"),
        (writes_beside, "stray"),
        (leaves_a_file, "stray"),
        (reads_outside, "stray"),
        (starts_a_process, "stray"),
        (loses_the_old_build, "lost"),
        (changes_the_old_build, "stray"),
        (leaks, "leak"),
        (keeps_the_old_file, "lost"),
        (obeys_the_terminal, "output"),
        (says_nothing, "output"),
        (eats, "memory"),
    ],
)
def test_failures_are_seen(
    does: Callable[[Path], int], outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_MEMORY", 1 << 28)
    monkeypatch.setattr(json, "loads", lambda text: {})
    found = judged(does, tmp_path, monkeypatch)
    assert found.outcome == outcome, found


def test_hang_and_crash_are_seen(tmp_path: Path) -> None:
    """One case computes for ever, one kills its process; the third is still run."""
    script = f"""
import os, sys
from pathlib import Path
from gatesmith.rtl_tests.fuzz import farm, judge
from gatesmith.rtl_tests.fuzz.stock import generated
models = generated()[1:4]
watch = farm.warm(models, Path({str(tmp_path)!r}))
farm.warm = lambda models, work: watch
farm.MOST_SECONDS = 0.5
def both(case, model, made, watch):
    index = int(model.parent.parent.name)
    while index == 0:
        pass
    if index == 1:
        os.kill(os.getpid(), 11)
    return "refused", ""
judge._both = both
found = farm.run(range(3), 1, models, Path({str(tmp_path)!r}), 1)
print(sorted((ran.index, ran.judged.outcome, ran.judged.told) for ran in found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "(0, 'hang', 'signal 9'), (1, 'crash', 'signal 11'), (2, 'refused', '')" in done.stdout
