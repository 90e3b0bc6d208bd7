"""Walks: from picture to picture through their codes.

    way = through([encode(path) for path in paths], "spline", closed=True)  # codes at every share of the film
    film = from_way(Renderer(model), way, 240, Fraction(24), closed=True)

Ways are made of ways: `truncating`, `moving` and `holding` change what another gives, as a StyleGAN's
codes allow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import pi
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.editing.blends import slerp, spherical
from graftlab.editing.directions import Directions
from graftlab.errors import GraftError
from graftlab.networks.model import Decoder
from graftlab.networks.style import StyleGAN
from graftlab.video.curves import Curve
from graftlab.video.easing import between, easing
from graftlab.video.films.drawing import Way, check_finite

CodesT = TypeVar("CodesT", bound=Codes)
StyleWay = Callable[[float], StyleCodes]
Path = Literal["linear", "spherical", "spline"]
Pair = tuple[float, float]
TURNS = {"circle": 1, "noise": 4}
"""Paths that leave a picture and come back: how often the fastest of the circles that they are made of goes round."""
PACES = 10_001  # places along a film at which a pace is measured
DECIMALS = 9  # of a place on the way, so that rounding does not miss a key


# -- from key to key --------------------------------------------------------------------------------------------------


def through(
    keys: Sequence[CodesT],  # one picture each
    path: Path = "linear",
    closed: bool = False,  # back to the first key in the end
    ease: str = "linear",  # from key to key
    parts: Sequence[str] = (),  # what changes; the rest stays as in the first key; empty: everything
) -> Callable[[float], CodesT]:
    """The way through the codes of several pictures, all of which it meets, at even distances in time.

    "linear" goes straight, "spherical" along great circles, "spline" on a smooth curve. GraftError for fewer than two
    keys, for codes of different size, kind or model, and for an unknown path or easing."""
    place, first = leg(len(keys), closed, ease), keys[0]
    if path not in get_args(Path):
        raise GraftError(f"There is no path '{path}', only {', '.join(get_args(Path))}.")
    if path == "spherical" and not isinstance(first, SwapCodes):
        raise GraftError("Great circles are for seeds and for codes of pictures; these codes take another path.")
    parts = parts or first.parts
    keys = [first.mix(key, **dict.fromkeys(parts, 1)) for key in keys]
    Codes.cat(keys)  # refuses what does not go together

    def way(share: float) -> CodesT:
        begin, within = place(share)
        if path == "spline":
            mixed = _sum(spline(within), [_key(keys, begin + i, closed) for i in (-1, 0, 1, 2)])
            return first.mix(mixed, **dict.fromkeys(parts, 1))
        a, b = keys[begin], keys[(begin + 1) % len(keys)]
        if path == "linear":
            return a.mix(b, **dict.fromkeys(parts, within))
        turn: Callable[..., Any] = spherical
        return turn(a, b, within, *parts)

    return way


def leg(count: int, closed: bool, ease: str = "linear") -> Callable[[float], tuple[int, float]]:
    """Share of the film to the number of the key that was met last, and the eased share of the leg to the next."""
    if count < 2:
        what = "A loop" if closed else "A walk"
        raise GraftError(f"{what} needs two keyframes or more, not {count}; name more pictures, codes or seeds.")
    curve, legs = easing(ease), count if closed else count - 1

    def place(share: float) -> tuple[int, float]:
        far = round((share % 1 if closed else share) * legs, DECIMALS)
        begin = min(int(far), legs - 1)
        return begin, curve(far - begin)

    return place


def spline(share: float) -> tuple[float, float, float, float]:
    """Weights of four keys in a row, on the way from the second to the third (Catmull and Rom 1974)."""
    t, tt, ttt = share, share**2, share**3
    return ((2 * tt - t - ttt) / 2, (2 - 5 * tt + 3 * ttt) / 2, (t + 4 * tt - 3 * ttt) / 2, (ttt - tt) / 2)


def _key(keys: Sequence[CodesT], index: int, closed: bool) -> CodesT:
    """A key, or one beyond the ends of an open way: as if it came from there straight on."""
    last = len(keys) - 1
    if closed or 0 <= index <= last:
        return keys[index % len(keys)]
    end, neighbour = (0, 1) if index < 0 else (last, last - 1)
    return 2 * keys[end] - keys[neighbour]


def _sum(weights: Sequence[float], codes: Sequence[CodesT]) -> CodesT:
    total = weights[0] * codes[0]
    for weight, other in zip(weights[1:], codes[1:], strict=True):
        total = total + weight * other
    return total


# -- circles ----------------------------------------------------------------------------------------------------------


def circle(codes: Codes, directions: Directions, radius: float = 1.0, seed: int = 0, turns: int = 1) -> Way:
    """A closed way: a circle through these codes, in a plane picked by `seed` among the directions.

    With more than one of `turns` it is a noise loop, the `circles` of so many planes together, which wanders about.
    `radius` in standard deviations of the textures that the directions were found in."""
    check_finite(radius=radius)
    planes = torch.randn(turns, 2, len(directions), generator=torch.Generator().manual_seed(seed))
    axes = radius * planes / planes.norm(dim=2, keepdim=True)

    def way(share: float) -> Codes:
        gains = circles(axes, share) - circles(axes, 0)
        return directions.apply(codes, dict(zip(directions.names, gains.tolist(), strict=True)))

    return way


def circles(axes: Tensor, share: float) -> Tensor:
    """A point (C,) on the sum of circles in planes of two axes each (turns, 2, C), of which the first is gone round
    once and every next one once more, and is smaller in proportion.

    The squares of the sizes sum to 1, so where axes are samples of a normal distribution, all points are."""
    turns = torch.arange(1, len(axes) + 1)
    sizes, angles = 1 / turns / (1 / turns).norm(), 2 * pi * share * turns
    return torch.einsum("t,ta,tac->c", sizes, torch.stack([angles.cos(), angles.sin()], 1), axes)


def latent_circle(mapped: Callable[[Tensor], StyleCodes], z: Tensor) -> StyleWay:
    """A closed way: the circle through two latent vectors z (2, Cz) of a StyleGAN2 and their opposites.

    Of more vectors (2 * turns, Cz) it is a noise loop, as of `circles`. Every point on it is as likely a sample as
    those are. `mapped` is the model's `map`."""
    axes = z.unflatten(0, (-1, 2))
    return lambda share: mapped(circles(axes, share)[None])


