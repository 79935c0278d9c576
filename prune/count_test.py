"""Multiplications and parameters, counted by hand."""

from gatesmith.prune.count import macs, macs_by_layer, parameters, parameters_by_layer
from gatesmith.rtl_tests.prunable_networks import NETWORKS, imported


def test_multiplications_of_every_kind_of_layer() -> None:
    assert macs_by_layer(imported("chain")) == {
        "conv_0": 64 * 27 * 6,
        "conv_4": 16 * 54 * 8,
        "gemm_8": 32 * 10,
        "gemm_10": 10 * 4,
    }
    separable = macs_by_layer(imported("separable"))
    assert separable["conv_3"] == 64 * 9 * 12  # depthwise, two outputs a channel
    assert macs_by_layer(imported("grouped"))["conv_3"] == 64 * 9 * 4 * 12
    assert macs_by_layer(imported("tokens"))["matmul_7"] == 65 * 6 * 7  # on every row
    assert macs_by_layer(imported("residual"))["conv_15"] == 16 * 6 * 8  # strides of two


def test_parameters_are_those_of_the_file_folded() -> None:
    graph = imported("chain")
    assert parameters_by_layer(graph) == {
        "conv_0": 27 * 6 + 6,
        "conv_4": 54 * 8 + 8,
        "gemm_8": 330,
        "gemm_10": 44,
    }
    assert parameters(graph) == 168 + 440 + 330 + 44
    unfolded = imported("chain", tidy=False)
    assert parameters(unfolded) == 168 + 440 + 330 + 44 + 3 * 6  # mean, scale, bias of the norm


def test_totals_are_sums_of_layers() -> None:
    for name in NETWORKS:
        assert macs(imported(name)) == sum(macs_by_layer(imported(name)).values())


def test_slopes_by_channel_are_parameters() -> None:
    """Those of PRelu, not the one number of LeakyRelu."""
    graph = imported("slopes")
    constants = sum(node.type.size for node in graph if type(node.op).__name__ == "Const")
    assert parameters(graph) == constants + 6
