import gzip
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.errors import UserError
from gatesmith.ir import Array, Ints, IntType, Reals
from gatesmith.ir.npz import save_arrays
from gatesmith.ops.quantize import Quantize
from gatesmith.rtl_tests import dataset
from gatesmith.rtl_tests.dataset import Dataset, HostQuantizer

PIXELS: dict[str, Any] = {
    "name": "image",
    "node": "x",
    "shape": [2, 3],
    "code_shape": [2, 3],
    "axes": None,
    "elem": {"lo": 0, "hi": 255, "step": 1},
    "meaning": {"scale": ["1/255"], "offset": ["0"]},
}
BYTES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 11


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    extents = b"".join(extent.to_bytes(4, "big") for extent in array.shape)
    return bytes([0, 0, kind, array.ndim]) + extents + array.tobytes()


def load(
    path: Path, *entries: dict[str, Any], quantize: HostQuantizer | None = None, **options: Any
) -> Dataset:
    return dataset.load(path, entries, quantize=[quantize] * len(entries), **options)


def refused(path: Path, entry: dict[str, Any] = PIXELS, **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(path, entry, **options)
    assert caught.value.where == str(options.get("labels", path))
    return caught.value


@pytest.mark.parametrize("form", ["npz", "npy", "idx", "idx.gz"])
def test_every_form_gives_the_same_frames(form: str, tmp_path: Path) -> None:
    path = tmp_path / "data"  # the content decides, not the name
    with path.open("wb") as file:
        match form:
            case "npz":
                np.savez(file, x=BYTES, y=np.array([3, 1, 2, 0]))
            case "npy":
                np.save(file, BYTES)
            case "idx":
                file.write(idx(BYTES))
            case _:
                file.write(gzip.compress(idx(BYTES)))

    data = load(path, PIXELS)

    np.testing.assert_array_equal(data.frames(0, 9)[0], BYTES)
    assert data.x[0].dtype == np.uint8
    assert (data.labels is None) == (form != "npz")
    np.testing.assert_array_equal(load(path, PIXELS, frames=3).x[0], BYTES[:3])
    np.testing.assert_array_equal(load(path, PIXELS, frames=30).x[0], BYTES)


def test_one_hot_labels_are_classes(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)[[2, 0]]
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 6), np.uint8), y=rows)
    np.savez(tmp_path / "soft.npz", x=np.zeros((2, 6), np.uint8), y=rows / 2)
    data = load(tmp_path / "x.npz", PIXELS)

    assert data.labels is not None
    assert data.labels.tolist() == [2, 0]
    assert refused(tmp_path / "soft.npz").code == "verify.labels"


