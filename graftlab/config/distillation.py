"""From a StyleGAN2 and its blend to a student that redraws photos in one pass: pairs, sizes, and training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from graftlab.config.base import Config, Images, Seed, Steps, Weight, Within, require
from graftlab.config.training import TrainConfig


@dataclass(frozen=True)
class PairsConfig(Config):
    """Which w the pairs are of."""

    seed: Seed = 0
    """Of the pairs."""
    psi: tuple[float, float] = (0.5, 1.0)
    """Truncation, drawn evenly from this range for each pair."""
    keep: Annotated[float, Within(0.01, 1)] = 0.9
    """Share of the base's w that may become a pair, those nearest to the mean; 1: all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self._pair("psi")
        require(0 <= low <= high <= 2, f"psi must rise within 0 and 2, not {low:g} to {high:g}.")


@dataclass(frozen=True)
class TranslatorConfig(Config):
    """A U-Net with residual blocks at its coarsest resolution, and the discriminators that it is trained with."""

    size: Annotated[int, Within(8, 2**14)]
    """Side of the training pictures, pixels; other sizes work at test time."""
    width: Annotated[int, Within(1, 2**10)] = 32
    """Channels of the student at the pictures' resolution; they double with every halving."""
    most: Annotated[int, Within(1, 2**12)] = 160
    """Most channels."""
    halvings: Annotated[int, Within(1, 8)] = 3
    """Halvings of the resolution."""
    blocks: Annotated[int, Within(0, 64)] = 4
    """Its residual blocks at the coarsest resolution."""
    discriminators: Annotated[int, Within(1, 4)] = 2
    """Patch discriminators, each at half the resolution of the one before."""
    discriminator_width: Annotated[int, Within(1, 2**10)] = 32
    """Channels of their first layer."""

    former: ClassVar[Mapping[str, str]] = {"judges": "discriminators", "judge_width": "discriminator_width"}

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = 8 * 2 ** (self.discriminators - 1)
        require(
            self.size % self.stride == 0 and self.size >= smallest,
            f"size must be a multiple of {self.stride} from {smallest} up, not {self.size}.",
        )

    @property
    def stride(self) -> int:
        """Pixels per cell of the coarsest resolution."""
        return int(2**self.halvings)

    @property
    def widths(self) -> list[int]:
        """Channels at each resolution, from the pictures' down."""
        return [min(self.most, self.width * 2**level) for level in range(self.halvings + 1)]


@dataclass(frozen=True)
class DistillRecipe(Config):
    """Weights of the student's objective (pix2pixHD: Wang et al. 2018, section 3.2)."""

    l1: Weight = 10.0
    """Weight of the distance to the blend's pictures."""
    gan: Weight = 1.0
    """Weight of the patch discriminators; 0: without any."""
    matching: Weight = 10.0
    """Weight of the distance of their features."""
    features: Weight = 0.0
    """Weight of the deep-feature distance (LPIPS-like)."""
    r1: Weight = 1.0
    """R1 of the discriminators."""
    r1_interval: Steps = 16
    """Steps per R1 step."""

    @property
    def name(self) -> str:
        """Its weights, for people."""
        return f"L1 {self.l1:g}, adversarial {self.gan:g}, matching {self.matching:g}, deep {self.features:g}"

    @property
    def weights(self) -> dict[str, float]:
        """Of the objective's terms, by their names."""
        generator = {"G_L1": self.l1, "G_GAN": self.gan, "G_matching": self.matching, "G_features": self.features}
        return generator | {"D_real": self.gan, "D_fake": self.gan, "D_R1": self.r1}

    def __post_init__(self) -> None:
        super().__post_init__()
        require(max(self.l1, self.gan, self.features) > 0, "A student needs a loss: give l1, gan or features a weight.")


@dataclass(frozen=True)
class DistillConfig(TrainConfig):
    """A run that trains a student on pairs."""

    network: TranslatorConfig
    recipe: DistillRecipe
    images: Images = 200_000
    models: tuple[str, str] = ("", "")
    """Fingerprints of the base and the blend that drew the pairs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        named = isinstance(self.models, list | tuple) and [type(name) for name in self.models] == [str, str]
        require(named, f"models must be two fingerprints, not {self.models!r:.40}.")
        object.__setattr__(self, "models", tuple(self.models))

    @property
    def shape(self) -> tuple[int, int]:
        return 2 * self.network.size, self.network.size

    def sampling(self) -> dict[str, Any]:
        return super().sampling() | {"paired": True}
