"""What an engine is: a way to compute a network that is checked against the reference, then timed.

An engine says what it lacks (a compiler, a package, a GPU) as an :class:`Unavailable`, opens a
network for a number of threads, and is bound to some frames. The call that comes of it computes
these frames from host memory to host memory and does nothing else: it is what is timed.

``integer`` engines compute the codes that the core gives, from the codes that it takes; every one
is compared. ``float`` engines compute what the file says, in floating point, from the numbers that
the model takes; outcome.py says how they are compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import onnx
from numpy.typing import NDArray

from gatesmith.errors import UserError, UserErrors
from gatesmith.ir import Graph, Ints

Array: TypeAlias = NDArray[Any]
Kind: TypeAlias = Literal["integer", "float"]


class Unavailable(Exception):  # noqa: N818 - it becomes the reason of a row
    """An engine cannot run here, or cannot compute this network; the text says why."""


def first_of(error: UserError | UserErrors) -> UserError:
    """The first of them: a row has one line."""
    return error.errors[0] if isinstance(error, UserErrors) else error


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network and frames of data.

    Attributes:
        name: Of the model.
        integer: The integer graph.
        real: The real graph it was made from.
        model: The ONNX model, batch 1, operators of QONNX allowed (Imported.model).
        codes: (frames, *shape) by name of the integer graph's Input.
        feeds: (frames, *shape) by name of the model's input, in its element type.
        reals: The same by name of the real graph's Input, in its shape.
        expected: Outputs of the integer graph, as the NumPy reference computes them.
        labels: Class of each frame.
        whole: Whether the outputs of the model are those of the integer graph.
    """

    name: str
    integer: Graph
    real: Graph
    model: onnx.ModelProto
    codes: Mapping[str, Array]
    feeds: Mapping[str, Array]
    reals: Mapping[str, Array]
    expected: Sequence[Ints]
    labels: Ints | None
    whole: bool = True

    def __len__(self) -> int:
        return len(self.expected[0])


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """Some frames, ready to be computed again and again.

    Attributes:
        call: Computes them.
        read: Outputs of the last call, (frames, ...), in the order of the graph's.
    """

    call: Callable[[], object]
    read: Callable[[], Sequence[Array]]


class Opened(ABC):
    """An engine with a network and a number of threads."""

    weight_bytes: int | None = None
    """Of everything constant, as this engine holds it."""

    note: str = ""
    """What a reader of the figures should know: versions, instruction set, kernels."""

    @abstractmethod
    def bind(self, frames: Ints) -> Bound:
        """The frames of these numbers as one batch."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Around every call: where an engine has settings of the whole process."""
        yield


class Engine(ABC):
    """A way to compute a network."""

    name: ClassVar[str]
    kind: ClassVar[Kind]
    device: ClassVar[str] = "cpu"
    """``cpu`` or ``gpu``."""

    threaded: ClassVar[bool] = True
    """Whether it takes a number of threads."""

    @abstractmethod
    def open(self, subject: Subject, threads: int) -> Opened:
        """Get ready. Raises Unavailable."""


def all_engines() -> dict[str, Engine]:
    """By name, in the order in which they are shown."""
    from gatesmith.cpu_gpu_baselines.engines import (
        native_engine,
        numpy_engine,
        ort_codes_engine,
        ort_engine,
        torch_engine,
        torch_int8_engine,
        triton_engine,
    )

    engines: list[Engine] = [
        numpy_engine.NumPy(),
        native_engine.Native(),
        native_engine.Sparse(),
        ort_codes_engine.OnnxRuntimeCodes(),
        ort_engine.OnnxRuntime(),
        ort_engine.OnnxRuntimeInt8(),
        torch_engine.Eager(),
        torch_engine.Compiled(),
        torch_engine.BFloat16(),
        torch_int8_engine.TorchInt8(),
        ort_engine.OnnxRuntimeCuda(),
        ort_engine.OnnxRuntimeTensorRt(),
        torch_engine.Cuda(),
        torch_engine.CudaFloat16(),
        torch_int8_engine.TorchCudaInt8(),
        triton_engine.Triton(),
    ]
    return {engine.name: engine for engine in engines}
