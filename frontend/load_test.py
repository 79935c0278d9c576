"""Files that are no model, and what they are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from gatesmith.errors import UserError, UserErrors
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.load import LIMIT
from gatesmith.frontend.model_test import model, node, run

WEIGHTS = np.arange(24, dtype=np.float32).reshape(6, 4)
NET = model([node("MatMul", "x w")], {"x": (1, 6)}, {"w": WEIGHTS})


def message(path: Path) -> str:
    with pytest.raises((UserError, UserErrors)) as caught:
        import_model(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_missing(tmp_path: Path) -> None:
    assert message(tmp_path / "no.onnx") == (
        "error[frontend.missing-file]: there is no file no.onnx\n"
        "  at   no.onnx\n"
        "  why  the path leads nowhere\n"
        "  fix  check the spelling and the working directory"
    )
    (tmp_path / "file").touch()
    assert "[frontend.missing-file]" in message(tmp_path / "file" / "no.onnx")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    assert "error[frontend.unreadable]: net.onnx is not a file\n" in message(tmp_path / "net.onnx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(NET.SerializeToString())
    path.chmod(0)
    assert "error[frontend.unreadable]: net.onnx cannot be read\n" in message(path)


def test_above_two_gib_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        file.truncate(LIMIT + 1)  # sparse: takes no room on the disk
    text = message(path)
    assert text.startswith(
        "error[frontend.too-large]: net.onnx is too large\n"
        "  at   net.onnx\n"
        "  why  the file has 2147483648 bytes, and ONNX's protobuf holds 2147483647\n"
    )


@pytest.mark.parametrize("content", [b"", b"hello, this is no model", b"\x00" * 99, b"PK\x03\x04"])
def test_not_onnx(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert message(path).startswith(
        "error[frontend.corrupt-file]: net.onnx is not a whole ONNX model\n"
    )


def test_truncated_anywhere(tmp_path: Path) -> None:
    """A prefix of a model is an error, and never a crash, wherever it is cut."""
    data = NET.SerializeToString()
    path = tmp_path / "net.onnx"
    codes = set()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        try:
            import_model(path)
        except UserError as error:
            codes.add(error.code)
        except UserErrors as errors:
            codes.update(error.code for error in errors.errors)
        else:
            # only what follows the graph, the opset of which the import depends, may be missing
            assert onnx.ModelProto.FromString(data[:length]).opset_import
    assert "frontend.corrupt-file" in codes


def external(folder: Path, location: str = "net.data", **more: int) -> Path:
    """NET with its weights in another file."""
    proto = onnx.ModelProto()
    proto.CopyFrom(NET)
    (tensor,) = proto.graph.initializer
    (folder / "net.data").write_bytes(b"12345678" + tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries: dict[str, Any] = {"location": location, "offset": 8, "length": 96, **more}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data(tmp_path: Path) -> None:
    imported = import_model(external(tmp_path))
    feeds = {"x": np.ones((5, 1, 6))}
    assert (run(imported, feeds)[0] == WEIGHTS.sum(axis=0)).all()


@pytest.mark.parametrize(
    "location", ["../net.data", "/etc/passwd", "sub/../../net.data", "C:\\net.data", "..\\x"]
)
def test_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    text = message(external(tmp_path / "inner", location))
    assert text == (
        f"error[frontend.external-path]: tensor 'w' is kept in {location!r}, outside the model's "
        "folder\n"
        "  at   net.onnx\n"
        "  why  a model may only read files below its own folder\n"
        "  fix  put the data file beside the model, and load and save it with onnx"
    )


def test_external_data_behind_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = external(tmp_path / "inner")
    (tmp_path / "inner" / "net.data").rename(tmp_path / "net.data")
    (tmp_path / "inner" / "net.data").symlink_to(tmp_path / "net.data")
    assert "error[frontend.external-data]: the data of tensor 'w' cannot be read\n" in message(path)


def test_external_data_missing_or_short(tmp_path: Path) -> None:
    path = external(tmp_path, "other.data")
    why = "  why  there is no file other.data beside the model\n"
    assert why in message(path)
    path = external(tmp_path, length=1000)
    assert "  why  it needs 1000 bytes from 8, net.data has 104 bytes\n" in message(path)
    path = external(tmp_path, length=40)
    assert "error[frontend.corrupt-tensor]: tensor 'w' cannot be read\n" in message(path)


def test_external_data_above_two_gib(tmp_path: Path) -> None:
    path = external(tmp_path, length=LIMIT)
    with (tmp_path / "net.data").open("ab") as file:
        file.truncate(LIMIT + 9)
    assert "error[frontend.too-large]: net.onnx is too large\n" in message(path)
