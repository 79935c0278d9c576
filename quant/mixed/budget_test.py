from __future__ import annotations

import pytest

from gatesmith.errors import UserError, UserErrors
from gatesmith.quant.mixed.budget import Budget
from gatesmith.quant.mixed.cost import RESOURCES, Cost


def test_limits() -> None:
    budget = Budget.parse("lut=20k, FF<=1M,dsp=0,ram_bits=1.5k,weight_bits=7,cycles<=1024")
    assert budget.limits == {
        "lut": 20_000,
        "ff": 1_000_000,
        "dsp": 0,
        "ram_bits": 1500,
        "weight_bits": 7,
        "cycles": 1024,
    }
    assert set(budget.limits) == set(RESOURCES)
    assert not budget.needs_labels
    assert budget.floor(0.9) is None


@pytest.mark.parametrize("text", ["accuracy>=97", "accuracy >= 97.0%"])
def test_floor(text: str) -> None:
    assert Budget.parse(text).floor(0.5) == 0.97
    assert Budget.parse(text).needs_labels


def test_floor_below_float() -> None:
    budget = Budget.parse("accuracy>=float-0.5")
    assert budget.drop == 0.005
    assert budget.floor(0.99) == pytest.approx(0.985)
    assert Budget.parse("accuracy>=float").floor(0.99) == 0.99


def test_what_is_exceeded() -> None:
    budget = Budget.parse("lut=10,cycles=5,ff=3")
    assert budget.exceeded(Cost(lut=10, cycles=5, ff=3)) == ()
    assert budget.exceeded(Cost(lut=11, cycles=6)) == ("lut", "cycles")


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("", "it is empty"),
        ("luts", "it is not NAME=NUMBER or accuracy>=PERCENT"),
        ("luts=5", '"luts" is nothing that can be limited'),
        ("lut=", '"" is no number'),
        ("lut=-5", '"-5" is no number'),
        ("lut=5G", '"5G" is no number'),
        ("lut=\u0665x", '"\u0665x" is no number'),
        ("lut=0.5", '"0.5" is not whole'),
        ("lut>=5", "of lut one says the most, with = or <=, not >="),
        ("lut<5", "of lut one says the most, with = or <=, not <"),
        ("cycles=0", "a frame takes one cycle or more"),
        ("accuracy=97", "of the accuracy one says the least, with >=, not ="),
        ("accuracy>=101", "101 is above 100 percent"),
        ("accuracy>=good", '"good" is neither a percentage nor float-POINTS'),
        ("accuracy>=float+1", '"float+1" is neither a percentage nor float-POINTS'),
    ],
)
def test_what_cannot_be_read(part: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        Budget.parse(part)
    assert caught.value.code == "cli.budget"
    assert caught.value.what == f'"{part}" is no part of a budget'
    assert caught.value.where == f"--budget {part}"
    assert caught.value.why == why


@pytest.mark.parametrize("second", ["lut=20", "lut<=10"])
def test_said_twice(second: str) -> None:
    with pytest.raises(UserError) as caught:
        Budget.parse(f"lut=10,{second}")
    assert caught.value.why == '"lut=10" says something about lut already'


def test_two_floors_contradict() -> None:
    with pytest.raises(UserError) as caught:
        Budget.parse("accuracy>=97,accuracy>=float-1")
    assert "says something about accuracy already" in caught.value.why


def test_all_problems_at_once() -> None:
    with pytest.raises(UserErrors) as caught:
        Budget.parse("luts=5,lut=1,speed=9,lut=2")
    assert [e.what.split('"')[1] for e in caught.value.errors] == ["luts=5", "speed=9", "lut=2"]
