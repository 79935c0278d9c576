"""What a layer of hls4ml's graph computes: exactly on numbers, and on ranges.

:func:`evaluate` gives the value before the result type rounds it. With integer codes it is exact,
so that hls4ml's C simulation of a layer has to equal it, cast to the layer's type, bit for bit;
with floats it says what the layer means. :func:`spread` gives the least and largest value of every
element. Layers whose C++ is not reproduced here (tables, divisions) give None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gatesmith.hls4ml_bridge.fixed import shifted
from gatesmith.hls4ml_bridge.layers import Layer

DENSE = ("Dense",)
CONV = ("Conv1D", "Conv2D", "PointwiseConv1D", "PointwiseConv2D")
DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
SCALE = ("ApplyAlpha", "BatchNormalization")
POOL = ("Pooling1D", "Pooling2D", "GlobalPooling1D", "GlobalPooling2D")
COPY = ("Input", "InputLayer", "Reshape", "Transpose", "Clone", "Repack", "Broadcast")
PADDING = ("ZeroPadding1D", "ZeroPadding2D")
PRODUCTS = (*DENSE, *CONV, *DEPTHWISE)


@dataclass(frozen=True, slots=True, eq=False)
class Num:
    """``codes * 2**-frac``: integers, or float64 with ``frac`` 0."""

    codes: NDArray[Any]
    frac: int = 0

    def at(self, frac: int) -> NDArray[Any]:
        """Codes with that many fractional bits, no fewer than there are."""
        return self.codes if frac == self.frac else shifted(self.codes, frac - self.frac)


def evaluate(layer: Layer, args: Sequence[Num], consts: Mapping[str, Num]) -> Num | None:
    """Value of a layer, (frames, *shape); None where its C++ is not reproduced."""
    kind = layer.kind
    if kind in PRODUCTS:
        return _biased(_product(layer, args[0], consts["weight"]), consts.get("bias"))
    if kind in SCALE:
        return _biased(_times(args[0], consts["scale"]), consts.get("bias"))
    if kind in COPY:
        return Num(_copied(layer, args[0].codes), args[0].frac)
    if kind in PADDING:
        return Num(_padded(args[0].codes, _pads(layer), 0), args[0].frac)
    if kind in POOL and layer.get("pool_op") == "Max":
        return Num(_pooled(layer, args[0].codes), args[0].frac)
    if kind == "Merge":
        return _merged(str(layer.get("op")), *args)
    if kind == "Concatenate":
        frac = max(arg.frac for arg in args)
        axis = int(layer.get("axis", -1))
        return Num(np.concatenate([arg.at(frac) for arg in args], axis=axis), frac)
    match str(layer.get("activation", "")).lower() if "Activation" in kind else "":
        case "linear":
            return args[0]
        case "relu":
            return Num(np.maximum(args[0].codes, 0), args[0].frac)
    return None


def spread(
    layer: Layer, lows: Sequence[Num], highs: Sequence[Num], consts: Mapping[str, Num]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Least and largest value of every element, float64 (1, *shape)."""
    if layer.kind in PRODUCTS or layer.kind in SCALE:
        name = "scale" if layer.kind in SCALE else "weight"
        factor = consts[name].codes
        plus, minus = np.maximum(factor, 0), np.minimum(factor, 0)
        apply = _times if layer.kind in SCALE else lambda x, w: _product(layer, x, w)
        ends = []
        for one, other in ((lows, highs), (highs, lows)):
            parts = (apply(one[0], Num(plus)), apply(other[0], Num(minus)))
            ends.append(_biased(Num(parts[0].codes + parts[1].codes), consts.get("bias")).codes)
        return ends[0], ends[1]
    if layer.kind == "Merge" and layer.get("op") not in ("add", "maximum", "minimum"):
        corners = [
            evaluate(layer, [x, y], consts)
            for x in (lows[0], highs[0])
            for y in (lows[1], highs[1])
        ]
        if any(c is None for c in corners):
            return None
        found = np.stack([c.codes for c in corners if c is not None])
        return found.min(axis=0), found.max(axis=0)
    low, high = evaluate(layer, lows, consts), evaluate(layer, highs, consts)
    return None if low is None or high is None else (low.codes, high.codes)


def _biased(value: Num, bias: Num | None) -> Num:
    if bias is None:
        return value
    frac = max(value.frac, bias.frac)
    data = bias.at(frac)
    if data.ndim > 1 or data.size == value.codes[0].size:
        data = data.reshape(value.codes.shape[1:])
    return Num(value.at(frac) + data, frac)


def _times(x: Num, scale: Num) -> Num:
    data = scale.codes
    if data.size == x.codes[0].size:
        data = data.reshape(x.codes.shape[1:])
    return Num(multiplied(x.codes, data), x.frac + scale.frac)


