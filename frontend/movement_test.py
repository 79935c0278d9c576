"""Operators that only move elements: exactly what others compute, in every opset and mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatesmith.frontend.model_test import load, model, node, refused
from gatesmith.frontend.oracle_test import same
from gatesmith.ops.concat import Concat
from gatesmith.ops.quantize import Quantize
from gatesmith.ops.take import Take

NEW = 22
"""Newest opset that onnxruntime is asked for."""

X2, X3, X4 = {"x": (1, 6)}, {"x": (1, 3, 5)}, {"x": (1, 4, 6, 6)}
RNG = np.random.default_rng(3)


def f32(*shape: int) -> Any:
    return (RNG.integers(-20, 20, shape) / 16).astype(np.float32)


def case(
    name: str,
    opsets: tuple[int, ...],
    nodes: Any,
    skip: str = "",
    outputs: Any = ("y",),
    **rest: Any,
) -> Any:
    listed = nodes if isinstance(nodes, list) else [nodes]
    return [
        pytest.param(
            model(listed, opset=opset, outputs=outputs, **rest), skip, id=f"{name}-{opset}"
        )
        for opset in opsets
    ]


TWO = {"x": (1, 3, 5), "z": (1, 2, 5)}
CASES = [
    *case("concat", (7, 11, NEW), node("Concat", "x z", axis=1), inputs=TWO),
    *case("concat_negative", (11, NEW), node("Concat", "x z x", axis=-2), inputs=TWO),
    *case("concat_one", (13,), [node("Concat", "x", "c", axis=1), node("Relu", "c")], inputs=X3),
    *case("concat_vectors", (13,), node("Concat", "x z", axis=0),
          inputs={"x": (4,), "z": (3,)}),
    *case("concat_front", (13,), node("Concat", "c x d z e", axis=1), inputs=TWO,
          constants={"c": f32(1, 2, 5), "d": f32(1, 1, 5), "e": f32(1, 3, 5)}),
    *case("concat_zeros", (13,), node("Concat", "x c", axis=-1), inputs=X3,
          constants={"c": np.zeros((1, 3, 2), np.float32)}),
    *case("concat_threes", (13,), node("Concat", "c x", axis=-1), inputs=X3,
          constants={"c": np.full((1, 3, 2), 3, np.float32)}),
    *case("split", (7, 11), node("Split", "x", "a b", axis=1), inputs={"x": (1, 6, 5)},
          outputs=("a", "b")),
    *case("split_sizes", (7, 11), node("Split", "x", "a b", axis=-1, split=[2, 3]), inputs=X3,
          outputs=("b", "a")),
    *case("split_input", (13, NEW), node("Split", "x s", "a b c", axis=1), inputs=X2,
          constants={"s": [1, 3, 2]}, outputs=("a", "b", "c")),
    *case("split_even", (13,), node("Split", "x", "a b c", axis=1), inputs=X2,
          outputs=("a", "b", "c")),
    *case("split_number", (18, NEW), node("Split", "x", "a b", axis=2, num_outputs=2), inputs=X3,
          outputs=("a", "b")),
    *case("split_unread", (13,), node("Split", "x s", "a b", axis=1), inputs=X2,
          constants={"s": [4, 2]}, outputs=("b",)),
    *case("slice1", (7, 9), node("Slice", "x", starts=[1, -4], ends=[9, -1], axes=[1, 2]),
          skip="reference", inputs=X3),
    *case("slice1_front", (7,), node("Slice", "x", starts=[0, 1], ends=[1, 2]),
          skip="reference", inputs=X3),
    *case("slice", (10, 11, NEW), node("Slice", "x s e a t"), inputs=X3,
          constants={"s": [2, -1], "e": [-9, -100], "a": [1, -1], "t": [-1, -2]}),
    *case("slice_plain", (10, 13), node("Slice", "x s e"), inputs=X3,
          constants={"s": [0, 1, 1], "e": [1, 3, 2**31]}),
    *case("slice_one", (13,), node("Slice", "x s e a"), inputs=X2,
          constants={"s": [2], "e": [3], "a": [1]}),
    *case("slice_steps", (13,), node("Slice", "x s e - t"), inputs=X2,
          constants={"s": [0, 1], "e": [1, 6], "t": [1, 3]}),
    *case("gather", (7, 11, NEW), node("Gather", "x i", axis=1), inputs=X3,
          constants={"i": [2, 0, 0, -1]}),
    *case("gather_matrix", (13,), node("Gather", "x i", axis=2), inputs=X3,
          constants={"i": [[4, 3, 2], [1, 1, 0]]}),
    *case("gather_scalar", (13,), node("Gather", "x i", axis=-1), inputs=X3, constants={"i": -2}),
    *case("gather_batch", (13,), node("Gather", "x i", axis=0), inputs=X3, constants={"i": 0}),
    *case("gather_int32", (13,), node("Gather", "x i", axis=1), inputs=X3,
          constants={"i": np.array([1], np.int32)}),
    *case("expand", (8, 13), node("Expand", "x s"), inputs={"x": (1, 3, 1)},
          constants={"s": [1, 3, 4]}),
    *case("expand_less", (13,), node("Expand", "x s"), inputs={"x": (1, 3, 1)},
          constants={"s": [5]}),
    *case("tile", (7, 13), node("Tile", "x r"), inputs=X3, constants={"r": [1, 2, 3]}),
    *case("dts", (7, 11, NEW), node("DepthToSpace", "x", blocksize=2), inputs=X4),
    *case("dts_crd", (11, 13), node("DepthToSpace", "x", blocksize=2, mode="CRD"), inputs=X4),
    *case("dts_deep", (13,), node("DepthToSpace", "x", blocksize=2), inputs={"x": (1, 8, 2, 3)}),
    *case("dts_deep_crd", (13,), node("DepthToSpace", "x", blocksize=2, mode="CRD"),
          inputs={"x": (1, 8, 2, 3)}),
    *case("std", (7, 13), node("SpaceToDepth", "x", blocksize=3), inputs=X4),
    *case("std_flat", (13,), node("SpaceToDepth", "x", blocksize=2), inputs={"x": (1, 3, 2, 4)}),
    # pads
    *case("pad2", (7, 10), node("Pad", "x", pads=[0, 1, 2, 0, 3, 0], value=0.5),
          skip="reference", inputs=X3),
    *case("pad2_default", (9,), node("Pad", "x", pads=[0, 0, 1, 0, 0, 1]),
          skip="reference", inputs=X3),
    *case("pad2_reflect", (7,), node("Pad", "x", pads=[0, 2, 3, 0, 1, 4], mode="reflect"),
          skip="reference", inputs=X3),
    *case("pad", (11, 13, NEW), node("Pad", "x p v"), inputs=X3,
          constants={"p": [0, 1, 2, 0, 3, 0], "v": -1.5}),
    *case("pad_zero", (13,), node("Pad", "x p"), inputs=X3, constants={"p": [0, 0, 2, 0, 0, 1]}),
    *case("pad_crop", (13,), node("Pad", "x p v"), inputs=X3, skip="reference",
          constants={"p": [0, -1, 2, 0, 1, -3], "v": 2.0}),
    *case("pad_crop_edge", (13,), node("Pad", "x p", mode="edge"), inputs=X3, skip="reference",
          constants={"p": [0, -1, 2, 0, -1, 1]}),
    *case("pad_axes", (18, NEW), node("Pad", "x p v a"), inputs=X3,
          constants={"p": [1, 2, 3, 4], "v": 1.0, "a": [-1, 1]}),
    *case("pad_axes_zero", (18,), node("Pad", "x p - a"), inputs=X3,
          constants={"p": [1, 2], "a": [2]}),
    *(entry for mode in ("reflect", "edge") for entry in
      case(f"pad_{mode}", (11, 18), node("Pad", "x p", mode=mode), inputs=X3,
           constants={"p": [0, 2, 4, 0, 1, 3]})),
    *case("pad_edge_far", (13,), node("Pad", "x p", mode="edge"), inputs=X3,
          constants={"p": [0, 7, 0, 0, 9, 0]}),
    *case("pad_wrap", (19, 21), node("Pad", "x p", mode="wrap"), inputs=X3,
          constants={"p": [0, 2, 4, 0, 1, 3]}),
    # resizing
    *case("upsample7", (7, 8), node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0]),
          skip="reference", inputs=X4),
    *case("upsample9", (9,), node("Upsample", "x s"), skip="reference", inputs=X4,
          constants={"s": [1.0, 1.0, 2.5, 1.7]}),
    *case("resize10", (10,), node("Resize", "x s"), skip="reference", inputs=X4,
          constants={"s": [1.0, 1.0, 2.5, 0.5]}),
    *case("resize11_roi", (11, 12), node("Resize", "x r s"), inputs=X4,
          constants={"s": [1.0, 1.0, 2.0, 2.0], "r": np.zeros(0, np.float32)}),
    *case("resize_axes", (18, 19), node("Resize", "x - s", axes=[3, 2], antialias=0), inputs=X4,
          constants={"s": [2.0, 0.5]}),
    *case("resize_sizes_axes", (18,), node("Resize", "x - - z", axes=[2]), inputs=X4,
          constants={"z": [9]}),
    *case("resize_tf_half", (11,), node("Resize", "x r s",
          coordinate_transformation_mode="tf_half_pixel_for_nn"), skip="reference", inputs=X4,
          constants={"s": [1.0, 1.0, 2.0, 0.5], "r": np.zeros(0, np.float32)}),
    *case("resize_crop", (13, 19), node("Resize", "x r - z",
          coordinate_transformation_mode="tf_crop_and_resize"), inputs=X4,
          constants={"z": [1, 4, 3, 5],
                     "r": np.array([0, 0, 0.25, 0.5, 1, 1, 0.75, 1], np.float32)}),
    *case("resize_crop_one", (13,), node("Resize", "x r - z",
          coordinate_transformation_mode="tf_crop_and_resize"), inputs=X4,
          constants={"z": [1, 4, 1, 1],
                     "r": np.array([0, 0, 0.25, 0.375, 1, 1, 0.75, 1], np.float32)}),
]  # fmt: skip

COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SIZES = ([9, 4], [12, 3], [1, 7], [5, 11])
SCALES = ([2.0, 3.0], [0.5, 1.5], [0.6, 2.3], [1.25, 0.7])
"""Of height and width."""


@pytest.mark.parametrize(("proto", "skip"), CASES)
def test_moves_as_others_do(proto: Any, skip: str, tmp_path: Path) -> None:
    same(proto, tmp_path, skip=skip)


@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", [*COORDINATES, "half_pixel_symmetric"])
def test_resize_by_sizes(coordinates: str, nearest: str, tmp_path: Path) -> None:
    opset = 19 if coordinates == "half_pixel_symmetric" else 13
    given = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    for size in SIZES:
        nodes = [node("Resize", "x - - z", **given)]
        proto = model(nodes, X4, {"z": [1, 4, *size]}, opset=opset)
        same(proto, tmp_path)


@pytest.mark.parametrize("nearest", NEAREST)
@pytest.mark.parametrize("coordinates", [*COORDINATES, "half_pixel_symmetric"])
def test_resize_by_scales(coordinates: str, nearest: str, tmp_path: Path) -> None:
    opset = 19 if coordinates == "half_pixel_symmetric" else 11
    given = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
    for scale in SCALES:
        constants = {"s": [1.0, 1.0, *scale], "r": np.zeros(0, np.float32)}
        nodes = [node("Resize", "x r s", **given)]
        proto = model(nodes, X4, constants, opset=opset)
        # onnx.reference divides by a fraction of an element here, the text of ONNX does not
        skip = "reference" if coordinates == "align_corners" else ""
        if any("float32 runtime" in note for note in load(proto, tmp_path).notes):
            skip = "onnxruntime"
        same(proto, tmp_path, skip=skip)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_resize_keeps_the_aspect_ratio(policy: str, tmp_path: Path) -> None:
    nodes = [node("Resize", "x - - z", axes=[2, 3], keep_aspect_ratio_policy=policy)]
    proto = model(nodes, {"x": (1, 2, 4, 6)}, {"z": [7, 8]}, opset=19)
    same(proto, tmp_path)


def test_a_scale_that_float32_rounds_is_told(tmp_path: Path) -> None:
    nodes = [node("Resize", "x - s", nearest_mode="floor")]
    imported = load(model(nodes, X4, {"s": [1.0, 1.0, 0.6, 1.0]}), tmp_path)
    assert imported.notes[-1].startswith("Resize_y: 1 elements of axis 2 lie so near a boundary")


def test_codes_of_a_quantizer_are_moved(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("Slice", "q a b c", "t"),
        node("Concat", "q t", "j", axis=1),
        node("DequantizeLinear", "j s z"),
    ]
    constants = {"s": 0.25, "z": np.array(3, np.int8), "a": [1], "b": [3], "c": [1]}
    imported = same(model(nodes, X3, constants, opset=19), tmp_path)
    kinds = [type(n.op) for n in imported.graph]
    assert {Quantize, Take, Concat} < set(kinds)


def test_parts_that_change_places(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("Split", "r", "a b", axis=2, num_outputs=2),
        node("Concat", "b a", axis=2),
    ]
    same(model(nodes, X3, opset=18), tmp_path)


FOLDED = [
    ("Transpose", 7, {"perm": [0, 2, 1]}, {}),
    ("Slice", 9, {"starts": [1], "ends": [3], "axes": [1]}, {}),
    ("Slice", 13, {}, {"s": [1], "e": [3], "a": [1]}),
    ("Concat", 7, {"axis": 1}, {"c": np.ones((1, 2, 4), np.float32)}),
    ("Reshape", 7, {}, {"s": [1, 4, 3]}),
    ("Pad", 9, {"pads": [0, 1, 0, 0, 0, 0]}, {}),
    ("Pad", 13, {}, {"p": [0, 1, 0, 0, 0, 0]}),
    ("Squeeze", 11, {"axes": [0]}, {}),
    ("Unsqueeze", 11, {"axes": [0]}, {}),
    ("Gather", 11, {"axis": 1}, {"i": [0, 2]}),
    ("Tile", 9, {}, {"r": [1, 2, 1]}),
    ("Expand", 9, {}, {"s": [2, 1, 3, 4]}),
    ("Flatten", 9, {"axis": 2}, {}),
    ("ReduceSum", 11, {"axes": [1]}, {}),
    ("ReduceMean", 17, {"axes": [1]}, {}),
    ("Identity", 7, {}, {}),
    ("Exp", 7, {}, {}),
    ("Neg", 7, {}, {}),
    ("Sum", 8, {}, {"c": 1.0}),
    ("Clip", 7, {"min": 0.0}, {}),
    ("Softmax", 9, {"axis": 2}, {}),
    ("Max", 8, {}, {"c": 1.0}),
]


@pytest.mark.parametrize(("op", "opset", "given", "rest"), FOLDED)
def test_constants_fold(op: str, opset: int, given: Any, rest: Any, tmp_path: Path) -> None:
    nodes = [node(op, " ".join(["w", *rest]), "y", **given), node("Relu", "x", "z")]
    proto = model(nodes, {"x": (1, 4)}, {"w": f32(1, 3, 4), **rest}, opset=opset)
    proto.graph.output.extend(model(nodes, outputs=("z",)).graph.output)
    same(proto, tmp_path, skip="reference", tolerance=1e-6)


LINEAR = "error[frontend.interpolation]: Resize interpolates: its mode is 'linear'"
REFUSED = [
    (node("Resize", "x - s", mode="linear"), X4, {"s": [1.0, 1.0, 2.0, 2.0]}, 13, LINEAR),
    (node("Upsample", "x s", mode="linear"), X4, {"s": [1.0, 1.0, 2.0, 2.0]}, 9,
     "error[frontend.interpolation]: Upsample interpolates: its mode is 'linear'"),
    (node("Resize", "x - s", nearest_mode="up"), X4, {"s": [1.0, 1.0, 2.0, 2.0]}, 13,
     "error[frontend.attribute]: nearest_mode of Resize is 'up'"),
    (node("Resize", "x - s", coordinate_transformation_mode="half_pixel_symmetric"), X4,
     {"s": [1.0, 1.0, 2.0, 2.0]}, 18,
     "error[frontend.attribute]: coordinate_transformation_mode of Resize is "
     "'half_pixel_symmetric'"),
    (node("Resize", "x - s", exclude_outside=1, nearest_mode="floor"), X4,
     {"s": [1.0, 1.0, 2.0, 3.0]}, 13, "error[frontend.attribute]: Resize reads outside of axis 2"),
    (node("Resize", "x r - z", coordinate_transformation_mode="tf_crop_and_resize"), X4,
     {"z": [1, 4, 3, 5], "r": np.array([0, 0, -0.2, 0, 1, 1, 1, 1], np.float32)}, 13,
     "error[frontend.attribute]: Resize reads outside of axis 2"),
    (node("Resize", "x - s"), X4, {"s": [2.0, 1.0, 1.0, 1.0]}, 13,
     "error[frontend.batch-axis]: Resize makes 2 frames of one, along axis 0"),
    (node("Resize", "x - - z"), X4, {"z": [1, 4, 0, 2]}, 13,
     "error[frontend.shape]: the sizes of Resize are [1.0, 4.0, 0.0, 2.0]"),
    (node("Resize", "x s"), X4, {"s": [1.0, 1.0, 0.4, 1.0]}, 10,
     "error[frontend.attribute]: Resize shrinks axis 2 by 0.4"),
    (node("Concat", "x z", axis=0), {"x": (1, 3), "z": (1, 3)}, {}, 13,
     "error[frontend.batch-axis]: Concat works along axis 0, the batch axis"),
    (node("Concat", "x z", axis=1), {"x": (1, 3, 2), "z": (1, 3, 4)}, {}, 13,
     "error[frontend.shape]: Concat of [1, 3, 2], [1, 3, 4] along axis 1"),
    (node("Slice", "x s e"), X2, {"s": [1], "e": [9]}, 13,
     "error[frontend.shape]: Slice leaves nothing of [1, 6] along axis 0"),
    (node("Slice", "x s e a"), X2, {"s": [5], "e": [2], "a": [1]}, 13,
     "error[frontend.shape]: Slice leaves nothing of [1, 6] along axis 1"),
    (node("Slice", "x s e a"), X2, {"s": [0, 0], "e": [2, 2], "a": [1, -1]}, 13,
     "error[frontend.axis]: Slice names an axis twice: [1, -1]"),
    (node("Slice", "x s e a t"), X2, {"s": [0], "e": [2], "a": [1], "t": [0]}, 13,
     "error[frontend.shape]: Slice from [0] to [2] in steps of [0]"),
    (node("Split", "x", "y b", axis=1), {"x": (1, 5)}, {}, 13,
     "error[frontend.shape]: Split cannot make 2 parts of 5 elements"),
    (node("Split", "x s", "y b", axis=1), {"x": (1, 5)}, {"s": [2, 2]}, 13,
     "error[frontend.shape]: Split cannot make 2 parts of 5 elements"),
    (node("Gather", "x i", axis=1), X2, {"i": [6]}, 13,
     "error[frontend.axis]: indices of Gather reach from 6 to 6"),
    (node("Tile", "x r"), X2, {"r": [2, 1]}, 13,
     "error[frontend.batch-axis]: Tile makes 2 frames of one, along axis 0"),
    (node("Expand", "x s"), X2, {"s": [4, 6]}, 13,
     "error[frontend.batch-axis]: Expand makes 4 frames of one, along axis 0"),
    (node("Pad", "x p"), X2, {"p": [1, 0, 0, 0]}, 13,
     "error[frontend.batch-axis]: Pad puts frames around the batch"),
    (node("Pad", "x p", mode="wrap"), X2, {"p": [0, 1, 0, 0]}, 18,
     "error[frontend.attribute]: mode of Pad is 'wrap'"),
    (node("Pad", "x p", mode="reflect"), X2, {"p": [0, 6, 0, 0]}, 13,
     "error[frontend.shape]: Pad reflects 6 of 6 elements"),
    (node("Pad", "x p", mode="edge"), X2, {"p": [0, 1, 0, -1]}, 13,
     "error[frontend.attribute]: Pad crops one end of an axis and pads the other: 1 and -1"),
    (node("Pad", "x p v"), X2, {"p": [0, 1, 0, 0], "v": float("inf")}, 13,
     "error[frontend.non-finite]: the value of Pad, 'v', has 1 elements that are infinite or not "
     "a number"),
    (node("DepthToSpace", "x", blocksize=3), X4, {}, 13,
     "error[frontend.shape]: DepthToSpace of 4 channels with blocks of 3"),
    (node("DepthToSpace", "x", blocksize=2, mode="RCD"), X4, {}, 13,
     "error[frontend.attribute]: mode of DepthToSpace is 'RCD'"),
    (node("SpaceToDepth", "x", blocksize=4), X4, {}, 13,
     "error[frontend.shape]: SpaceToDepth of 6 x 6 with blocks of 4"),
]  # fmt: skip


@pytest.mark.parametrize("entry", REFUSED, ids=lambda e: e[4][6:48])
def test_refused(entry: Any, tmp_path: Path) -> None:
    made, inputs, constants, opset, first = entry
    text = refused(model([made], inputs, constants, opset=opset), tmp_path)
    assert text.splitlines()[0] == first


@pytest.mark.parametrize(
    ("made", "first"),
    [
        (node("Gather", "c i"), "constant-operand]: the data input of Gather, 'c', is a constant"),
        (node("Gather", "x i", axis=1), "dynamic-parameter]: the indices of Gather depends on"),
        (node("Slice", "x i e"), "dynamic-parameter]: starts of Slice depends on"),
    ],
)
def test_indices_that_are_computed(made: Any, first: str, tmp_path: Path) -> None:
    nodes = [node("ArgMax", "x", "i", axis=1), made]
    text = refused(model(nodes, X2, {"c": np.ones((4, 3), np.float32), "e": [1, 2]}), tmp_path)
    assert text.startswith(f"error[frontend.{first}")
