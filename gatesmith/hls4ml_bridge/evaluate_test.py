from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gatesmith.hls4ml_bridge.evaluate import Num, evaluate, spread
from gatesmith.hls4ml_bridge.layers import Layer, load, save
from gatesmith.ops.conv import Conv
from gatesmith.ops.max_pool import MaxPool

RNG = np.random.default_rng(3)


def conv_layer(kind: str, weights: Any, shape: tuple[int, ...], **attributes: int) -> Layer:
    return Layer("c", kind, ("x",), shape, attributes, {"weight": weights.astype(float)})


def random(*shape: int) -> Any:
    return RNG.integers(-9, 10, shape)


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 2, 1)])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_convolution_is_ours(
    strides: tuple[int, int], pads: tuple[int, int, int, int], depthwise: bool
) -> None:
    x, weights = random(2, 6, 5, 4), random(3, 2, 1 if depthwise else 4, 4 if depthwise else 7)
    ours = Conv(strides, pads, (1, 1), 4 if depthwise else 1)
    wanted = ours.run(x.astype(float), weights.astype(float))
    kernel = weights
    names = ("pad_top", "pad_left", "pad_bottom", "pad_right")
    layer = conv_layer(
        "DepthwiseConv2D" if depthwise else "Conv2D",
        kernel,
        wanted.shape[1:],
        stride_height=strides[0],
        stride_width=strides[1],
        **dict(zip(names, pads, strict=True)),
    )
    found = evaluate(layer, [Num(x, 2)], {"weight": Num(kernel, 3)})
    assert found is not None
    assert found.frac == 5
    assert (found.codes == wanted).all()


def test_a_pool_is_ours() -> None:
    x = random(2, 6, 6, 3)
    wanted = MaxPool((3, 2), (2, 2), (1, 0, 0, 0)).run(x)
    attributes = {"pool_op": "Max", "pool_height": 3, "pool_width": 2, "stride_height": 2}
    attributes |= {"stride_width": 2, "pad_top": 1}
    layer = Layer("p", "Pooling2D", ("x",), wanted.shape[1:], attributes)
    found = evaluate(layer, [Num(x, 1)], {})
    assert found is not None
    assert (found.codes == wanted).all()


def test_products_beyond_64_bits_are_exact() -> None:
    layer = Layer("d", "Dense", ("x",), (1,))
    big = 2**40 + 1
    x, w = np.array([[big, -big]]), np.array([[big], [big - 2]])
    found = evaluate(layer, [Num(x)], {"weight": Num(w)})
    assert found is not None
    assert found.codes.tolist() == [[2 * big]]
    assert evaluate(
        Layer("s", "ApplyAlpha", ("x",), (2,)),
        [Num(x)],
        {"scale": Num(np.array([big, 1])), "bias": Num(np.array([1]), 3)},
    ).codes.tolist() == [[big * big * 8 + 1, -big * 8 + 1]]  # type: ignore[union-attr]


LAYERS = [
    Layer("d", "Dense", ("x",), (3,), {}, {"weight": random(4, 3), "bias": random(3)}),
    Layer("s", "BatchNormalization", ("x",), (4,), {}, {"scale": random(4), "bias": random(4)}),
    Layer("r", "Activation", ("x",), (4,), {"activation": "ReLU"}),
    Layer("a", "Merge", ("x", "x"), (4,), {"op": "add"}),
    Layer("m", "Merge", ("x", "x"), (4,), {"op": "multiply"}),
    Layer("b", "Merge", ("x", "x"), (4,), {"op": "subtract"}),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_range_holds_every_value_and_no_more(layer: Layer) -> None:
    lo, hi = np.array([[-2.0, 0, 1, -3]]), np.array([[1.0, 2, 1, -1]])
    axes = [np.arange(a, b + 1) for a, b in zip(lo[0], hi[0], strict=True)]
    every = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 4)
    count = len(layer.inputs)
    left = np.repeat(every, len(every), axis=0) if count == 2 else every
    args = [Num(left)] if count == 1 else [Num(left), Num(np.tile(every, (len(every), 1)))]
    consts = {name: Num(data.astype(float)) for name, data in layer.weights.items()}
    found, ends = evaluate(layer, args, consts), None
    ends = spread(layer, [Num(lo)] * count, [Num(hi)] * count, consts)
    assert found is not None
    assert ends is not None
    assert (ends[0][0] == found.codes.min(axis=0)).all()
    assert (ends[1][0] == found.codes.max(axis=0)).all()


def test_tables_are_not_reproduced() -> None:
    layer = Layer("t", "Activation", ("x",), (4,), {"activation": "tanh"})
    assert evaluate(layer, [Num(random(1, 4))], {}) is None


def test_layers_are_stored_whole(tmp_path: Any) -> None:
    save(tmp_path, LAYERS)
    for one, two in zip(LAYERS, load(tmp_path), strict=True):
        assert (one.name, one.kind, one.inputs, one.shape) == (
            two.name, two.kind, two.inputs, two.shape)  # fmt: skip
        assert one.attributes == two.attributes
        assert all((one.weights[name] == two.weights[name]).all() for name in one.weights)
