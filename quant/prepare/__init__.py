"""A float network made ready for quantization: tidied, and the places for quantizers found."""
