"""What trains each kind of model: the upper half of the table of kinds (`graftlab.kinds`)."""

from typing import Any

import torch

from graftlab.config import TrainConfig
from graftlab.training.distillation import DistillTrainer
from graftlab.training.projected import ProjectedTrainer
from graftlab.training.projected_stylegan2 import ProjectedStyleTrainer
from graftlab.training.stylegan2 import StyleGAN2Trainer
from graftlab.training.swapping import SwappingTrainer
from graftlab.training.trainer import Trainer
from graftlab.training.words import StyleFromWords, SwappingFromWords

AnyTrainer = Trainer[Any, Any, Any]
TRAINERS: tuple[type[AnyTrainer], ...] = (
    SwappingTrainer,
    ProjectedTrainer,
    SwappingFromWords,
    StyleGAN2Trainer,
    ProjectedStyleTrainer,
    StyleFromWords,
    DistillTrainer,
)


def trainer_of(config: TrainConfig) -> type[AnyTrainer]:
    """What trains a run of this configuration."""
    projected = "projected" if getattr(config.recipe, "projected", False) else ""
    manner = "words" if getattr(config, "text", "") else projected
    return next(trainer for trainer in TRAINERS if isinstance(config, trainer.settings) and trainer.manner == manner)


def new_trainer(config: TrainConfig, device: torch.device, compiled: bool | None = None) -> AnyTrainer:
    """It compiles its ordinary steps as asked, else on CUDA, where it is sure to pay."""
    return trainer_of(config)(config, device, device.type == "cuda" if compiled is None else compiled)