def latent_walk(
    mapped: Callable[[Tensor], StyleCodes], z: Tensor, closed: bool = False, ease: str = "linear"
) -> StyleWay:
    """Along great circles through latent vectors z (N, Cz) of a StyleGAN2. `mapped` is the model's `map`."""
    place = leg(len(z), closed, ease)

    def way(share: float) -> StyleCodes:
        begin, within = place(share)
        return mapped(slerp(z[begin : begin + 1], z[(begin + 1) % len(z)][None], within))

    return way


def through_seeds(
    model: StyleGAN,
    seeds: Sequence[int],
    path: str = "linear",  # or "spline", both in w; "spherical" in z; "circle" or "noise", of two seeds for each turn
    closed: bool = False,
    ease: str = "linear",  # from key to key
    psi: tuple[float, float] | Curve = (0.7, 0.7),  # truncation, from and to, in a closed way and back; or over time
    pace: Curve = float,  # share of the film to share of the way (`pacing`)
    label: int | str | tuple[int | str, int | str] | None = None,  # class, or from one to another, in a loop also back
) -> StyleWay:
    """The way through numbered latent vectors. GraftError for seeds that do not make such a path."""
    if isinstance(label, tuple):
        first, second = (through_seeds(model, seeds, path, closed, ease, psi, pace, each) for each in label)
        share_of = between(0, 1, and_back=closed)
        return lambda share: first(share).mix(second(share), w=share_of(share))
    mapped = partial(model.map, labels=label)
    if path == "circle" and len(seeds) != 2:
        raise GraftError(f"A circle goes through two seeds, not {len(seeds)} (--seeds 1,2).")
    if path in TURNS and len(seeds) % 2:
        raise GraftError(f"Noise is made of two seeds for each turn, not of {len(seeds)} in all (--seeds 1-8).")
    if path in TURNS:
        way = latent_circle(mapped, model.latents(seeds).float())
    elif path == "spherical":
        way = latent_walk(mapped, model.latents(seeds).float(), closed, ease)
    else:
        codes = model.codes_of(seeds, labels=label)
        way = through([codes[i] for i in range(len(codes))], path, closed, ease)  # type: ignore[arg-type]
    average = model.codes_of([0], psi=0, labels=label)
    return truncating(paced(way, pace), average, psi if callable(psi) else between(*psi, and_back=closed))