def multiplied(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Product that does not overflow."""
    if a.dtype == b.dtype == np.int64:
        bits = sum(int(np.abs(x).max(initial=0)).bit_length() for x in (a, b))
        if bits > 62:
            a = a.astype(object)
    result: NDArray[Any] = a * b
    return result


def _product(layer: Layer, x: Num, weight: Num) -> Num:
    frac, data = x.frac + weight.frac, weight.codes
    if layer.kind in DENSE:
        flat = x.codes.reshape(*x.codes.shape[:-1], -1)
        return Num(matmul(flat, data.reshape(flat.shape[-1], -1)), frac)
    two = "2D" in layer.kind
    codes = x.codes if two else x.codes[:, None]
    if layer.kind in DEPTHWISE or data.ndim == (4 if two else 3):
        kernel = data if two else data[None]
    else:
        kernel = data.reshape(1, 1, *data.shape[-2:])
    codes = _padded(codes, _pads(layer) if two else (0, 0, *_pads(layer)[2:]), 0)
    windows = _windows(layer, codes, kernel.shape[:2], two)  # (n, h, w, c, kh, kw)
    if layer.kind in DEPTHWISE:
        own = kernel.reshape(*kernel.shape[:2], -1)  # (h, w, 1, c), or (h, w, c, 1)
        parts = multiplied(windows, own.transpose(2, 0, 1))
        sums = parts.sum(axis=(-2, -1))
    else:
        turned = windows.transpose(0, 1, 2, 4, 5, 3)
        rows = turned.reshape(*turned.shape[:3], -1)
        sums = matmul(rows, kernel.reshape(-1, kernel.shape[-1]))
    return Num(sums if two else sums[:, 0], frac)


def _windows(layer: Layer, codes: NDArray[Any], kernel: tuple[int, ...], two: bool) -> NDArray[Any]:
    reach = [1 + (k - 1) * layer.get(f"dilation_{s}", 1) for k, s in _sides(kernel, two)]
    views = sliding_window_view(codes, tuple(reach), axis=(1, 2))
    steps = [layer.get(f"stride_{side}", 1) for _, side in _sides(kernel, two)]
    apart = [layer.get(f"dilation_{side}", 1) for _, side in _sides(kernel, two)]
    return views[:, :: steps[0], :: steps[1], :, :: apart[0], :: apart[1]]


def _sides(kernel: tuple[int, ...], two: bool) -> list[tuple[int, str]]:
    return [(kernel[0], "height" if two else "none"), (kernel[1], "width")]


def matmul(x: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Product of matrices: BLAS where float64 is exact, int64 or Python integers else."""
    if np.float64 in (x.dtype, weight.dtype):
        result: NDArray[Any] = x @ weight
        return result
    sums = int(np.abs(weight).sum(axis=0).max(initial=0)) if weight.size else 0
    bits = (int(np.abs(x).max(initial=0)) * sums).bit_length()
    if bits <= 53:
        exact: NDArray[Any] = (x.astype(np.float64) @ weight.astype(np.float64)).astype(np.int64)
        return exact
    kind = np.int64 if bits <= 62 else object
    wide: NDArray[Any] = x.astype(kind) @ weight.astype(kind)
    return wide


def _pads(layer: Layer) -> tuple[int, int, int, int]:
    """Top, bottom, left, right."""
    sides = ("pad_top", "pad_bottom", "pad_left", "pad_right")
    top, bottom, left, right = (int(layer.get(side, 0)) for side in sides)
    return top, bottom, left, right


def _padded(codes: NDArray[Any], pads: Sequence[int], fill: Any) -> NDArray[Any]:
    top, bottom, left, right = pads[:4]
    if codes.ndim == 3:
        return np.pad(codes, ((0, 0), (left, right), (0, 0)), constant_values=fill)
    widths = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(codes, widths, constant_values=fill)


def _pooled(layer: Layer, codes: NDArray[Any]) -> NDArray[Any]:
    if layer.kind.startswith("Global"):
        axes = tuple(range(1, codes.ndim - 1))
        globally: NDArray[Any] = codes.max(axis=axes)
        return globally
    two = codes.ndim == 4
    data = codes if two else codes[:, None]
    kernel = (layer.get("pool_height", 1) if two else 1, layer.get("pool_width", 1))
    least = codes.min(initial=0)
    data = _padded(data, _pads(layer) if two else (0, 0, *_pads(layer)[2:]), least)
    views = sliding_window_view(data, kernel, axis=(1, 2))
    steps = (layer.get("stride_height", 1) if two else 1, layer.get("stride_width", 1))
    found: NDArray[Any] = views[:, :: steps[0], :: steps[1]].max(axis=(-2, -1))
    return found if two else found[:, 0]


def _copied(layer: Layer, codes: NDArray[Any]) -> NDArray[Any]:
    if layer.kind == "Transpose":
        perm = [int(axis) for axis in layer.get("perm")]
        if len(perm) == codes.ndim - 1:
            codes = codes.transpose(0, *(axis + 1 for axis in perm))
    return codes.reshape(len(codes), *layer.shape)


def _merged(op: str, a: Num, b: Num) -> Num | None:
    if op == "multiply":
        return Num(multiplied(a.codes, b.codes), a.frac + b.frac)
    frac = max(a.frac, b.frac)
    x, y = a.at(frac), b.at(frac)
    match op:
        case "add":
            return Num(x + y, frac)
        case "subtract":
            return Num(x - y, frac)
        case "maximum":
            return Num(np.maximum(x, y), frac)
        case "minimum":
            return Num(np.minimum(x, y), frac)
    return None
