"""ONNX Resize to the nearest element, in every coordinate system and rounding of it.

Coordinates are exact: a scale is the float32 of the file, or an extent divided by another. Only the
extent of a result is floor(extent * scale) in float32, as onnx's shape inference has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from gatesmith.frontend.call import Call, as_float
from gatesmith.frontend.movement import known_axes, take
from gatesmith.frontend.registry import Attribute, converter
from gatesmith.frontend.values import MOST_ELEMENTS, Activation

HALF = Fraction(1, 2)
NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda at: ceil(at - HALF),
    "round_prefer_ceil": lambda at: floor(at + HALF),
    "floor": floor,
    "ceil": ceil,
}
COORDINATES = {  # (first opset, last)
    "half_pixel": (11, 99),
    "half_pixel_symmetric": (19, 99),
    "pytorch_half_pixel": (11, 99),
    "align_corners": (11, 99),
    "asymmetric": (11, 99),
    "tf_half_pixel_for_nn": (11, 12),
    "tf_crop_and_resize": (11, 99),
}


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the full shape, to be resized.

    Attributes:
        axis: Which.
        size: Elements before.
        new: Elements after.
        scale: New per old.
        roi: First and last coordinate of tf_crop_and_resize, as parts of the axis.
    """

    axis: int
    size: int
    new: int
    scale: Fraction
    roi: tuple[Fraction, Fraction] = (Fraction(0), Fraction(1))

    def coordinate(self, place: int, mode: str, number: Callable[[Any], Any] = Fraction) -> Any:
        """Where element ``place`` of the result lies among the old ones.

        ``number`` makes the kind of number to compute with.
        """
        half, scale, at = number(HALF), number(self.scale), number(place)
        size, new = number(self.size), number(self.new)
        match mode:
            case "asymmetric":
                return at / scale
            case "tf_half_pixel_for_nn":
                return (at + half) / scale
            case "align_corners":
                return at * (size - 1) / (new - 1) if self.new > 1 else at
            case "tf_crop_and_resize":
                start, end = (number(end) for end in self.roi)
                if self.new == 1:
                    return half * (start + end) * (size - 1)
                return start * (size - 1) + at * (end - start) * (size - 1) / (new - 1)
            case "pytorch_half_pixel" if self.new == 1:
                return at
            case "half_pixel_symmetric":
                shift = size * half * (1 - new / (scale * size))
                return shift + (at + half) / scale - half
            case _:
                return (at + half) / scale - half


@converter(
    "Resize",
    inputs=(2, 4),
    attributes=(
        Attribute("mode", "string", "nearest"),
        Attribute("coordinate_transformation_mode", "string", "half_pixel", since=11),
        Attribute("nearest_mode", "string", "round_prefer_floor", since=11),
        Attribute("cubic_coeff_a", "float", -0.75, since=11),
        Attribute("exclude_outside", "int", 0, since=11),
        Attribute("extrapolation_value", "float", 0.0, since=11),
        Attribute("antialias", "int", 0, since=18),
        Attribute("axes", "ints", since=18),
        Attribute("keep_aspect_ratio_policy", "string", "stretch", since=18),
    ),
    since=10,
)
def convert(call: Call) -> Activation:
    """A Take along every axis. ``antialias`` and ``cubic_coeff_a`` only speak of other modes."""
    x = call.activation(0)
    require_nearest(call)
    if call.opset < 11:
        return upsampled(call, x, _numbers(call, 1, "the scales"))
    coordinates = _choice(call, "coordinate_transformation_mode", COORDINATES)
    if not COORDINATES[coordinates][0] <= call.opset <= COORDINATES[coordinates][1]:
        what = f"coordinate_transformation_mode of Resize is {coordinates!r}"
        raise call.error("attribute", what, f"opset {call.opset} has none such", "export again")
    nearest = NEAREST[_choice(call, "nearest_mode", NEAREST)]
    if call.opset >= 18:
        call.flag("antialias")
    excludes = call.flag("exclude_outside")
    for axis in _axes(call, x, coordinates):
        call.must_fit((axis.new,))
        at = [axis.coordinate(new, coordinates) for new in range(axis.new)]
        outside = coordinates == "tf_crop_and_resize" and not (
            0 <= min(at, default=0) <= max(at, default=0) <= axis.size - 1
        )
        index = [nearest(place) for place in at]
        _note_doubt(call, axis, coordinates, nearest, index)
        clamped = [min(max(i, 0), axis.size - 1) for i in index]
        if outside or (excludes and clamped != index):
            raise call.error(
                "attribute",
                f"Resize reads outside of axis {axis.axis}",
                "what lies there is made up (extrapolation_value, exclude_outside)",
                "export with another coordinate_transformation_mode, or Pad before",
            )
        x = take(call, x, axis.axis, clamped)
    return x


