"""A scheme for each site of a network, from what the user said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gatesmith.errors import UserError, raise_all
from gatesmith.frontend.input_spec import InputSpec
from gatesmith.ir import Array
from gatesmith.ops.fake_quant import Grid
from gatesmith.quant.prepare.scheme import Scheme
from gatesmith.quant.prepare.sites import ACTIVATION, INPUT, OUTPUT, WEIGHT, Site
from gatesmith.quantizing.settings import Settings

LEAST_OUTPUT = "int8"
INPUT_SCHEME = "int8"


def make_recipe(sites: Sequence[Site], settings: Settings) -> dict[str, Scheme]:
    """Scheme of every site. Errors: ``cli.scheme``, ``quantize.unknown-layer``, all at once."""
    errors: list[UserError] = []

    def parse(text: str, *, weight: bool, option: str) -> Scheme | None:
        try:
            return Scheme.parse(text, weight=weight, option=option)
        except UserError as error:
            errors.append(error)
            return None

    weights = parse(settings.weights, weight=True, option="--weights")
    activations = parse(settings.activations, weight=False, option="--activations")
    ends = settings.ends and parse(settings.ends, weight=True, option="--ends")
    outputs = parse(settings.outputs or LEAST_OUTPUT, weight=False, option="--outputs")
    first = Scheme.parse(INPUT_SCHEME, weight=False)
    by_role = {WEIGHT: weights, ACTIVATION: activations, INPUT: first, OUTPUT: outputs}
    found = {site.name: by_role[site.role] for site in sites}
    layers = [layer for site in sites if site.role == WEIGHT for layer in site.layers]
    if ends and layers:
        for site in sites:
            if site.role == WEIGHT and {layers[0], layers[-1]} & set(site.layers):
                found[site.name] = ends
    for layer, text in settings.layers.items():
        if layer not in layers:
            errors.append(_unknown(layer, layers))
            continue
        own, _, data = text.partition("/")
        for words, role in ((own, WEIGHT), (data, ACTIVATION)):
            scheme = words and parse(words, weight=role == WEIGHT, option=f"--layer {layer}")
            names = [s.name for s in sites if s.role == role and layer in s.layers]
            if words and not names:
                errors.append(_given(layer, text))
            found.update({name: scheme for name in names if scheme})
    raise_all(errors)
    return {name: scheme for name, scheme in found.items() if scheme is not None}


def _unknown(layer: str, layers: Sequence[str]) -> UserError:
    return UserError(
        "quantize.unknown-layer",
        f"there is no layer called {layer!r}",
        where=f"--layer {layer}",
        why="the layers with weights are " + ", ".join(dict.fromkeys(layers)),
        fix=("use one of these names",),
    )


def _given(layer: str, text: str) -> UserError:
    return UserError(
        "quantize.layer-input",
        f"the input of {layer!r} has no width of its own to choose",
        where=f"--layer {layer}={text}",
        why="it is the network's input, whose codes are given, or is not quantized here",
        fix=(f"give the weights alone: --layer {layer}={text.partition('/')[0] or 'int8'}",),
    )


def input_grid(spec: InputSpec) -> tuple[Grid, str | None]:
    """The grid of the codes that arrive, and a note where a file cannot say it exactly.

    A zero that is no even integer cannot be a zero point of every file format.
    """
    with np.errstate(over="ignore"):
        scale = np.float64(np.float32(spec.scale.numerator / spec.scale.denominator))
    if not 0 < scale < np.inf:
        raise UserError(
            "cli.bad-value",
            "the scale of the input is no float32 number",
            where=f"--input {spec}",
            why="a file holds scales as float32, and this one would become 0 or infinite",
            fix=("choose the unit of the input nearer to 1",),
        )
    zero = spec.zero
    if zero.denominator != 1 or zero % 2 or not spec.elem.lo <= zero <= spec.elem.hi:
        raise UserError(
            "quantize.input-zero",
            f"the code {zero} that stands for 0 is not an even integer of {spec.elem!r}",
            where=f"--input {spec}",
            why="zero points are even here, so that QONNX and ONNX round ties alike",
            fix=(
                "use the next even zero",
                "shift the data, and let the first layer's bias make up",
            ),
        )
    kind = "bipolar" if spec.elem.step == 2 else "int"
    grid = Grid(kind, spec.elem, Array(scale), Array(int(zero)))
    exact = float(scale) == spec.scale
    note = f"a code stands for the float32 number nearest to {spec.scale}"
    return grid, None if exact else note


def widths(recipe: Mapping[str, Scheme], bits: Mapping[str, int]) -> dict[str, Scheme]:
    """The recipe with other widths at some sites."""
    return {
        name: replace(scheme, bits=bits[name], text="") if name in bits else scheme
        for name, scheme in recipe.items()
    }
