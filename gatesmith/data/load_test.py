from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.data.dataset import Data
from gatesmith.data.load import load_data
from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import BIPOLAR, IntType

U8 = IntType(0, 255)
PIXELS: dict[str, Any] = {"real": (Fraction(1, 255), Fraction(0)), "elem": U8}
BYTES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 11


def load(path: Path, shape: tuple[int, ...] = (2, 3), **options: Any) -> Data:
    return load_data(str(path), options.pop("labels", None), shape, **options)


def refused(path: Path, shape: tuple[int, ...] = (2, 3), **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load(path, shape, **options)
    assert caught.value.where == str(options.get("labels", path))
    return caught.value


def saved(path: Path, x: np.ndarray, **arrays: Any) -> Path:
    np.savez(path, x=x, **arrays)
    return path


# ---- what the numbers stand for -----------------------------------------------------------------


def test_codes_stay_codes_and_stand_for_what_the_input_says(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", BYTES, y=[3, 1, 2, 0])
    data = load(path, **PIXELS)

    assert data.x.dtype == np.uint8
    assert data.scale == Fraction(1, 255)
    assert (data.zero == 0, data.source) == (True, str(path))
    np.testing.assert_array_equal(data.x, BYTES)
    np.testing.assert_array_equal(data.real(), (BYTES / 255).astype(np.float32))
    np.testing.assert_array_equal(data.real(np.array([2, 0])), data.real()[[2, 0]])
    assert data.labels("a test").tolist() == [3, 1, 2, 0]
    assert len(load(path, limit=3)) == 3
    assert len(load(path, limit=30)) == 4


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint64])
def test_a_zero_point_is_taken_off(dtype: Any, tmp_path: Path) -> None:
    codes: np.ndarray = np.array([[0, 3, 100]], dtype)
    meaning = (Fraction(1, 2), Fraction(5, 2))
    data = load(saved(tmp_path / "a.npz", codes), (3,), real=meaning, elem=IntType(-128, 127))

    assert data.real().tolist() == [[-1.25, 0.25, 48.75]]
    assert data.real().dtype == np.float32


