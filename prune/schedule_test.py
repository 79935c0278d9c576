"""Schedules: the formula by hand, texts and what is no schedule."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.errors import UserError
from gatesmith.prune.schedule import Schedule, count_at, ratio_at

TEXTS = ["one-shot", "iterative:1", "iterative:5", "gradual:0.75", "gradual:1", "gradual:0.25"]


@pytest.mark.parametrize("text", TEXTS)
def test_text(text: str) -> None:
    assert str(Schedule.parse(text)) == text
    assert Schedule.parse(f" {text} ") == Schedule.parse(text)


def test_gradual_has_a_share() -> None:
    assert Schedule.parse("gradual") == Schedule("gradual", 0, Fraction(3, 4))


WHY = {
    "cubic": "it is none of one-shot, iterative:N, gradual[:SHARE]",
    "iterative": "it is none of one-shot, iterative:N, gradual[:SHARE]",
    "iterative:-1": "it is none of one-shot, iterative:N, gradual[:SHARE]",
    "gradual:x": "it is none of one-shot, iterative:N, gradual[:SHARE]",
    "gradual:\u0660.\u0665": "it is none of one-shot, iterative:N, gradual[:SHARE]",
    "iterative:0": "there is one step at least",
    "gradual:0": "0 is no share of the training",
    "gradual:1.5": "1.5 is no share of the training",
}


@pytest.mark.parametrize("text", WHY)
def test_bad_text(text: str) -> None:
    with pytest.raises(UserError) as error:
        Schedule.parse(text)
    assert str(error.value) == (
        f"error[cli.bad-schedule]: {text!r} is no schedule\n"
        f"  at   --schedule {text}\n"
        f"  why  {WHY[text]}\n"
        "  fix  one-shot\n"
        "  fix  iterative:3 for three equal steps\n"
        "  fix  gradual while training"
    )


def test_by_hand() -> None:
    assert [ratio_at("one-shot", 0.7, step, 3) for step in range(4)] == [0.7] * 4
    iterative = [ratio_at("iterative:3", 0.75, step, 6) for step in range(7)]
    assert iterative == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 0.75]
    gradual = [ratio_at("gradual:0.5", 0.512, step, 8) for step in range(9)]
    wanted = [0.512 * (1 - (1 - t / 4) ** 3) for t in range(4)] + [0.512] * 5
    assert gradual == wanted


@given(st.sampled_from(TEXTS), st.floats(0, 1), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_rises_to_the_final_ratio(text: str, final: float, steps: int) -> None:
    ratios = [ratio_at(text, final, step, steps) for step in range(steps + 2)]
    assert ratios == sorted(ratios)
    assert ratios[steps] == ratios[steps + 1] == final
    assert min(ratios) >= 0


@given(st.integers(0, 1000), st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_counts_are_of_the_decimal_number(thousandths: int, count: int) -> None:
    """0.29 * 100 is 28.999999999999996 in floats."""
    assert count_at(thousandths / 1000, count) == round(Fraction(thousandths * count, 1000))
