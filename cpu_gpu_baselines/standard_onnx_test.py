"""Every rewritten operator against the QONNX executor, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from gatesmith.cpu_gpu_baselines.float_runtime import FloatRuntime
from gatesmith.cpu_gpu_baselines.standard_onnx import MOST_IR, to_standard, varying
from gatesmith.errors import UserError
from gatesmith.frontend.importer import import_model
from gatesmith.frontend.input_spec import InputSpec

ROOT = Path(__file__).absolute()
SHARED = next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), ROOT)
F32 = np.float32
DOMAIN = "qonnx.custom_op.general"
# Steps and ties, and their neighbours in float32.
VALUES = np.concatenate(
    [np.nextafter(F32(k / 8), F32(side)) for side in (-99, 99) for k in range(-80, 81)]
    + [np.arange(-80, 81) / 8, np.random.default_rng(0).normal(0, 5, 157)],
    axis=None,
).astype(F32)


def one_node(
    kind: str, shape: list[int], opset: int, constants: dict[str, Any], **attributes: Any
) -> ModelProto:
    node = helper.make_node(kind, ["x", *constants], ["y"], name="n", **attributes)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "g",
        [value("x", TensorProto.FLOAT, shape)],
        [value("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(v, F32), k) for k, v in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def executed(model: ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    wrapper = pytest.importorskip("qonnx.core.modelwrapper").ModelWrapper(model)
    execute = pytest.importorskip("qonnx.core.onnx_exec").execute_onnx
    name, result = model.graph.input[0].name, model.graph.output[0].name
    frames = [execute(wrapper, {name: frame[np.newaxis]})[result] for frame in x]
    return np.concatenate(frames).astype(F32)


def check(model: ModelProto, x: NDArray[np.float32], engine: str) -> None:
    if engine == "onnxruntime":
        pytest.importorskip(engine)
    got = FloatRuntime(model, onnxruntime=engine == "onnxruntime").run(x)["y"]
    assert got.dtype == F32
    np.testing.assert_array_equal(got, executed(model, x))


ENGINES = pytest.mark.parametrize("engine", ["onnxruntime", "onnx.reference"])
MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "floor"]


@ENGINES
@pytest.mark.parametrize("opset", [9, 11, 13, 17])
@pytest.mark.parametrize("mode", MODES)
def test_quant_rounding_modes(mode: str, opset: int, engine: str) -> None:
    constants = {"s": np.array([0.5, 0.3, 1.0, 0.25]), "z": np.float32(0), "b": np.float32(4)}
    given: dict[str, Any] = {"domain": DOMAIN, "signed": 1, "narrow": 0, "rounding_mode": mode}

    check(one_node("Quant", [1, 4], opset, constants, **given), VALUES.reshape(-1, 4), engine)


@ENGINES
@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("zero", [0.0, 3.0, 0.5])
def test_quant_ranges(signed: int, narrow: int, bits: int, zero: float, engine: str) -> None:
    constants = {"s": np.float32(0.1), "z": np.float32(zero), "b": np.float32(bits)}
    given: dict[str, Any] = {"domain": "onnx.brevitas", "signed": signed, "narrow": narrow}
    model = one_node("Quant", [1, 4], 13, constants, **given)
    for node in model.graph.node:
        node.domain = DOMAIN  # the executor wants this one; the others are tested below
    check(model, VALUES.reshape(-1, 4), engine)


@ENGINES
def test_bipolar_quant_sends_both_zeros_to_plus(engine: str) -> None:
    model = one_node("BipolarQuant", [1, 4], 9, {"s": np.float32(0.7)}, domain=DOMAIN)
    x = np.array([[-0.0, 0.0, -1e-30, 1e-30]], F32)

    check(model, np.concatenate([x, VALUES.reshape(-1, 4)]), engine)


@ENGINES
@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL", "HALF_UP"])
def test_trunc(mode: str, opset: int, engine: str) -> None:
    given: dict[str, Any] = {"domain": DOMAIN, "rounding_mode": mode}
    first = {"s": np.float32(0.25), "z": np.float32(0), "i": np.float32(8)}

    check(
        one_node("Trunc", [1, 4], opset, first | {"o": 6.0}, **given), codes_of_eight_bits(), engine
    )


@ENGINES
@pytest.mark.parametrize("bits", [3, 6])
def test_trunc_of_six_inputs(bits: int, engine: str) -> None:
    constants = {"s": 0.25, "z": 0.0, "i": 8, "t": 1.0, "o": bits}
    model = one_node(
        "Trunc", [1, 4], 13, constants, domain=DOMAIN, narrow=1, signed=1, rounding_mode="FLOOR"
    )
    model.opset_import[1].version = 2

    check(model, codes_of_eight_bits(), engine)


def codes_of_eight_bits() -> NDArray[np.float32]:
    return (np.arange(-128, 128).reshape(-1, 4) / 4).astype(F32)


LAYOUTS = [
    ([1, 4], "", 1),
    ([1, 4], "NC", 1),
    ([1, 4, 6], "", 2),
    ([1, 4, 6], "NCW", 1),
    ([1, 4, 6, 2], "", 1),
    ([1, 4, 6, 2], "NHWC", 3),
]


@ENGINES
@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("place", LAYOUTS)
@pytest.mark.parametrize("shared", [False, True])
def test_multi_threshold(
    place: tuple[list[int], str, int], shared: bool, opset: int, engine: str
) -> None:
    shape, layout, axis = place
    rng = np.random.default_rng(2)
    rows = 1 if shared else shape[axis]
    steps = np.sort(rng.normal(0, 1, (rows, 5)), axis=1).astype(F32)
    given: dict[str, Any] = {"domain": DOMAIN, "out_dtype": "INT4", "data_layout": layout}
    scale: dict[str, Any] = {"out_scale": 0.3, "out_bias": -0.7}
    x = rng.normal(0, 1, (40, *shape[1:])).astype(F32)
    x[:20] = rng.choice(steps.ravel(), x[:20].shape)  # equal to a threshold

    check(one_node("MultiThreshold", shape, opset, {"t": steps}, **given, **scale), x, engine)


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", DOMAIN, "finn.custom_op.general"])
def test_any_domain_of_the_exporters_is_taken_and_none_is_left(domain: str) -> None:
    model = one_node("BipolarQuant", [1, 4], 9, {"s": np.float32(1)}, domain=domain)
    model.ir_version = 14

    standard = to_standard(model)

    FloatRuntime(standard, onnxruntime=False).run(VALUES.reshape(-1, 4))
    assert {node.domain for node in standard.graph.node} == {""}
    assert [item.domain for item in standard.opset_import] == [""]
    assert standard.ir_version == MOST_IR


@pytest.mark.parametrize(
    ("kind", "constants", "given", "why"),
    [
        ("FloatQuant", {}, {}, f"domain {DOMAIN} is no part of standard ONNX"),
        ("Quant", {"s": 1.0, "z": 0.0, "b": 3.5}, {}, "the bit width is not one whole constant"),
        ("Quant", {"s": 1.0, "z": 0.0, "b": 30}, {}, "codes up to 536870912 need Round"),
        (
            "Quant",
            {"s": 1.0, "z": 0.0, "b": 3},
            {"rounding_mode": "ODD"},
            "rounding_mode ODD is not known",
        ),
    ],
)
def test_what_has_no_standard_form_is_refused(
    kind: str, constants: dict[str, Any], given: dict[str, Any], why: str
) -> None:
    model = one_node(kind, [1, 4], 9, constants, domain=DOMAIN, **given)

    with pytest.raises(UserError) as caught:
        to_standard(model)

    assert caught.value.code == "float.unsupported-op"
    assert caught.value.where == f"node n ({DOMAIN} {kind})"
    assert caught.value.why.startswith(why)


def test_unknown_tensor_is_refused() -> None:
    model = one_node("BipolarQuant", [1, 4], 9, {"s": np.float32(1)}, domain=DOMAIN)

    with pytest.raises(UserError, match="no tensor of the wanted name") as caught:
        to_standard(model, ["y", "nowhere"])

    assert caught.value.where == "tensors nowhere"


def test_constants_do_not_vary() -> None:
    model = one_node("Quant", [1, 4], 9, {"s": 1.0, "z": 0.0, "b": 3}, domain=DOMAIN)
    shape = helper.make_node("Shape", ["x"], ["shape"])
    copy = helper.make_node("Identity", ["s"], ["s2"])
    model.graph.node.extend([shape, copy])

    assert varying(model) == {"x", "y"}


@ENGINES
@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_2W2A"])
def test_network_equals_the_executor(name: str, engine: str) -> None:
    path = SHARED / "models" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path.name} is not at hand")
    if engine == "onnxruntime":
        pytest.importorskip(engine)
    # As imported it has every shape filled in, which the executor wants.
    model = import_model(path, InputSpec.parse("u8:1/255")).model
    x = np.random.default_rng(0).uniform(0, 1, (5, 1, 28, 28)).astype(F32)

    runtime = FloatRuntime(model, onnxruntime=engine == "onnxruntime")
    (result,) = runtime.outputs

    # Not bit for bit: the executor takes its sums in another order.
    np.testing.assert_allclose(runtime.run(x)[result], executed(model, x), rtol=0, atol=1e-5)
