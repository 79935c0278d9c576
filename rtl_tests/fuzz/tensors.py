"""Damage to shapes, weights, scales and the files that hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gatesmith.rtl_tests.fuzz.case import SECRET, SECRET_NAME, Case, damage
from gatesmith.rtl_tests.fuzz.values import EXTENTS, FLOATS, INTS


@damage
def declared_shapes(case: Case) -> None:
    """Extents of inputs, outputs and inner values: huge, negative, none, symbolic, absent."""
    rng, graph = case.rng, case.graph
    places = [*graph.input, *graph.input, *graph.output, *graph.value_info]
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not places:
            return
        value = rng.choice(places)
        tensor = value.type.tensor_type
        dims = tensor.shape.dim
        match rng.randrange(8):
            case 0:
                value.ClearField("type")
            case 1:
                tensor.ClearField("shape")
            case 2:
                for _ in range(rng.choice((1, 5, 60, 3000))):
                    dims.add().dim_value = rng.choice((1, 2, 2**20))
            case 3 if dims:
                rng.choice(dims).dim_param = rng.choice(("N", "", "{{7*7}}", "1"))
            case 4 if dims:
                del dims[rng.randrange(len(dims))]
            case 5:
                tensor.elem_type = rng.choice((0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 14, 16, 23, 26, 99))
            case 6:
                value.type.sequence_type.elem_type.tensor_type.elem_type = 1
            case _ if dims:
                rng.choice(dims).dim_value = rng.choice(EXTENTS)
            case _:
                dims.add().dim_value = rng.choice(EXTENTS)


@damage
def stored_shapes(case: Case) -> None:
    """Extents of initializers that no longer fit their data."""
    rng = case.rng
    for tensor in _some(case):
        match rng.randrange(5):
            case 0 if tensor.dims:
                tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(EXTENTS)
            case 1:
                tensor.dims.append(rng.choice((1, 1, 0, 2, 2**40)))
            case 2 if tensor.dims:
                del tensor.dims[rng.randrange(len(tensor.dims))]
            case 3:
                del tensor.dims[:]
                tensor.dims.extend([rng.choice(EXTENTS) for _ in range(rng.choice((1, 4, 70)))])
            case _:
                tensor.dims.insert(0, 1)


@damage
def stored_data(case: Case) -> None:
    """Raw data too long, too short, missing, twice; element types that are not the data's."""
    rng = case.rng
    for tensor in _some(case):
        match rng.randrange(7):
            case 0:
                tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
            case 1:
                tensor.raw_data += rng.randbytes(rng.choice((1, 4, 4096)))
            case 2:
                tensor.ClearField("raw_data")
            case 3:
                tensor.float_data.extend([1.0] * rng.choice((1, 9)))
            case 4:
                tensor.data_type = rng.choice((0, 2, 3, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 22, 99))
            case 5:
                tensor.ClearField("name")
            case _:
                tensor.string_data.append(b"\xff\xfe")


@damage
def weights(case: Case) -> None:
    """NaN, infinities, denormal and huge numbers among the weights and scales."""
    rng = case.rng
    for tensor in _some(case):
        data = _data(tensor)
        if data is None or data.dtype.kind != "f":
            continue
        flat = data.reshape(-1).copy()
        for _ in range(rng.choice((1, 1, len(flat)))):
            flat[rng.randrange(len(flat))] = np.float32(rng.choice(FLOATS))
        _put(tensor, flat.reshape(data.shape))


@damage
def random_weights(case: Case) -> None:
    """Finite numbers of any size."""
    rng = case.rng
    for tensor in _some(case):
        data = _data(tensor)
        if data is None or data.dtype.kind != "f":
            continue
        values = [rng.gauss(0, 1) * 10.0 ** rng.randrange(-30, 30) for _ in range(data.size)]
        _put(tensor, np.clip(np.array(values), -3e38, 3e38).astype(data.dtype).reshape(data.shape))


@damage
def small_constants(case: Case) -> None:
    """Scales, zero points, bit widths, axes, pads: another value, rank or element type."""
    rng = case.rng
    small = [t for t in _tensors(case.graph) if math.prod(t.dims) <= 8]
    for tensor in rng.sample(small, min(len(small), rng.choice((1, 1, 2, 3)))):
        value: list[float | int] = [rng.choice((*FLOATS, *INTS))]
        kind = np.dtype(
            rng.choice(("f4", "f4", "f4", "i8", "i8", "i4", "u1", "i1", "f8", "f2", "?"))
        )
        value *= rng.choice((1, 1, 1, 2, 5, 0, max(1, math.prod(tensor.dims))))
        with np.errstate(all="ignore"):
            data = np.array([_fit(v, kind) for v in value], kind)
        shape: tuple[int, ...] = (len(value),)
        if len(value) == 1:
            shape = rng.choice(((), (1,), (1, 1, 1, 1), tuple(1 for _ in tensor.dims)))
        _put(tensor, data.reshape(shape))


