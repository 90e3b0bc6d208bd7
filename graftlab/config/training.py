"""The objective's weights, and everything else that decides the outcome of a training run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Self, TypeVar

from graftlab.config.base import Config, Images, Seed, Share, Steps, Weight, Within, require, type_and_limits
from graftlab.config.stylegan2 import StyleGAN2Config
from graftlab.config.swapping import SwappingConfig
from graftlab.errors import GraftError

PRECISIONS = ("float32", "bfloat16")

RecipeT = TypeVar("RecipeT", bound=Config)


def reweigh(recipe: RecipeT, weights: Mapping[str, float]) -> RecipeT:
    """A recipe with other numbers. GraftError for a name that it does not have."""
    known = [field.name for field in fields(recipe) if type_and_limits(field.type)[0] is float]
    if unknown := [name for name in weights if name not in known]:
        raise GraftError(f"The recipe has no number '{unknown[0]}' (--weight); the names are {', '.join(known)}.")
    return replace(recipe, **weights)


@dataclass(frozen=True)
class Recipe(Config):
    """Weights of the objective's terms, and the random crops of the patch discriminator (appendix B.2)."""

    l1: Weight = 1.0
    """Weight of the reconstruction."""
    gan: Weight = 1.0
    """Weight of the image discriminator."""
    gan_rec: Weight = 0.5
    """Share of reconstructions in what the generator learns from it."""
    gan_mix: Weight = 1.0
    """Share of hybrids in that."""
    patch: Weight = 1.0
    """Weight of the patch discriminator."""
    features: Weight = 0.0
    """Weight of the deep-feature distance (LPIPS-like) of reconstructions and known hybrids."""
    views: Weight = 4.0
    """Weight of hybrids that are known; only in training with views."""
    r1: Weight = 10.0
    """R1 of the image discriminator."""
    patch_r1: Weight = 1.0
    """R1 of the patch discriminator."""
    r1_interval: Steps = 16
    """Discriminator steps per R1 step."""
    crops: Steps = 8
    """Patches per picture."""
    crop_scale: tuple[float, float] = (1 / 8, 1 / 4)
    """Range of a patch's sides, as a share of the picture's."""
    aggregate: bool = True
    """Compare with the mean over the reference's patches, not patch with patch."""
    projected: bool = False
    """Whether discriminators see the features of a frozen network (Sauer et al. 2021)."""
    teacher: str = "efficientnet-lite0"
    """That network; its features are also what `features` compares."""
    texture: Weight = 0.0
    """Weight of the texture distance of hybrids, like with like; `projected` only, as are the rest."""
    structure: Weight = 0.0
    """Weight of the structure distance of hybrids."""
    same: Weight = 0.0
    """Weight of how far structure codes of a scene's views are apart; only in training with views."""
    pair: Weight = 0.0
    """Weight of telling hybrids from the pictures that they should be; only in training with views."""
    recolour: Share = 0.0
    """Share of the pictures whose structure is read under other colours."""
    code_noise: Share = 0.0
    """Noise on the structure code in training, as a share of its length."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self._pair("crop_scale")
        teaching = ("texture", "structure", "same", "pair", "recolour", "code_noise")
        if alone := [name for name in teaching if getattr(self, name) and not self.projected]:
            raise GraftError(f"{alone[0]} needs projected discriminators (--recipe projected).")
        require(0 < low <= high <= 1, f"crop_scale must rise from above 0 to at most 1, not {low} to {high}.")

    @property
    def weights(self) -> dict[str, float]:
        """Of the objective's terms, by their names."""
        return {
            "G_L1": self.l1,
            "G_GAN_rec": self.gan_rec * self.gan,
            "G_GAN_mix": self.gan_mix * self.gan,
            "G_mix": self.patch,
            "G_features": self.features,
            "G_views": self.views,
            "G_view_features": self.features,
            "G_texture": self.texture,
            "G_structure": self.structure,
            "G_same": self.same,
            "G_pair": self.pair,
            "D_pair": self.pair,
            "D_real": self.gan,
            "D_rec": self.gan / 2,
            "D_mix": self.gan / 2,
            "D_R1": self.r1,
            "PatchD_real": self.patch,
            "PatchD_mix": self.patch,
            "PatchD_R1": self.patch_r1,
        }

    @property
    def name(self) -> str:
        """The name it goes by, or how it departs from the authors' recipe."""
        for name, known in RECIPES.items():
            if self == known:
                return name
        base = RECIPES["official"].to_dict()
        return "official, but " + ", ".join(
            f"{key} {value}" for key, value in self.to_dict().items() if value != base[key]
        )

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators have any say."""
        return self.gan > 0 or self.patch > 0 or self.pair > 0


RECIPES = {
    "official": Recipe(),  # what the authors' code does
    "paper": Recipe(gan_mix=0.5),  # what the paper's equations say
    "projected": Recipe(  # sharp in hours on two cores; textures move, not only colours
        projected=True,
        gan=0.2,
        gan_rec=1.0,
        patch=0.2,
        features=2.5,
        views=2.0,
        texture=2.0,
        structure=0.5,
        recolour=0.5,
        code_noise=0.1,
    ),
}


def recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise GraftError(f"There is no recipe '{name}'; choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]


@dataclass(frozen=True)
class StyleRecipe(Config):
    """Weights of StyleGAN2's regularisation, and how latent vectors are mixed (Karras et al. 2020)."""

    r1: Weight = 1.0
    """Gamma of R1 at real pictures."""
    r1_interval: Steps = 16
    """Steps per R1 step."""
    path_length: Weight = 2.0
    """Weight of path length regularisation; 0: none."""
    path_interval: Steps = 4
    """Steps per path length step."""
    path_decay: Share = 0.01
    """Share of the latest lengths in their running mean."""
    mixing: Share = 0.9
    """Share of pictures drawn of two latent vectors (style mixing: StyleGAN, section 3.1)."""
    average_decay: Share = 0.998
    """Decay of the mean of w, per step; truncation draws towards it."""
    projected: bool = False
    """Whether the discriminator sees the features of a frozen network; it has no R1."""
    teacher: str = "efficientnet-lite0"
    """That network."""

    former: ClassVar[Mapping[str, str]] = {"path": "path_length"}

    @property
    def name(self) -> str:
        """Its weights, for people."""
        return f"R1 {self.r1:g}, path length {self.path_length:g}, style mixing {self.mixing:g}"

    @property
    def weights(self) -> dict[str, float]:
        """Of the objective's terms, by their names."""
        return {"D_real": 1.0, "D_fake": 1.0, "D_R1": self.r1, "G_GAN": 1.0, "G_path": self.path_length}

    @classmethod
    def for_size(cls, size: int, batch: int) -> Self:
        """R1 by the rule of thumb of StyleGAN2-ADA: more for larger pictures, less for larger batches."""
        return cls(r1=0.0002 * size**2 / max(1, batch))  # a batch of 0 is refused by the run


STYLE_RECIPES = ("stylegan2", "projected")


def style_recipe(name: str, size: int, batch: int) -> StyleRecipe:
    """A recipe by name, for pictures and batches of a size."""
    if name not in STYLE_RECIPES:
        raise GraftError(f"There is no recipe '{name}' of a StyleGAN2; choose one of {', '.join(STYLE_RECIPES)}.")
    if name == "projected":
        return StyleRecipe(r1=0.0, path_length=0.0, projected=True)
    return StyleRecipe.for_size(size, batch)


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
    cutout, geometry."""
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
    """A run that trains a StyleGAN2. A step trains the discriminator on a batch, then the generator on as many."""

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
        require(self.network.classes == 0, "Training with classes is not supported; choose networks without (classes).")
        height, width = self.network.constant
        require(height == width, f"Training takes square pictures, and these networks make {height}:{width} ones.")
