"""How samples are taken; the clock is a made one, so that no time passes."""

import time

import pytest

from gatesmith.cpu_gpu_baselines import timing


class Clock:
    """Each call takes what the script says, then the last of it."""

    def __init__(self, *seconds: float) -> None:
        self.now, self.seconds, self.calls = 0.0, list(seconds), 0

    def call(self) -> None:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1


def measured(monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float) -> timing.Timing:
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return timing.measure(clock.call, seconds)


def test_short_calls_are_sampled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.5, 1e-5)  # the first one compiles
    found = measured(monkeypatch, clock, 0.1)
    assert found.median == pytest.approx(1e-5)
    assert found.calls == found.samples * 50  # 0.5 ms a sample
    assert 0.07 < found.calls * 1e-5 < 0.09  # 80 % of the time


def test_long_calls_are_sampled_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, Clock(2.0), 0.1)
    assert (found.samples, found.calls, found.median) == (5, 5, 2.0)


def test_an_interruption_does_not_move_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(*[0.001] * 80, 5.0, *[0.001] * 40)
    found = measured(monkeypatch, clock, 0.1)
    assert [found.median, found.low, found.high] == pytest.approx([0.001] * 3)
