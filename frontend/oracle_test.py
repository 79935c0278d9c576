"""Imported graphs against every evaluator by others that can run the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from gatesmith.cpu_gpu_baselines.exact_integers import exact
from gatesmith.frontend.importer import Imported
from gatesmith.frontend.model_test import FRAMES, frames, load, run

Feeds = Mapping[str, NDArray[Any]]


def engines(proto: onnx.ModelProto, skip: str = "") -> list[Callable[[Feeds], Any]]:
    """onnx.reference and onnxruntime, but for ``skip``."""
    found: list[Callable[[Feeds], Any]] = []
    if skip != "reference":
        reference = ReferenceEvaluator(proto)
        found.append(lambda feeds: reference.run(None, dict(feeds)))
    if skip != "onnxruntime":
        onnxruntime = pytest.importorskip("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        data, providers = exact(proto).SerializeToString(), ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(data, options, providers=providers)
        found.append(lambda feeds: session.run(None, dict(feeds)))
    return found


def same(
    proto: onnx.ModelProto,
    folder: Path,
    *,
    skip: str = "",
    tolerance: float = 0.0,
    near: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> Imported:
    """Import, and compare values and full shapes frame by frame; inputs go through ``near``."""
    imported = load(proto, folder)
    feeds = frames(proto)
    if near is not None:
        feeds = {name: near(value).astype(value.dtype) for name, value in feeds.items()}
    ours = run(imported, feeds)
    for evaluate in engines(imported.model, skip):
        for frame in range(FRAMES):
            theirs = evaluate({name: value[frame] for name, value in feeds.items()})
            for our, their in zip(ours, theirs, strict=True):
                expected = np.asarray(their, np.float64)
                got = our[frame].reshape(expected.shape)
                np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    stated = {o.name: o.type.tensor_type.shape for o in imported.model.graph.output}
    for output, our in zip(proto.graph.output, ours, strict=True):
        full = tuple(d.dim_value for d in stated[output.name].dim)
        assert not full or full in (our.shape[1:], (1, *our.shape[1:])), output.name
    return imported
