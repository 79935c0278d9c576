"""Low-rank and kernel compression: one layer as two to four smaller ones in a row.

Reading order: method.py, svd.py, tucker.py, cp.py, separable.py, rank.py, chain.py, decompose.py.
"""
