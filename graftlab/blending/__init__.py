"""What one does with whole networks: two or more with the same layers become one, layer by layer."""

from graftlab.blending.blend import adopt, blend_many, lineage
from graftlab.blending.channels import features_at
from graftlab.blending.clusters import Clusters
from graftlab.blending.family import Family
from graftlab.blending.files import Blended, blend_files
from graftlab.blending.inputs import Inputs, probe_photos, probe_seeds
from graftlab.blending.kinship import Kinship
from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.local import Where, confine
from graftlab.blending.rules import BlendConfig, Switch
from graftlab.blending.sheets import sheet
from graftlab.blending.weights import Rule, band, curve, held, interpolate, layer_swap, matrix, only, pinkney, reversed_

__all__ = [
    "BlendConfig",
    "Blended",
    "Clusters",
    "Family",
    "Inputs",
    "Kinship",
    "Layer",
    "Rule",
    "Switch",
    "Where",
    "adopt",
    "band",
    "blend_files",
    "blend_many",
    "confine",
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
    "probe_photos",
    "probe_seeds",
    "reversed_",
    "sheet",
]