def test_without_an_input_type_codes_are_their_own_numbers(tmp_path: Path) -> None:
    data = load(saved(tmp_path / "a.npz", BYTES))

    assert data.scale == 1
    assert data.zero == 0
    np.testing.assert_array_equal(data.real(), BYTES)
    negative = load(saved(tmp_path / "b.npz", np.array([[-128, 127]], np.int8)), (2,))
    assert negative.real().tolist() == [[-128, 127]]
    bits = load(saved(tmp_path / "c.npz", np.array([[True, False]])), (2,))
    assert bits.x.dtype == np.uint8
    assert bits.real().tolist() == [[1, 0]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_numbers_are_what_the_network_is_fed(dtype: Any, tmp_path: Path) -> None:
    real: np.ndarray = (BYTES / 255).astype(dtype)
    data = load(saved(tmp_path / "a.npz", real), **PIXELS)

    assert data.x.dtype == np.float32
    assert data.scale == 1
    np.testing.assert_array_equal(data.real(), real.astype(np.float32))


# ---- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "shape"),
    [((4, 28, 28), (784,)), ((4, 28, 28), (1, 28, 28)), ((4, 784), (1, 28, 28)),
     ((4, 28, 28, 1), (1, 28, 28)), ((4, 1, 28, 28), (784,)), ((4, 12), (3, 2, 2)),
     ((4,), (1,))],
)  # fmt: skip
def test_the_elements_keep_their_order(
    given: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(0, 256, given, np.uint8)
    data = load(saved(tmp_path / "a.npz", x), shape)

    np.testing.assert_array_equal(data.x, x.reshape(4, *shape))


def test_pictures_with_channels_last_are_turned(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5), np.uint8)
    path = saved(tmp_path / "a.npz", x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(load(path, (3, 4, 5)).x, x)
    assert load(path, (3, 4, 5)).x.flags.c_contiguous
    np.testing.assert_array_equal(load(path, (4, 5, 3)).x, x.transpose(0, 2, 3, 1))
    cube = np.random.default_rng(1).integers(0, 256, (2, 3, 3, 3), np.uint8)
    np.testing.assert_array_equal(load(saved(path, cube), (3, 3, 3)).x, cube)
    error = refused(saved(path, x.transpose(0, 3, 2, 1)), (3, 4, 5))
    assert error.why == (
        "the array has shape (2, 5, 4, 3), expected (N, 3, 4, 5), or (N, 4, 5, 3) with the "
        "channels last"
    )


def test_wrong_shapes_are_told(tmp_path: Path) -> None:
    error = refused(saved(tmp_path / "a.npz", BYTES), (7,))
    assert error.code == "data.shape"
    assert error.why == "the array has shape (4, 2, 3), expected (N, 7)"
    error = refused(saved(tmp_path / "a.npz", BYTES[0]))
    assert error.fix[0] == "this is one frame: give an array of frames, frame[None]"
    assert refused(saved(tmp_path / "a.npz", np.array(3.0))).code == "data.shape"


# ---- numbers that cannot be taken ---------------------------------------------------------------


def test_what_is_not_finite_is_counted_and_found(tmp_path: Path) -> None:
    real = BYTES / 255
    real[2, 1, 0] = real[1, 0, 2] = np.nan
    error = refused(saved(tmp_path / "a.npz", real))
    assert error.code == "data.not-finite"
    assert error.why == "2 NaN of 24 in 2 of 4 frames, the first at [1, 0, 2]"
    real[1, 0, 1] = -np.inf
    error = refused(saved(tmp_path / "a.npz", real))
    assert error.why == "2 NaN and 1 infinite of 24 in 2 of 4 frames, the first at [1, 0, 1]"
    error = refused(saved(tmp_path / "a.npz", np.full((1, 6), 1e300)))
    assert error.why == "6 infinite of 6 in 1 of 1 frames, the first at [0, 0, 0]"
    assert load(saved(tmp_path / "a.npz", real), limit=1).x.shape == (1, 2, 3)  # only what is read


@pytest.mark.parametrize(
    ("value", "dtype"), [(-1, np.int8), (256, np.int16), (2**64 - 1, np.uint64), (-1, np.int64)]
)
def test_codes_outside_the_input_type_are_refused(value: int, dtype: Any, tmp_path: Path) -> None:
    codes: np.ndarray = np.zeros((2, 2, 3), dtype)
    codes[1, 0, 2] = codes[1, 1, 1] = value
    error = refused(saved(tmp_path / "a.npz", codes), **PIXELS)

    assert error.code == "data.range"
    assert error.why == f"2 of 12, the first at [1, 0, 2] is {value}; the input's type is u8"


def test_codes_of_bipolar_inputs_and_large_ones(tmp_path: Path) -> None:
    signs = np.array([[1, -1, 1, 1, -1, -1]], np.int8)
    one: dict[str, Any] = {"real": (Fraction(1), Fraction(0)), "elem": BIPOLAR}
    assert (
        load(saved(tmp_path / "a.npz", signs), **one).real().ravel().tolist() == signs[0].tolist()
    )
    signs[0, 2] = 0
    error = refused(saved(tmp_path / "a.npz", signs), **one)
    assert error.why == "1 of 6, the first at [0, 0, 2] is 0; the input's type is bipolar"
    error = refused(saved(tmp_path / "a.npz", np.full((1, 6), 2**24 + 1)))
    assert error.why.endswith("is 16777217; float32 holds integers up to 2**24")


def test_real_numbers_that_codes_cannot_carry_are_refused(tmp_path: Path) -> None:
    error = refused(saved(tmp_path / "a.npz", BYTES.astype(np.float32)), **PIXELS)

    assert error.code == "data.range"
    assert error.why == ("23 of 24, the first at [0, 0, 1] is 11.0; codes of u8 stand for 0 to 1")


@pytest.mark.parametrize(
    ("array", "told"),
    [(np.array([["a", "b"]]), "<U1"), (np.array([[1j, 2]]), "complex128"),
     (np.array([["2020-01-01"] * 2], "M8[D]"), "datetime64[D]")],
)  # fmt: skip
def test_arrays_of_something_else(array: np.ndarray, told: str, tmp_path: Path) -> None:
    error = refused(saved(tmp_path / "a.npz", array), (2,))

    assert (error.code, error.what) == ("data.dtype", f"the data is an array of {told}")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    error = refused(saved(tmp_path / "a.npz", np.array([{}], object)))

    assert error.code == "data.unreadable"
    assert "Object arrays cannot be loaded" in error.why


def test_empty_arrays(tmp_path: Path) -> None:
    for shape in ((0, 2, 3), (4, 0), (0,)):
        error = refused(saved(tmp_path / "a.npz", np.empty(shape)))
        assert (error.code, error.why) == ("data.empty", f"the array has shape {shape}")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ValueError: this is neither .npz, .npy nor IDX"),
        (b"PK\x03\x04 not a zip", "BadZipFile: "),
        (b"\x93NUMPY\x01\x00", "ValueError: "),
        (b"\x1f\x8b\x08", "EOFError: "),
        (b"\0\0\x08\x01\0\0\0\x09abc", "IDX of shape (9,) has 17 bytes, this file has 11"),
    ],
    ids=["nothing", "zip", "npy", "gzip", "idx"],
)
def test_broken_files(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    error = refused(path)

    assert error.code == "data.unreadable"
    assert why in error.why


def test_a_broken_archive(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", np.arange(6000.0).reshape(-1, 2, 3))
    whole = bytearray(path.read_bytes())
    whole[500] ^= 255
    path.write_bytes(whole)
    assert refused(path).why.startswith("BadZipFile: Bad CRC-32")
    path.write_bytes(whole[:3000])
    assert refused(path).code == "data.unreadable"


def test_names_in_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, image=BYTES)
    assert refused(path).why == "it holds image, expected x"
    np.testing.assert_array_equal(load(path, name="image").x, BYTES)


def test_what_is_not_there(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere.npz")

    assert (error.code, error.why) == (
        "data.unreadable",
        "FileNotFoundError: No such file or directory",
    )
    assert error.fix == ("give a file, a folder of images, or a Python data set as module:object",)


# ---- labels -------------------------------------------------------------------------------------


def test_labels_of_a_file_go_before_those_of_the_data(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", BYTES, y=[0, 0, 0, 0])
    np.save(tmp_path / "y.npy", np.eye(4)[[3, 1, 2, 0]])
    data = load(path, labels=tmp_path / "y.npy", classes=4, limit=2)

    assert data.labels("a test").tolist() == [3, 1]
    assert data.take(np.array([1])).labels("a test").tolist() == [1]


@pytest.mark.parametrize(
    ("y", "why"),
    [
        ([0, 1, 2], "there are 3 labels for 4 frames"),
        ([0, 1, -2, -1], "2 of 4 are no classes, the first at frame 2 is -2; "
         "the network tells 3 classes apart"),
        ([0, 1, 2, 3], "1 of 4 are no classes, the first at frame 3 is 3; "
         "the network tells 3 classes apart"),
        ([0.0, 1.0, 2.0, 0.5], "labels are float64, expected class numbers"),
        ([[1, 2]] * 4, "labels have shape (4, 2), expected one class number a frame, or one-hot"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit(y: list[Any], why: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", BYTES, y=np.array(y))
    error = refused(path, classes=3)
    assert (error.code, error.why) == ("data.labels", why)
    np.save(tmp_path / "y.npy", np.array(y))
    assert refused(path, classes=3, labels=tmp_path / "y.npy").why == why


def test_missing_labels_are_told_to_who_needs_them(tmp_path: Path) -> None:
    data = load(saved(tmp_path / "a.npz", BYTES))
    with pytest.raises(UserError) as caught:
        data.labels("training")

    assert caught.value.code == "data.no-labels"
    assert caught.value.what == "training needs the class of each frame"


def test_all_problems_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", np.full((2, 6), np.nan), y=[-1, 0])
    with pytest.raises(UserErrors) as caught:
        load(path)

    assert [error.code for error in caught.value.errors] == ["data.not-finite", "data.labels"]
