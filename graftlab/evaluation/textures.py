"""Does a model swap textures, or only colours? Figures that a change of colours alone cannot make better.

A hybrid is held against the best that a global function of colours makes of the structure's reconstruction: what that
function leaves is what came along beside the colours. Surfaces are compared in grey, where colours count for nothing,
by a network that nothing was trained with: the judge.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.figures.tables import Table
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import self_similarity, sliced_wasserstein
from graftlab.perception.efficientnet import JUDGE, LITE
from graftlab.perception.features import FeatureNetwork, Features

DETAIL = 3 / 16  # of the sampling rate: what is finer is detail
SURFACE = 1 / 8  # of the sampling rate: what is finer is a surface, not a form
FAINT = 1e-7  # energy: less than a tenth of what rounding to 8 bits adds, so that only flat pictures have less
DIRECTIONS = 64  # on which each map's features are projected
SEED = 0  # of the directions, the same for all measurements
AT_ONCE = 16 * 256**2  # pixels that go through the judge at a time

ROWS = {
    "detail": "detail kept ↑",
    "colours": "share of a colour map ↓",
    "came along": "texture that came along ↑",
    "grey texture": "grey texture ratio ↓",
    "structure": "structure distance ↓",
}
NOTE = (
    "Detail: energy above 3/16 of the sampling rate, of the structure's photo's. Colour map: share of the variance "
    "that a quadratic function of the colours of the structure's reconstruction explains; 1 is a change of colours "
    "only. Texture that came along: what that leaves, above 1/8 of the sampling rate, of the texture's photo's. Grey "
    "texture: distance of surfaces to the texture's photo, of the reconstruction's; 1 keeps its own. Structure: "
    "distance of self-similarities to the structure's photo. The last two are the judge's, at the pictures' own size."
)


def judge_network(choice: str = JUDGE, device: str = "cpu") -> FeatureNetwork:
    """A network that sees pictures at their own size, with maps at strides of 4, 8 and 16 pixels.

    GraftError for others, and where the package of its weights is missing."""
    if choice not in LITE:
        raise GraftError(f"A judge sees pictures at their own size: one of {', '.join(LITE)}, not '{choice}'.")
    return feature_network(choice, device)


# -- one value per picture ---------------------------------------------------------------------------------------------


def energy(images: Tensor, above: float) -> Tensor:
    """Mean square of what a picture's grey has above a share of the sampling rate, from 0 to 1/2: (N,), float64.

    Pictures (N, 3, H, W) in [-1, 1]. By Parseval's theorem all frequencies but the constant add up to the variance."""
    grey = images.double().mean(1)
    height, width = grey.shape[1:]
    power = torch.fft.fft2(grey, norm="forward").abs().square()
    down, across = (torch.fft.fftfreq(side, dtype=torch.float64, device=images.device) for side in (height, width))
    return (power * (down[:, None].square() + across.square() > above**2)).sum((1, 2))


def detail(made: Tensor, originals: Tensor) -> Tensor:
    """Share of the originals' detail that pictures (N, 3, H, W) have: (N,); 0 is flat, 1 as much, more is noise."""
    return energy(made, DETAIL) / energy(originals, DETAIL).clamp(min=FAINT)


