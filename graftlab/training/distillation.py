"""Training a student on pairs (StyleGAN2 distillation: Viazovetskyi et al. 2020), and what shows how far it
has come."""

from math import inf

import torch
from torch import Tensor, nn

from graftlab.config import DistillConfig
from graftlab.data import TrainingImages
from graftlab.figures.charts import RAW, TELLING, Curve, Figure
from graftlab.figures.sheets import sheet
from graftlab.hardware import exact_convolutions
from graftlab.images import l1, psnr
from graftlab.networks.translator import PairDiscriminator, Translator
from graftlab.objectives.distillation import objective, r1_penalty
from graftlab.objectives.terms import LOGISTIC_CHANCE, Terms
from graftlab.training.sharing import Pass
from graftlab.training.swapping import deep_distance
from graftlab.training.trainer import Step, Trainer

VALIDATION_PAIRS = 200
SHEET_PAIRS = 8


def halves(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (N, 3, 2S, S) as photos and the pictures that they should become, both (N, 3, S, S)."""
    photos, pictures = (half.contiguous(memory_format=torch.channels_last) for half in pairs.chunk(2, dim=2))
    return photos, pictures


class DistillTrainer(Trainer[DistillConfig, Translator, PairDiscriminator]):
    """Discriminators, then the student, in every step; the student alone where the recipe has no use for the former."""

    settings = DistillConfig
    progress = ("G_L1", "L1")

    def __init__(self, config: DistillConfig, device: torch.device, compiled: bool = False) -> None:
        super().__init__(config, device, compiled)
        self._objective = self._compile(objective)
        self._deep = deep_distance(device) if config.recipe.features else None

    def networks(self) -> tuple[Translator, PairDiscriminator]:
        return Translator(self.config.network), PairDiscriminator(self.config.network)

    def intervals(self) -> dict[str, float]:
        recipe = self.config.recipe
        return {"model": inf, "discriminators": recipe.r1_interval if recipe.r1 else inf}

    def step(self, images: Tensor, truths: Tensor | None = None) -> dict[str, float]:
        recipe, turn = self.config.recipe, self.seen // self.config.batch
        self._seed()
        images = images.to(self.device)
        figures: dict[str, float] = {}
        if recipe.gan:
            figures |= self.discriminator_step(images)
            if recipe.r1 and turn % recipe.r1_interval == 0:
                figures |= self.r1_step(images)
        figures |= self.student_step(images)
        self.seen += self.config.batch
        return figures

    def discriminator_step(self, images: Tensor) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            photos, pictures = halves(images[part.rows])
            with self._autocast():
                return self._objective(
                    *("discriminators", self.model, self.discriminators, photos, pictures, self.config.recipe),
                    augment=self._augment(photos),
                )

        return self._minimise("discriminators", terms, len(images), chance=LOGISTIC_CHANCE)

    def r1_step(self, images: Tensor) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            photos, pictures = halves(images[part.rows])
            return r1_penalty(self.discriminators, photos, pictures, self._augment(photos))

        with exact_convolutions():
            return self._minimise("discriminators", terms, len(images), self.config.recipe.r1_interval)

    def student_step(self, images: Tensor) -> dict[str, float]:
        def terms(part: Pass) -> Terms:
            photos, pictures = halves(images[part.rows])
            with self._autocast():
                return self._objective(
                    *("generator", self.model, self.discriminators, photos, pictures, self.config.recipe),
                    augment=self._augment(photos),
                    deep=self._deep,
                )

        with self._freeze_discriminators():
            figures = self._minimise("model", terms, len(images))
        self._average(self.config.batch)
        return figures

    def steps(self) -> dict[str, tuple[Step, float]]:
        recipe = self.config.recipe
        steps: dict[str, tuple[Step, float]] = {"student": (self.student_step, 1.0)}
        if recipe.gan:
            steps["discriminators"] = (self.discriminator_step, 1.0)
        if recipe.gan and recipe.r1:
            steps["r1"] = (self.r1_step, 1 / recipe.r1_interval)
        return steps

    def discriminator_weights(self) -> dict[str, Tensor]:
        return super().discriminator_weights() if self.config.recipe.gan else {}

    def parts(self) -> dict[str, nn.Module]:
        return {"student": self.model, "discriminators": self.discriminators}

    # -- pictures and figures ------------------------------------------------------------------------------------------

    def references(self, data: TrainingImages) -> Tensor:
        return data.held_out(VALIDATION_PAIRS)

    def validate(self, references: Tensor) -> dict[str, float]:
        return validate(self.ema, references) if len(references) else {}

    @torch.no_grad()
    def samples(self, images: Tensor) -> Tensor:
        """Photos, what base and blend make of them in two steps, and what the student does."""
        photos, pictures = halves(images[:SHEET_PAIRS])
        rows = [list(row.split(1)) for row in (photos, pictures, self.ema.translate(photos).cpu())]
        title = f"{self.seen:,} images seen"
        scale = max(1, 128 // self.config.network.size)
        return sheet(rows, ["photo", "two steps", "student"], title=title, scale=scale)

    # -- report --------------------------------------------------------------------------------------------------------

    @classmethod
    def codes(cls, config: DistillConfig) -> str:
        return "none: photos to pictures"

    @classmethod
    def figures(cls, points: Curve, config: DistillConfig) -> list[Figure]:
        """Losses, and how far the student is from the two steps."""
        seen = {"true": "real", "student's": "fake"}
        terms = {"L1": "L1", "adversarial": "GAN", "feature matching": "matching", "deep features": "features"}
        l1 = {"training": points("G_L1"), "held out": points("validation_l1")}
        return [
            ("Losses of the student", {name: points(f"G_{key}") for name, key in terms.items()}, RAW),
            ("Distance to the two steps", l1, "Mean absolute difference, for pictures in [-1, 1]."),
            ("Losses of the discriminators", {name: points(f"D_{key}") for name, key in seen.items()}, RAW),
            (
                "Accuracy of the discriminators",
                {name: points(f"D_accuracy_{key}") for name, key in seen.items()},
                TELLING,
            ),
            ("R1", {"R1": points("D_R1")}, RAW),
        ]


@torch.no_grad()
def validate(model: Translator, pairs: Tensor) -> dict[str, float]:
    """How far the student is from the blend on held-out pairs (N, 3, 2S, S): means over pairs.

    l1: mean absolute difference for values in [-1, 1]; psnr (dB); photo: the l1 of who changes nothing; error: l1, by
    which the best model is chosen."""
    photos, pictures = halves(pairs)
    made = torch.cat([model.translate(batch).cpu() for batch in photos.split(16)])
    error = 2 * l1(made, pictures).mean().item()
    return {
        "validation_l1": error,
        "validation_psnr": psnr(made, pictures).mean().item(),
        "validation_photo": 2 * l1(photos, pictures).mean().item(),
        "validation_error": error,
    }
