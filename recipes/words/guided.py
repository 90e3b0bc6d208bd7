#!/usr/bin/env python3
"""Whether pictures that follow a phrase become what it says, judged by what reads factors off pictures.

    python recipes/words/guided.py factors.safetensors photo.jpg pictures/places/000050@000050.jpg --sheet guided.png

Each picture follows each phrase that is not true of it yet, and from there the opposite phrase. Told is how often the
factor's score rose, how often it then said yes, how often the opposite phrase lowered it again, and how far the layout
changed (self-similarity: Kolkin et al. 2019, Eq. 7), as a share of how far it is from picture to picture.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from factors import Factors
from torch import Tensor

import graftlab
from graftlab.codes import SwapCodes
from graftlab.editing.distributions import Distribution, beside
from graftlab.figures.sheets import sheet
from graftlab.inversion import Guided, Guiding
from graftlab.language import text_model
from graftlab.perception.choice import feature_network
from graftlab.perception.distances import self_similarity


class Wish(NamedTuple):
    text: str
    claim: tuple[str, str]  # that becomes true
    opposite: str


WISHES = (
    Wish("golden sunset", ("hour", "sunset"), "bright midday"),
    Wish("a starry night", ("hour", "night"), "a sunny day"),
    Wish("dawn", ("hour", "dawn"), "bright midday"),
    Wish("deep snow", ("snow", "ground"), "no snow"),
    Wish("winter", ("season", "winter"), "summer"),
    Wish("autumn foliage", ("season", "autumn"), "spring green"),
    Wish("thick fog", ("fog", "yes"), "clear air"),
    Wish("storm clouds", ("sky", "storm"), "blue sky"),
    Wish("a desert", ("climate", "desert"), "a tropical island"),
    Wish("lush green meadows", ("ground", "green"), "dry golden grass"),
    Wish("dry golden grass", ("ground", "golden"), "lush green meadows"),
    Wish("northern lights", ("aurora", "yes"), "no northern lights"),
)


@dataclass
class Tally:
    """What became of one phrase."""

    rose: list[bool] = field(default_factory=list)
    true: list[bool] = field(default_factory=list)
    back: list[bool] = field(default_factory=list)
    layout: list[float] = field(default_factory=list)

    def row(self) -> str:
        shares = (f"{sum(each)} of {len(each)}" for each in (self.rose, self.true, self.back))
        return f"{' | '.join(shares)} | {sum(self.layout) / max(1, len(self.layout)):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("factors", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sheet", type=Path, default=Path("guided.png"))
    for name in ("steps", "cutouts", "candidates"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Guiding(), name))
    parser.add_argument("--no-opposites", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    factors, words, eyes = Factors.load(told.factors), text_model(), feature_network("efficientnet-lite2")
    model = graftlab.load("landscapes-256", graftlab.SwappingAutoencoder)
    textures = Distribution.load(beside("landscapes-256"))
    settings = Guiding(steps=told.steps, cutouts=told.cutouts, candidates=told.candidates)

    def follow(codes: SwapCodes, text: str) -> Guided[SwapCodes]:
        return graftlab.guide(model, codes, text, textures=textures, settings=settings, words=words)

    def score(picture: Tensor, wish: Wish) -> float:
        return float(factors(picture.clamp(-1, 1))[0, factors.claims.index(wish.claim)])

    def layout(a: Tensor, b: Tensor) -> float:
        return float(self_similarity(*(eyes.seen(each, 128).middle for each in (a, b))))

    with torch.no_grad():
        starts = [model.encode(graftlab.read(picture, told.size, square=True)) for picture in told.pictures]
        drawn = [model.decode(start) for start in starts]
        apart = [layout(a, b) for i, a in enumerate(drawn) for b in drawn[:i]] or [1.0]
        usual = sum(apart) / len(apart)
    tallies, rows = {wish: Tally() for wish in WISHES}, []
    for picture, start, before in zip(told.pictures, starts, drawn, strict=True):
        rows.append([before])
        for wish, tally in tallies.items():
            first = score(before, wish)
            if first > 0:
                rows[-1].append(None)
                continue
            guided = follow(start, wish.text)
            then = score(guided.images, wish)
            tally.rose.append(then > first)
            tally.true.append(then > 0)
            tally.layout.append(layout(before, guided.images) / usual)
            rows[-1].append(guided.images)
            line = f"{Path(picture).stem}, {wish.text}: {first:.2f} -> {then:.2f}"
            if not told.no_opposites:
                again = score(follow(guided.codes, wish.opposite).images, wish)
                tally.back.append(again < then)
                line += f" -> {again:.2f}"
            print(f"{line}; cosine {guided.towards[0]:.2f}, layout {tally.layout[-1]:.2f}", flush=True)
        graftlab.write(sheet(rows, columns=["", *(wish.text for wish in WISHES)]), told.sheet)
    print("| phrase | rose | true | back | layout |\n|---|---|---|---|---|")
    for wish, tally in tallies.items():
        print(f"| {wish.text} | {tally.row()} |")


if __name__ == "__main__":
    main()
