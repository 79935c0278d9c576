import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.data.load import load_data
from gatesmith.errors import UserError

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 4, 5), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 4, 5, 3), np.uint8)


def put(folder: Path, name: str, pixels: np.ndarray) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(path)


def pets(folder: Path, pixels: np.ndarray) -> Path:
    names = ("dog/a.png", "cat/b.png", "cat/a.PNG", "dog/c.bmp", "eel/x.png", "dog/b.png")
    for name, image in zip(names, pixels, strict=True):
        put(folder, name, image)
    return folder


ORDER = [2, 1, 0, 5, 3, 4]  # cat/a, cat/b, dog/a, dog/b, dog/c, eel/x


def refused(folder: Path, shape: tuple[int, ...] = (1, 4, 5), **options: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        load_data(str(folder), None, shape, **options)
    return caught.value


def test_a_sub_folder_is_a_class(tmp_path: Path) -> None:
    data = load_data(str(pets(tmp_path, GREY)), None, (1, 4, 5), classes=3)

    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x[:, 0], GREY[ORDER])
    assert data.labels("a test").tolist() == [0, 0, 1, 1, 1, 2]
    assert data.class_names == ("cat", "dog", "eel")


def test_classes_in_the_order_of_a_file(tmp_path: Path) -> None:
    pets(tmp_path, GREY)
    (tmp_path / "classes.txt").write_text("eel\n\ndog\ncat\n")
    data = load_data(str(tmp_path), None, (1, 4, 5))
    assert data.class_names == ("eel", "dog", "cat")
    assert data.labels("a test").tolist() == [0, 1, 1, 1, 2, 2]
    np.testing.assert_array_equal(data.x[0, 0], GREY[4])

    (tmp_path / "classes.txt").write_text("dog\ndog\ncow\ncat")
    assert refused(tmp_path).why == (
        "no sub-folder cow, sub-folder eel is not named, dog is named twice"
    )


@pytest.mark.parametrize(("shape", "axes"), [((3, 4, 5), (0, 3, 1, 2)), ((4, 5, 3), (0, 1, 2, 3))])
def test_colours_in_the_order_of_the_input(
    shape: tuple[int, ...], axes: tuple[int, ...], tmp_path: Path
) -> None:
    data = load_data(str(pets(tmp_path, COLOUR)), None, shape)

    np.testing.assert_array_equal(data.x, COLOUR[ORDER].transpose(axes))


def test_grey_and_colour_become_what_the_input_has(tmp_path: Path) -> None:
    data = load_data(str(pets(tmp_path, GREY)), None, (3, 4, 5))
    np.testing.assert_array_equal(data.x, np.stack([GREY[ORDER]] * 3, axis=1))
    white = np.full((6, 4, 5, 3), [255, 0, 0], np.uint8)
    for shape in ((1, 4, 5), (4, 5), (20,), (4, 5, 1)):
        data = load_data(str(pets(tmp_path, white)), None, shape)
        assert data.x.shape == (6, *shape)
        assert (data.x == 76).all()  # 0.299 * 255


def test_images_without_classes_have_no_labels(tmp_path: Path) -> None:
    put(tmp_path, "b.png", GREY[1])
    put(tmp_path, "a.png", GREY[0])
    put(tmp_path, ".hidden.png", GREY[2])
    data = load_data(str(tmp_path), None, (4, 5))

    np.testing.assert_array_equal(data.x, GREY[:2])
    assert (data.y, data.class_names) == (None, ())


def test_a_limit_takes_of_every_class(tmp_path: Path) -> None:
    data = load_data(str(pets(tmp_path, GREY)), None, (4, 5), limit=4)
    assert data.labels("a test").tolist() == [0, 1, 1, 2]
    np.save(tmp_path.parent / "y.npy", np.arange(6))
    data = load_data(str(tmp_path), tmp_path.parent / "y.npy", (4, 5), limit=4)
    assert data.labels("a test").tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(data.x, GREY[ORDER][:4])


# ---- what cannot be taken -----------------------------------------------------------------------


def test_sizes_are_those_of_the_input(tmp_path: Path) -> None:
    pets(tmp_path, GREY)
    for name in ("cat/c.png", "eel/y.png", "eel/z.png", "dog/z.png"):
        put(tmp_path, name, GREY[0].T)
    error = refused(tmp_path)
    assert error.code == "data.images"
    assert error.why == (
        "4 of 10: cat/c.png: 4x5 pixels, the input has 5x4, dog/z.png: 4x5 pixels, the input has "
        "5x4, eel/y.png: 4x5 pixels, the input has 5x4 ..."
    )
    error = refused(tmp_path, (20,))  # the first image says which 20
    assert error.why.startswith("4 of 10: cat/c.png: 4x5 pixels, the input has 5x4")
    assert refused(tmp_path, (21,)).why == "a.PNG has 5x4 pixels, the input 21 elements"
    assert refused(tmp_path, (7, 4, 5)).code == "data.shape"

    cut = load_data(str(tmp_path), None, (1, 4, 5), resize="center")
    assert cut.x.shape == (10, 1, 4, 5)
    np.testing.assert_array_equal(cut.x[0, 0], GREY[2])  # of the right size: as it is


def test_nothing_is_lost_without_a_word(tmp_path: Path) -> None:
    put(tmp_path, "a.png", GREY[0].astype(np.uint16) * 257)
    glass = np.full((4, 5, 4), 255, np.uint8)
    put(tmp_path, "c.png", glass)
    glass[0, 0, 3] = 254
    put(tmp_path, "b.png", glass)
    first, second = (Image.fromarray(GREY[i]) for i in (0, 1))
    first.save(tmp_path / "d.gif", save_all=True, append_images=[second])
    error = refused(tmp_path)

    assert error.why == (
        "3 of 4: a.png: more than 8 bits a pixel (mode I;16), b.png: it is transparent in places, "
        "d.gif: several pictures in one file"
    )


@pytest.mark.parametrize("cut", [0, 20, 40, 60])
def test_broken_images(cut: int, tmp_path: Path) -> None:
    pets(tmp_path, GREY)
    path = tmp_path / "cat" / "b.png"
    path.write_bytes(path.read_bytes()[:cut])
    error = refused(tmp_path)

    assert error.code == "data.images"
    assert error.why.startswith("1 of 6: cat/b.png: ")
    assert refused(tmp_path, (20,)).code == "data.images"


def test_folders_without_images(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.code, error.what) == ("data.images", "there are no images")
    (tmp_path / "cat").mkdir()
    assert refused(tmp_path).where == str(tmp_path / "cat")
    (tmp_path / "cat" / "notes.md").write_text("a cat")
    assert refused(tmp_path).why.startswith("notes.md; images end in .bmp, .gif, ")
    put(tmp_path, "a.png", GREY[0])
    error = refused(tmp_path)
    assert (error.what, error.why) == (
        "there are files outside the classes",
        "a.png beside 1 sub-folders",
    )


def test_without_pillow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    error = refused(tmp_path)

    assert error.code == "data.pillow"
    assert error.fix[0] == 'pip install "gatesmith[quantize]"'
