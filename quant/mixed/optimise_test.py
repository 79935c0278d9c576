from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.quant.mixed.cost import Cost, Key, Unit, predicted
from gatesmith.quant.mixed.optimise import (
    PRICE,
    NoChoiceError,
    choose_bits,
    exceeded,
    out_of_budget,
)

WIDTHS = (2, 4, 8)


@st.composite
def problems(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    """A chain of layers; some read the same value, some value is read by none."""
    count = draw(st.integers(1, 3))
    reads = [draw(st.sampled_from([None, "a0", "a1"])) for _ in range(count)]
    units = [Unit(f"l{i}", f"w{i}", reads[i]) for i in range(count)] + [Unit("a2", None, "a2")]
    units.append(Unit("rest", None, None))
    sites = [f"w{i}" for i in range(count)] + ["a0", "a1", "a2"]
    error = st.floats(0, 10, allow_nan=False, allow_subnormal=False)
    errors = {s: {b: draw(error) for b in draw(st.sampled_from([WIDTHS, (4,)]))} for s in sites}
    amount = st.integers(0, 50)

    def cost() -> Cost:
        return Cost(lut=draw(amount), dsp=draw(st.integers(0, 3)), cycles=draw(st.integers(1, 9)))

    table: dict[str, dict[Key, Cost]] = {}
    for u in units:
        weights = errors[u.weight] if u.weight else [0]
        inputs = errors[u.activation] if u.activation else [0]
        table[u.name] = {(w, a): cost() for w in weights for a in inputs}
    limits = {}
    for name, top in (("lut", 200), ("dsp", 8), ("cycles", 9), (PRICE, 900)):
        if draw(st.booleans()):
            limits[name] = draw(st.integers(0, top))
    tied = (
        {"a1": "a0"} if draw(st.booleans()) and errors["a0"].keys() == errors["a1"].keys() else {}
    )
    return units, errors, table, limits, tied


@settings(max_examples=60, deadline=None)
@given(problems())
def test_equals_brute_force(problem) -> None:  # type: ignore[no-untyped-def]
    units, errors, table, limits, tied = problem
    best = None
    for widths in itertools.product(*errors.values()):
        bits = dict(zip(errors, widths, strict=True))
        if any(bits[a] != bits[b] for a, b in tied.items()):
            continue
        if not exceeded(predicted(units, table, bits), limits):
            error = sum(errors[s][b] for s, b in bits.items())
            best = error if best is None else min(best, error)
    if best is None:
        with pytest.raises(NoChoiceError) as caught:
            choose_bits(units, errors, table, limits, tied)
        assert exceeded(caught.value.cost, limits)
        assert caught.value.cost == predicted(units, table, caught.value.bits)
        return
    bits = choose_bits(units, errors, table, limits, tied)
    assert not exceeded(predicted(units, table, bits), limits)
    assert all(bits[a] == bits[b] for a, b in tied.items())
    assert sum(errors[s][b] for s, b in bits.items()) == pytest.approx(best, rel=1e-9, abs=1e-9)


def chain(costs: dict[int, int]) -> tuple[list[Unit], dict[str, dict[Key, Cost]]]:
    units = [Unit(name, f"w{name}", None) for name in "abc"]
    return units, {u.name: {(b, 0): Cost(lut=c) for b, c in costs.items()} for u in units}


def test_bits_go_where_they_matter() -> None:
    units, table = chain({2: 10, 4: 20, 8: 40})
    errors = {
        "wa": {2: 9.0, 4: 3, 8: 0},
        "wb": {2: 0.9, 4: 0.3, 8: 0},
        "wc": {2: 0.09, 4: 0.03, 8: 0},
    }
    assert choose_bits(units, errors, table, {"lut": 70}) == {"wa": 8, "wb": 4, "wc": 2}
    assert choose_bits(units, errors, table, {}) == {"wa": 8, "wb": 8, "wc": 8}
    assert choose_bits(units, errors, table, {"lut": 30}) == {"wa": 2, "wb": 2, "wc": 2}


def test_small_errors_count_beside_large_ones() -> None:
    """Sensitivities of two and of eight bits lie many orders of magnitude apart."""
    units, table = chain({2: 10, 4: 20, 8: 40})
    errors = {"wa": {2: 1e3, 8: 1.0}, "wb": {2: 2e-6, 4: 0.5e-6}, "wc": {2: 1e-6, 4: 0.0}}
    assert choose_bits(units, errors, table, {"lut": 70}) == {"wa": 8, "wb": 4, "wc": 2}


def test_a_limit_of_weight_memory_is_kept_to_the_bit() -> None:
    """HiGHS takes a row for kept that is broken by a millionth."""
    units, table = chain({2: 10, 4: 20})
    table = {u: {k: Cost(weight_bits=10**8 * k[0] + 1) for k in keys} for u, keys in table.items()}
    errors = {f"w{u}": {2: 1.0, 4: 0.0} for u in "abc"}
    bits = choose_bits(units, errors, table, {"weight_bits": 8 * 10**8 + 2})
    assert sorted(bits.values()) == [2, 2, 2]


def test_the_nearest_is_said() -> None:
    units, table = chain({2: 10, 4: 20})
    with pytest.raises(NoChoiceError) as caught:
        choose_bits(units, {f"w{u}": {2: 1.0, 4: 0.0} for u in "abc"}, table, {"lut": 29})
    assert caught.value.cost == Cost(lut=30)
    error = out_of_budget("lut=29", {"lut": 29}, caught.value.cost, "the nearest is two bits")
    assert error.code == "quantize.budget"
    assert error.why == "the nearest is two bits: lut is 30 and may be 29"
    assert error.fix[0] == "allow more: lut=30"


def test_misuse() -> None:
    units, table = chain({2: 10})
    with pytest.raises(ValueError, match="finite"):
        choose_bits(units, {f"w{u}": {2: float("nan")} for u in "abc"}, table, {})
    with pytest.raises(ValueError, match="no cost of"):
        choose_bits(units, {f"w{u}": {3: 1.0} for u in "abc"}, table, {})
