from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.ir import IntType
from gatesmith.quant.order_keys import order_keys, width

SCALE = st.floats(-4, 4, width=32).map(Fraction)
OFFSET = st.floats(-50, 50, width=32).map(Fraction)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(SCALE, OFFSET), min_size=2, max_size=5),
    st.sampled_from([IntType(-8, 8, 2), IntType(0, 12), IntType(-9, 5)]),
    st.booleans(),
)
def test_keys_keep_the_order_of_every_pair(
    pairs: list[tuple[Fraction, Fraction]], x: IntType, one_scale: bool
) -> None:
    if one_scale:
        pairs = [(pairs[0][0], offset) for _, offset in pairs]
    keys = order_keys(pairs, x)
    if keys is None:
        return
    for (a, b), (c, d), ka, kb, kc, kd in (
        (p, q, keys[0][i], keys[1][i], keys[0][j], keys[1][j])
        for i, p in enumerate(pairs)
        for j, q in enumerate(pairs)
    ):
        for n in range(x.lo, x.hi + 1, x.step):
            for m in range(x.lo, x.hi + 1, x.step):
                real = (a * n + b > c * m + d) - (a * n + b < c * m + d)
                key = (ka * n + kb > kc * m + kd) - (ka * n + kb < kc * m + kd)
                assert real == key


def test_float32_scales_by_channel_get_short_keys() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (Fraction(float(np.float32(a))), Fraction(float(np.float32(b))))
        for a, b in zip(rng.uniform(0.5, 2, 10), rng.normal(size=10), strict=True)
    ]
    x = IntType(-64, 64, 2)
    keys = order_keys(pairs, x)

    assert keys is not None
    assert width(keys, x) <= 40
