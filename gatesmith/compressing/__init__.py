"""``gatesmith compress``: a recipe of pruning, quantizing and coding, its stages, its results."""
