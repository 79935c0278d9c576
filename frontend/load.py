"""An ONNX file, and the data files beside it, read into memory or refused.

1. the file is there, can be read, and is below 2 GiB, checked before it is read;
2. it parses as a ModelProto with a graph; 3. tensors kept in other files lie below the model's
folder, exist and are long enough, and all together stay below 2 GiB, the limit of protobuf.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor

from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.texts import broken_texts

LIMIT = 2**31 - 1
_KEYS = {"location", "offset", "length", "checksum"}
_AGAIN = "export the model again, or copy it again: compare its size with the original's"


def load(path: Path) -> onnx.ModelProto:
    """Read a model; UserError frontend.missing-file, .unreadable, .too-large, .corrupt-file, ..."""
    size = _size(path)
    if size > LIMIT:
        raise _too_large(path, size, "the file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise _corrupt(path, f"protobuf cannot decode its {size} bytes") from error
    if not model.HasField("graph") or model.ir_version == 0:
        lacks = "graph" if model.ir_version else "IR version"
        raise _corrupt(path, f"it decodes to a model without its {lacks}")
    if broken := list(broken_texts(model)):
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise _corrupt(path, f"a text in it is not UTF-8: {broken[0]}{more}")
    _load_external(model, path, size)
    return model


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            "frontend.missing-file",
            f"there is no file {path.name}",
            where=str(path),
            why="the path leads nowhere",
            fix=("check the spelling and the working directory",),
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(
            "frontend.unreadable",
            f"{path.name} is not a file",
            where=str(path),
            why="a model is one .onnx file, this is a folder or a device",
            fix=("give the .onnx file inside it",),
        )
    return status.st_size


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(
        "frontend.unreadable",
        f"{path.name} cannot be read",
        where=str(path),
        why=f"the system says: {error.strerror or error}",
        fix=("check the permissions of the file and of its folder",),
    )


def _corrupt(path: Path, why: str) -> UserError:
    return UserError(
        "frontend.corrupt-file",
        f"{path.name} is not a whole ONNX model",
        where=str(path),
        why=why,
        fix=(_AGAIN, "check that it is an .onnx file, not a checkpoint or a download page"),
    )


def _too_large(path: Path, size: int, what: str) -> UserError:
    return UserError(
        "frontend.too-large",
        f"{path.name} is too large",
        where=str(path),
        why=f"{what} has {size} bytes, and ONNX's protobuf holds {LIMIT}",
        fix=(
            "a network of this size fits no FPGA: build a smaller one",
            "or cut out the part to build with onnx.utils.extract_model",
        ),
    )


def one_file(path: Path) -> bytes:
    """The model as one file: as it is, or with its external data inside. Errors as in load."""
    model = load(path)
    bare = onnx.load(path, load_external_data=False)
    if all(t.data_location != onnx.TensorProto.EXTERNAL for t in _tensors(bare.graph)):
        return path.read_bytes()
    merged: bytes = model.SerializeToString(deterministic=True)
    return merged


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every dense tensor of a graph and of its subgraphs, without recursion."""
    graphs = [graph]
    while graphs:
        current = graphs.pop()
        yield from current.initializer
        for node in current.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                if attribute.HasField("g"):
                    graphs.append(attribute.g)
                graphs.extend(attribute.graphs)


def _load_external(model: onnx.ModelProto, path: Path, size: int) -> None:
    """Check every external tensor, report all that cannot be read, then read them."""
    outside = [t for t in _tensors(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL]
    errors = [problem for tensor in outside if (problem := _external_problem(tensor, path))]
    raise_all(errors)
    total = size + sum(_extent(ExternalDataInfo(tensor), path)[1] for tensor in outside)
    if total > LIMIT:
        raise _too_large(path, total, "the model with its external data")
    for tensor in outside:
        try:
            load_external_data_for_tensor(tensor, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise _external_error(tensor, path, str(error)) from error
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _extent(info: ExternalDataInfo, path: Path) -> tuple[int, int]:
    """Offset and length of a tensor in its file."""
    offset = info.offset or 0
    return offset, info.length or (path.parent / info.location).stat().st_size - offset


def _external_problem(tensor: onnx.TensorProto, path: Path) -> UserError | None:
    """What keeps a tensor from being read, if anything does."""
    if unknown := sorted({entry.key for entry in tensor.external_data} - _KEYS):
        return _external_error(tensor, path, f"its external_data entry says {unknown[0]!r}")
    try:
        info = ExternalDataInfo(tensor)
    except ValueError as error:
        return _external_error(tensor, path, f"its external_data entry is malformed: {error}")
    location = info.location
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive
    if absolute or ".." in PureWindowsPath(location).parts or not location:
        return UserError(
            "frontend.external-path",
            f"tensor {tensor.name!r} is kept in {location!r}, outside the model's folder",
            where=str(path),
            why="a model may only read files below its own folder",
            fix=("put the data file beside the model, and load and save it with onnx",),
        )
    if not (path.parent / location).is_file():
        return _external_error(tensor, path, f"there is no file {location} beside the model")
    offset, length = _extent(info, path)
    held = (path.parent / location).stat().st_size
    if offset < 0 or length < 0 or offset + length > held:
        needed = f"{length} bytes from {offset}"
        return _external_error(tensor, path, f"it needs {needed}, {location} has {held} bytes")
    return None


def _external_error(tensor: onnx.TensorProto, path: Path, why: str) -> UserError:
    return UserError(
        "frontend.external-data",
        f"the data of tensor {tensor.name!r} cannot be read",
        where=str(path),
        why=why,
        fix=(
            "copy the model together with its data file",
            "or save it as one file: onnx.save(onnx.load(path), new, save_as_external_data=False)",
        ),
    )
