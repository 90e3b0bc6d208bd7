"""What shows how far the training of a StyleGAN has come: its pictures, how near they are to photos, its figures."""

from collections.abc import Iterable

import torch
from torch import Tensor

from graftlab.config import StyleTrainConfig
from graftlab.data import TrainingImages
from graftlab.errors import GraftError
from graftlab.evaluation.metrics import kernel_distance
from graftlab.figures.charts import RAW, TELLING, Curve, Figure
from graftlab.figures.sheets import sheet
from graftlab.networks.style import StyleGAN
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.training.trainer import DiscriminatorsT, Trainer

VALIDATION_IMAGES = 500
SHEET_SIDE = 6  # samples along a sheet's sides
MOST_ROWS = 12  # classes on a sheet


class StyleShowing(Trainer[StyleTrainConfig, StyleGAN, DiscriminatorsT]):
    """What people see of a run."""

    settings = StyleTrainConfig
    progress = ("G_GAN", "G")
    _features: FeatureNetwork | None = None
    _compared: Tensor | None = None  # classes of the samples that are compared
    _known: tuple[Tensor, Tensor] | None = None  # pictures that were compared with, and their features

    @property
    def compared_in(self) -> str:
        """The feature network in which samples are compared with pictures."""
        return DEFAULT

    def references(self, data: TrainingImages) -> Tensor:
        held_out = data.held_out(VALIDATION_IMAGES)
        known = held_out if len(held_out) else data.batch(0, min(VALIDATION_IMAGES, len(data)))
        self._compared = data.labels(0, len(known))  # classes of the samples: as many of each as there are photos
        return known

    @torch.no_grad()
    def validate(self, references: Tensor) -> dict[str, float]:
        """Kernel distance of deep features between pictures and as many samples, which are always of the same seeds.

        Nothing where the feature network is not installed (extra `metrics`)."""
        try:
            self._features = self._features or efficientnet_lite(self.compared_in, self.device)
        except GraftError:
            return {}
        if len(references) < 2:
            return {}
        if self._known is None or self._known[0] is not references:
            self._known = (references, self._pool(self._features, references.split(16)))
        seeds = range(len(references))
        samples = (
            self.ema.sample(seeds[i : i + 16], labels=None if self._compared is None else self._compared[i : i + 16])
            for i in range(0, len(seeds), 16)
        )
        distance = kernel_distance(self._pool(self._features, samples), self._known[1])
        return {"validation_kernel": distance, "validation_error": distance}

    def _pool(self, network: FeatureNetwork, batches: Iterable[Tensor]) -> Tensor:
        """Deep features (N, D) of pictures that come in batches."""
        return torch.cat([network(batch.clamp(-1, 1)).pooled for batch in batches])

    @torch.no_grad()
    def samples(self, images: Tensor) -> Tensor:
        """Pictures of seeds 0 to 35, or of seeds 0 to 5 in each class."""
        names, side = self.config.classes[:MOST_ROWS], SHEET_SIDE
        if names:
            rows = [self.ema.sample(range(side), labels=number) for number in range(len(names))]
        else:
            rows = [self.ema.sample(range(i * side, (i + 1) * side)) for i in range(side)]
        title = f"{self.seen:,} images seen: seeds 0 to {side - 1 if names else side**2 - 1}"
        scale = max(1, 128 // self.config.network.size)
        return sheet([row.cpu().split(1) for row in rows], list(names), title=title, scale=scale)

    # -- report --------------------------------------------------------------------------------------------------------

    @classmethod
    def codes(cls, config: StyleTrainConfig) -> str:
        return f"{config.network.layers} layers of {config.network.w_channels}"

    @classmethod
    def figures(cls, points: Curve, config: StyleTrainConfig) -> list[Figure]:
        """Losses, the distance of samples to photos, and what keeps the discriminator in check."""
        seen, held = {"real": "real", "samples": "fake"}, config.structure_blocks
        return [
            ("Loss of the generator", {"adversarial": points("G_GAN")}, ""),
            (
                "Distance of samples to photos",
                {"kernel distance": points("validation_kernel")},
                "Of deep features, 0 for samples that cannot be told from photos; the best model has the lowest.",
            ),
            ("Losses of the discriminator", {name: points(f"D_{key}") for name, key in seen.items()}, ""),
            (
                "Accuracy of the discriminator",
                {name: points(f"D_accuracy_{key}") for name, key in seen.items()},
                TELLING,
            ),
            (
                "Augmentation",
                {"probability": points("augmented")},
                "Rises while the discriminator knows its photos.",
            ),
            ("R1", {"R1": points("D_R1")}, RAW),
            ("Path length", {"penalty": points("G_path")}, RAW),
            *([("Want of variety", {"energy distance": points("G_variety")}, RAW)] if config.recipe.variety else []),
            *([("Distance to the base's structure", {"structure": points("G_structure")}, RAW)] if held else []),
        ]
