"""Weights of the parts of layers, each computed once: ranks are often tried twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Node, Reals
from gatesmith.ops.const import Const
from gatesmith.prune.low_rank.method import Method, Ranks


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Parts of one layer.

    Attributes:
        weights: Of each part, float32 numbers: what a file can hold.
        error: Norm of what their product misses, over that of the layer's weights.
        result_error: The same of the layer's results, root mean square; None without a sample.
    """

    weights: tuple[Reals, ...]
    error: float
    result_error: float | None


class Fits:
    """Fits of the layers of a graph by one method.

    Args:
        method: How layers are split.
        moments: Of what layers read, by layer; empty without a sample.
    """

    def __init__(self, method: Method, moments: Mapping[str, Reals]) -> None:
        self.method, self._moments = method, moments
        self._spectra: dict[str, tuple[Reals, ...] | None] = {}
        self._fits: dict[tuple[str, Ranks], Fit] = {}

    def spectra(self, layer: Node) -> tuple[Reals, ...] | None:
        """See :meth:`Method.spectra`."""
        if layer.name not in self._spectra:
            moment = self._moments.get(layer.name)
            self._spectra[layer.name] = self.method.spectra(weights_of(layer), moment)
        return self._spectra[layer.name]

    def fit(self, layer: Node, ranks: Ranks) -> Fit:
        """The parts of these ranks."""
        key = (layer.name, ranks)
        if key not in self._fits:
            self._fits[key] = self._fit(layer, ranks)
        return self._fits[key]

    def _fit(self, layer: Node, ranks: Ranks) -> Fit:
        w, moment = weights_of(layer), self._moments.get(layer.name)
        exact = self.method.factors(w, ranks, moment)
        single = tuple(factor.astype(np.float32).astype(np.float64) for factor in exact)
        missed = w - self.method.product(single, w.shape)
        error = _ratio((missed**2).sum(), (w**2).sum())
        if moment is None:
            return Fit(single, error, None)
        return Fit(single, error, _ratio(_seen(missed, moment), _seen(w, moment)))


def weights_of(layer: Node) -> Reals:
    """Weights of a layer, float64."""
    const = layer.args[1].op
    assert isinstance(const, Const), layer.name
    return np.asarray(const.value.data, np.float64)


def _seen(w: Reals, moment: Reals) -> float:
    """Mean square of what inputs of this moment make of weights."""
    flat = w.reshape(-1, w.shape[-1])
    return float(((moment @ flat) * flat).sum())


def _ratio(part: float, whole: float) -> float:
    return float(np.sqrt(part / whole)) if whole > 0 else 0.0