def pacing(curve: Curve) -> Curve:
    """How far a way is gone along at a pace: the share of the curve's area that lies before a share of the film.

    GraftError for a pace that is below 0 anywhere, or 0 everywhere."""
    shares = np.linspace(0, 1, PACES)
    paces = np.array([curve(share) for share in shares])
    gone = np.concatenate([[0], np.cumsum((paces[1:] + paces[:-1]) / 2)])
    if paces.min() < 0 or gone[-1] <= 0:
        raise GraftError(
            "A pace is 0 or more, and not always 0 (--pace): draw it so, as 0=0.2,1=1, or give a file's range before "
            "it, as 0.2:1:FILE."
        )
    return lambda share: float(np.interp(share, shares, gone / gone[-1]))


def paced(way: Callable[[float], CodesT], gone: Curve) -> Callable[[float], CodesT]:
    """The way, of which so much is gone after a share of the film (`pacing`)."""
    return lambda share: way(gone(share))


# -- ways of ways, for a StyleGAN -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """How a way is gone, and what of a StyleGAN's pictures stays or moves meanwhile."""

    pace: Curve | None = None  # how fast, over time: 0 or more; None: evenly
    hold: Sequence[int] = ()  # rows of w that stay as they are at the beginning
    turn: tuple[float, float] | None = None  # degrees anticlockwise, from and to, of what a StyleGAN3 draws
    shift: tuple[Pair, Pair] | None = None  # right and down, in pictures, at first and at last

    @property
    def moves(self) -> bool:
        """Whether the pictures move even if the codes stay."""
        return self.turn is not None or self.shift is not None

    @property
    def gone(self) -> Curve:
        """Share of the film to share of the way."""
        return pacing(self.pace) if self.pace else float

    def on(self, way: Callable[[float], Any], model: Decoder[Any], closed: bool = False) -> Callable[[float], Any]:
        """The way with what stays and what moves. GraftError for a model or codes that do not allow it."""
        if self.hold:
            way = holding(way, self._held)
        if self.moves:
            if not isinstance(model, StyleGAN):
                raise GraftError("Turns and shifts (--rotate, --translate) are for a StyleGAN3; leave them out.")
            start, end = self.shift or ((0, 0), (0, 0))
            way = moving(way, model, self.turn or (0, 0), start, end, closed)
        return way

    def _held(self, codes: StyleCodes, held: StyleCodes) -> StyleCodes:
        if not isinstance(codes, StyleCodes):
            raise GraftError(
                "Layers are held of a StyleGAN's codes (--hold-layers); leave that out, or hold a part with --what."
            )
        return codes.style_mix(held, self.hold)


def truncating(way: StyleWay, average: StyleCodes, psi: Callable[[float], float]) -> StyleWay:
    """The way, drawn towards the average: truncation psi as a function of the share of the film."""
    return lambda share: average.mix(way(share), w=psi(share))


def moving(
    way: StyleWay,
    model: StyleGAN,  # a StyleGAN3
    degrees: tuple[float, float] = (0, 0),  # by which pictures turn anticlockwise, from and to
    start: tuple[float, float] = (0, 0),  # right and down, in pictures, by which they shift at first
    end: tuple[float, float] = (0, 0),  # and at last
    closed: bool = False,  # and back, save whole turns, which need no way back
) -> StyleWay:
    """The way, turned and shifted more and more. GraftError for a model that cannot (`StyleGAN.move`)."""
    angle = between(*degrees, and_back=closed and (degrees[1] - degrees[0]) % 360 != 0)
    right, down = (between(*ends, and_back=closed) for ends in zip(start, end, strict=True))
    model.move(way(0), degrees[0], *start)  # refuses before any work is done
    return lambda share: model.move(way(share), angle(share), right(share), down(share))


def holding(way: StyleWay, mixed: Callable[[StyleCodes, StyleCodes], StyleCodes]) -> StyleWay:
    """The way with a part of the codes held as at its beginning: `mixed` puts that part of its second argument into
    the first, as `style_mix` does with the coarse layers (style mixing: StyleGAN, section 3.1)."""
    held = way(0)
    mixed(held, held)  # refuses before any work is done
    return lambda share: mixed(way(share), held)
