from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatesmith.hls4ml_bridge.compare import Ours, Verdict, compare
from gatesmith.hls4ml_bridge.evaluate import Num, evaluate
from gatesmith.hls4ml_bridge.fixed import Fixed, to_codes, to_reals
from gatesmith.hls4ml_bridge.layers import Layer
from gatesmith.hls4ml_bridge.precision import constants

U3 = Fixed(3, 3, False, "RND_CONV", "SAT")
X = np.array([[3.0, 9], [0, 4], [7, 15], [14, 1]])
INPUT = Layer("x", "Input", (), (2,), {}, {}, {"result_t": Fixed(4, 4, False)})
SCALE = Layer(
    "s",
    "ApplyAlpha",
    ("x",),
    (2,),
    {},
    {"scale": np.array([0.3, 0.4]), "bias": np.array([0.0, 0.25])},
    {"result_t": U3, "scale_t": Fixed(20, 0, False), "bias_t": Fixed(3, 1)},
    quantizer=True,
)


def simulated(layers: list[Layer], frames: Any) -> dict[str, Any]:
    """What correct C++ gives, layer by layer."""
    values: dict[str, Num] = {}
    for layer in layers:
        kind = layer.result
        assert kind is not None
        found = Num(to_codes(frames, 60), 60)
        if layer.inputs:
            args = [values[name] for name in layer.inputs]
            made = evaluate(layer, args, constants(layer))
            assert made is not None
            found = made
        values[layer.name] = Num(kind.cast(found.codes, found.frac), kind.frac)
    return {name: to_reals(value.codes, value.frac) for name, value in values.items()}


def codes() -> Any:
    """Ours: the exact quantizer."""
    exact = X * np.array([0.3, 0.4]) + np.array([0, 0.25])
    return np.clip(np.rint(exact), 0, 7).astype(np.int64)


def judged(layer: Layer, ours: Any = None, *, change: Any = None, frames: Any = X) -> Verdict:
    trace = simulated([INPUT, layer], frames)
    if change is not None:
        trace["s"] = change(trace["s"])
    given = {} if ours is None else {"s": Ours("q", ours)}
    return compare([INPUT, layer], frames, trace, given)[1]


def test_equal() -> None:
    found = judged(SCALE, codes())
    assert (found.cause, found.compared, found.equal, found.difference) == ("equal", 8, 8, 0.0)
    assert (found.node, found.codes, found.step_equal) == ("q", 0.0, True)


def test_a_scale_that_its_type_does_not_hold() -> None:
    coarse = replace(SCALE, types={**SCALE.types, "scale_t": Fixed(2, 0, False)})
    found = judged(coarse, codes())
    assert (found.cause, found.step_equal) == ("scale-not-representable", True)
    assert found.equal < found.compared
    assert found.codes == 1.0


def test_a_result_that_is_rounded() -> None:
    held = {**SCALE.weights, "scale": np.array([0.25, 0.5])}
    types = {**SCALE.types, "result_t": Fixed(6, 5)}
    found = judged(replace(SCALE, weights=held, types=types, quantizer=False))
    assert (found.cause, found.node, found.step_equal) == ("rounding", None, True)
    assert found.difference == 0.25


def test_a_result_that_leaves_its_range() -> None:
    held = {**SCALE.weights, "scale": np.array([0.25, 0.5])}
    for overflow in ("SAT", "WRAP"):
        types = {**SCALE.types, "result_t": Fixed(4, 2, False, "TRN", overflow)}
        found = judged(replace(SCALE, weights=held, types=types, quantizer=False))
        assert (found.cause, found.step_equal) == ("saturation", True)


def test_simulated_values_that_the_types_do_not_make_are_unexplained() -> None:
    found = judged(SCALE, codes(), change=lambda y: y + (y == 1))
    assert (found.cause, found.step_equal) == ("unexplained", False)


def test_a_network_that_means_something_else_is_unexplained() -> None:
    found = judged(SCALE, codes() + (X > 10))
    assert (found.cause, found.step_equal) == ("unexplained", True)


def test_an_input_that_is_rounded_and_what_comes_of_it() -> None:
    first = replace(INPUT, types={"result_t": Fixed(4, 4, False, "RND_CONV")})
    frames = np.where(X == 3, 8, X) + 0.49  # 8 times 0.3 is 2.4, 8.49 times 0.3 is 2.55
    trace = simulated([first, SCALE], frames)
    exact = frames * np.array([0.3, 0.4]) + np.array([0, 0.25])
    ours = {"s": Ours("q", np.clip(np.rint(exact), 0, 7).astype(np.int64))}
    one, two = compare([first, SCALE], frames, trace, ours)
    assert (one.cause, one.equal) == ("rounding", 0)
    assert two.equal < two.compared
    assert two.cause == "from x"


def test_a_table() -> None:
    layer = Layer("s", "Softmax", ("x",), (2,), {"activation": "softmax"}, {},
                  {"result_t": Fixed(16, 6)})  # fmt: skip
    trace = {"x": X, "s": np.zeros_like(X)}
    found = compare([INPUT, layer], X, trace, {"s": Ours("q", codes())})[1]
    assert (found.cause, found.step_equal) == ("table", None)


def test_a_layer_that_is_unknown_is_unexplained_unless_it_is_ours() -> None:
    layer = replace(SCALE, kind="Mystery")
    for wanted, cause in ((codes(), "equal"), (codes() + 1, "unexplained")):
        trace = {"x": X, "s": codes().astype(float)}
        found = compare([INPUT, layer], X, trace, {"s": Ours("q", wanted)})[1]
        assert (found.cause, found.step_equal) == (cause, None)