def colour_map(hybrids: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
    """How much of hybrids (N, 3, H, W), on the CPU, is the plain pictures with other colours.

    The best function of a pixel's colour, quadratic and the same everywhere in a picture, by least squares. Returns the
    share of the hybrid's variance that it explains (N,), 0 to 1, and what it leaves (N, 3, H, W), both float64."""
    shares, rests = [], []
    for hybrid, picture in zip(hybrids.flatten(2).mT.double(), plain.flatten(2).mT.double(), strict=True):
        r, g, b = picture.T
        terms = torch.stack([torch.ones_like(r), r, g, b, r * r, g * g, b * b, r * g, r * b, g * b], 1)
        rest = hybrid - terms @ torch.linalg.lstsq(terms, hybrid, driver="gelsd").solution
        variance = (hybrid - hybrid.mean(0)).square().sum()
        shares.append(1 - rest.square().sum() / variance.clamp(min=FAINT))
        rests.append(rest.mT)
    return torch.stack(shares), torch.stack(rests).unflatten(2, hybrids.shape[2:])


def came_along(rest: Tensor, textures: Tensor) -> Tensor:
    """Energy of surfaces in what the colour map leaves, as a share of that of the textures' pictures: (N,)."""
    return energy(rest, SURFACE) / energy(textures, SURFACE).clamp(min=FAINT)


def surfaces_apart(a: Sequence[Tensor], b: Sequence[Tensor], directions: Sequence[Tensor]) -> Tensor:
    """How much surfaces differ, wherever they are: (N,), 0 for equal ones.

    Maps from fine to coarse, directions (K, C) of unit length for each: their sliced Wasserstein distances, added."""
    each = zip(a, b, directions, strict=True)
    return torch.stack([sliced_wasserstein(x.flatten(2), y.flatten(2), lines) for x, y, lines in each]).sum(0)


def directions(maps: Sequence[Tensor], seed: int = SEED) -> list[Tensor]:
    """Random directions (DIRECTIONS, C) of unit length for maps (N, C, h, w); a function of the seed."""
    generator = torch.Generator().manual_seed(seed)
    return [F.normalize(torch.randn(DIRECTIONS, x.shape[1], generator=generator), dim=1) for x in maps]


# -- many pictures -----------------------------------------------------------------------------------------------------


class Textures:
    """The figures of hybrids, collected batch by batch."""

    def __init__(self, judge: FeatureNetwork) -> None:
        self.judge = judge
        self.values: dict[str, list[float]] = {}

    def add(
        self,
        hybrids: Tensor,  # (N, 3, H, W) in [-1, 1], as all of these
        plain: Tensor,  # the structures' reconstructions, or the structures themselves where nothing is lost
        structures: Tensor,
        textures: Tensor,
    ) -> None:
        hybrids, plain = hybrids.clamp(-1, 1), plain.clamp(-1, 1)
        share, rest = colour_map(hybrids, plain)
        self._keep("detail", detail(hybrids, structures))
        self._keep("colours", share)
        self._keep("came along", came_along(rest, textures))
        self._judged(self._of_swaps, hybrids, plain, structures, textures)

    def add_reconstructions(self, plain: Tensor, originals: Tensor) -> None:
        """Pictures beside what they were made of."""
        self._keep("detail", detail(plain.clamp(-1, 1), originals))
        self._judged(self._of_structure, plain.clamp(-1, 1), originals)

    def figures(self) -> dict[str, float]:
        """Means by the names of ROWS, as far as they were measured; of grey texture the ratio of the sums."""
        means = {name: fmean(values) for name, values in self.values.items()}
        if "plain surfaces" in means:
            means["grey texture"] = means["surfaces"] / max(means["plain surfaces"], 1e-9)
        return {name: means[name] for name in ROWS if name in means}

    def _keep(self, name: str, values: Tensor) -> None:
        self.values.setdefault(name, []).extend(values.tolist())

    def _judged(self, measure: Callable[..., None], *pictures: Tensor) -> None:
        """Few pictures at a time, since large ones take much memory at their own size."""
        height, width = pictures[0].shape[2:]
        for batch in zip(*(x.split(max(1, AT_ONCE // (height * width))) for x in pictures), strict=True):
            measure(*batch)

    def _of_swaps(self, hybrids: Tensor, plain: Tensor, structures: Tensor, textures: Tensor) -> None:
        self._of_structure(hybrids, structures)
        made, kept, wanted = (self._surfaces(x) for x in (hybrids, plain, textures))
        lines = directions(wanted)
        self._keep("surfaces", surfaces_apart(made, wanted, lines))
        self._keep("plain surfaces", surfaces_apart(kept, wanted, lines))

    def _of_structure(self, made: Tensor, originals: Tensor) -> None:
        self._keep("structure", self_similarity(self._seen(made).middle, self._seen(originals).middle))

    def _surfaces(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps of a stride of 4 and 8 pixels, in grey."""
        return self._seen(images.mean(1, keepdim=True).expand_as(images)).maps[:2]

    @torch.no_grad()
    def _seen(self, images: Tensor) -> Features:
        """Features at the pictures' own size; of pictures that are no squares, at their short side."""
        seen = self.judge.seen(images.to(self.judge.device).float(), min(images.shape[2:]))
        return Features(tuple(maps.cpu() for maps in seen.maps), seen.pooled.cpu())


def table(figures: dict[str, dict[str, float]]) -> Table:
    """Figure by figure, of the hybrids and of what they are compared with."""
    of = list(next(iter(figures.values())))
    rows = [(ROWS[name], [values.get(column) for column in of]) for name, values in figures.items()]
    return Table("Textures, or only colours", of, rows, NOTE)


def side_by_side(**measured: Textures) -> dict[str, dict[str, float]]:
    """Figures by name, then by what they were measured of."""
    of = {name.replace("_", " "): one.figures() for name, one in measured.items()}
    return {row: {name: figures[row] for name, figures in of.items() if row in figures} for row in ROWS}
