"""Every operator has all its parts. A failure names the file to write."""

from pathlib import Path

import pytest

from gatesmith.ops.registry import classes, stems

ROOT = Path(__file__).parents[2]

ANY_KIND = {
    "input": (),  # comes from outside: no ONNX operator, no hardware
    "const": ("frontend/constant.py",),  # an operand of others
    "reshape": ("frontend/reshape.py", "frontend/flatten.py", "quant/reshape.py"),  # only wires
}
HARDWARE = {  # made by lowering
    "decide",
    "dense",
    "depthwise",
    "early_exit",
    "gate",
    "gather",
    "int_layer_norm",
    "int_softmax",
    "join",
    "product",
    "requantize",
    "table",
    "threshold",
    "window",
}
HARDWARE_AND_REAL = {"concat", "max_pool", "reduce", "select", "top_k"}  # also an ONNX operator
HARDWARE_PARTS = (
    "codegen/{}.py",
    "templates/sv/{}.sv.j2",
    "rtl_tests/test_{}.py",
    "codegen/hls/{}.py",
    "templates/hls/{}.h",
)
GENERATED = {"templates/hls/concat.h"}  # a template: a function for each number of inputs
FRONTENDS = {  # ONNX operators that become one, where the names differ
    "quantize": ("quant", "quantize_linear"),
    "fake_quant": ("quant", "quantize_linear"),
    "dequantize": ("dequantize_linear",),
    "top_k": ("top_k", "arg_max"),
    "mat_mul": ("mat_mul", "gemm", "q_linear_mat_mul", "q_gemm", "mat_mul_integer"),
    "conv": ("conv", "conv_transpose", "q_linear_conv", "conv_integer"),
    "max_pool": ("max_pool",),
    "average_pool": ("average_pool", "q_linear_average_pool"),
    "reduce": ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "global_average_pool"),
    "function": ("sigmoid", "tanh", "exp", "erf", "softplus"),
    "layer_norm": ("layer_normalization",),
    "leaky_relu": ("leaky_relu", "p_relu", "abs"),
    "select": ("max", "min"),
    "take": ("slice", "split", "gather", "resize", "upsample", "tile", "expand"),
}


def parts(stem: str) -> tuple[str, ...]:
    """Files that belong to an operator, beside its own."""
    if stem in ANY_KIND:
        return ANY_KIND[stem]
    hardware = tuple(part.format(stem) for part in HARDWARE_PARTS)
    if stem in HARDWARE:
        return hardware
    frontends = tuple(f"frontend/{name}.py" for name in FRONTENDS.get(stem, (stem,)))
    real = (*frontends, f"quant/{stem}.py")
    return (*real, *hardware) if stem in HARDWARE_AND_REAL else real


@pytest.mark.parametrize("stem", stems())
def test_operator_is_complete(stem: str) -> None:
    paths = [f"{path}.j2" if path in GENERATED else path for path in parts(stem)]
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"{stem}: write {', '.join(missing)} (docs/adding-an-operator.md)"


def test_every_file_defines_an_operator() -> None:
    modules = {cls.__module__.rsplit(".", 1)[1] for cls in classes().values()}
    assert modules == set(stems())
