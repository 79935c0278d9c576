"""The quantized network through hls4ml: types from exact ranges, C simulation, comparison."""
