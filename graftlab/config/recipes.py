"""Weights of the objectives, by name: what a training run minimises."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self, TypeVar

from graftlab.config.base import Config, Share, Steps, Weight, require, type_and_limits
from graftlab.errors import GraftError

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
    """That network: efficientnet-lite0, -lite1 or -lite2; its features are also what `features` compares."""
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
    structure: Weight = 1.0
    """Weight of the structure loss, in fine-tuning that holds coarse pictures to the base's."""
    average_decay: Share = 0.998
    """Decay of the mean of w, per step; truncation draws towards it."""
    projected: bool = False
    """Whether the discriminator sees the features of a frozen network; it has no R1."""
    teacher: str = "efficientnet-lite0"
    """That network: efficientnet-lite0, -lite1 or -lite2."""
    variety: Weight = 0.0
    """Weight of how far made pictures are from being as varied as real ones, by what that network sees."""

    former: ClassVar[Mapping[str, str]] = {"path": "path_length"}

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.projected or not self.variety, "variety needs a projected discriminator (--recipe projected).")

    @property
    def name(self) -> str:
        """Its weights, for people."""
        return f"R1 {self.r1:g}, path length {self.path_length:g}, style mixing {self.mixing:g}"

    @property
    def weights(self) -> dict[str, float]:
        """Of the objective's terms, by their names."""
        return {"D_real": 1.0, "D_fake": 1.0, "D_R1": self.r1, "G_GAN": 1.0} | {
            "G_path": self.path_length,
            "G_structure": self.structure,
            "G_variety": self.variety,
        }

    @classmethod
    def for_size(cls, size: float, batch: int) -> Self:
        """R1 by the rule of thumb of StyleGAN2-ADA: more for larger pictures, less for larger batches."""
        return cls(r1=0.0002 * size**2 / max(1, batch))  # a batch of 0 is refused by the run


STYLE_RECIPES = ("stylegan2", "projected")


def style_recipe(name: str, size: float, batch: int) -> StyleRecipe:
    """A recipe by name, for batches and pictures of a size: the root of their pixels, if they are no squares."""
    if name not in STYLE_RECIPES:
        raise GraftError(f"There is no recipe '{name}' of a StyleGAN; choose one of {', '.join(STYLE_RECIPES)}.")
    if name == "projected":
        return StyleRecipe(r1=0.0, path_length=0.0, projected=True)
    return StyleRecipe.for_size(size, batch)
