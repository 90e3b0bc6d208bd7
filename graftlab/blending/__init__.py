"""What one does with whole networks: two or more with the same layers become one, layer by layer."""

from graftlab.blending.blend import adopt, blend_many, lineage
from graftlab.blending.channels import features_at
from graftlab.blending.clusters import Clusters
from graftlab.blending.kinship import Kinship
from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.weights import Rule, band, curve, held, interpolate, layer_swap, matrix, only, pinkney, reversed_

__all__ = [
    "Clusters",
    "Kinship",
    "Layer",
    "Rule",
    "adopt",
    "band",
    "blend_many",
    "curve",
    "features_at",
    "held",
    "interpolate",
    "layer_swap",
    "layers_of",
    "lineage",
    "matrix",
    "only",
    "pinkney",
    "reversed_",
]
