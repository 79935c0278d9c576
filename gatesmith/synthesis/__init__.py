"""Synthesis of a build by Yosys, placement by nextpnr, and what they found beside the formulas."""
