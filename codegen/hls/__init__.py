"""HLS C++ from the same design as the SystemVerilog: a kernel for each stage, one top function."""
