#!/usr/bin/env python3
"""Whether pictures that follow a phrase become what it says, judged by what reads factors off pictures.

    python recipes/words/guided.py factors.safetensors pictures/places/000050@*.jpg --sheet guided.png
    python recipes/words/guided.py graft-mini photos/*.jpg --each 6

For each phrase, the first pictures of which it is not true yet follow it, and from there its opposite. Told is how
often its score rose, how often it was true then, how often the opposite lowered it again, and how far layouts changed
(self-similarity: Kolkin et al. 2019, Eq. 7), as a share of how far it is from picture to picture. The judge is the file
that factors.py made, or a text model: its score is by how much the phrase fits a picture better than the other eleven.
"""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from factors import Factors
from torch import Tensor

import graftlab
from graftlab.codes import SwapCodes
from graftlab.editing.distributions import Distribution, beside
from graftlab.figures.sheets import sheet
from graftlab.inversion.following import Guided
from graftlab.inversion.guidance import Guiding
from graftlab.language import text_model
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import self_similarity

SIDE = 128  # pixels at which layouts are compared


class Wish(NamedTuple):
    text: str
    claim: tuple[str, str]  # that becomes true
    opposite: str


WISHES = (  # from those that matter most on
    Wish("golden sunset", ("hour", "sunset"), "bright midday"),
    Wish("a starry night", ("hour", "night"), "a sunny day"),
    Wish("deep snow", ("snow", "ground"), "no snow"),
    Wish("thick fog", ("fog", "yes"), "clear air"),
    Wish("autumn foliage", ("season", "autumn"), "spring green"),
    Wish("storm clouds", ("sky", "storm"), "blue sky"),
    Wish("a desert", ("climate", "desert"), "a tropical island"),
    Wish("dawn", ("hour", "dawn"), "bright midday"),
    Wish("winter", ("season", "winter"), "summer"),
    Wish("lush green meadows", ("ground", "green"), "dry golden grass"),
    Wish("dry golden grass", ("ground", "golden"), "lush green meadows"),
    Wish("northern lights", ("aurora", "yes"), "no northern lights"),
)

Judge = Callable[[Tensor], Tensor]
"""Of pictures (N, 3, H, W) a score for every wish: (N, wishes), above 0 where it is true."""


def judge(choice: str) -> Judge:
    """The judge that a file of factors or the name of a text model stands for."""
    if Path(choice).exists():
        factors = Factors.load(choice)
        columns = [factors.claims.index(wish.claim) for wish in WISHES]
        return lambda pictures: factors(pictures)[:, columns]
    words = text_model(choice)
    phrases = words.texts([wish.text for wish in WISHES])

    def fits_best(pictures: Tensor) -> Tensor:
        fit = words.images(pictures) @ phrases.T
        others = fit[:, None].expand(-1, len(WISHES), -1).masked_fill(torch.eye(len(WISHES)).bool(), -1)
        return fit - others.amax(2)

    return fits_best


