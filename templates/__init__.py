"""Jinja templates and plain SystemVerilog blocks; data, no code."""
