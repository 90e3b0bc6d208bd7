"""The Swapping Autoencoder's algorithm (Park et al. 2020, appendix B.2), and what shows how far it has come."""

from math import inf

import torch
from torch import Tensor, nn

from graftlab.codes import SwapCodes
from graftlab.config import SwappingTrainConfig
from graftlab.data import TrainingImages
from graftlab.data.views import BLOCK
from graftlab.figures.charts import RAW, TELLING, Curve, Figure, Points
from graftlab.figures.sheets import sheet
from graftlab.hardware import exact_convolutions
from graftlab.images import l1, psnr
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.swapping import objective, r1_penalty
from graftlab.objectives.terms import LOGISTIC_CHANCE, Distance, Terms
from graftlab.perception.distances import deep
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.training.sharing import Pass
from graftlab.training.trainer import DiscriminatorsT, Step, Trainer

VALIDATION_IMAGES = 64
SHEET_IMAGES = 6


class Autoencoding(Trainer[SwappingTrainConfig, SwappingAutoencoder, DiscriminatorsT]):
    """What all ways to train a Swapping Autoencoder have in common: its parts, its pictures and its figures."""

    settings = SwappingTrainConfig
    encodes = True
    stretches = 2  # the first half of a batch is reconstructed

    @property
    def unit(self) -> int:  # type: ignore[override]
        """Pictures are swapped in pairs; of a scene's views two pairs may belong together."""
        return BLOCK if self.config.views else 2

    progress = ("G_L1", "L1")

    def parts(self) -> dict[str, nn.Module]:
        return {"encoder": self.model.encoder, "generator": self.model.generator}

    def references(self, data: TrainingImages) -> Tensor:
        return data.held_out(VALIDATION_IMAGES)

    def validate(self, references: Tensor) -> dict[str, float]:
        return validate(self.ema, references) if len(references) else {}

    def samples(self, images: Tensor) -> Tensor:
        title = f"{self.seen:,} images seen: structure of the left, texture of the top"
        return swap_sheet(self.ema, images[:SHEET_IMAGES], title)

    # -- report --------------------------------------------------------------------------------------------------------

    @classmethod
    def codes(cls, config: SwappingTrainConfig) -> str:
        network = config.network
        grid = network.size // network.stride
        return f"structure {network.structure_channels} × {grid} × {grid}, texture {network.texture_channels}"

    @classmethod
    def figures(cls, points: Curve, config: SwappingTrainConfig) -> list[Figure]:
        """Those of the reproduction report's Figure 1 (Newlands et al. 2021), and more."""
        fakes = {"reconstructions": "rec", "hybrids": "mix"}

        def curves(prefix: str) -> dict[str, Points]:
            return {name: points(f"{prefix}_{key}") for name, key in (("real", "real"), *fakes.items())}

        adversarial = {name: points(f"G_GAN_{key}") for name, key in fakes.items()} | {
            "patches of hybrids": points("G_mix")
        }
        l1 = {"training": points("G_L1"), "held out": points("validation_l1")}
        held_out = {"reconstructions": points("validation_l1"), "colours of hybrids": points("validation_texture")}
        nets = {"D": "the image discriminator", "PatchD": "the patch discriminator"}
        return [
            ("Losses of the generator", {"L1": points("G_L1"), **adversarial}, RAW),
            ("L1 of reconstructions", l1, "Mean absolute difference, for pictures in [-1, 1]."),
            (
                "Held-out photos",
                held_out,
                "L1, and distance to the colours of the texture; the best model has the lowest sum.",
            ),
            *((f"Losses of {net}", curves(prefix), RAW) for prefix, net in nets.items()),
            *((f"Accuracy of {net}", curves(prefix + "_accuracy"), TELLING) for prefix, net in nets.items()),
            *((f"R1 of {net}", {"R1": points(prefix + "_R1")}, RAW) for prefix, net in nets.items()),
        ]