def once(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Without gradients the same textures are tried for every phrase: look at each picture once."""
    known: dict[bytes, Tensor] = {}

    def again(asked: Any, **rest: Any) -> Tensor:
        if torch.is_grad_enabled():
            return call(asked, **rest)
        parts = [asked] if isinstance(asked, Tensor) else [getattr(asked, name) for name in asked.parts]
        key = hashlib.sha256(b"".join(part.contiguous().numpy().tobytes() for part in parts)).digest()
        if key not in known:
            known[key] = call(asked, **rest)
        return known[key]

    return again


@dataclass
class Tally:
    """What became of one phrase."""

    rose: list[bool] = field(default_factory=list)
    true: list[bool] = field(default_factory=list)
    back: list[bool] = field(default_factory=list)
    layout: list[float] = field(default_factory=list)

    def row(self) -> str:
        shares = (f"{sum(each)} of {len(each)}" for each in (self.rose, self.true, self.back))
        mean = sum(self.layout) / max(1, len(self.layout))
        return f"{' | '.join(shares)} | {mean:.2f} | {max(self.layout, default=0):.2f}"


class Layouts:
    """How far layouts are from each other, in units of how far they are from picture to picture."""

    def __init__(self, pictures: Tensor) -> None:
        self.eyes, self.usual = feature_network("efficientnet-lite2"), 1.0
        apart = [self(pictures.roll(step, 0), pictures) for step in range(1, len(pictures))]
        self.usual = float(torch.cat(apart).mean()) if apart else 1.0

    @torch.no_grad()
    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self_similarity(*(self.eyes.seen(each, SIDE).middle for each in (a, b))) / self.usual


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("judge", help="a file that factors.py made, or a text model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--each", type=int, default=10, help="pictures for each phrase")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sheet", type=Path, default=Path("guided.png"))
    for name in ("steps", "cutouts", "candidates"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Guiding(), name))
    parser.add_argument("--no-opposites", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    score, words = judge(told.judge), text_model()
    model = graftlab.load("landscapes-256", graftlab.SwappingAutoencoder)
    model.decode, words.images = once(model.decode), once(words.images)
    textures = Distribution.load(beside("landscapes-256"))
    settings = Guiding(steps=told.steps, cutouts=told.cutouts, candidates=told.candidates)

    def follow(codes: SwapCodes, text: str) -> Guided[SwapCodes]:
        return graftlab.guide(model, codes, text, textures=textures, settings=settings, words=words)

    with torch.no_grad():
        starts = [model.encode(graftlab.read(picture, told.size, square=True)) for picture in told.pictures]
        drawn = torch.cat([model.decode(start) for start in starts])
        before, layouts = score(drawn.clamp(-1, 1)), Layouts(drawn)
        others = torch.cat([model.decode(textures.sample(start, [seed])) for seed, start in enumerate(starts)])
    print(f"layout of a picture and the same with a random texture: {float(layouts(drawn, others).mean()):.2f}")
    followed: list[tuple[int, int, SwapCodes, float]] = []
    tallies, rows = [Tally() for _ in WISHES], []
    for wish, (tally, (text, _, _)) in enumerate(zip(tallies, WISHES, strict=True)):
        rows.append([])
        for picture in [each for each in range(len(drawn)) if before[each, wish] <= 0][: told.each]:
            guided = follow(starts[picture], text)
            first, then = float(before[picture, wish]), float(score(guided.images.clamp(-1, 1))[0, wish])
            tally.rose.append(then > first)
            tally.true.append(then > 0)
            tally.layout.append(float(layouts(drawn[picture, None], guided.images)))
            followed.append((wish, picture, guided.codes, then))
            rows[-1] += [drawn[picture, None], guided.images]
            line = f"{Path(told.pictures[picture]).stem}, {text}: {first:.2f} -> {then:.2f}"
            print(f"{line}; cosine {guided.towards[0]:.2f}, layout {tally.layout[-1]:.2f}", flush=True)
        rows[-1] += [None] * (2 * told.each - len(rows[-1]))
        graftlab.write(sheet(rows, rows=[wish.text for wish in WISHES[: len(rows)]]), told.sheet)
        print(f"| {text} | {tally.row()} |", flush=True)
    for wish, picture, codes, then in [] if told.no_opposites else followed:
        back = float(score(follow(codes, WISHES[wish].opposite).images.clamp(-1, 1))[0, wish])
        tallies[wish].back.append(back < then)
        print(f"{Path(told.pictures[picture]).stem}, {WISHES[wish].opposite}: {then:.2f} -> {back:.2f}", flush=True)
    print("| phrase | rose | true | back | layout, mean | layout, most |\n|---|---|---|---|---|---|")
    for wish, tally in zip(WISHES, tallies, strict=True):
        print(f"| {wish.text} | {tally.row()} |")


if __name__ == "__main__":
    main()
