from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatesmith.errors import UserError
from gatesmith.synthesis import store
from gatesmith.synthesis.process import run, stop
from gatesmith.templates.tb import cache


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run("Yosys", python("print('ERROR: no module'); raise SystemExit(3)"), tmp_path, None)
    error = caught.value
    assert (error.code, error.what) == ("synth.failed", "Yosys refuses the design")
    assert error.where == "Yosys, exit code 3"
    assert error.why == "ERROR: no module"


def test_a_program_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    child = "import time; time.sleep(5); open('late', 'w')"
    text = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(UserError) as caught:
        run("nextpnr", python(text), tmp_path, 0.2)
    assert (caught.value.code, caught.value.what) == ("synth.timeout", "nextpnr has not finished")
    assert caught.value.where == "--timeout 0.2"
    assert not (tmp_path / "late").exists()


def test_what_runs_is_stopped_where_another_has_failed(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        text = "open('started', 'w').close(); import time; time.sleep(60)"
        job = pool.submit(run, "Yosys", python(text), tmp_path, None)
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        stop()
        with pytest.raises(UserError) as caught:
            job.result()
    assert caught.value.code == "synth.failed"
    assert caught.value.why == "killed by signal 9; out of memory?"


def test_a_result_is_made_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path))
    made: list[Path] = []

    def make(work: Path) -> None:
        made.append(work)
        (work / "x").write_text("1")

    def fail(work: Path) -> None:
        (work / "x").write_text("half")
        raise RuntimeError

    key = store.digest("a", b"bc")
    assert key != store.digest("ab", b"c")
    with pytest.raises(RuntimeError):
        store.kept(key, fail)
    assert list((tmp_path / "synth").iterdir()) == []
    assert (store.kept(key, make) / "x").read_text() == "1"
    assert store.kept(key, make) == tmp_path / "synth" / key
    assert len(made) == 1


def test_the_longest_unused_go(tmp_path: Path) -> None:
    for k, key in enumerate("abcd"):
        made = cache.kept(tmp_path / "kind", key, lambda work: None, 3)
        assert made.stat().st_mode & 0o777 == 0o777 & ~current_umask()
        os.utime(made, (k + 1, k + 1))
        cache.kept(tmp_path / "kind", "a", lambda work: None, 3)
    assert sorted(entry.name for entry in (tmp_path / "kind").iterdir()) == ["a", "c", "d"]


def current_umask() -> int:
    os.umask(found := os.umask(0))
    return found


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GATESMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError) as caught:
        store.kept("k", lambda work: None)
    assert (caught.value.code, caught.value.what) == (
        "synth.no-cache",
        "the cache cannot be written",
    )
