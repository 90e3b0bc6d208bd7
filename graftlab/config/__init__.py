"""Every number that defines a network, an objective or a training run, in small frozen dataclasses.

A contradiction is refused at construction, in one sentence, so that a wrong option fails in a second and not after a
night. Each class goes to plain JSON and back (`to_dict`, `from_dict`), which is how weights travel with their
configuration.
"""

from graftlab.config.base import KINDS, Config, require
from graftlab.config.distillation import DistillConfig, DistillRecipe, PairsConfig, TranslatorConfig
from graftlab.config.dual_encoder import DualEncoderConfig
from graftlab.config.local import LocalConfig, LocalStyleGAN2Config, LocalSwappingConfig
from graftlab.config.psp import PSPConfig
from graftlab.config.recipes import RECIPES, STYLE_RECIPES, Recipe, StyleRecipe, recipe, reweigh, style_recipe
from graftlab.config.rosinality import RosinalityConfig
from graftlab.config.stylegan1 import StyleGAN1Config
from graftlab.config.stylegan2 import STYLE_PRESETS, StyleGAN2Config, style_preset
from graftlab.config.stylegan3 import StyleGAN3Config
from graftlab.config.swapping import PRESETS, SwappingConfig, preset
from graftlab.config.training import (
    PRECISIONS,
    StyleGAN3TrainConfig,
    StyleTrainConfig,
    SwappingTrainConfig,
    TeachableConfig,
    TrainConfig,
)
from graftlab.config.upscalers import CompactConfig, RDNConfig, RRDBConfig

__all__ = [
    "KINDS",
    "PRECISIONS",
    "PRESETS",
    "RECIPES",
    "STYLE_PRESETS",
    "STYLE_RECIPES",
    "CompactConfig",
    "Config",
    "DistillConfig",
    "DistillRecipe",
    "DualEncoderConfig",
    "LocalConfig",
    "LocalStyleGAN2Config",
    "LocalSwappingConfig",
    "PSPConfig",
    "PairsConfig",
    "RDNConfig",
    "RRDBConfig",
    "Recipe",
    "RosinalityConfig",
    "StyleGAN1Config",
    "StyleGAN2Config",
    "StyleGAN3Config",
    "StyleGAN3TrainConfig",
    "StyleRecipe",
    "StyleTrainConfig",
    "SwappingConfig",
    "SwappingTrainConfig",
    "TeachableConfig",
    "TrainConfig",
    "TranslatorConfig",
    "preset",
    "recipe",
    "require",
    "reweigh",
    "style_preset",
    "style_recipe",
]
