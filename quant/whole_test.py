"""Outputs that no small number of bits holds are refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.pipeline import to_integers
from gatesmith.rtl_tests.random_network import random_model


def test_a_unit_too_fine_for_64_bits_is_refused(tmp_path: Path) -> None:
    """A network whose last scale and bias have no common unit of fewer bits."""
    file = tmp_path / "net.onnx"
    onnx.save(random_model(13), file)
    with pytest.raises(UserError) as raised:
        to_integers(import_model(file, None), file)
    assert raised.value.code == "quant.real-output"
