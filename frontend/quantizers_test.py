"""The quantizers of QONNX: against the definitions in qonnx, and exactly, in rationals."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatesmith.frontend.model_test import FRAMES, T, frames, load, model, node, refused, run
from gatesmith.frontend.quant import code_range
from gatesmith.frontend.values import exact_difference, exact_product
from gatesmith.ir import BIPOLAR, Array, IntType, Node
from gatesmith.ops.bipolar_quant import BipolarQuant
from gatesmith.ops.dequantize import Dequantize
from gatesmith.ops.multi_threshold import MultiThreshold
from gatesmith.ops.quantize import Quantize

QONNX = "qonnx.custom_op.general"
DOMAINS = [QONNX, "finn.custom_op.general", "onnx.brevitas", ""]
X2, X4 = {"x": (1, 6)}, {"x": (1, 3, 4, 5)}
MODES = ["ROUND", "round", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]


def quant(
    data: str = "x", out: str = "y", op: str = "Quant", domain: str = QONNX, **more: Any
) -> Any:
    attributes: Any = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND", **more}
    return node(op, f"{data} s z b", out, domain, **attributes)


def parameters(scale: Any = 0.25, zero: Any = 0.0, bits: Any = 4.0) -> dict[str, Any]:
    return {"s": scale, "z": zero, "b": bits}


def output(imported: Any) -> tuple[Node, Node]:
    """Dequantize at the output, and the quantizer before it."""
    (y,) = imported.graph.outputs
    assert isinstance(y.op, Dequantize)
    return y, y.args[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_quant_equals_qonnx(mode: str, signed: int, narrow: int, tmp_path: Path) -> None:
    """Inputs in eighths, scale 1/4, zero point 1: ties, clipping at both ends, all exact."""
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    attributes: Any = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
    proto = model([quant(**attributes)], X4, parameters(zero=1.0))
    feeds = frames(proto)
    (ours,) = run(load(proto, tmp_path), feeds)
    args = (np.float32(0.25), np.float32(1), np.float32(4), signed, narrow, mode)
    theirs = intquant.int_quant(feeds["x"], *args)
    assert (ours == theirs.reshape(ours.shape)).all()


@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("opset", [9, 17])
def test_quant_in_every_domain(op: str, domain: str, opset: int, tmp_path: Path) -> None:
    proto = model([quant(op=op, domain=domain)], X2, parameters(), opset=opset)
    imported = load(proto, tmp_path)
    y, q = output(imported)
    assert isinstance(q.op, Quantize) and q.op.clip == IntType(-8, 7)
    assert (q.name, q.tensor, y.name, y.tensor) == (f"{op}_y", None, f"{op}_y_dequantize", "y")
    assert q.origin == y.origin == (f"{op}_y",)
    assert imported.model.graph.node[0].domain == QONNX
    assert QONNX in {o.domain for o in imported.model.opset_import}


@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 1), (1, 3, 1, 1), (1, 1, 1, 5)])
def test_quant_scale_of_any_shape_that_broadcasts(shape: Any, tmp_path: Path) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    scale = (np.arange(1, 1 + np.prod(shape, dtype=int)) / 4).reshape(shape).astype(np.float32)
    zero = np.ones(shape, np.float32)
    proto = model([quant()], X4, parameters(scale, zero))
    feeds = frames(proto)
    (ours,) = run(load(proto, tmp_path), feeds)
    theirs = intquant.int_quant(feeds["x"], scale, zero, np.float32(4), 1, 0, "ROUND")
    assert (ours == theirs.reshape(ours.shape)).all()


def test_signed_quant_of_one_bit_is_bipolar(tmp_path: Path) -> None:
    imported = load(model([quant()], X2, parameters(bits=1.0)), tmp_path)
    y, q = output(imported)
    assert isinstance(q.op, BipolarQuant) and q.type.elem == BIPOLAR
    feeds = {"x": np.array([[[0.0, -0.0, 1e-9, -1e-9, 3, -3]]] * FRAMES)}
    (ours,) = run(imported, feeds)
    assert ours[0].tolist() == [0.25, 0.25, 0.25, -0.25, 0.25, -0.25]
    assert y.tensor == "y"


@pytest.mark.parametrize("domain", DOMAINS)
def test_bipolar_quant(domain: str, tmp_path: Path) -> None:
    proto = model([node("BipolarQuant", "x s", domain=domain)], X4, {"s": 0.5})
    imported = load(proto, tmp_path)
    feeds = frames(proto)
    (ours,) = run(imported, feeds)
    expected = np.where(feeds["x"] >= 0, 0.5, -0.5)
    assert (ours == expected.reshape(ours.shape)).all() and (feeds["x"] == 0).any()


WEIGHTS = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)


@pytest.mark.parametrize("mode", sorted({*MODES, "ROUND_TO_ZERO"} - {"round"}))
def test_quantized_weights_are_exact(mode: str, tmp_path: Path) -> None:
    """Every element, redone in rationals; per-channel scales that are no powers of two."""
    scale = np.array([[0.3, 0.07, 1.1, 0.21]], np.float32)
    nodes = [quant("w", "d", rounding_mode=mode), node("MatMul", "x d")]
    proto = model(nodes, X2, {"w": WEIGHTS, **parameters(scale, 2.0)})
    (y,) = load(proto, tmp_path).graph.outputs
    op = Quantize(y_array(scale), y_array(2.0), IntType(-8, 7), canonical(mode))
    got = y.args[1].op.run()
    for index in np.ndindex(6, 4):
        step = Fraction(float(scale[0, index[1]]))
        code = op.exact(Fraction(float(WEIGHTS[index])), step, Fraction(2))
        assert Fraction(float(got[index])) == step * (code - 2)


def y_array(data: Any) -> Any:
    return Array(np.asarray(data, np.float64))


def canonical(mode: str) -> str:
    return {"DOWN": "ROUND_TO_ZERO", "HALF_EVEN": "ROUND"}.get(mode, mode)


def test_bipolar_weights(tmp_path: Path) -> None:
    nodes = [node("BipolarQuant", "w s", "d", QONNX), node("MatMul", "x d")]
    proto = model(nodes, X2, {"w": WEIGHTS, "s": 0.3})
    (y,) = load(proto, tmp_path).graph.outputs
    assert (y.args[1].op.run() == np.where(WEIGHTS >= 0, 1, -1) * float(np.float32(0.3))).all()


def test_a_computed_scale_is_rounded_to_its_type(tmp_path: Path) -> None:
    nodes = [
        node("Abs", "w", "a"),
        node("ReduceMax", "a", "m", keepdims=0),
        node("Div", "m seven", "s"),
        quant("w", "d"),
        node("MatMul", "x d"),
    ]
    constants = {"w": WEIGHTS, "seven": 7.0, "z": 0.0, "b": 4.0}
    imported = load(model(nodes, X2, constants), tmp_path)
    scale = float((np.abs(WEIGHTS).max().astype(np.float64) / 7).astype(np.float32))
    codes = imported.graph.outputs[0].args[1].op.run() / scale
    assert (codes == np.rint(codes)).all() and np.abs(codes).max() == 7
    note = "Quant_d: its scale is computed in the file; taken as the nearest float32"
    assert note in imported.notes


def test_constants_that_a_float_runtime_rounds_otherwise_are_counted(tmp_path: Path) -> None:
    """The quotient is just below a tie, and float32 makes it the tie."""
    scale = np.float32(0.3)
    ties = (np.arange(-8, 7) + np.float32(0.5)).astype(np.float32)
    near = np.concatenate([np.nextafter(ties * scale, np.float32(end)) for end in (-9, 9)])
    doubtful = [
        x
        for x in near
        if x / scale in ties and Fraction(float(x)) / Fraction(float(scale)) < x / scale
    ]
    assert doubtful
    nodes = [quant("w", "d", rounding_mode="FLOOR"), node("Mul", "x d")]
    weights = np.array([*doubtful, 0.0], np.float32)[:, None]
    # with the zero point 1/2, FLOOR steps where the quotient is a tie
    imported = load(model(nodes, X2, {"w": weights[:1], **parameters(scale, 0.5)}), tmp_path)
    assert imported.notes == (
        "Quant_d: 1 of 1 constants lie so near a rounding boundary that a float32 runtime gives "
        "them another code",
    )
    imported = load(model(nodes, X2, {"w": weights[-1:], **parameters(scale, 0.5)}), tmp_path)
    assert imported.notes == ()


@pytest.mark.parametrize(
    ("shape", "rows", "layout", "axis"),
    [
        ((1, 6), 6, None, -1),
        ((1, 6), 1, None, -1),
        ((1, 3, 4, 5), 3, None, -3),
        ((1, 3, 4, 5), 3, "NCHW", -3),
        ((1, 4, 5, 3), 3, "NHWC", -1),
        ((1, 4, 3), 3, None, -1),
        ((1, 3, 4), 3, "NCW", -2),
    ],
)
def test_multi_threshold_equals_qonnx(
    shape: Any, rows: int, layout: str | None, axis: int, tmp_path: Path
) -> None:
    onnx_helper = pytest.importorskip("qonnx.custom_op.general.multithreshold")
    thresholds = np.random.default_rng(1).integers(-20, 20, (rows, 7)).astype(np.float32) / 8
    more = {} if layout is None else {"data_layout": layout}
    attributes: Any = {"out_dtype": "INT4", "out_scale": 2.0, "out_bias": -7.0, **more}
    made = node("MultiThreshold", "x t", domain=QONNX, **attributes)
    proto = model([made], {"x": shape}, {"t": thresholds})
    imported = load(proto, tmp_path)
    feeds = frames(proto)
    (ours,) = run(imported, feeds)
    theirs = onnx_helper.MultiThreshold(made, 1)
    for frame in range(FRAMES):
        context = {"x": feeds["x"][frame], "t": thresholds}
        theirs.execute_node(context, None)
        assert (ours[frame] == context["y"][0]).all()
    _, count = output(imported)
    assert isinstance(count.op, MultiThreshold) and count.op.axis == axis


@pytest.mark.parametrize("domain", DOMAINS)
def test_multi_threshold_in_every_domain(domain: str, tmp_path: Path) -> None:
    attributes: Any = {"out_dtype": "BIPOLAR", "out_scale": 2.0, "out_bias": -1.0}
    proto = model([node("MultiThreshold", "x t", domain=domain, **attributes)], X2, {"t": [[0.0]]})
    imported = load(proto, tmp_path)
    y, count = output(imported)
    assert isinstance(y.op, Dequantize) and str(count.type) == "u1[6]"
    assert (float(y.op.scale.data), float(y.op.offset.data)) == (2, -1)
    assert imported.notes == ()


def test_multi_threshold_with_a_type_that_does_not_hold_its_values(tmp_path: Path) -> None:
    attributes: Any = {"out_dtype": "UINT2", "out_scale": 2.0}
    proto = model(
        [node("MultiThreshold", "x t", domain=QONNX, **attributes)], X2, {"t": [[0.0, 1]]}
    )
    note = "MultiThreshold_y: out_dtype UINT2 does not hold 0..4; it is ignored"
    assert load(proto, tmp_path).notes == (note,)


REFUSED = [
    (parameters(bits=2.5), {}, "error[frontend.fractional-bits]: the bit width of Quant is 2.5"),
    (parameters(bits=33.0), {}, "error[frontend.bit-width]: the bit width of Quant is 33"),
    (parameters(bits=0.0), {}, "error[frontend.bit-width]: the bit width of Quant is 0"),
    (
        parameters(bits=np.array([2, 3], np.float32)),
        {},
        "error[frontend.bit-width]: Quant has 2 bit widths",
    ),
    (parameters(scale=0.0), {}, "error[frontend.scale]: the scale of Quant reaches 0.0"),
    (parameters(scale=-0.5), {}, "error[frontend.scale]: the scale of Quant reaches -0.5"),
    (parameters(scale=float("nan")), {}, "error[frontend.non-finite]: the scale of Quant, 's', "),
    (parameters(), {"signed": 2}, "error[frontend.attribute]: attribute 'signed' is 2"),
    (parameters(), {"depth": 2}, "error[frontend.attribute]: Quant has an attribute 'depth' that "),
    (
        parameters(),
        {"rounding_mode": "ODD"},
        "error[frontend.rounding]: rounding_mode of Quant is ",
    ),
    (
        parameters(scale=np.ones(5, np.float32)),
        {},
        "error[frontend.shape]: the scale of Quant has ",
    ),
    (parameters(zero=0.5, bits=1.0), {}, "error[frontend.zero-point]: Quant of one bit, signed, h"),
]


@pytest.mark.parametrize(("constants", "attributes", "start"), REFUSED)
def test_quant_refuses(constants: Any, attributes: Any, start: str, tmp_path: Path) -> None:
    text = refused(model([quant(**attributes)], X2, constants), tmp_path)
    assert text.startswith(start) and "  at   tiny.onnx, node Quant_y\n" in text


def test_fractional_bits_in_full(tmp_path: Path) -> None:
    assert refused(model([quant()], X2, parameters(bits=2.5)), tmp_path) == (
        "error[frontend.fractional-bits]: the bit width of Quant is 2.5\n"
        "  at   tiny.onnx, node Quant_y\n"
        "  why  a wire is there or not; widths that training has learnt must be rounded first\n"
        "  fix  round it up and train on for a few epochs"
    )


def test_a_scale_that_depends_on_the_input(tmp_path: Path) -> None:
    constants = parameters()
    del constants["s"]
    nodes = [node("Relu", "x", "s"), quant()]
    assert refused(model(nodes, X2, constants), tmp_path) == (
        "error[frontend.dynamic-parameter]: the scale of Quant depends on the input of the "
        "network\n"
        "  at   tiny.onnx, node Quant_y\n"
        "  why  hardware is built for parameters that are known beforehand\n"
        "  fix  make 's' an initializer or a Constant"
    )


def test_a_missing_attribute(tmp_path: Path) -> None:
    made = node("Quant", "x s z b", domain=QONNX, narrow=0)
    text = refused(model([made], X2, parameters()), tmp_path)
    assert text.startswith("error[frontend.attribute]: Quant has no attribute 'signed'\n")


def test_a_constant_that_float64_cannot_hold(tmp_path: Path) -> None:
    scale = np.float64(1) / 3  # a DOUBLE in the file: 53 bits already
    nodes = [quant("w", "d"), node("MatMul", "x d")]
    text = refused(model(nodes, X2, {"w": WEIGHTS, **parameters(np.array(scale))}), tmp_path)
    assert text.startswith("error[frontend.inexact-constant]: the constant of Quant cannot be held")


def test_mixed_parity_of_zero_points(tmp_path: Path) -> None:
    zero = np.array([1, 2, 3, 4, 5, 6], np.int8)
    proto = model([node("QuantizeLinear", "x s z")], X2, {"s": np.ones(6, np.float32), "z": zero})
    text = refused(proto, tmp_path)
    assert text.startswith("error[frontend.zero-point]: QuantizeLinear has even and odd zero point")


def test_float_codes(tmp_path: Path) -> None:
    nodes = [node("QuantizeLinear", "x s", output_dtype=T.FLOAT8E4M3FN)]
    text = refused(model(nodes, X2, {"s": 0.5}, opset=21), tmp_path)
    assert text.startswith("error[frontend.element-type]: QuantizeLinear makes FLOAT8E4M3FN\n")


def test_code_ranges_are_those_of_qonnx() -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    for bits in range(1, 33):
        for signed, narrow in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if bits == 1 and signed:
                continue  # bipolar
            limits = (
                intquant.min_int(signed, narrow, bits),
                intquant.max_int(signed, narrow, bits),
            )
            assert code_range(bits, bool(signed), bool(narrow)) == IntType(*limits)


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
SHORT = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**33), 2**33)


@settings(max_examples=300, deadline=None)
@given(FINITE | SHORT, FINITE | SHORT)
def test_exactness_is_never_claimed_wrongly(a: float, b: float) -> None:
    x, y = np.array([a], np.float64), np.array([b], np.float64)
    product, exact = exact_product(x, y)
    if exact:
        assert Fraction(float(product[0])) == Fraction(float(x[0])) * Fraction(float(y[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        difference, exact = exact_difference(x, y)
    if exact:
        assert Fraction(float(difference[0])) == Fraction(float(x[0])) - Fraction(float(y[0]))


@settings(max_examples=200, deadline=None)
@given(st.floats(2**-60, 2**60, width=32), st.integers(-(2**29), 2**29))
def test_float32_times_a_code_is_exact(scale: float, code: int) -> None:
    assert exact_product(np.array([scale]), np.array([float(code)]))[1]
