"""The objective's weights, and everything else that decides the outcome of a training run."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from graftlab.config.base import Config, require
from graftlab.config.swapping import SwappingConfig
from graftlab.errors import GraftError

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe(Config):
    """Weights of the objective's terms, and the random crops of the patch discriminator (appendix B.2)."""

    l1: float = 1.0  # reconstruction
    gan: float = 1.0  # image adversarial, as a whole
    gan_rec: float = 0.5  # share of reconstructions in the generator's image adversarial term
    gan_mix: float = 1.0  # share of hybrids in it
    patch: float = 1.0  # patch adversarial
    features: float = 0.0  # deep-feature distance of reconstructions and known hybrids (LPIPS-like)
    views: float = 4.0  # hybrids that are known; only in training with views
    r1: float = 10.0  # R1 of the image discriminator
    patch_r1: float = 1.0  # R1 of the patch discriminator
    r1_interval: int = 16  # discriminator steps per R1 step
    crops: int = 8  # patches per picture
    crop_scale: tuple[float, float] = (1 / 8, 1 / 4)  # range of a patch's sides, as a share of the picture's
    aggregate: bool = True  # compare with the mean over the reference's patches, not patch with patch

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("l1", "gan", "gan_rec", "gan_mix", "patch", "features", "views", "r1", "patch_r1"), (0, 1e6)),
        **dict.fromkeys(("r1_interval", "crops"), (1, 2**16)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self._pair("crop_scale")
        require(0 < low <= high <= 1, f"crop_scale must rise from above 0 to at most 1, not {low} to {high}.")

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators have any say."""
        return self.gan > 0 or self.patch > 0


RECIPES = {
    "official": Recipe(),  # what the authors' code does
    "paper": Recipe(gan_mix=0.5),  # what the paper's equations say
}


def recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise GraftError(f"There is no recipe '{name}'; choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


@dataclass(frozen=True)
class TrainConfig(Config):
    """Everything that decides the outcome of a training run; with the device, it is all one needs to repeat it."""

    network: SwappingConfig
    recipe: Recipe
    data: str  # the photos: folder, zip, LMDB or pack
    images: int = 500_000  # length of the run, in images seen by discriminators and generator together
    batch: int = 16  # images per step, over all processes
    learning_rate: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)  # of Adam
    ema_halflife: int = 10_000  # images after which a weight's influence on the average has halved
    ema_rampup: float = 0.05  # the half-life is at most this share of the images seen
    precision: str = "bfloat16"  # of the ordinary steps; R1 is always float32
    augment: tuple[str, ...] = ()  # what the discriminators see changed: of "colour", "translation", "cutout"
    crop: str = "short"  # how photos become squares: "resize", "short" or "random"
    mirror: bool = True  # flip half of the photos left to right
    views: float = 0.0  # share of the photos that come with others of their scene (graftlab.data.views)
    shared_lights: bool = False  # views of equal name after the "@" have one light, whatever their scene
    holdout: float = 0.05  # share of the photos held out for validation
    seed: int = 0
    record_every: int = 1_000  # images between lines of stats.jsonl
    snapshot_every: int = 10_000  # images between sample sheets, validations and saved states

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("images", "ema_halflife", "record_every", "snapshot_every"), (1, inf)),
        "learning_rate": (1e-9, 1),
        "ema_rampup": (0, 1e6),
        "holdout": (0, 1),
        "views": (0, 1),
        "seed": (0, 2**32 - 1),  # what the seeds of single steps are made of must fit 64 bits
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.batch >= 2 and self.batch % 2 == 0,
            f"batch must be an even number, for swapping in pairs: not {self.batch}.",
        )
        low, high = self._pair("betas")
        require(0 <= low < 1 and 0 <= high < 1, f"betas must be from 0 to below 1, not {low} and {high}.")
        named = isinstance(self.augment, list | tuple) and all(isinstance(name, str) for name in self.augment)
        require(named, f"augment must be a list of names, not {self.augment!r:.40}.")
        object.__setattr__(self, "augment", tuple(self.augment))
        require(
            self.precision in PRECISIONS,
            f"precision must be one of {', '.join(PRECISIONS)}, not '{self.precision}'.",
        )