class SwappingTrainer(Autoencoding[Discriminators]):
    """Discriminators and generator in turn, each on new images; the generator alone where the recipe has no use for
    discriminators."""

    def __init__(self, config: SwappingTrainConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._objective = self._compile(objective)
        self._deep = deep_distance(device) if config.recipe.features else None

    def networks(self) -> tuple[SwappingAutoencoder, Discriminators]:
        return SwappingAutoencoder(self.config.network), Discriminators(self.config.network)

    def intervals(self) -> dict[str, float]:
        return {"model": inf, "discriminators": self.config.recipe.r1_interval}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        turn = self.seen // self.config.batch
        self._seed()
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        if turn % 2 == 0 and self.config.recipe.adversarial:
            figures = self.discriminator_step(images)
            if turn // 2 % self.config.recipe.r1_interval == 0:
                figures |= self.r1_step(images)
        else:
            figures = self.generator_step(images, None if truths is None else truths.to(self.device))
        self.seen += self.config.batch
        return figures

    def discriminator_step(self, images: Tensor) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            with self._autocast():
                return self._objective(
                    *("discriminators", self.model, self.discriminators, some, self.config.recipe),
                    augment=self._augment(some),
                )

        return self._minimise("discriminators", terms, len(images), chance=LOGISTIC_CHANCE)

    def r1_step(self, images: Tensor) -> dict[str, float]:
        recipe, size = self.config.recipe, self.config.network.patch_size

        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            return r1_penalty(self.discriminators, some, recipe, size, self._augment(some))

        with exact_convolutions():
            return self._minimise("discriminators", terms, len(images), recipe.r1_interval)

    def generator_step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            some = images[part.rows]
            with self._autocast():
                return self._objective(
                    *("generator", self.model, self.discriminators, some, self.config.recipe),
                    augment=self._augment(some),
                    truths=part.truths(truths),
                    deep=self._deep,
                )

        with self._freeze_discriminators():
            figures = self._minimise("model", terms, len(images))
        self._average(self.config.batch * (2 if self.config.recipe.adversarial else 1))
        return figures

    def steps(self) -> dict[str, tuple[Step, float]]:
        if not self.config.recipe.adversarial:
            return {"model": (self.generator_step, 1.0)}
        return {
            "discriminators": (self.discriminator_step, 0.5),
            "model": (self.generator_step, 0.5),
            "r1": (self.r1_step, 0.5 / self.config.recipe.r1_interval),
        }

    def discriminator_weights(self) -> dict[str, Tensor]:
        return super().discriminator_weights() if self.config.recipe.adversarial else {}

    def parts(self) -> dict[str, nn.Module]:
        return super().parts() | {
            "image discriminator": self.discriminators.image,
            "patch discriminator": self.discriminators.patch,
        }


@torch.no_grad()
def validate(model: SwappingAutoencoder, images: Tensor) -> dict[str, float]:
    """How good the model is on held-out pictures (N, 3, S, S), means over pictures, for values in [-1, 1].

    l1 and psnr (dB) of reconstructions; texture: distance in colours between hybrids and the pictures that gave their
    texture; error: l1 + texture, by which the best model is chosen. Reconstruction alone would favour a structure code
    that carries the texture too."""
    codes = SwapCodes.cat([model.encode(batch) for batch in images.split(16)])
    mixed = SwapCodes(codes.structure, codes.texture.roll(-1, 0))
    decoded, hybrids = (
        torch.cat([model.decode(batch[i : i + 16]).cpu() for i in range(0, len(images), 16)])
        for batch in (codes, mixed)
    )
    error, texture = 2 * l1(decoded, images).mean().item(), colour_distance(hybrids, images.roll(-1, 0)).mean().item()
    return {
        "validation_l1": error,
        "validation_psnr": psnr(decoded, images).mean().item(),
        "validation_texture": texture,
        "validation_error": error + texture,
    }


@torch.no_grad()
def swap_sheet(model: SwappingAutoencoder, images: Tensor, title: str) -> Tensor:
    """Every structure (rows) with every texture (columns) of a few pictures (N, 3, S, S): one sheet (1, 3, H, W).

    The diagonal holds the reconstructions."""
    codes, rows = model.encode(images), []
    for i, structure in enumerate(codes.structure):
        repeated = structure.expand(len(images), *structure.shape)
        hybrids = model.decode(SwapCodes(repeated, codes.texture)).cpu()
        rows.append([images[i : i + 1], *hybrids.split(1)])
    return sheet([[None, *images.split(1)], *rows], title=title, scale=max(1, 128 // images.shape[-1]))


def deep_distance(device: torch.device) -> Distance:
    """Deep-feature distance as evaluation has it, with gradients, and at the size of the pictures."""
    network = efficientnet_lite(DEFAULT, device)

    def distance(made: Tensor, images: Tensor) -> Tensor:
        side = images.shape[-1]
        with torch.no_grad():
            aim = network.seen(images, side)
        return deep(network.seen(made, side), aim)

    return distance


def colour_distance(a: Tensor, b: Tensor) -> Tensor:
    """Earth mover's distance between the values of pictures (N, 3, H, W), mean over channels: (N,)."""
    ordered = [picture.clamp(-1, 1).flatten(2).sort(2).values for picture in (a, b)]
    return (ordered[0] - ordered[1]).abs().mean((1, 2))
