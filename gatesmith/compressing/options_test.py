"""Keys of a recipe are the options of the commands: the same names, the same ranges."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from gatesmith.cli.app import app
from gatesmith.compressing.options import RANGES, Range, options
from gatesmith.compressing.problems import Problems
from gatesmith.compressing.steps import BuildSettings
from gatesmith.compressing.tables import read_steps
from gatesmith.pruning.settings import Settings as PruneSettings
from gatesmith.quantizing.settings import Settings as QuantizeSettings
from gatesmith.task import Sources

OF_ALL = {"data", "out", "input", "labels", "test", "test_labels", "checkpoint", "report", "json"}
# A recipe says how fast the core is to be; what fits a device or stands around the core is asked
# of build itself.
OF_BUILD = OF_ALL | {"dump_ir", "latency_us", "device", "budget", "unroll", "input_lanes"}
OF_BUILD |= {"registers", "dma", "reloadable"}


@pytest.mark.parametrize(
    ("command", "settings", "left_out"),
    [
        ("prune", PruneSettings, OF_ALL),
        ("quantize", QuantizeSettings, OF_ALL),
        ("build", BuildSettings, OF_BUILD),
    ],
)
def test_keys_are_options(command: str, settings: type, left_out: set[str]) -> None:
    params: Any = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    known = {
        next(o for o in p.opts if o.startswith("--"))[2:].replace("-", "_"): p
        for p in params
        if p.param_type_name == "option"
    }
    found = options(settings)
    assert set(found) == set(known) - left_out
    for key in found:
        kind = getattr(known[key], "type", known[key])  # Click has a type, Typer alone has none
        low: Any = getattr(kind, "min", None)
        high: Any = getattr(kind, "max", None)
        if low is not None or high is not None:
            assert RANGES[key] == Range(low, high), key


def test_values_become_settings() -> None:
    problems = Problems("r.toml")
    raw = {
        "prune": [{"ratio": 1, "layer": {"a": 0.25}, "train": 2, "lr": 1}],
        "quantize": {"bias-correction": False, "choices": [8, 2, 8], "budget": "lut=9"},
        "build": {"fold": {"a": "8,4"}},
    }
    sources = Sources("x.npz", input_spec="u8:1")
    steps = read_steps(raw, sources, 7, problems)
    problems.check()
    assert steps is not None and steps.quantize is not None and steps.build is not None
    (prune,) = steps.prune
    assert (prune.ratio, type(prune.ratio), prune.rate) == (1.0, float, 1.0)
    assert (prune.epochs, prune.layers, prune.seed, prune.input_spec) == (2, {"a": 0.25}, 7, "u8:1")
    assert (steps.quantize.bias_correction, steps.quantize.choices) == (False, (2, 8))
    assert steps.build.fold == {"a": "8,4"} and steps.code is None
