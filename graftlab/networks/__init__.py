"""The networks of the papers, from primitive to model."""

from graftlab.networks.model import Decoder, Network
from graftlab.networks.rosinality import RosinalityAutoencoder
from graftlab.networks.style import StyleGAN
from graftlab.networks.stylegan1 import StyleGAN1
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.stylegan3 import StyleGAN3
from graftlab.networks.swapping import SwappingAutoencoder, SwappingModel
from graftlab.networks.translator import Translator
from graftlab.networks.upscalers import CompactUpscaler, RDNUpscaler, RRDBUpscaler, Upscaler

__all__ = [
    "CompactUpscaler",
    "Decoder",
    "Network",
    "RDNUpscaler",
    "RRDBUpscaler",
    "RosinalityAutoencoder",
    "StyleGAN",
    "StyleGAN1",
    "StyleGAN2",
    "StyleGAN3",
    "SwappingAutoencoder",
    "SwappingModel",
    "Translator",
    "Upscaler",
]
