"""Every number that defines a network, an objective or a training run, in small frozen dataclasses.

A contradiction is refused at construction, in one sentence, so that a wrong option fails in a second and not after a
night. Each class goes to plain JSON and back (`to_dict`, `from_dict`), which is how weights travel with their
configuration.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from math import inf, log2
from typing import Any, ClassVar, Self

from graftlab.errors import GraftError


@dataclass(frozen=True)
class Config:
    """A dataclass that is JSON. Unknown fields are errors, never guesses; missing ones have their defaults."""

    limits: ClassVar[dict[str, tuple[float, float]]] = {}
    """Smallest and largest value of a field: a file may come from anybody, and must not ask for the impossible."""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, kind, value = field.name, field.type, getattr(self, field.name)
            if isinstance(kind, type):
                fits = isinstance(value, (int, float) if kind is float else kind)
                fits = fits and isinstance(value, bool) == (kind is bool)  # which Python counts among the whole numbers
                require(fits, f"{name} must be {KINDS.get(kind, kind.__name__)}, not {value!r:.40}.")
            if name in self.limits:
                low, high = self.limits[name]
                span = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
                require(low <= value <= high, f"{name} must be {span}, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        require(isinstance(values, Mapping), f"{cls.__name__} is made of named fields, not of {values!r:.40}.")
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(map(str, set(values) - set(known))):
            raise GraftError(f"{cls.__name__} has no field {', '.join(unknown)}; the file may be of a newer graftlab.")
        if missing := [name for name, field in known.items() if field.default is MISSING and name not in values]:
            raise GraftError(f"{cls.__name__} lacks {', '.join(missing)}; the file is incomplete.")
        values = dict(values)
        for name, field in known.items():
            if isinstance(field.type, type) and issubclass(field.type, Config):
                values[name] = field.type.from_dict(values[name])
        return cls(**values)

    def _pair(self, name: str) -> tuple[float, float]:
        """A field of two numbers, made a tuple: JSON brings a list."""
        value = getattr(self, name)
        numbers = isinstance(value, list | tuple) and [type(number) in (int, float) for number in value]
        require(numbers == [True, True], f"{name} must be two numbers, not {value!r:.40}.")
        object.__setattr__(self, name, tuple(value))
        return tuple(value)


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise GraftError(sentence)


@dataclass(frozen=True)
class SwappingConfig(Config):
    """A Swapping Autoencoder and its two discriminators (Park et al. 2020, appendix B).

    The defaults are the authors' networks at 256 px. Channel counts are what the capacities work out to, see
    `encoder_channels` and its neighbours.
    """

    size: int = 256  # side of the training pictures, pixels; other sizes work at test time
    structure_channels: int = 8  # Cs, channels of the structure code
    texture_channels: int = 2048  # Ct, length of the texture code
    downsamplings: int = 4  # halvings from picture to structure code; stride = 2 ** downsamplings
    texture_downsamplings: int = 2  # further halvings, unpadded, before the mean that gives the texture code
    encoder_capacity: float = 1.0  # factor on the encoder's channels
    encoder_growth: float = 2.0  # factor on the channels at each halving
    generator_capacity: float = 1.0  # factor on the generator's channels
    head_blocks: int = 2  # residual blocks at the structure code's resolution
    noise: bool = True  # noise in the upsampling blocks (the head blocks always have it)
    antialias: bool = True  # low-pass filters beside every change of resolution
    discriminator_capacity: float = 1.0  # factor on the image discriminator's channels
    discriminator_max_channels: int = 512  # upper limit of the same
    patch_size: int = 128  # side to which random crops are resized, pixels
    patch_capacity: float = 4.0  # factor on the patch discriminator's channels
    patch_max_channels: int = 384  # upper limit of the same
    patch_hidden: int = 2048  # width of the layers that compare two patches' features

    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "size": (1, 2**14),
        "structure_channels": (1, 2**12),
        "texture_channels": (1, 2**16),
        "downsamplings": (1, 8),
        "texture_downsamplings": (1, 8),
        "encoder_capacity": (0, 2**8),
        "encoder_growth": (0, 2**4),
        "generator_capacity": (0, 2**8),
        "head_blocks": (1, 2**6),
        "discriminator_capacity": (0, 2**8),
        "discriminator_max_channels": (1, 2**14),
        "patch_size": (8, 256),
        "patch_capacity": (0, 2**8),
        "patch_max_channels": (1, 2**14),
        "patch_hidden": (2, 2**14),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = self.smallest_grid * self.stride
        require(
            self.size % self.stride == 0,
            f"size {self.size} is not a multiple of {self.stride} (2 to the power of {self.downsamplings} "
            f"downsamplings); use {max(smallest, round(self.size / self.stride) * self.stride)}.",
        )
        require(
            self.size >= smallest,
            f"size {self.size} gives a structure code of {self.size // self.stride} cells a side, and the texture "
            f"branch needs {self.smallest_grid}; use at least {smallest}, or fewer downsamplings.",
        )
        require(
            self.patch_size in (8, 16, 32, 64, 128, 256),
            f"patch_size must be a power of two, not {self.patch_size}; use {2 ** round(log2(self.patch_size))}.",
        )
        depth = self.downsamplings
        channels = {
            "encoder_capacity": map(self.encoder_channels, range(depth + self.texture_downsamplings + 1)),
            "generator_capacity": map(self.generator_channels, range(depth + 1)),
            "discriminator_capacity": map(self.discriminator_channels, self.discriminator_resolutions),
            "patch_capacity": map(self.patch_channels, self.patch_resolutions),
        }
        for name, counts in channels.items():
            require(min(counts) >= 1, f"{name} {getattr(self, name)} leaves a layer without channels; raise it.")

    @property
    def stride(self) -> int:
        """Pixels per cell of the structure code."""
        return 2**self.downsamplings

    @property
    def smallest_grid(self) -> int:
        """Cells that survive the unpadded convolutions of the texture branch, per side."""
        return int(2 ** (self.texture_downsamplings + 1) - 1)

    def encoder_channels(self, halvings: int) -> int:
        """Channels of the encoder after so many halvings; never more than the texture code has."""
        return min(self.texture_channels, round(self.encoder_growth ** (5 + halvings) * self.encoder_capacity))

    def generator_channels(self, doublings: int) -> int:
        """Channels of the generator after so many doublings of the structure code's resolution."""
        return int(min(512, 128 * 2 ** (self.downsamplings - doublings)) * self.generator_capacity)

    def head_channels(self, block: int) -> int:
        """Output channels of a head block; they grow in equal steps towards the upsampling blocks."""
        return max(self.structure_channels, round((block + 1) / self.head_blocks * self.generator_channels(0)))

    def discriminator_channels(self, resolution: int) -> int:
        """Channels of the image discriminator at a resolution (StyleGAN2, table of config-f, with channel factor 2)."""
        if resolution <= 8:
            return self.discriminator_max_channels
        return min(self.discriminator_max_channels, int(1024 * self.discriminator_capacity * min(1, 32 / resolution)))

    @property
    def discriminator_resolutions(self) -> list[int]:
        """Input resolutions of the image discriminator's halving blocks, 8 px last."""
        return [2**i for i in range(round(log2(self.size)), 2, -1)]

    def patch_channels(self, resolution: int) -> int:
        """Channels of the patch discriminator at a resolution."""
        wide = int(1024 / resolution * self.patch_capacity)
        return min(self.patch_max_channels, wide) if resolution <= 16 else wide

    @property
    def patch_resolutions(self) -> list[int]:
        """Input resolutions of the patch discriminator's halving blocks, 8 px last."""
        return [2**i for i in range(round(log2(self.patch_size)), 2, -1)]

    def at(self, size: int) -> Self:
        """The same networks for another picture size; patches keep their share of the picture."""
        patch = 2 ** round(log2(max(8.0, self.patch_size * size / self.size)))
        return replace(self, size=size, patch_size=min(256, patch))


