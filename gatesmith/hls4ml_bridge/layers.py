"""A layer of hls4ml's graph as plain data, after its optimizers have run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.hls4ml_bridge.fixed import Fixed

ATTRIBUTES = (
    *("activation", "op", "axis", "perm", "pool_op", "count_pad", "data_format", "n_filt"),
    *("filt_height", "filt_width", "stride_height", "stride_width", "pool_height", "pool_width"),
    *("pad_top", "pad_bottom", "pad_left", "pad_right", "n_chan", "depth_multiplier"),
    *("dilation_height", "dilation_width", "activ_param", "n_in", "n_out"),
)
"""What evaluating a layer needs to know of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer.

    Attributes:
        name: hls4ml's name of it.
        kind: hls4ml's class: ``Dense``, ``ApplyAlpha``, ...
        inputs: Names of the layers whose results it reads.
        shape: Of its result, channels last, without frames.
        attributes: Those of :data:`ATTRIBUTES` that it has.
        weights: Constants as the network means them, before their types round them.
        types: By role (``result_t``, ``accum_t``, ``scale_t``, ...); None for a type that is no
            fixed-point number.
        quantizer: Whether the result type is that of a quantizer of the network.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    types: Mapping[str, Fixed | None] = field(default_factory=dict)
    quantizer: bool = False

    @property
    def result(self) -> Fixed | None:
        """Type of the result."""
        return self.types.get("result_t")

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        found = self.attributes.get(name)
        return default if found is None else found


def save(folder: Path, layers: Sequence[Layer]) -> None:
    """Write layers as layers.json and layers.npz."""
    entries = [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": list(layer.inputs),
            "shape": list(layer.shape),
            "attributes": dict(layer.attributes),
            "weights": sorted(layer.weights),
            "types": {role: None if t is None else repr(t) for role, t in layer.types.items()},
            "quantizer": layer.quantizer,
        }
        for layer in layers
    ]
    (folder / "layers.json").write_text(json.dumps(entries))
    arrays = {f"{i}:{k}": v for i, one in enumerate(layers) for k, v in one.weights.items()}
    np.savez(folder / "layers.npz", **arrays)  # type: ignore[arg-type]


def load(folder: Path) -> list[Layer]:
    """Read what :func:`save` wrote."""
    entries = json.loads((folder / "layers.json").read_text())
    with np.load(folder / "layers.npz") as arrays:
        return [
            Layer(
                entry["name"],
                entry["kind"],
                tuple(entry["inputs"]),
                tuple(entry["shape"]),
                entry["attributes"],
                {name: arrays[f"{index}:{name}"] for name in entry["weights"]},
                {
                    role: None if text is None else Fixed.parse(text)
                    for role, text in entry["types"].items()
                },
                entry["quantizer"],
            )
            for index, entry in enumerate(entries)
        ]
