"""Random networks through everything: reference, RTL, HLS; ``gatesmith regress``.

In reading order: recipe.py (what a network is made from), kinds.py and its neighbours (the
grammar), writer.py (recipe to ONNX), case.py (one network, built), rtl_batch.py and hls_batch.py
(many at once), worker.py (a batch), shrink.py, bundle.py, run.py (the whole), coverage.py.
"""
