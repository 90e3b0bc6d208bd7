"""Networks from words (StyleGAN-NADA: Gal et al. 2021): a model learns what a phrase says, from no picture of it.

Two copies of a model draw the same codes, one frozen and one learning, and the change from one's picture to the other's
is to point where the phrase points (section 4.1, eq. 4). A text model is the only teacher.
"""

from abc import abstractmethod
from typing import Any, TypeVar

import torch
from torch import Tensor

from graftlab import distributed
from graftlab.checkpoints.model_file import ModelFile
from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.config import StyleTrainConfig, SwappingTrainConfig
from graftlab.figures.charts import Curve, Figure
from graftlab.language import text_model
from graftlab.networks.chance import drawn, seeing
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.terms import Terms
from graftlab.objectives.words import Aim, Prompt, look
from graftlab.training.sharing import Pass
from graftlab.training.stylegan2 import StyleTraining
from graftlab.training.swapping import Autoencoding
from graftlab.training.trainer import ConfigT, Step, Trainer, fill

DecoderT = TypeVar("DecoderT", bound=Decoder[Any])

SLOWED = 4.0  # Adam is slowed down to 4/5, as if a regulariser had every fifth step
PSI = 0.7  # truncation of the w that are drawn
SWAPPED = 0.5  # share of the pictures drawn with another's texture
AWAY = "1 - cosine between how pictures have changed and what the words would change."


class FromWords(Trainer[ConfigT, DecoderT, DecoderT]):
    """What both kinds of model have in common. The frozen copy is where others have discriminators."""

    manner = "words"
    encodes = False
    stretches = unit = 1  # each picture is alone
    progress = ("G_words", "words")

    def __init__(self, config: ConfigT, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self.discriminators.eval().requires_grad_(False)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(learns(name))
        chosen: Any = config
        self.cutouts: int = chosen.cutouts
        self.words = text_model(chosen.text_model, str(device), config.precision)
        self.aim = Aim.of(self.words, [Prompt(chosen.text)], chosen.neutral)
        self.notes = [note for text in (chosen.text, chosen.neutral) if (note := self.words.notice(text))]

    @abstractmethod
    def draw(self, images: Tensor) -> Codes:
        """Codes (N) that both copies decode, for as many images."""

    def intervals(self) -> dict[str, float]:
        return {"model": SLOWED}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        self._seed()
        figures = self.words_step(images.to(self.device))
        self.seen += self.config.batch
        return figures

    def words_step(self, images: Tensor) -> dict[str, float]:
        with torch.no_grad(), seeing(self._part(len(images))):
            codes = self.draw(images)

        def terms(part: Pass) -> Terms:
            mine = codes[part.rows]
            with torch.no_grad():
                with self._autocast():
                    before = self.discriminators.decode(mine)
                seen = self._seen(before)
            with self._autocast():
                now = self.model.decode(mine)
            return {"G_words": self.aim.away(self._seen(now), seen).mean(0)}

        figures = self._minimise("model", terms, len(images), weights={"G_words": 1.0})  # which no recipe weighs
        self._average(self.config.batch)
        return figures

    def _seen(self, pictures: Tensor) -> Tensor:
        """Vectors (1 + cutouts, N, D) of pictures, whole and through the cut-outs of this step."""
        return look(self.words, pictures.float(), self.cutouts, self.config.seed * 1_000_003 + self.seen)

    def steps(self) -> dict[str, tuple[Step, float]]:
        return {"words": (self.words_step, 1.0)}

    def validate(self, references: Tensor) -> dict[str, float]:
        return {}  # no picture shows how it should be

    def discriminator_weights(self) -> dict[str, Tensor]:
        return {}

    def _adopt_discriminators(self, base: ModelFile) -> bool:
        fill(base, self.discriminators, base.tensors)
        return True

    @classmethod
    def figures(cls, points: Curve, config: ConfigT) -> list[Figure]:
        return [("Distance to the words", {"training": points("G_words")}, AWAY)]


class StyleFromWords(FromWords[StyleTrainConfig, StyleGAN], StyleTraining[StyleGAN]):
    """Of a StyleGAN, which draws latent vectors and needs no photos."""

    photos = False

    def networks(self) -> tuple[StyleGAN, StyleGAN]:
        return self._generator(), self._generator()

    def draw(self, images: Tensor) -> StyleCodes:
        z = drawn(torch.randn, (len(images), self.config.network.z_channels), device=self.device)
        return self.discriminators.map(z, self._classes(None, len(images)), PSI)


class SwappingFromWords(FromWords[SwappingTrainConfig, SwappingAutoencoder], Autoencoding[SwappingAutoencoder]):
    """Of a Swapping Autoencoder, whose encoder stays: photos, and hybrids of them, as its codes see them."""

    def networks(self) -> tuple[SwappingAutoencoder, SwappingAutoencoder]:
        return SwappingAutoencoder(self.config.network), SwappingAutoencoder(self.config.network)

    def draw(self, images: Tensor) -> SwapCodes:
        count, first = len(images), len(images) * distributed.rank()
        codes = self.discriminators.encode(images)
        swapped = drawn(torch.rand, (count, 1), device=self.device) < SWAPPED
        others = distributed.gathered(codes.texture).roll(1, 0)[first : first + count]
        return SwapCodes(codes.structure, torch.where(swapped, others, codes.texture))


def learns(name: str) -> bool:
    """Whether a parameter learns: all that draw but those that only colour the result (section 4.2)."""
    return name.startswith(("synthesis.", "generator.")) and not ("to_rgb" in name or "rgb_bias" in name)
