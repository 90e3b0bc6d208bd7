"""The kinds of model: one line for each, with the configuration of its networks and of a run that trains it.

What trains them stands above, in `training.trainers`; formats of files, below `checkpoints.readers`, name a kind.
"""

from dataclasses import dataclass

from graftlab.config import (
    CompactConfig,
    Config,
    DistillConfig,
    DualEncoderConfig,
    LocalStyleGAN2Config,
    LocalSwappingConfig,
    RDNConfig,
    RosinalityConfig,
    RRDBConfig,
    StyleGAN1Config,
    StyleGAN2Config,
    StyleGAN3Config,
    StyleGAN3TrainConfig,
    StyleTrainConfig,
    SwappingConfig,
    SwappingTrainConfig,
    TrainConfig,
    TranslatorConfig,
)
from graftlab.networks.dual_encoder import DualEncoder
from graftlab.networks.local import LocalAutoencoder, LocalStyleGAN2
from graftlab.networks.model import Network
from graftlab.networks.rosinality import RosinalityAutoencoder
from graftlab.networks.stylegan1 import StyleGAN1
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.networks.translator import Translator
from graftlab.networks.upscalers import CompactUpscaler, RDNUpscaler, RRDBUpscaler


@dataclass(frozen=True)
class Kind:
    """A kind of model: its class, its configuration, and that of a run that trains it; None: it is used as it is."""

    network: type[Network]
    config: type[Config]
    training: type[TrainConfig] | None = None

    @property
    def name(self) -> str:
        """In files."""
        return self.network.kind

    def new(self, config: Config) -> Network:
        """A network with weights at random."""
        return self.network(config)  # type: ignore[call-arg]  # each kind takes its own


TABLE = (
    Kind(SwappingAutoencoder, SwappingConfig, SwappingTrainConfig),
    Kind(RosinalityAutoencoder, RosinalityConfig),
    Kind(StyleGAN2, StyleGAN2Config, StyleTrainConfig),
    Kind(LocalStyleGAN2, LocalStyleGAN2Config),
    Kind(LocalAutoencoder, LocalSwappingConfig),
    Kind(StyleGAN1, StyleGAN1Config),
    Kind(StyleGAN3, StyleGAN3Config, StyleGAN3TrainConfig),
    Kind(Translator, TranslatorConfig, DistillConfig),
    Kind(RRDBUpscaler, RRDBConfig),
    Kind(CompactUpscaler, CompactConfig),
    Kind(RDNUpscaler, RDNConfig),
    Kind(DualEncoder, DualEncoderConfig),
)
KINDS = {kind.name: kind for kind in TABLE}


def new(config: Config) -> Network:
    """A network of the kind that a configuration is of, with weights at random."""
    return next(kind for kind in TABLE if kind.config is type(config)).new(config)
