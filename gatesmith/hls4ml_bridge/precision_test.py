from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gatesmith.hls4ml_bridge.fixed import Fixed
from gatesmith.hls4ml_bridge.layers import Layer
from gatesmith.hls4ml_bridge.precision import Bits, InputRange, choose, constants, is_held
from gatesmith.ir import Array, IntType
from gatesmith.ops.dense import Dense

ANY = Fixed(32, 16)
RNG = np.random.default_rng(1)
U4 = Fixed(4, 4, False, "RND_CONV", "SAT")


def layer(name: str, kind: str, reads: str, size: int, **more: Any) -> Layer:
    weights = more.pop("weights", {})
    roles = ["result_t", *(f"{weight}_t" for weight in weights)]
    roles += ["accum_t"] if kind in ("Dense", "Pooling1D") else []
    types = dict.fromkeys(roles, ANY) | more.pop("types", {})
    return Layer(name, kind, (reads,) if reads else (), (size,), more, weights, types,
                 quantizer=types["result_t"].overflow != "WRAP")  # fmt: skip


def network(weights: Any, scale: Any, bias: Any) -> list[Layer]:
    ins, outs = weights.shape
    return [
        layer("x", "Input", "", ins),
        layer("d", "Dense", "x", outs, weights={"weight": weights, "bias": np.zeros(outs)}),
        layer("s", "ApplyAlpha", "d", outs, weights={"scale": scale, "bias": bias},
              types={"result_t": U4}),
        layer("e", "Dense", "s", outs, weights={"weight": np.eye(outs), "bias": np.zeros(outs)}),
        layer("y", "ApplyAlpha", "e", outs, weights={"scale": scale, "bias": bias}),
    ]  # fmt: skip


def test_accumulators_have_the_range_of_our_integers() -> None:
    weights = RNG.integers(-7, 8, (50, 6))
    found = choose(network(weights.astype(float), np.ones(6), np.zeros(6)),
                   InputRange(-8, 7, 1.0), Bits(24))  # fmt: skip
    ours = Dense(Array(weights.T), IntType(-7, 7)).accumulator(IntType(-8, 7))
    assert found[0].result == Fixed(4, 4)
    assert found[1].types["accum_t"] == Fixed(ours.bits, ours.bits)
    assert found[1].types["weight_t"] == Fixed(4, 4)
    assert found[2].result == U4
    assert found[3].types["accum_t"] == Fixed(4, 4, False)


def test_powers_of_two_are_held_and_nothing_is_rounded() -> None:
    weights = RNG.integers(-7, 8, (20, 4)) / 16
    given = network(weights, np.full(4, 0.25), np.full(4, 0.375))
    found = choose(given, InputRange(0, 31 / 8, 1 / 8), Bits(24))
    assert found[0].result == Fixed(5, 2, False)
    assert found[1].result is not None
    assert found[1].result.frac == 7
    assert all(map(is_held, found))
    last = found[4].result
    assert last is not None
    assert last.frac == 3  # codes times 1/4, plus 3/8
    assert not last.modes


def test_what_is_not_held_is_rounded_so_that_products_are_near() -> None:
    weights = RNG.integers(-7, 8, (20, 4)).astype(float)
    given = network(weights, np.full(4, 0.1), np.full(4, 1 / 3))
    found = choose(given, InputRange(0, 15, 1.0), Bits(10, 10))
    scaled = found[2]
    assert not is_held(scaled)
    rounded = constants(scaled)
    largest = np.abs(weights).sum(axis=0).max() * 15
    off = abs(rounded["scale"].codes[0] * 2.0 ** -rounded["scale"].frac - 0.1)
    assert off * largest <= 2.0**-10
    assert abs(rounded["bias"].codes[0] * 2.0 ** -rounded["bias"].frac - 1 / 3) <= 2.0**-10
    assert found[4].result is not None
    assert found[4].result.frac == 10
    assert found[3].result == Fixed(4, 4, False)  # behind a quantizer all is exact again


def test_the_input_is_rounded_to_the_nearest_where_its_scale_is_no_power_of_two() -> None:
    given = [layer("x", "Input", "", 3)]
    assert choose(given, InputRange(0, 1, 1 / 255), Bits(8))[0].result == Fixed(
        9, 1, False, "RND_CONV"
    )
    found = choose(given, InputRange(-2, 2, 0.0), Bits(8), saturates=True)[0].result
    assert found == Fixed(11, 3, True, "RND_CONV", "SAT")


def test_a_pool_compares_without_rounding() -> None:
    pool = layer("p", "Pooling1D", "x", 3, pool_op="Max", pool_width=1)
    pool = Layer(pool.name, pool.kind, pool.inputs, (3, 1), pool.attributes, {}, pool.types)
    first = Layer("x", "Input", (), (3, 1), {}, {}, {"result_t": ANY})
    found = choose([first, pool], InputRange(0, 3, 2.0**-20), Bits(24))
    assert found[1].types["accum_t"] == found[1].result == Fixed(22, 2, False)


@pytest.mark.parametrize("kind", ["Softmax", "Pooling1D"])
def test_what_has_no_exact_range_keeps_its_own_type(kind: str) -> None:
    given = [layer("x", "Input", "", 3), layer("t", kind, "x", 3, pool_op="Average")]
    assert choose(given, InputRange(0, 3, 1.0), Bits(24))[1].result == ANY
