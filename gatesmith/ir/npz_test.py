"""Arrays come back as they were, in the same bytes, whatever compresses on the machine."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from gatesmith.ir.npz import save_arrays


def test_numbers_come_back(tmp_path: Path) -> None:
    arrays = {
        "file": np.array([[-(2**63), 2**63 - 1]]),
        "small": np.array([-128, 127]),
        "bytes": np.array([0, 255], np.uint8),
        "none": np.zeros((0, 3), np.int64),
        "real": np.array([0.1, -np.inf], ">f8"),
        "truth": np.array(True),
    }
    save_arrays(tmp_path / "a.npz", arrays)

    with np.load(tmp_path / "a.npz") as found:
        assert {name: array.dtype.str for name, array in found.items()} == {
            "file": "<i8",
            "small": "|i1",
            "bytes": "<i2",
            "none": "|i1",
            "real": "<f8",
            "truth": "|b1",
        }
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_nothing_of_the_machine_is_in_the_bytes(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", {"a": np.arange(1000), "b": np.zeros(9)})

    with zipfile.ZipFile(tmp_path / "a.npz") as whole:
        for entry in whole.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
