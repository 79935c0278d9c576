from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatesmith.ir import IntType
from gatesmith.ops.quantize import ROUNDING
from gatesmith.quant.form import Chain
from gatesmith.quant.step_function import (
    code_range,
    edge,
    evaluate,
    quantize_bound,
    rises,
    rounding_bound,
)

SMALL = st.fractions(min_value=-4, max_value=4, max_denominator=6)
STEP = st.one_of(
    st.tuples(st.just("scale"), SMALL, SMALL),
    st.tuples(st.just("clamp"), st.none() | SMALL, st.none() | SMALL),
    st.tuples(st.just("sign")),
)
CHAIN = st.lists(STEP, max_size=4).map(tuple)
RANGES = st.sampled_from([IntType(-9, 8), IntType(0, 15), IntType(-8, 8, 2), IntType(3, 3)])


@pytest.mark.parametrize("rounding", ROUNDING)
def test_rounding_bound_is_where_rounding_steps(rounding: str) -> None:
    for numerator in range(-40, 41):
        u = Fraction(numerator, 8)
        for k in range(-5, 6):
            bound = rounding_bound(rounding, k)
            met = u > bound.value if bound.strict else u >= bound.value
            assert met == (ROUNDING[rounding](u) >= k), (u, k)


@given(CHAIN, RANGES, st.sampled_from(sorted(ROUNDING)), st.integers(1, 6), SMALL)
def test_edges_reproduce_the_function(
    chain: Chain, x: IntType, rounding: str, scale: int, zero: Fraction
) -> None:
    clip = IntType(-3, 4)
    bound = quantize_bound(rounding, Fraction(scale, 5), zero)
    edges = {k: edge(chain, bound(k), x) for k in range(clip.lo + 1, clip.hi + 1)}
    seen = set()
    for n in range(x.lo, x.hi + 1, x.step):
        exact = ROUNDING[rounding](evaluate(chain, n) / Fraction(scale, 5) + zero)
        exact = min(max(exact, clip.lo), clip.hi)
        met = sum((n >= e) if rises(chain) else (n < e) for e in edges.values())
        assert clip.lo + met == exact
        seen.add(exact)
    codes = code_range([(chain, bound)], clip, x)
    assert (codes.lo, codes.hi) == (min(seen), max(seen))
