#!/usr/bin/env python3
"""What a text model gets right on pictures and photographs that graft-mini was not trained on, as tables.

    python recipes/words/measure.py graft-mini.safetensors --renderings pictures/places pictures/alpine \\
        --photos photos packages --keep views.safetensors
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from captions import WORDINGS, Claim, caption, phrase
from torch import Tensor
from train import Scene, opened, options

from graftlab.language import text_model
from graftlab.language.mini import MiniModel

FULL, ROUNDS = 100, 20  # captions that a picture has to find its own among; how often they are drawn
FOREIGN = (
    "a cat on a sofa", "portrait of a woman", "city street with neon signs", "a red sports car", "a plate of pasta",
    "oil painting in the style of van gogh", "a medieval castle", "a spaceship over mars", "wedding in a church",
    "a football match", "skyscrapers in the rain", "two children playing chess",
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """Of one factor: how often the value that is true comes first among all."""

    pictures: int
    right: float
    balanced: float  # the mean over the values
    commonest: float  # what saying the commonest value would get right
    values: dict[str, float]


def by_factor(model: MiniModel, scenes: list[Scene], images: Tensor, seed: int = 0) -> dict[str, Score]:
    """Each picture against one wording of every value, drawn for it; where just one is known to be true."""
    rng, scores = np.random.default_rng(seed), {}
    for factor, values in WORDINGS.items():
        met = [value for value in values if any(scene.facts.get((factor, value)) for scene in scenes)]
        outcomes: list[tuple[str, bool]] = []
        for scene, image in zip(scenes, images, strict=True):
            rivals = [value for value in met if (factor, value) in scene.facts]
            true = [value for value in rivals if scene.facts[factor, value]]
            if len(true) == 1 and len(rivals) > 1:
                first = rivals[int((model.texts(said(factor, rivals, rng)) @ image).argmax())]
                outcomes.append((true[0], first == true[0]))
        if outcomes:
            count = Counter(value for value, _ in outcomes)
            each = {value: float(np.mean([ok for of, ok in outcomes if of == value])) for value in met if count[value]}
            scores[factor] = Score(
                len(outcomes),
                float(np.mean([ok for _, ok in outcomes])),
                float(np.mean(list(each.values()))),
                max(count.values()) / len(outcomes),
                each,
            )
    return scores


def said(factor: str, values: list[str], rng: np.random.Generator) -> list[str]:
    claims: list[Claim] = [(factor, value) for value in values]
    return [phrase([claim], rng) for claim in claims]


def own_first(model: MiniModel, scenes: list[Scene], images: Tensor, seed: int = 0) -> tuple[float, float]:
    """Share of pictures whose full caption comes first among FULL, and its standard deviation over the rounds."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(ROUNDS):
        chosen = torch.from_numpy(rng.choice(len(scenes), FULL, replace=False))
        texts = model.texts([caption(scenes[index].facts, rng, 99).text for index in chosen.tolist()])
        shares.append(((images[chosen] @ texts.T).argmax(1) == torch.arange(FULL)).float().mean().item())
    return float(np.mean(shares)), float(np.std(shares))


def main() -> None:
    told = options().parse_args()
    torch.set_num_threads(1)
    scenes, views = opened(told)
    model = text_model(told.model, device="cpu")
    assert isinstance(model, MiniModel)

    held = [index for index, scene in enumerate(scenes) if scene.held and not scene.photo]
    there = [scenes[index] for index in held]
    whole, soft = (model.network.images(views.number(which, held)) for which in (0, 1))
    print(f"{len(held)} held-out renderings\n")
    print("| factor | pictures | right value first | mean over values | commonest value | without detail | values |")
    print("|---|---|---|---|---|---|---|")
    blurred = by_factor(model, there, soft)
    for factor, score in by_factor(model, there, whole).items():
        values = ", ".join(f"{value} {right:.0%}" for value, right in score.values.items())
        print(
            f"| {factor} | {score.pictures} | {score.right:.0%} | {score.balanced:.0%} | {score.commonest:.0%} "
            f"| {blurred[factor].right:.0%} | {values} |"
        )
    share, deviation = own_first(model, there, whole)
    print(f"\nfull caption first among {FULL}: {share:.1%} ± {deviation:.1%}")

    judges = [index for index, scene in enumerate(scenes) if scene.held and scene.photo]
    photos = [scenes[index].photo for index in judges]
    texts = model.texts([photo.captions[0] for photo in photos if photo])
    products = model.network.images(views.number(0, judges)) @ texts.T
    right = products.argmax(1) == torch.arange(len(judges))
    print(f"photographs whose caption comes first among {len(judges)}: {int(right.sum())}")
    for photo, row, ok in zip(photos, products, right, strict=True):
        other = photos[int(row.argmax())]
        if photo and other and not ok:
            place = int((row > row[photos.index(photo)]).sum()) + 1
            print(f"- {photo.name} gets that of {other.name}; its own is number {place}")
    back = (products.argmax(0) == torch.arange(len(judges))).sum()
    print(f"captions whose photograph comes first among {len(judges)}: {int(back)}")
    noticed = [text for text in FOREIGN if model.notice(text)]
    afar = [text for text in FOREIGN if model.distance_to_known(text) > (model.threshold or 2)]
    print(f"foreign phrases with a notice: {len(noticed)} of {len(FOREIGN)}, {len(afar)} of them by their distance")


if __name__ == "__main__":
    main()