def test_labels_come_from_a_file_or_the_data(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(idx(BYTES.reshape(4, 6)))
    (tmp_path / "y").write_bytes(gzip.compress(idx(np.array([3, 1, 2, 0], np.uint8))))
    np.savez(tmp_path / "short.npz", x=BYTES, y=np.array([[1], [2]]))

    data = load(tmp_path / "x", PIXELS, labels=tmp_path / "y", frames=2)

    assert data.x[0].shape == (2, 2, 3)
    assert data.labels is not None
    assert data.labels.tolist() == [3, 1]
    assert refused(tmp_path / "short.npz").code == "verify.labels"
    np.save(tmp_path / "floats.npy", np.zeros(4))
    error = refused(tmp_path / "x", labels=tmp_path / "floats.npy")
    assert (error.code, error.why) == (
        "verify.labels",
        "labels are float64, expected class numbers",
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_pixels_become_their_codes(dtype: type, tmp_path: Path) -> None:
    every = np.resize(np.arange(256), 258).reshape(43, 2, 3)
    np.save(tmp_path / "a.npy", (every / 255).astype(dtype))
    np.save(tmp_path / "b.npy", every.astype(dtype) * dtype(1 / 255))

    np.testing.assert_array_equal(load(tmp_path / "a.npy", PIXELS).x[0], every)
    np.testing.assert_array_equal(load(tmp_path / "b.npy", PIXELS).x[0], every)


def test_meaning_per_channel_and_with_offset(tmp_path: Path) -> None:
    meaning = {"scale": ["1/255", "1/51", "1/4"], "offset": ["-1/2", "0", "3"]}
    scale, offset = (np.array([float(Fraction(t)) for t in row]) for row in meaning.values())
    np.save(tmp_path / "x.npy", (BYTES * scale + offset).astype(np.float32))

    np.testing.assert_array_equal(
        load(tmp_path / "x.npy", {**PIXELS, "meaning": meaning}).x[0], BYTES
    )


def test_values_beside_the_grid_are_refused_by_place(tmp_path: Path) -> None:
    real = (BYTES / 255).astype(np.float32)
    real[2, 1, 0] += np.float32(1e-4)
    np.save(tmp_path / "x.npy", real)

    error = refused(tmp_path / "x.npy")

    assert error.code == "verify.data-off-grid"
    assert error.why.startswith("element [2, 1, 0] is 0.64")
    real[2, 1, 0] = np.nan
    np.save(tmp_path / "x.npy", real)
    assert refused(tmp_path / "x.npy").code == "verify.data-not-finite"
    np.save(tmp_path / "x.npy", np.where(np.isnan(real), 256 / 255, BYTES / 255))
    assert refused(tmp_path / "x.npy").why == (
        "element [2, 1, 0] is 1.003921568627451, the type is u8"
    )
    np.save(tmp_path / "x.npy", np.full((1, 6), 1e300))
    assert refused(tmp_path / "x.npy").code == "verify.data-range"


def test_the_first_quantizer_is_applied_to_real_data_only(tmp_path: Path) -> None:
    op = Quantize(Array(0.5), Array(0.0), IntType(-8, 7))
    elem = {"lo": -8, "hi": 7, "step": 1}
    entry = {**PIXELS, "shape": [6], "code_shape": [6], "elem": elem, "meaning": None}
    path = tmp_path / "x.npy"
    np.save(path, np.array([[-99.0, -1.0, 0.0, 0.25, 0.75, 99.0]], np.float32))

    def quantize(x: Reals) -> Ints:
        return op.run(x).astype(np.int64)

    data = load(path, entry, quantize=quantize)
    assert data.x[0].tolist() == [[-8, -2, 0, 0, 2, 7]]
    assert data.real[0] is not None
    assert data.real[0].tolist() == [[-99.0, -1.0, 0.0, 0.25, 0.75, 99.0]]
    assert refused(path, entry).code == "verify.data-off-grid"
    np.save(path, np.array([[-8, -1, 0, 1, 2, 7]]))
    data = load(path, entry, quantize=quantize)
    assert data.x[0].tolist() == [[-8, -1, 0, 1, 2, 7]]
    assert data.real == (None,)


def test_bipolar_input_takes_signs_only(tmp_path: Path) -> None:
    entry = {**PIXELS, "elem": {"lo": -1, "hi": 1, "step": 2}}
    np.save(tmp_path / "x.npy", np.array([[1, -1, 1, 1, -1, -1]], np.int8))
    assert load(tmp_path / "x.npy", entry).x[0].ravel().tolist() == [1, -1, 1, 1, -1, -1]
    np.save(tmp_path / "x.npy", np.array([[1, -1, 0, 1, -1, -1]], np.int8))
    assert refused(tmp_path / "x.npy", entry).why == "element [0, 0, 2] is 0, the type is bipolar"


def test_integers_outside_the_type_are_refused(tmp_path: Path) -> None:
    for value in (-1, 256, 2**64 - 1):
        np.save(tmp_path / "x.npy", np.full((2, 6), value, np.uint64 if value > 256 else np.int64))
        error = refused(tmp_path / "x.npy")
        assert error.code == "verify.data-range"
        assert error.why == f"element [0, 0, 0] is {value}, the type is u8"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unreadable"),
        (b"PK\x03\x04 not a zip", "unreadable"),
        (b"\x93NUMPY\x01\x00", "unreadable"),
        (gzip.compress(idx(BYTES), mtime=0)[:-9], "unreadable"),
        (idx(BYTES)[:-1], "unreadable"),
        (idx(BYTES) + b"!", "unreadable"),
        (b"\0\0\x07\x01\0\0\0\0", "unreadable"),
        (idx(BYTES[:0]), "empty"),
        (idx(BYTES.reshape(3, 8)), "shape"),
    ],
    # No bytes in the names: every worker has to collect the same ones.
    ids=["nothing", "zip", "npy", "gzip", "short", "long", "type", "no-frames", "shape"],
)
def test_files_that_cannot_be_used(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)

    assert refused(path).code == f"verify.data-{code}"


