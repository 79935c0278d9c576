"""Data for quantizing and training: what ``--data`` and ``--labels`` name, as frames of a network.

``--data`` is one of

- a file: ``.npz`` with ``x`` (or the name of the input) and optionally ``y``, ``.npy``, IDX, IDX.gz
  (files.py);
- a folder of images, a sub-folder a class (images.py);
- a Python data set ``module:object`` (python_object.py).

Integers are codes and stand for ``scale * (code - zero)``; without a declared input type for
themselves. Floats are the numbers that the network is fed. Shapes: frames.py.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from gatesmith.data import images, python_object
from gatesmith.data.dataset import Data
from gatesmith.data.files import Mislabelled, Unreadable, class_numbers, read_arrays
from gatesmith.data.frames import checked, fit
from gatesmith.errors import UserError, raise_all
from gatesmith.ir import Ints, IntType

Result = TypeVar("Result")

_ONE_A_FRAME = ("give one class number a frame, from 0",)


def load_data(
    spec: str,
    labels: Path | None,
    shape: tuple[int, ...],
    *,
    real: tuple[Fraction, Fraction] | None = None,
    elem: IntType | None = None,
    classes: int | None = None,
    limit: int | None = None,
    name: str | None = None,
    resize: str = "exact",
) -> Data:
    """Read the data of a network of one input; every problem of it is reported at once.

    Args:
        spec: A file, a folder of images, or ``module:object``.
        labels: File of labels: .npy, .npz (array y) or IDX; goes before those of the data.
        shape: Of one frame, in the model's own order: (3, 32, 32), (784,).
        real: Scale and zero of integer codes (``--input``); without, a code is its own number.
        elem: Type of those codes.
        classes: How many classes the network tells apart: labels lie below.
        limit: Take at most so many frames: the first, or as many of each class of a folder.
        name: What the array of an .npz may also be called: the input's name in the model.
        resize: How images are made to fit: one of :data:`gatesmith.data.images.RESIZE`.

    Errors: ``data.unreadable``, ``data.dtype``, ``data.empty``, ``data.shape``, ``data.range``,
    ``data.not-finite``, ``data.labels``, ``data.images``, ``data.pillow``, ``data.python``.
    """
    if limit is not None and limit < 1:
        raise ValueError("a limit must be 1 or more")
    most = limit if labels is None else None  # labels count the frames that there are
    names: tuple[str, ...] = ()
    if Path(spec).is_dir():
        raw, found, names = images.read(Path(spec), shape, limit=most, resize=resize)
    elif python_object.is_name(spec):
        raw, found = python_object.read(spec, most)
    else:
        raw, found = _file(Path(spec), [("x",) if name is None else ("x", name)])
    problems: list[UserError] = []
    scale, zero = real or (Fraction(1), Fraction(0))
    x = _try(problems, lambda: checked(fit(raw, shape, spec)[:limit], scale, zero, elem, spec))
    frames = len(raw) if raw.ndim else 0
    y = _try(problems, lambda: _labels(labels, found, spec, frames, classes))
    raise_all(problems)
    assert x is not None
    if x.dtype.kind == "f":
        scale, zero = Fraction(1), Fraction(0)
    return Data(x, None if y is None else y[:limit], spec, scale, zero, names)


def _try(problems: list[UserError], step: Callable[[], Result]) -> Result | None:
    """What ``step`` gives, or None and one more problem."""
    try:
        return step()
    except UserError as error:
        problems.append(error)
        return None


def _file(path: Path, names: list[tuple[str, ...]]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
        (x,), y = read_arrays(path, names)
    except Unreadable as error:
        fix = error.fix
        if not path.exists():
            fix = ("give a file, a folder of images, or a Python data set as module:object",)
        raise UserError(
            "data.unreadable", error.what, where=str(path), why=error.why, fix=fix
        ) from error
    return x, y


def _labels(
    path: Path | None, found: NDArray[Any] | None, spec: str, frames: int, classes: int | None
) -> Ints | None:
    """Class numbers of all frames."""
    given = _file(path, [("y",)])[0] if path is not None else found
    if given is None:
        return None
    where = str(path or spec)
    try:
        y = class_numbers(given, frames)
    except Mislabelled as error:
        raise _mislabelled(where, str(error)) from error
    bad = (y < 0) | (y >= classes) if classes is not None else y < 0
    if bad.any():
        at = int(bad.argmax())
        told = "" if classes is None else f"; the network tells {classes} classes apart"
        why = f"{int(bad.sum())} of {len(y)} are no classes, the first at frame {at} is {y[at]}"
        raise _mislabelled(where, why + told)
    return y


def _mislabelled(where: str, why: str) -> UserError:
    return UserError("data.labels", "the labels do not fit", where=where, why=why, fix=_ONE_A_FRAME)
