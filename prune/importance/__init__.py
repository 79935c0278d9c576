"""How much each weight, or each unit of a layer, matters to a network; the least go first."""

from gatesmith.prune.importance.criteria import CRITERIA, Criterion
from gatesmith.prune.importance.sample import Sample
from gatesmith.prune.importance.scores import unit_scores, weight_scores

__all__ = ["CRITERIA", "Criterion", "Sample", "unit_scores", "weight_scores"]
