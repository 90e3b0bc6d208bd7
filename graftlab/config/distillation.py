"""Sizes of a student, which redraws photos in one pass, and everything that decides how it is trained."""

from dataclasses import dataclass
from typing import Any, ClassVar

from graftlab.config.base import Config, require
from graftlab.config.training import TrainConfig


@dataclass(frozen=True)
class TranslatorConfig(Config):
    """A U-Net with residual blocks at its coarsest resolution, and the discriminators that judge it in training."""

    size: int  # side of the training pictures, pixels; other sizes work at test time
    width: int = 32  # channels at the pictures' resolution; they double with every halving
    most: int = 160  # most channels
    halvings: int = 3
    blocks: int = 4  # residual blocks at the coarsest resolution
    judges: int = 2  # patch discriminators, each at half the resolution of the one before
    judge_width: int = 32  # channels of their first layer

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "size": (8, 2**14),
        "width": (1, 2**10),
        "most": (1, 2**12),
        "halvings": (1, 8),
        "blocks": (0, 64),
        "judges": (1, 4),
        "judge_width": (1, 2**10),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = 8 * 2 ** (self.judges - 1)
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
class TranslationRecipe(Config):
    """Weights of the student's objective (pix2pixHD: Wang et al. 2018, section 3.2)."""

    l1: float = 10.0  # distance to the picture that it should draw
    gan: float = 1.0  # patch adversarial; 0: without discriminators
    matching: float = 10.0  # of their features, between the student's pictures and the true ones
    features: float = 0.0  # deep-feature distance (LPIPS-like)
    r1: float = 1.0  # R1 of the discriminators
    r1_interval: int = 16  # steps per R1 step

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        **dict.fromkeys(("l1", "gan", "matching", "features", "r1"), (0, 1e6)),
        "r1_interval": (1, 2**16),
    }

    @property
    def name(self) -> str:
        """Its weights, for people."""
        return f"L1 {self.l1:g}, adversarial {self.gan:g}, matching {self.matching:g}, deep {self.features:g}"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(max(self.l1, self.gan, self.features) > 0, "A student needs a loss: give l1, gan or features a weight.")


@dataclass(frozen=True)
class DistillConfig(TrainConfig):
    """A run that trains a student on pairs."""

    network: TranslatorConfig
    recipe: TranslationRecipe
    models: tuple[str, str] = ("", "")  # fingerprints of the base and the blend that drew the pairs

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
