"""What the commands share that refine the codes of pictures: `--refine N`."""

from collections.abc import Mapping
from typing import Any

from graftlab.cli.progress import bar
from graftlab.codes import Autoencoder
from graftlab.inversion.refine import Refined, Refining
from graftlab.networks.swapping import SwappingModel


def refined(model: SwappingModel, network: Autoencoder, steps: int, rendering: Mapping[str, Any]) -> Refined:
    """A network that decodes, and encodes by so many steps from what the model's encoder finds."""

    return Refined(model, network, Refining(steps=steps), rendering, bar)
