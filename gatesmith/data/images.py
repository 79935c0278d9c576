"""A folder of images as uint8 frames: a sub-folder a class, or images alone without labels.

- Classes are the sub-folders by name, or in the order of ``classes.txt``, a name a line.
- Images are PNG, JPEG, BMP, GIF, TIFF, WebP, PPM, PGM; names that begin with a dot do not count.
- They become grey (ITU-R 601, as Pillow does) or RGB by the channels of the input; an input of one
  axis takes grey. Sizes must be the input's. ``center`` scales to the shorter side and cuts the
  middle instead.
- What would lose something without a word is refused: 16 bits, transparency, several pictures.

Needs Pillow.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gatesmith.data.split import chosen
from gatesmith.errors import UserError
from gatesmith.ir import Ints

if TYPE_CHECKING:
    from PIL.Image import Image

RESIZE = ("exact", "center")
SUFFIXES = frozenset(
    ".png .jpg .jpeg .bmp .gif .tif .tiff .webp .ppm .pgm".split()  # noqa: SIM905 - reads better
)
CLASSES = "classes.txt"

_MODES = {1: "L", 3: "RGB"}
_TOLD = 3
"""Problems that a message names; it counts the others."""


def read(
    folder: Path, shape: tuple[int, ...], *, limit: int | None = None, resize: str = "exact"
) -> tuple[NDArray[np.uint8], Ints | None, tuple[str, ...]]:
    """Frames (n, *shape), class of each, and the names of the classes.

    Errors: ``data.pillow``, ``data.images``, ``data.shape``.
    """
    if resize not in RESIZE:
        raise ValueError(f"resize must be one of {', '.join(RESIZE)}, not {resize}")
    if importlib.util.find_spec("PIL") is None:
        raise UserError(
            "data.pillow",
            "reading images needs Pillow",
            where=str(folder),
            why="the package is not installed",
            fix=('pip install "gatesmith[quantize]"', "pip install pillow"),
        )
    files, classes, names = _listed(folder)
    if limit is not None and limit < len(files):
        index = chosen(classes, len(files), limit, 0)
        files = [files[i] for i in index]
        classes = None if classes is None else classes[index]
    return _pixels(folder, files, shape, resize), classes, names


# ---- what is in the folder ----------------------------------------------------------------------


def _listed(folder: Path) -> tuple[list[Path], Ints | None, tuple[str, ...]]:
    """Images in the order of classes and names, class of each, names of the classes."""
    here = _entries(folder)
    folders = [path for path in here if path.is_dir()]
    loose = [path for path in here if not path.is_dir() and path.name != CLASSES]
    if not folders:
        _only_images(folder, loose)
        return loose, None, ()
    if loose:
        why = f"{_some([path.name for path in loose])} beside {len(folders)} sub-folders"
        raise _refused(folder, "there are files outside the classes", why, _LAYOUT)
    names = _class_names(folder, [path.name for path in folders])
    files: list[Path] = []
    classes: list[int] = []
    for number, name in enumerate(names):
        inside = _entries(folder / name)
        _only_images(folder / name, inside)
        files += inside
        classes += [number] * len(inside)
    return files, np.array(classes, np.int64), names


_LAYOUT = ("put the images of a class into a sub-folder: DATA/cat/1.png, DATA/dog/2.png",)


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; hidden things do not count."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _only_images(folder: Path, files: Sequence[Path]) -> None:
    if not files:
        raise _refused(folder, "there are no images", "the folder is empty", _LAYOUT)
    others = [p.name for p in files if p.is_dir() or p.suffix.lower() not in SUFFIXES]
    if others:
        why = f"{_some(others)}; images end in {', '.join(sorted(SUFFIXES))}"
        fix = ("take away what is no image", *_LAYOUT)
        raise _refused(folder, "the folder holds something else than images", why, fix)


def _class_names(folder: Path, found: list[str]) -> tuple[str, ...]:
    """Sub-folders, or what classes.txt says, which names every one of them once."""
    if not (folder / CLASSES).exists():
        return tuple(found)
    try:
        lines = (folder / CLASSES).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(folder / CLASSES, "cannot read the classes", str(error), _NAMES) from error
    names = tuple(line.strip() for line in lines if line.strip())
    wrong = [f"no sub-folder {name}" for name in names if name not in found]
    wrong += [f"sub-folder {name} is not named" for name in found if name not in names]
    wrong += [f"{name} is named twice" for name in sorted(set(names)) if names.count(name) > 1]
    if wrong:
        raise _refused(folder / CLASSES, "classes and sub-folders differ", _some(wrong), _NAMES)
    return names


_NAMES = ("write the name of every sub-folder into classes.txt once, a line each",)


# ---- pixels -------------------------------------------------------------------------------------


def _pixels(
    folder: Path, files: Sequence[Path], shape: tuple[int, ...], resize: str
) -> NDArray[np.uint8]:
    mode, size, last = _target(folder, files[0], shape)
    result = np.empty((len(files), *shape), np.uint8)
    wrong: list[str] = []
    for number, path in enumerate(files):
        image = _loaded(path, mode, size, resize)
        if isinstance(image, str):
            wrong.append(f"{path.relative_to(folder).as_posix()}: {image}")
        elif mode == "RGB" and not last:
            result[number] = image.transpose(2, 0, 1)
        else:
            result[number] = image.reshape(shape)
    if wrong:
        why = f"{len(wrong)} of {len(files)}: {_some(wrong, count=False)}"
        fix = [f"make them {size[0]}x{size[1]} pixels, 8 bits, opaque, one picture a file"]
        if resize == "exact":
            fix.append("have them scaled and cut: resize center")
        raise _refused(folder, "there are images that cannot be taken", why, tuple(fix))
    return result


def _target(folder: Path, first: Path, shape: tuple[int, ...]) -> tuple[str, tuple[int, int], bool]:
    """Pillow's mode, width and height, and whether the channels come last."""
    match shape:
        case (1 | 3 as channels, height, width):
            return _MODES[channels], (width, height), False
        case (height, width, 1 | 3 as channels):
            return _MODES[channels], (width, height), True
        case (height, width):
            return "L", (width, height), False
        case (elements,):
            found = _size(first)
            if found is None or math.prod(found) == elements:
                return "L", found or (elements, 1), False
            told = f"{first.name} has {found[0]}x{found[1]} pixels, the input {elements} elements"
        case _:
            told = f"the input has shape {shape}, images have 1 or 3 channels, a height and a width"
    raise UserError(
        "data.shape",
        "images do not fit the input",
        where=str(folder),
        why=told,
        fix=("give an .npz with the frames as the network wants them",),
    )


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height; None for what is no image, which is reported where it is read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError):
        return None


