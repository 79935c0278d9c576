from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.ir import Array, IntType
from gatesmith.ops.requantize import Requantize
from gatesmith.quant.multiply_shift import Steps, half_even, implement, search
from gatesmith.quant.step_function import edge, evaluate, quantize_bound, rises

SLOPES = st.fractions(min_value=-3, max_value=3, max_denominator=997).filter(bool)
OFFSETS = st.fractions(min_value=-40, max_value=40, max_denominator=97)
RANGES = st.sampled_from([IntType(-300, 299), IntType(0, 1000), IntType(-64, 64, 2)])


@settings(deadline=None)
@given(st.lists(st.tuples(SLOPES, OFFSETS), min_size=1, max_size=4), RANGES)
def test_what_is_found_equals_the_function_everywhere(
    params: list[tuple[Fraction, Fraction]], x: IntType
) -> None:
    clip = IntType(-20, 20)
    bound = quantize_bound("ROUND", Fraction(1), Fraction(0))
    chains = [(("scale", mul, add),) for mul, add in params]
    n = np.arange(x.lo, x.hi + 1, x.step)
    exact = np.array(
        [[min(max(round(evaluate(c, int(i))), clip.lo), clip.hi) for c in chains] for i in n]
    )
    steps = [
        Steps(
            np.array([edge(c, bound(k), x) for k in range(clip.lo + 1, clip.hi + 1)]),
            rises(c),
            c[0][1],
            c[0][2],
        )
        for c in chains
    ]

    found = search(steps, x, clip)

    if found is not None:
        mul, add, shift = found
        op = Requantize(Array(mul), Array(add), shift, clip)
        np.testing.assert_array_equal(op.run(np.repeat(n[:, None], len(chains), 1)), exact)


def test_a_scale_off_the_ties_is_found() -> None:
    x, clip = IntType(-4000, 4000), IntType(-128, 127)
    chain = (("scale", Fraction(37, 1009), Fraction(1, 7)),)
    bound = quantize_bound("ROUND", Fraction(1), Fraction(0))
    edges = np.array([edge(chain, bound(k), x) for k in range(clip.lo + 1, clip.hi + 1)])

    assert search([Steps(edges, True, Fraction(37, 1009), Fraction(1, 7))], x, clip) is not None


def test_half_even_ties_have_no_multiply_shift_that_floors() -> None:
    x, clip = IntType(0, 40), IntType(0, 20)
    chain = (("scale", Fraction(1, 2), Fraction(0)),)
    bound = quantize_bound("ROUND", Fraction(1), Fraction(0))
    edges = np.array([edge(chain, bound(k), x) for k in range(1, 21)])

    steps = [Steps(edges, True, Fraction(1, 2), Fraction(0))]
    assert search(steps, x, clip) is None
    op = implement(steps, x, clip)
    assert op is not None
    assert op.even
    n = np.arange(41)
    np.testing.assert_array_equal(op.run(n), [round(Fraction(int(i), 2)) for i in n])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-24, 24), st.integers(-99, 99)), min_size=1, max_size=4), RANGES
)
def test_dyadic_functions_are_met_with_their_ties(
    params: list[tuple[int, int]], x: IntType
) -> None:
    clip = IntType(-20, 20)
    bound = quantize_bound("ROUND", Fraction(1), Fraction(0))
    chains = [(("scale", Fraction(mul, 8), Fraction(add, 16)),) for mul, add in params]
    ks = range(clip.lo + 1, clip.hi + 1)
    steps = [
        Steps(np.array([edge(c, bound(k), x) for k in ks]), rises(c), c[0][1], c[0][2])
        for c in chains
    ]
    n = np.arange(x.lo, x.hi + 1, x.step)
    exact = [[min(max(round(evaluate(c, int(i))), clip.lo), clip.hi) for c in chains] for i in n]

    op = half_even(steps, x, clip)

    assert op is not None
    np.testing.assert_array_equal(op.run(np.repeat(n[:, None], len(chains), 1)), exact)


def test_a_wrong_step_is_not_proven() -> None:
    x, clip = IntType(0, 40), IntType(0, 20)
    chain = (("scale", Fraction(1, 2), Fraction(0)),)
    bound = quantize_bound("ROUND", Fraction(1), Fraction(0))
    edges = np.array([edge(chain, bound(k), x) for k in range(1, 21)])
    edges[7] += 1

    assert half_even([Steps(edges, True, Fraction(1, 2), Fraction(0))], x, clip) is None
