"""Films of blends: the codes stay as they are, and the network changes.

film = blends(Renderer(a), [a, b], fading(alpha=(0, 1)), seeds_in(a, [7]), 100, Fraction(25))
film = blends(Renderer(a), [a, b, c], passing(3, closed=True), seeds_in(a, [1, 2]), 300, Fraction(25), closed=True)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isfinite, log2

import torch
from torch import Tensor

from graftlab.blending.blend import ModelT, blend_many, check_resolutions
from graftlab.blending.inputs import CodesIn
from graftlab.blending.layers import layers_of
from graftlab.blending.local import Confine
from graftlab.blending.weights import MIDDLE, Rule, Share, check_share, interpolate, logistic, pair
from graftlab.errors import GraftError
from graftlab.figures.sheets import block
from graftlab.networks.alike import check_alike
from graftlab.rendering.renderer import AT_ONCE, Renderer
from graftlab.video.easing import between
from graftlab.video.film import Film
from graftlab.video.films.walk import leg
from graftlab.work.texts import parse_range

WIDTH = 0.5  # of the switch between two models, in steps of which a resolution has two

Blending = Callable[[float], Rule[Sequence[Share]]]
"""Share of the film, from 0 to 1, to the shares of all models."""


def blends(
    renderer: Renderer[ModelT],  # of the first model: what all blends are drawn with
    models: Sequence[ModelT],
    blending: Blending,
    codes_in: CodesIn,  # what every blend draws: `inputs`
    frames: int,
    fps: Fraction,
    closed: bool = False,  # as of `from_way`: the last frame is one step short of the first
    across: int = 1,  # pictures in a row, if the codes are those of several
    recipe: Mapping[str, object] | None = None,
    confine: Confine | None = None,  # to a part of the picture: what is drawn of the first model and a blend
) -> Film:
    """The film of a network that changes. Memory is that of the models and one more.

    GraftError if the models differ in more than their weights, and for levels that they do not have."""
    check_alike(*models)
    check_resolutions(blending(0), layers_of(models[0]))
    steps = frames if closed else max(1, frames - 1)
    network: ModelT | None = None

    @torch.no_grad()
    def frame(number: int) -> Tensor:
        nonlocal network
        network = blend_many(models, blending(number / steps), into=network)
        codes = codes_in(network)
        drawing = replace(renderer, model=confine(models[0], network) if confine else network)
        starts = range(0, len(codes), max(AT_ONCE))
        pictures = [drawing.draw(codes[i : i + max(AT_ONCE)], number * len(codes) + i) for i in starts]
        return block(torch.cat(pictures), across)

    return Film(frames, fps, frame, recipe=recipe or {}, closed=closed)


def schedule(
    count: int,  # of models
    alpha: str | None = None,  # share of B over time, of two models: "0:1"
    swap_at: str | None = None,  # up to this resolution from A, over time: "64:4"
    width: float | None = None,  # of that switch; None: `WIDTH`
    circle: bool = False,  # through all models and back to the first
    ease: str = "smooth",
) -> Blending:
    """What options name: `fading` where a share or a level moves, or else `passing`.

    GraftError for options that do not go together, and as those two."""
    if count < 2:
        raise GraftError("A film of blends needs two models or more.")
    if swap_at is None and width is not None:
        raise GraftError("--width belongs to --swap-at; leave it out or give that.")
    if alpha is None and swap_at is None:
        return passing(count, circle, ease)
    if count > 2 or circle:
        raise GraftError("--alpha and --swap-at are for two models and no circle; leave them out.")
    levels = None if swap_at is None else parse_range(swap_at, "--swap-at")
    shares = (1.0, 1.0) if alpha is None else parse_range(alpha, "--alpha")
    return fading(shares, levels, WIDTH if width is None else width, ease)


def fading(
    alpha: tuple[float, float] = (1, 1),  # share of B, from and to
    levels: tuple[float, float] | None = None,  # resolutions at which A gives way to B, from and to; None: everywhere
    width: float = WIDTH,
    ease: str = "linear",
) -> Blending:
    """Between two models: more or less of B, or the switch to B moves through the network.

    The switch is that of `layer_swap` with this width, at levels between two resolutions too, and moves evenly through
    the steps. GraftError for widths that are not above 0, shares beyond [-1000, 1000], and unknown easings."""
    if not (isfinite(width) and width > 0):
        raise GraftError(f"The width of a moving switch is a number above 0, not {width:g} (--width).")
    for share in alpha:
        check_share(share, "--alpha")
    if not all(isfinite(level) and level >= 1 and level == int(level) for level in levels or ()):
        raise GraftError("A switch moves between two resolutions in pixels, such as 64:4 (--swap-at).")
    share_at = between(alpha[0], alpha[1], ease)
    if levels is None:
        return lambda far: pair(interpolate(share_at(far)))
    ends = tuple(int(level) for level in levels)
    octave_at = between(log2(levels[0]), log2(levels[1]), ease)

    def at(far: float) -> Rule[Sequence[Share]]:
        whole, middle = share_at(far), 2 * octave_at(far) + MIDDLE
        return pair(Rule(lambda layer: whole * logistic((layer.position - middle) / width), {}, ends))

    return at


def passing(count: int, closed: bool = False, ease: str = "linear") -> Blending:
    """From model to model, and if closed from the last to the first. All are met, bit for bit.

    GraftError for fewer than two models, and for an unknown easing."""
    place = leg(count, closed, ease)

    def at(share: float) -> Rule[Sequence[Share]]:
        begin, within = place(share)
        shares: list[Share] = [0.0] * count
        shares[begin] = 1 - within
        shares[(begin + 1) % count] = within
        return Rule(lambda layer: shares, {"shares": shares})

    return at
