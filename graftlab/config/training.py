"""The objective's weights, and everything else that decides the outcome of a training run."""

from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, Self

from graftlab.config.base import Config, require
from graftlab.config.stylegan2 import StyleGAN2Config
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
    projected: bool = False  # whether discriminators see the features of a frozen network (Sauer et al. 2021)
    teacher: str = "efficientnet-lite0"  # that network; its features are also what `features` compares
    texture: float = 0.0  # texture distance of hybrids, like with like; `projected` only, as are the rest
    structure: float = 0.0  # structure distance of hybrids
    recolour: float = 0.0  # share of the pictures whose structure is read under other colours
    code_noise: float = 0.0  # noise on the structure code in training, as a share of its length

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("l1", "gan", "gan_rec", "gan_mix", "patch", "features", "views", "r1", "patch_r1"), (0, 1e6)),
        **dict.fromkeys(("texture", "structure"), (0, 1e6)),
        **dict.fromkeys(("recolour", "code_noise"), (0, 1)),
        **dict.fromkeys(("r1_interval", "crops"), (1, 2**16)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self._pair("crop_scale")
        teaching = {name: getattr(self, name) for name in ("texture", "structure", "recolour", "code_noise")}
        if alone := [name for name, value in teaching.items() if value and not self.projected]:
            raise GraftError(f"{alone[0]} needs projected discriminators (--recipe projected).")
        require(0 < low <= high <= 1, f"crop_scale must rise from above 0 to at most 1, not {low} to {high}.")

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
        return self.gan > 0 or self.patch > 0


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

    r1: float = 1.0  # gamma of R1 at real pictures; `for_size` gives one that fits
    r1_interval: int = 16  # steps per R1 step
    path: float = 2.0  # path length regularisation; 0: none
    path_interval: int = 4  # steps per path length step
    path_decay: float = 0.01  # share of the latest lengths in their running mean
    mixing: float = 0.9  # share of pictures drawn with two latent vectors (StyleGAN, section 3.1)
    average_decay: float = 0.998  # of the mean of w, per step; truncation draws towards it
    projected: bool = False  # whether the discriminator sees the features of a frozen network; it has no R1
    teacher: str = "efficientnet-lite0"  # that network

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("r1", "path"), (0, 1e6)),
        **dict.fromkeys(("r1_interval", "path_interval"), (1, 2**16)),
        **dict.fromkeys(("path_decay", "mixing", "average_decay"), (0, 1)),
    }

    @property
    def name(self) -> str:
        """Its weights, for people."""
        return f"R1 {self.r1:g}, path length {self.path:g}, style mixing {self.mixing:g}"

    @classmethod
    def for_size(cls, size: int, batch: int) -> Self:
        """R1 by the rule of thumb of StyleGAN2-ADA: more for larger pictures, less for larger batches."""
        return cls(r1=0.0002 * size**2 / batch)


@dataclass(frozen=True)
class TrainConfig(Config):
    """Everything that decides the outcome of a training run; with the device, it is all one needs to repeat it."""

    network: Any  # the configuration of the networks
    recipe: Any  # the weights of their objective
    data: str  # the photos: folder, zip, LMDB or pack
    images: int = 500_000  # length of the run, in images seen
    batch: int = 16  # images per step, over all processes
    learning_rate: float = 0.002
    betas: tuple[float, float] = (0.0, 0.99)  # of Adam
    ema_halflife: int = 10_000  # images after which a weight's influence on the average has halved
    ema_rampup: float = 0.05  # the half-life is at most this share of the images seen
    precision: str = "bfloat16"  # of the ordinary steps; regularisation is always float32
    augment: tuple[str, ...] = ()  # what the discriminators see changed, by names of graftlab.training.augment
    crop: str = "short"  # how photos become squares: "resize", "short" or "random"
    mirror: bool = True  # flip half of the photos left to right
    holdout: float = 0.05  # share of the photos held out for validation
    seed: int = 0
    record_every: int = 1_000  # images between lines of stats.jsonl
    snapshot_every: int = 10_000  # images between sample sheets, validations and saved states
    keep_models: bool = False  # the model of every snapshot, in models/
    base: str = ""  # the model that is fine-tuned; none: from the start
    parent: str = ""  # its fingerprint

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("images", "ema_halflife", "record_every", "snapshot_every"), (1, inf)),
        "learning_rate": (1e-9, 1),
        "ema_rampup": (0, 1e6),
        "holdout": (0, 1),
        "seed": (0, 2**32 - 1),  # what the seeds of single steps are made of must fit 64 bits
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.batch >= 2 and self.batch % 2 == 0,
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
class SwappingTrainConfig(TrainConfig):
    """A run that trains a Swapping Autoencoder. Discriminators and generator take turns, each on new images."""

    network: SwappingConfig
    recipe: Recipe
    views: float = 0.0  # share of the photos that come with others of their scene (graftlab.data.views)
    shared_lights: bool = False  # views of equal name after the "@" have one light, whatever their scene
    side: int = 0  # of the training pictures, pixels; 0: the networks' size. Projected discriminators take any

    limits: ClassVar[dict[str, tuple[float, float]]] = {**TrainConfig.limits, "views": (0, 1), "side": (0, 2**14)}

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
class StyleTrainConfig(TrainConfig):
    """A run that trains a StyleGAN2. A step trains the discriminator on a batch, then the generator on as many."""

    network: StyleGAN2Config
    recipe: StyleRecipe
    learning_rate: float = 0.0025
    holdout: float = 0.0  # share held out; without any, samples are compared with training photos
    adapt: float = 0.6  # overfitting that augmentation is adapted to (ADA, r_t); 0: augment always
    adapt_images: int = 500_000  # images in which its probability can rise from 0 to 1
    frozen: int = 0  # blocks of the discriminator, from the picture on, that do not learn (FreezeD)

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **TrainConfig.limits,
        "adapt": (0, 0.99),
        "adapt_images": (1, inf),
        "frozen": (0, 12),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        group = self.network.discriminator_group
        require(
            self.batch % group == 0 or self.batch < group,
            f"batch must divide into groups of {group}, which the discriminator compares: not {self.batch}.",
        )
        require(self.network.classes == 0, "Training with classes is not supported; choose networks without (classes).")
        height, width = self.network.constant
        require(height == width, f"Training takes square pictures, and these networks make {height}:{width} ones.")
