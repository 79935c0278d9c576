"""Weights that share values by a hash of their place (Chen et al., HashedNets, ICML 2015).

    w[o, i] = table[h(o, i)],   h(o, i) = t-th state of a shift register, lowest bits, t = o * I + i

for a layer of I inputs. Nothing but the table is stored: hardware computes h. The register is of
24 bits, with linear feedback: states are polynomials over GF(2) modulo

    x**24 + x**7 + x**2 + x + 1    (primitive),   state of weight t = x**(29 * t)

as numbers with the coefficient of x**k in bit k. Before 2**24 - 1 weights no state comes twice. The
state of any later weight is a linear function of this one, bit by bit, so that a unit computes the
places of all its lanes from one state.

The inputs of a layer are numbered as the hardware reads them (prune/dense_order.py). The weights of
a network are shared in share.py.
"""

from __future__ import annotations

import numpy as np

from gatesmith.ir import Ints, Reals

DEGREE, MODULUS, STRIDE = 24, 1 << 24 | 0b10000111, 29
"""Bits of the register, its feedback, exponent of x from a weight to the next."""

MOST_BITS = 10
"""Largest table: 2**10 values."""


def multiply(a: int, b: int) -> int:
    """Product of two states.

    >>> hex(multiply(1 << 23, 2)), multiply(3, 3)
    ('0x87', 5)
    """
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = a << 1, b >> 1
        a ^= MODULUS if a >> DEGREE else 0
    return product


def power(exponent: int) -> int:
    """X to a power of 0 or more."""
    found, factor = 1, 2
    while exponent:
        found = multiply(found, factor) if exponent & 1 else found
        factor, exponent = multiply(factor, factor), exponent >> 1
    return found


def state_of(weight: int) -> int:
    """State of a weight by its number.

    >>> state_of(0), state_of(1) == power(29)
    (1, True)
    """
    return power(STRIDE * weight)


def masks(factor: int) -> tuple[int, ...]:
    """For each bit of a product with ``factor``: the bits of the other state that it adds up."""
    columns = [multiply(factor, 1 << k) for k in range(DEGREE)]
    return tuple(
        sum((column >> bit & 1) << k for k, column in enumerate(columns)) for bit in range(DEGREE)
    )


def places(outputs: int, inputs: int, bits: int) -> Ints:
    """Place in a table of 2**bits values of each weight, (outputs, inputs)."""
    count = outputs * inputs
    states = np.ones(1, np.int64)
    while states.size < count:  # the second half is the first, times a constant
        columns = [multiply(state_of(states.size), 1 << k) for k in range(DEGREE)]
        later = np.zeros_like(states)
        for k, column in enumerate(columns):
            later ^= (states >> k & 1) * column
        states = np.concatenate([states, later])
    found: Ints = states[:count].reshape(outputs, inputs) & ((1 << bits) - 1)
    return found


def project(weights: Reals, bits: int) -> Reals:
    """The nearest weights, in squared distance, that share a table of 2**bits values.

    Args:
        weights: (outputs, inputs), as the hardware reads them.
        bits: Of a place, 1 to MOST_BITS.
    """
    at = places(weights.shape[0], weights.shape[1], bits).reshape(-1)
    counts = np.bincount(at, minlength=1 << bits)
    sums = np.bincount(at, weights.reshape(-1), minlength=1 << bits)
    table = sums / np.maximum(counts, 1)
    shared: Reals = table[at].reshape(weights.shape)
    return shared


def table_of(weights: Ints) -> tuple[int, ...] | None:
    """The shortest table that integer weights (outputs, inputs) share; None if there is none.

    It has a quarter as many values as there are weights at most. A place that no weight has holds
    what the first weight is.
    """
    flat = weights.reshape(-1)
    if flat.size >= 1 << DEGREE:
        return None  # states come again
    at = places(weights.shape[0], weights.shape[1], MOST_BITS).reshape(-1)
    for bits in range(1, MOST_BITS + 1):
        if 4 << bits > flat.size:
            break
        own = at & ((1 << bits) - 1)
        table = np.full(1 << bits, flat[0])
        table[own] = flat
        if (table[own] == flat).all():
            return tuple(table.tolist())
    return None
