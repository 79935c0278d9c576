"""Post-training quantization: grids from data and from weights, then rounding and biases that fit.

Reading order: post_training.py, histogram.py, observers.py, weights.py, equalize.py, rounding.py,
bias.py, search.py.
"""