_SLIM = {"discriminator_max_channels": 128, "patch_max_channels": 128, "patch_hidden": 512}
_FFHQ1024 = {"size": 768, "generator_capacity": 0.8, "patch_size": 256}  # 768 px crops of 1024 px faces
# fmt: off
PRESETS: dict[str, SwappingConfig] = {
    "tiny": SwappingConfig(  # for tests: a step takes milliseconds
        size=32, downsamplings=2, texture_channels=16, encoder_capacity=0.125, generator_capacity=0.03125,
        discriminator_capacity=1 / 128, discriminator_max_channels=16,
        patch_size=8, patch_capacity=0.0625, patch_max_channels=16, patch_hidden=16),
    "small": SwappingConfig(  # 64 to 128 px, trained on a laptop overnight
        size=128, downsamplings=3, texture_channels=256, encoder_capacity=0.5, generator_capacity=0.25,
        discriminator_capacity=1 / 16, patch_size=32, patch_capacity=0.5, **_SLIM),  # type: ignore[arg-type]
    "small64": SwappingConfig(  # 64 px with as fine a structure code as `small` has at 128 px
        size=64, downsamplings=2, texture_channels=256, encoder_capacity=0.75, generator_capacity=0.25,
        discriminator_capacity=1 / 16, patch_size=16, patch_capacity=0.5, **_SLIM),  # type: ignore[arg-type]
    # the authors' releases
    "church256":   SwappingConfig(size=256),
    "bedroom256":  SwappingConfig(size=256),
    "afhq256":     SwappingConfig(size=256),
    "mountain512": SwappingConfig(size=512),
    "ffhq512":     SwappingConfig(size=512),
    "ffhq1024":    SwappingConfig(downsamplings=5, texture_channels=1536, encoder_capacity=0.4,
                                  **_FFHQ1024),  # type: ignore[arg-type]
    "ffhq1024-wide-structure": SwappingConfig(downsamplings=6, structure_channels=64, texture_channels=1024,
                                  encoder_growth=1.8, **_FFHQ1024),  # type: ignore[arg-type]
}
# fmt: on


def preset(name: str, size: int | None = None) -> SwappingConfig:
    """A preset by name, moved to another picture size if one is given."""
    if name not in PRESETS:
        raise GraftError(f"There is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name] if size is None else PRESETS[name].at(size)


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


PRECISIONS = ("float32", "bfloat16")
