"""The histogram is exact about counts, whatever comes first."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.quant.calibrate.histogram import HALF, Histogram

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS)
def test_order_does_not_matter(a: list[float], b: list[float]) -> None:
    one, other = Histogram(), Histogram()
    for first, second in ((one, a), (one, b), (other, b), (other, a)):
        first.update(np.array(second, np.float32))
    assert one.exponent == other.exponent
    assert (one.counts == other.counts).all()
    whole = Histogram()
    whole.update(np.array(a + b, np.float32))
    assert (whole.counts == one.counts).all()
    assert int(whole.counts.sum()) + whole.zeros == len(a) + len(b) == whole.total
    assert (whole.lo, whole.hi) == (min(a + b), max(a + b))


def test_every_value_lies_in_its_bin() -> None:
    values = np.random.default_rng(1).normal(size=2000).astype(np.float32)
    seen = Histogram()
    for part in (values[:10] / 1000, values, values[:100] * 30):
        seen.update(part)
    everything = np.concatenate([values[:10] / 1000, values, values[:100] * 30])
    edges = (np.arange(2 * HALF + 1) - HALF) * seen.width
    expected, _ = np.histogram(everything, edges)
    assert (seen.counts == expected).all()


def test_quantile() -> None:
    seen = Histogram()
    seen.update(np.arange(-1000, 1001).astype(np.float32))
    assert abs(seen.quantile(0.5)) <= 1
    assert abs(seen.quantile(0.25) + 500) <= 1
    assert seen.quantile(1.0) == 1000