def _loaded(path: Path, mode: str, size: tuple[int, int], resize: str) -> NDArray[np.uint8] | str:
    """Pixels (height, width) or (height, width, 3), or what is wrong."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(action="error"), Image.open(path) as image:
            wrong = _lossy(image)
            if wrong:
                return wrong
            converted = image.convert(mode)
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        return f"{type(error).__name__}: {error}"  # SyntaxError: Pillow's for a broken PNG
    if resize == "center":
        converted = ImageOps.fit(converted, size, Image.Resampling.BICUBIC)
    if converted.size != size:
        (w, h), (width, height) = converted.size, size
        return f"{w}x{h} pixels, the input has {width}x{height}"
    return np.asarray(converted, np.uint8)


def _lossy(image: Image) -> str:
    """What a conversion would lose, if anything."""
    if getattr(image, "n_frames", 1) > 1:
        return "several pictures in one file"
    if image.mode.startswith(("I", "F")):
        return f"more than 8 bits a pixel (mode {image.mode})"
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if int(np.asarray(alpha).min()) < 255:
            return "it is transparent in places"
    return ""


def _some(things: Sequence[str], *, count: bool = True) -> str:
    """The first few, and how many more."""
    more = f" and {len(things) - _TOLD} more" if len(things) > _TOLD and count else ""
    if len(things) > _TOLD and not count:
        more = " ..."
    return ", ".join(things[:_TOLD]) + more


def _refused(path: Path, what: str, why: str, fix: tuple[str, ...]) -> UserError:
    return UserError("data.images", what, where=str(path), why=why, fix=fix)
