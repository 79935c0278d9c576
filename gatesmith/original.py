"""The model of a build in a float32 runtime, beside the integer reference of its build folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatesmith.cpu_gpu_baselines.comparison import Comparison
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Ints, Node, Values
from gatesmith.ops.input import Input
from gatesmith.rtl_tests.verify import read_build


class OriginalModel:
    """Opened when the first frames come. Errors: those of the frontend."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.comparison: Comparison | None = None
        self.inputs: dict[str, Node] = {}
        self.frames = self.right = 0
        self.labelled = False

    def take(self, x: Mapping[str, Values], labels: Ints | None) -> None:
        """Compare some more frames."""
        if self.comparison is None:
            given = read_build(self.directory)["options"]["input"]
            spec = None if given is None else InputSpec.parse(given)
            imported = import_model(self.directory / "model.onnx", spec)
            self.comparison = Comparison(imported.graph, imported.model, onnxruntime=True)
            self.inputs = {n.name: n for n in imported.graph if isinstance(n.op, Input)}
        arrays = {self.inputs[name]: array for name, array in x.items()}
        predicted = self.comparison.compare(self.comparison.given(arrays))
        self.frames += len(predicted)
        if labels is not None:
            self.labelled = True
            self.right += int((predicted == labels).sum())

    def told(self) -> dict[str, Any]:
        """Engine, codes compared, differing, explained, unexplained, and the engine's top-1."""
        assert self.comparison is not None, "a data set has frames"
        found = self.comparison
        parts = [*found.constants, *(part for side in found.result() for part in side)]
        counts = {
            key: sum(getattr(part, key) for part in parts)
            for key in ("compared", "differing", "explained", "unexplained")
        }
        top1 = self.right / self.frames if self.labelled else None
        return {"engine": found.runtime.engine, **counts, "top1": top1}