@damage
def empty_tensors(case: Case) -> None:
    """Constants without an element."""
    for tensor in _some(case):
        data = _data(tensor)
        if data is not None:
            shape = list(data.shape) or [1]
            shape[case.rng.randrange(len(shape))] = 0
            _put(tensor, np.zeros(shape, data.dtype))


@damage
def sparse_tensors(case: Case) -> None:
    """Weights stored as lists of places, good and bad."""
    rng = case.rng
    for tensor in _some(case):
        sparse = case.graph.sparse_initializer.add()
        sparse.values.CopyFrom(helper.make_tensor(tensor.name, 1, [2], [1.0, math.nan]))
        places = [rng.choice(INTS) for _ in range(2)]
        sparse.indices.CopyFrom(helper.make_tensor("", TensorProto.INT64, [2], places))
        sparse.dims.extend([rng.choice(EXTENTS)])
        if rng.random() < 0.7 and tensor in case.graph.initializer:
            case.graph.initializer.remove(tensor)


@damage
def external_data(case: Case) -> None:
    """Weights in other files: path traversal, absolute paths, links, offsets beyond the end."""
    rng = case.rng
    absolute = ("/etc/passwd", "/proc/self/environ", "/dev/zero", "C:\\x", "//x/y", "~/x")
    above = (
        f"../{SECRET_NAME}",
        f"w/../../{SECRET_NAME}",
        f"..\\{SECRET_NAME}",
        f"./../{SECRET_NAME}",
    )
    odd = ("", ".", "..", "w", "gone.bin", "w\x00.bin", "model.onnx", "link.bin", "folder/link.bin")
    more = ("good.bin", "good.bin", "good.bin", "./good.bin", "w/good.bin", "x" * 5000, "fifo")
    case.links |= {"link.bin": f"../{SECRET_NAME}", "up": "..", "loop.bin": "loop.bin"}
    case.links |= {"zero": "/dev/zero"}
    for tensor in _some(case):
        size = len(tensor.raw_data)
        location = rng.choice(
            (*absolute, *above, *odd, *more, f"up/{SECRET_NAME}", "loop.bin", "zero")
        )
        case.beside |= {"good.bin": tensor.raw_data, "w/good.bin": tensor.raw_data + bytes(9)}
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entries = [("location", location)]
        numbers = (
            "0",
            "0",
            str(size),
            "-1",
            "1",
            str(2**63),
            "9" * 5000,
            "x",
            "",
            " 4",
            "0x10",
            "1e9",
        )
        for key in ("offset", "length"):
            if rng.random() < 0.6:
                entries.append((key, rng.choice((*numbers, str(len(SECRET))))))
        if rng.random() < 0.2:
            entries.append(
                rng.choice((("checksum", "00"), ("evil", "1"), ("location", "good.bin")))
            )
        if rng.random() < 0.2:
            rng.shuffle(entries)
        for key, value in entries[: rng.choice((9, 9, 9, 1, 0))]:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _some(case: Case) -> list[onnx.TensorProto]:
    """One of the tensors, or a few."""
    found = list(_tensors(case.graph))
    return case.rng.sample(found, min(len(found), case.rng.choice((1, 1, 2, 4))))


def _data(tensor: onnx.TensorProto) -> np.ndarray | None:
    try:
        found = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        return None
    return found if found.size else None


def _put(tensor: onnx.TensorProto, data: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(data), tensor.name))


def _fit(value: float, kind: np.dtype[np.generic]) -> float | int:
    """What a C program would store."""
    if kind.kind == "f":
        limit = float(np.finfo(str(kind)).max)
        return value if not math.isfinite(value) else min(max(value, -limit), limit)
    if kind.kind == "b":
        return bool(value)
    whole = int(value) if math.isfinite(value) else 0
    bits = 8 * kind.itemsize
    low = -(1 << (bits - 1)) if kind.kind == "i" else 0
    return min(max(whole, low), low + (1 << bits) - 1)
