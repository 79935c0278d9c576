from __future__ import annotations

from collections.abc import Mapping

from gatesmith.quant.mixed.refine import refined

ERRORS = {"a": {2: 4.0, 4: 1.0, 8: 0.0}, "b": {2: 3.0, 4: 1.0, 8: 0.0}, "c": {8: 0.0}}
START = {"a": 2, "b": 4, "c": 8}


def small(bits: Mapping[str, int]) -> bool:
    return bits["a"] + bits["b"] <= 6


def test_what_the_sum_does_not_see() -> None:
    """The sum says b is to have the bits; together it is a that needs them."""
    joint = {(2, 4): 9.0, (4, 2): 5.0, (2, 2): 20.0}
    calls = []

    def error(bits) -> float:  # type: ignore[no-untyped-def]
        calls.append(tuple(bits.values()))
        return joint[bits["a"], bits["b"]]

    assert refined(START, error, ERRORS, small, tied={}) == {"a": 4, "b": 2, "c": 8}
    assert calls == [(2, 4, 8), (4, 2, 8)]


def test_stays_where_nothing_is_better() -> None:
    assert refined(START, lambda _: 1.0, ERRORS, small, tied={}) == START


def test_runs_are_counted() -> None:
    calls = []

    def error(bits) -> float:  # type: ignore[no-untyped-def]
        calls.append(bits)
        return -len(calls)

    refined({"a": 2, "b": 2, "c": 8}, error, ERRORS, lambda _: True, tied={}, runs=3)
    assert len(calls) == 3


def test_tied_sites_move_together() -> None:
    found = refined(
        {"a": 2, "b": 2, "c": 8},
        lambda bits: -bits["a"],
        {**ERRORS, "b": ERRORS["a"]},
        lambda _: True,
        tied={"b": "a"},
    )
    assert found == {"a": 8, "b": 8, "c": 8}