def test_arrays_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=BYTES)
    assert refused(path).why == "it holds images, expected x"
    np.savez(path, x=np.array(["a"] * 6))
    assert refused(path).code == "verify.data-unreadable"
    np.savez(path, x=np.array([{}], object))
    assert refused(path).code == "verify.data-unreadable"
    np.savez(path, x=np.float64(3))
    assert refused(path).code == "verify.data-empty"
    assert refused(tmp_path / "nowhere").code == "verify.data-unreadable"
    assert refused(tmp_path).code == "verify.data-unreadable"


# ---- several inputs, orders of axes -------------------------------------------------------------

CHANNELS_LAST = {
    **PIXELS,
    **{"shape": [3, 4, 5], "code_shape": [3, 4, 5], "axes": [1, 2, 0]},
}


def test_frames_may_be_in_the_order_of_the_stream(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), np.uint8)
    path = tmp_path / "x.npy"
    for given in (x, x.reshape(2, 1, 3, 4, 5), x.reshape(2, 60), x.transpose(0, 2, 3, 1)):
        for array in (given, given / 255):
            np.save(path, array)
            np.testing.assert_array_equal(load(path, CHANNELS_LAST).x[0], x)
    np.save(path, x.transpose(0, 3, 2, 1))
    assert refused(path, CHANNELS_LAST).why == (
        "a frame has shape (5, 4, 3), expected (3, 4, 5), or (4, 5, 3) as the stream carries it"
    )


def test_the_order_of_the_model_counts_where_both_fit(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3), np.uint8)
    np.save(tmp_path / "x.npy", x)
    entry = {**CHANNELS_LAST, "shape": [3, 3, 3], "code_shape": [3, 3, 3]}

    np.testing.assert_array_equal(load(tmp_path / "x.npy", entry).x[0], x)


def test_codes_may_have_another_shape_than_the_input(tmp_path: Path) -> None:
    """The model itself moves axes before its first quantizer."""
    entry = {**CHANNELS_LAST, "shape": [4, 5, 3], "meaning": None}
    x = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3))
    path = tmp_path / "x.npy"

    def quantize(real: Reals) -> Ints:
        return np.rint(real.transpose(0, 3, 1, 2) * 255).astype(np.int64)

    np.save(path, (x / 255).astype(np.float32))
    data = load(path, entry, quantize=quantize)
    np.testing.assert_array_equal(data.x[0], x.transpose(0, 3, 1, 2))
    assert data.real[0] is not None
    assert data.real[0].shape == x.shape
    np.save(path, x)  # codes, in the order of the stream
    np.testing.assert_array_equal(
        load(path, entry, quantize=quantize).x[0], x.transpose(0, 3, 1, 2)
    )


def test_several_inputs_are_found_by_name(tmp_path: Path) -> None:
    other = {**PIXELS, "name": "mask:0", "node": "mask_0", "shape": [2], "code_shape": [2]}
    path = tmp_path / "x.npz"
    masks = BYTES[:, 0, :2]
    for name in ("mask:0", "mask_0"):
        save_arrays(path, {"image": BYTES, name: masks, "y": np.arange(4)})
        data = load(path, PIXELS, other, frames=3)
        np.testing.assert_array_equal(data.x[0], BYTES[:3])
        np.testing.assert_array_equal(data.x[1], masks[:3])
        assert data.labels is not None
        assert data.labels.tolist() == [0, 1, 2]
    np.savez(path, image=BYTES, y=masks)
    with pytest.raises(UserError, match="there is no array mask:0"):
        load(path, PIXELS, other)
    data = load(path, PIXELS, {**other, "name": "y"})
    assert data.labels is None  # an input, not labels
