"""A folder appears whole, in the place of an older one, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gatesmith import whole_folder as module
from gatesmith.whole_folder import whole_folder


def put(place: Path, text: str) -> None:
    with whole_folder(place) as work:
        (work / "a").write_text(text)
        (work / "b").write_text(text)


def held(place: Path) -> set[str]:
    assert sorted(path.name for path in place.iterdir()) == ["a", "b"]
    return {path.read_text() for path in place.iterdir()}


@pytest.mark.parametrize("exchanges", [True, False])
def test_new_one_takes_the_place(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:  # a file system that cannot
        monkeypatch.setattr(module, "_exchanged", lambda one, two: errno.EINVAL)
    place = tmp_path / "deep" / "place"
    for text in ("first", "second", "third"):
        put(place, text)
        assert held(place) == {text}
        assert os.listdir(place.parent) == ["place"]
    assert place.stat().st_mode & 0o777 == 0o777 & ~module._umask()


def test_old_one_stays_when_the_work_fails(tmp_path: Path) -> None:
    put(tmp_path / "place", "old")
    with pytest.raises(OSError, match="full"), whole_folder(tmp_path / "place") as work:
        (work / "a").write_text("new")
        raise OSError(errno.ENOSPC, "full")
    assert held(tmp_path / "place") == {"old"}
    assert os.listdir(tmp_path) == ["place"]


def test_old_one_is_put_back_when_a_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "place", "old")
    monkeypatch.setattr(module, "_exchanged", lambda one, two: errno.ENOSYS)
    rename, done = os.rename, []

    def fails_at_the_third(one: Path, two: Path) -> None:
        done.append(one)
        if len(done) == 3:
            raise OSError(errno.EIO, "broken disk")
        rename(one, two)

    monkeypatch.setattr(os, "rename", fails_at_the_third)
    with pytest.raises(OSError, match="broken disk"):
        put(tmp_path / "place", "new")
    monkeypatch.undo()
    assert held(tmp_path / "place") == {"old"}
    assert os.listdir(tmp_path) == ["place"]


def test_link_is_followed(tmp_path: Path) -> None:
    put(tmp_path / "place", "old")
    (tmp_path / "link").symlink_to("place")
    put(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert held(tmp_path / "place") == {"new"}


def test_only_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = tmp_path / f".place.{child.pid}.x.part"
    living = tmp_path / f".place.{os.getpid()}.x.part"
    others = [tmp_path / f".other.{child.pid}.x.part", tmp_path / ".place.part"]
    for path in (dead, living, *others):
        (path / "inner").mkdir(parents=True)
    put(tmp_path / "place", "new")
    assert not dead.exists()
    assert all(path.is_dir() for path in (living, *others))


def test_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: put(tmp_path / "place", str(k)), range(64)))
    assert len(held(tmp_path / "place")) == 1
    assert os.listdir(tmp_path) == ["place"]


def test_name_as_long_as_they_may_be(tmp_path: Path) -> None:
    place = tmp_path / ("ß" * 127)
    put(place, "old")
    put(place, "new")
    assert held(place) == {"new"}
