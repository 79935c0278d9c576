"""A Python data set by name, ``module:object``, as arrays.

The module is imported with the current folder first on the path; what it prints goes to standard
error. The object is

- ``x`` or ``(x, y)``, arrays or tensors with a frame a row, or a mapping with ``x``, perhaps ``y``;
- a sequence, or a torch ``Dataset``, of ``(frame, class)`` or of frames;
- a class or function without arguments that gives one of these.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.errors import UserError

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_FORMS = (
    "make the object a list of (frame, class), a torch Dataset, or a function that gives (x, y)",
)


def is_name(spec: str) -> bool:
    """Whether ``spec`` names an object and no file.

    >>> is_name("my.data:train"), is_name("data.npz"), is_name("C:/data.npz")
    (True, False, False)
    """
    return _NAME.fullmatch(spec) is not None and not Path(spec).exists()


def read(spec: str, limit: int | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Frames and labels of ``module:object``, at most ``limit`` of them.

    Errors: ``data.python``, ``data.shape``.
    """
    module, _, attribute = spec.partition(":")
    if module.endswith(".py"):
        fix = f"write {module.removesuffix('.py')}:{attribute}"
        raise _refused(spec, "a module has no .py in its name", f"{module} is a file", (fix,))
    with _surroundings():
        try:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
            x, y = _arrays(_called(found), spec, limit)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # whatever the user's code does
            raise _failed(spec, error) from error
    return x[:limit], None if y is None else y[:limit]


@contextlib.contextmanager
def _surroundings() -> Iterator[None]:
    """The current folder on the path, as for ``python -m``; standard output is for results."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)


def _called(found: Any) -> Any:
    """The data itself, where ``found`` is what makes it."""
    kind = type(found)
    holds = hasattr(kind, "__getitem__") or hasattr(kind, "__iter__")
    return found() if isinstance(found, type) or (callable(found) and not holds) else found


def _arrays(found: Any, spec: str, limit: int | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    match found:
        case Mapping():
            y = found.get("y")
            return _array(found["x"]), None if y is None else _array(y)
        case (x, y) if isinstance(found, tuple) and not isinstance(x, tuple):
            return _array(x), None if y is None else _array(y)
        case _ if hasattr(found, "shape"):
            return _array(found), None
    return _stacked(_samples(found, spec, limit), spec)


def _samples(found: Any, spec: str, limit: int | None) -> Iterable[Any]:
    """One sample after the other; a torch Dataset need not be iterable."""
    if hasattr(found, "__len__") and hasattr(found, "__getitem__"):
        count = len(found)
        return (found[i] for i in range(count if limit is None else min(count, limit)))
    if not hasattr(found, "__iter__"):
        why = f"it is of {_kind(found)}, which holds no frames"
        raise _refused(spec, "this is no data set", why, _FORMS)
    if limit is None and not hasattr(found, "__len__"):
        why = f"{_kind(found)} has no length: it may have no end"
        fix = ("give the object a length", "say how many frames to take")
        raise _refused(spec, "it is not known how many frames there are", why, fix)
    return itertools.islice(found, limit)


def _stacked(samples: Iterable[Any], spec: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Arrays of frames and of classes; all samples are alike."""
    frames: list[NDArray[Any]] = []
    classes: list[NDArray[Any]] = []
    for number, sample in enumerate(samples):
        x, *rest = sample if isinstance(sample, tuple) else (sample,)
        if len(rest) > 1:
            why = f"sample {number} is {len(rest) + 1} things, expected (frame, class)"
            raise _refused(spec, "this is no data set of frames and classes", why, _FORMS)
        frames.append(_array(x))
        classes += [_array(label) for label in rest]
        if len(classes) not in (0, len(frames)):
            why = f"sample {number} is {'labelled' if rest else 'unlabelled'}, those before it not"
            raise _refused(spec, "some frames have a class and some have none", why, _FORMS)
        if frames[-1].shape != frames[0].shape:
            raise UserError(
                "data.shape",
                "the frames have different shapes",
                where=spec,
                why=f"frame {number} has shape {frames[-1].shape}, frame 0 {frames[0].shape}",
                fix=("make all frames of one shape",),
            )
    x = np.stack(frames) if frames else np.empty(0)
    return x, np.stack(classes) if classes else None


def _array(value: Any) -> NDArray[Any]:
    """An array of what may be a tensor that is on a GPU, or that is trained."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def _kind(found: Any) -> str:
    return f"type {type(found).__name__}"


def _failed(spec: str, error: BaseException) -> UserError:
    """What the user's code raised, and where."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [s for s in steps if s.filename != __file__ and "importlib" not in s.filename]
    at = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    why = f"{type(error).__name__}: {error}{at}"
    return _refused(
        spec,
        "the Python data set cannot be read",
        why,
        ("run it in Python first: import the module, look at the object", *_FORMS),
    )


def _refused(spec: str, what: str, why: str, fix: tuple[str, ...]) -> UserError:
    return UserError("data.python", what, where=f"--data {spec}", why=why, fix=fix)
