"""The choice of a feature network: its name, then optionally a colon and the path to its weights."""

from functools import cache

import torch

from graftlab.errors import GraftError
from graftlab.perception.efficientnet import DEFAULT, LITE, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.perception.inception import inception
from graftlab.perception.vit import KINDS, vision_transformer

CHOICES = (*LITE, "inception", *KINDS)


@cache
def feature_network(choice: str = DEFAULT, device: str = "cpu") -> FeatureNetwork:
    """The network for a choice such as "dinov2", or "dinov2:" and a folder of weights.

    GraftError for another name, and where a package or the weights are missing."""
    name, _, place = choice.partition(":")
    if name not in CHOICES:
        raise GraftError(f"There is no feature network '{name}'; choose one of {', '.join(CHOICES)}.")
    if name == "inception":
        return inception(place, torch.device(device))
    if name in KINDS:
        return vision_transformer(name, place, torch.device(device))
    if place:
        raise GraftError(f"{name} brings its weights: leave out '{place}'.")
    return efficientnet_lite(name, torch.device(device))
