"""Everything that decides the outcome of a training run, beside the weights of its objective."""

from dataclasses import dataclass
from typing import Annotated, Any

from graftlab.config.base import Config, Images, Seed, Share, Within, require
from graftlab.config.recipes import Recipe, StyleRecipe
from graftlab.config.stylegan2 import StyleGAN2Config
from graftlab.config.stylegan3 import StyleGAN3Config
from graftlab.config.swapping import SwappingConfig

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainConfig(Config):
    """Everything that decides the outcome of a training run; with the device, it is all one needs to repeat it."""

    network: Any
    """The configuration of the networks."""
    recipe: Any
    """The weights of their objective."""
    data: str
    """The photos: folder, zip, LMDB or pack."""
    images: Images = 500_000
    """Length of the run in images seen, such as 500k or 25M."""
    batch: Annotated[int, Within(2, 2**16)] = 16
    """Images per step, over all processes; an even number."""
    learning_rate: Annotated[float, Within(1e-9, 1)] = 0.002
    """Of Adam."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Of Adam."""
    ema_halflife: Images = 10_000
    """Images after which a weight's influence on the average has halved."""
    ema_rampup: Annotated[float, Within(0, 1e6)] = 0.05
    """The half-life is at most this share of the images seen."""
    precision: str = "bfloat16"
    """bfloat16 or float32, of the ordinary steps; regularisation is always float32."""
    augment: tuple[str, ...] = ()
    """Changes of photos before discriminators see them, for small folders, with commas between: colour, translation,
    cutout, geometry, flip, quarter, rotation, hue, luma, noise, filters."""
    crop: str = "short"
    """How photos become squares: short, resize or random."""
    mirror: bool = True
    """Flip half of the photos left to right."""
    holdout: Share = 0.05
    """Share of the photos held out for validation; without any, samples are compared with training photos."""
    seed: Seed = 0
    """Of weights, order, crops and latent vectors."""
    record_every: Images = 1_000
    """Images between lines of stats.jsonl."""
    snapshot_every: Images = 10_000
    """Images between sample sheets, validations and saved states."""
    keep_models: bool = False
    """Keep the model of every snapshot, in models/."""
    base: str = ""
    """The model that is fine-tuned; none: from the start."""
    parent: str = ""
    """Its fingerprint."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.batch % 2 == 0,
            f"batch must be an even number, for pictures are taken in pairs: not {self.batch}.",
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

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what training takes a batch of, pixels."""
        return self.network.size, self.network.size

    def sampling(self) -> dict[str, Any]:
        """How photos become training images, as `graftlab.data.TrainingImages` takes it."""
        names = ("crop", "mirror", "seed", "holdout")
        return {"size": self.network.size} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class TeachableConfig(TrainConfig):
    """A run whose teacher may be a phrase in the place of photos (StyleGAN-NADA, Gal et al. 2021)."""

    mirror_vertical: bool = False
    """Flip half of the photos upside down."""
    text: str = ""
    """What pictures are to become; none: photos teach."""
    neutral: str = ""
    """What they are without it, as day is to night."""
    text_model: str = ""
    """What reads the phrases."""
    cutouts: Annotated[int, Within(0, 64)] = 0
    """Random cut-outs through which it sees each picture, too, so that a stain in a corner does not please it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = bool(self.text), bool(self.neutral), bool(self.text_model)
        require(len(set(given)) == 1, "A phrase that teaches needs text, neutral and text_model; photos, none of them.")
        taught = self.text and self.recipe.projected
        require(not taught, "A recipe with projected discriminators needs photos; leave out text, or choose another.")

    def sampling(self) -> dict[str, Any]:
        return super().sampling() | {"mirror_vertical": self.mirror_vertical}


@dataclass(frozen=True)
class SwappingTrainConfig(TeachableConfig):
    """A run that trains a Swapping Autoencoder. Discriminators and generator take turns, each on new images."""

    network: SwappingConfig
    recipe: Recipe
    views: Share = 0.0
    """Share of the photos that are seen with another of their scene, as lake@dawn.jpg and lake@noon.jpg."""
    shared_lights: bool = False
    """hill@dawn.jpg has the light of lake@dawn.jpg, as in renderings; with --views."""
    side: Annotated[int, Within(0, 2**14)] = 0
    """Side of the training pictures, pixels, if not the networks' size (0); with --recipe projected."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side in (0, self.network.size):
            near = max(16, round(self.network.size / 16) * 16)
            require(
                not self.recipe.projected or self.network.size % 16 == 0,
                f"Projected discriminators see cells of 16 pixels, and {self.network.size} is no multiple of that; "
                f"use {near} (--size).",
            )
            return
        require(self.recipe.projected, f"side {self.side} needs projected discriminators (--recipe projected).")
        smallest = self.network.smallest_grid * self.network.stride
        require(
            self.side % 32 == 0 and self.side >= smallest,
            f"side must be a multiple of 32 from {smallest} up, not {self.side}.",
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.side or self.network.size, self.side or self.network.size

    def sampling(self) -> dict[str, Any]:
        size = self.side or self.network.size
        return super().sampling() | {"size": size, "views": self.views, "shared_lights": self.shared_lights}


@dataclass(frozen=True)
class StyleTrainConfig(TeachableConfig):
    """A run that trains a StyleGAN2, or another StyleGAN as one.

    A step trains the discriminator on a batch, then the generator on as many."""

    network: StyleGAN2Config
    recipe: StyleRecipe
    learning_rate: Annotated[float, Within(1e-9, 1)] = 0.0025
    holdout: Share = 0.0
    adapt: Annotated[float, Within(0, 0.99)] = 0.6
    """Overfitting that augmentation is adapted to (ADA, r_t); 0: augment always."""
    adapt_images: Images = 500_000
    """Images in which its probability can rise from 0 to 1."""
    frozen: Annotated[int, Within(0, 12)] = 0
    """Blocks of the discriminator, from the picture on, that do not learn (FreezeD)."""
    frozen_generator: Annotated[int, Within(0, 12)] = 0
    """Blocks of the generator, from the coarsest on, that do not learn, nor does the mapping network (FreezeG)."""
    structure_blocks: Annotated[int, Within(0, 12)] = 0
    """Blocks of the generator, from the coarsest on, whose pictures are held to the base's (structure loss)."""
    adapt_from: Share = 0.0
    """Probability with which augmentation that is adapted begins."""
    classes: tuple[str, ...] = ()
    """Names of the classes of a conditional model, in order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        group = self.network.discriminator_group
        require(
            self.batch % group == 0 or self.batch < group,
            f"batch must divide into groups of {group}, which the discriminator compares: not {self.batch}.",
        )
        require(
            not (self.frozen and self.recipe.projected),
            "--frozen is for a discriminator of pictures; leave it out with --recipe projected.",
        )
        blocks = len(self.network.channels)
        require(
            self.frozen_generator < blocks,
            f"Of the generator's {blocks} blocks one must learn; freeze fewer than {self.frozen_generator}.",
        )
        require(
            self.structure_blocks <= blocks,
            f"The generator has {blocks} blocks, not {self.structure_blocks} (--structure-blocks).",
        )
        require(
            bool(self.base and not self.text) or not self.structure_blocks,
            "--structure-blocks holds a model to the one it is fine-tuned from, with photos; leave it out.",
        )
        require(self.adapt > 0 or not self.adapt_from, "--adapt-from is for augmentation that is adapted (--adapt).")
        named = isinstance(self.classes, list | tuple) and all(isinstance(name, str) for name in self.classes)
        require(named, f"classes must be a list of names, not {self.classes!r:.40}.")
        object.__setattr__(self, "classes", tuple(self.classes))
        require(
            self.network.classes == len(self.classes),
            f"Networks of {self.network.classes} classes learn from photos of as many, not of {len(self.classes)}.",
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.network.resolutions[-1]

    def sampling(self) -> dict[str, Any]:
        return super().sampling() | {"size": self.shape, "classes": () if self.text else self.classes}


@dataclass(frozen=True)
class StyleGAN3TrainConfig(StyleTrainConfig):
    """A run that trains a StyleGAN3 on, by the same steps."""

    network: StyleGAN3Config  # type: ignore[assignment]  # which tells all of StyleGAN2's that the steps ask for

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            not self.structure_blocks,
            "--structure-blocks is for a StyleGAN2, whose blocks each draw a picture; leave it out.",
        )