def _note_doubt(
    call: Call, axis: Axis, mode: str, nearest: Callable[[Fraction], int], index: list[int]
) -> None:
    """Say where the rounding of float32 leads to another element."""
    rounded = (axis.coordinate(new, mode, np.float32) for new in range(axis.new))
    single = [nearest(Fraction(float(at))) for at in rounded]
    differ = int((np.clip(single, 0, axis.size - 1) != np.clip(index, 0, axis.size - 1)).sum())
    if differ:
        call.note(
            f"{differ} elements of axis {axis.axis} lie so near a boundary between two others that "
            "a float32 runtime takes the other one; export with sizes, or scales such as 2 and 0.5"
        )


def require_nearest(call: Call) -> None:
    """Refuse to interpolate."""
    mode = call.text("mode")
    if mode == "nearest":
        return
    raise call.error(
        "interpolation",
        f"{call.node.op_type} interpolates: its mode is {mode!r}",
        "only the nearest element moves without arithmetic",
        "train with nearest upsampling, or with a transposed convolution",
        "or resize in software, before the input or behind the output",
    )


def upsampled(call: Call, x: Activation, scales: Sequence[float]) -> Activation:
    """Upsample, and Resize of opset 10: element floor(i / scale) along every axis."""
    _one_each(call, scales, len(x.full), "scales")
    for axis, scale in enumerate(scales):
        resized = _scaled(call, axis, x.full[axis], scale)
        call.must_fit((resized.new,))
        at = [resized.coordinate(new, "asymmetric") for new in range(resized.new)]
        index = [floor(place) for place in at]
        if scale < 1 and index != at:
            raise call.error(
                "attribute",
                f"{call.node.op_type} shrinks axis {axis} by {scale:g}",
                "before opset 11 ONNX does not say which element is the nearest",
                "export for opset 11 or later",
            )
        x = take(call, x, axis, [min(i, resized.size - 1) for i in index])
    return x


def _axes(call: Call, x: Activation, coordinates: str) -> list[Axis]:
    """What happens to each axis that is named, from scales or from sizes."""
    given = call.integers("axes") if call.opset >= 18 else None
    rank = len(x.full)
    axes = known_axes(call, given, rank, rank if given is None else len(given))
    scales, sizes = (_numbers(call, i, r) for i, r in ((2, "the scales"), (3, "the sizes")))
    if bool(scales) == bool(sizes):
        what = f"Resize has {'both' if scales else 'neither'} scales and sizes"
        raise call.error("shape", what, "it takes one of the two", "export the model again")
    _one_each(call, scales or sizes, len(axes), "scales" if scales else "sizes")
    if scales:
        pairs = zip(axes, scales, strict=True)
        found = [_scaled(call, axis, x.full[axis], scale) for axis, scale in pairs]
    else:
        found = _sized(call, [(axis, x.full[axis]) for axis in axes], sizes)
    if coordinates != "tf_crop_and_resize":
        return found
    roi = _numbers(call, 1, "the roi")
    _one_each(call, roi, 2 * len(axes), "roi")
    ends = zip(found, roi[: len(axes)], roi[len(axes) :], strict=True)
    return [
        Axis(a.axis, a.size, a.new, a.scale, (Fraction(start), Fraction(end)))
        for a, start, end in ends
    ]


def _scaled(call: Call, axis: int, size: int, scale: float) -> Axis:
    if not 0 < scale <= MOST_ELEMENTS:
        what = f"a scale of {call.node.op_type} is {scale:g}"
        why = f"it must be above 0, and at most {MOST_ELEMENTS}"
        raise call.error("shape", what, why, "export the model again")
    new = int(np.floor(np.float32(size) * np.float32(scale)))
    return Axis(axis, size, new, Fraction(scale))


def _sized(call: Call, axes: list[tuple[int, int]], sizes: Sequence[float]) -> list[Axis]:
    """Extents as told, or those of one common scale."""
    policies = ("stretch", "not_larger", "not_smaller")
    policy = _choice(call, "keep_aspect_ratio_policy", policies) if call.opset >= 18 else "stretch"
    if min(sizes) < 1 or any(size % 1 for size in sizes):
        what = f"the sizes of Resize are {list(sizes)}"
        raise call.error("shape", what, "they must be 1 or more", "export the model again")
    wanted = [int(size) for size in sizes]
    if policy == "stretch":
        both = zip(axes, wanted, strict=True)
        return [Axis(axis, size, new, Fraction(new, size)) for (axis, size), new in both]
    ratios = [Fraction(new, size) for (_, size), new in zip(axes, wanted, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [Axis(axis, size, floor(scale * size + HALF), scale) for axis, size in axes]


def _numbers(call: Call, index: int, role: str) -> list[float]:
    """An optional list of numbers; an absent one may also be an empty tensor."""
    if not call.has(index):
        return []
    return [float(v) for v in as_float(call.constant(index, role, empty=True)).reshape(-1)]


def _one_each(call: Call, given: Sequence[float], count: int, name: str) -> None:
    if len(given) != count:
        what = f"{call.node.op_type} has {len(given)} {name} where {count} are needed"
        raise call.error("shape", what, "there must be one for each axis", "export again")


def _choice(call: Call, name: str, taken: Collection[str]) -> str:
    value = call.text(name)
    if value not in taken:
        what = f"{name} of {call.node.op_type} is {value!r}"
        raise call.error("attribute", what, f"it is one of {', '.join(taken)}", "export again")
    return value
