#!/usr/bin/env python3
"""Train graft-mini: a dual encoder of landscapes and words, on what a frozen network sees of them.

    python recipes/words/train.py graft-mini.safetensors --renderings pictures/places pictures/alpine \\
        --photos photos packages --keep views.safetensors

`--renderings` are folders that landscapes.py made; the photographs that photos.csv tells of are looked for below those
of `--photos`. The file `--keep` is made at the first run and read at later ones.
"""

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from captions import (
    CLAIMS,
    WORDINGS,
    Caption,
    Facts,
    Photo,
    alone,
    caption,
    everything,
    facts,
    of_photo,
    photos,
    phrase,
)
from torch import Tensor
from torch.nn.functional import log_softmax
from views import CROPS, Views, compute

from graftlab.config import DualEncoderConfig
from graftlab.language.words import Vocabulary, padded
from graftlab.networks.dual_encoder import UNKNOWN, DualEncoder

PHOTOS = Path(__file__).with_name("photos.csv")
BLOCK, BLOCKS, HELD = 10, 6, 5  # structures in a row; of so many blocks one, this one, is kept from the training
OF_PHOTOS = 0.3  # share of a batch
FORGOTTEN = 0.03  # share of words that are unknown for once
NOISE = 0.1  # added to statistics, in deviations
VALUES = 0.2  # how heavy the third term is
GROUP = 32  # phrases of about the same length that are read at once
KNOWN = 2048  # captions whose vectors are kept


@dataclass(frozen=True)
class Scene:
    """A picture and what is known of it."""

    path: Path
    facts: Facts
    photo: Photo | None = None
    held: bool = False


def renderings(folder: Path) -> list[Scene]:
    """The pictures that are there. Held-out ones share neither structure nor texture with those of the training.

    Structure i is seen with textures i and i + 1, so the last structure before a held-out block loses a picture."""
    with open(folder / "index.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (folder / row["file"]).exists()]
    names = [
        [int(part) for part in Path(row["file"]).stem.split("@")] for row in rows
    ]  # structure and texture, or both
    held = [name[0] // BLOCK % BLOCKS == HELD for name in names]
    textures = {name[-1] for name, out in zip(names, held, strict=True) if out}
    return [
        Scene(folder / row["file"], facts(row), held=out)
        for row, out, name in zip(rows, held, names, strict=True)
        if out or name[-1] not in textures
    ]


def photographs(folders: list[Path]) -> list[Scene]:
    """The photographs of photos.csv, by their names or those of the folders that they are in."""
    files = [path for folder in folders for path in sorted(folder.rglob("*.jpg"))]
    found = []
    for photo in photos(PHOTOS):
        fitting = [p for p in files if photo.name in (p.stem, p.stem.split("_by_")[0], *p.parts)]
        if not fitting:
            raise SystemExit(f"{photo.name}: no such photograph below {', '.join(map(str, folders))}")
        largest = max(fitting, key=lambda path: path.stat().st_size)  # some come in several sizes
        found.append(Scene(largest, photo.facts, photo, photo.use == "judge"))
    return found


def looked_at(scenes: list[Scene], kept: Path) -> Views:
    """The views of all scenes."""
    return compute({str(s.path): CROPS["photo" if s.photo else "rendering"] for s in scenes}, kept)


# -- the objective ----------------------------------------------------------------------------------------------------


def truth(scenes: list[Scene]) -> Tensor:
    """(N, C): of each claim 1 if it is true of a picture, -1 if it is wrong, 0 if one cannot say."""
    return torch.tensor([[{True: 1, False: -1, None: 0}[s.facts.get(claim)] for claim in CLAIMS] for s in scenes])


def fits(scenes: list[Scene], known: Tensor, captions: list[Caption]) -> Tensor:
    """(N, M): of each caption 1 if all its claims are true of a picture, -1 if one is wrong, and else 0."""
    claimed = torch.zeros(len(captions), len(CLAIMS))
    for row, made in enumerate(captions):
        claimed[row, [CLAIMS.index(claim) for claim in made.claims]] = 1
    wrong, right = (known == -1).float() @ claimed.T > 0, (known == 1).float() @ claimed.T == claimed.sum(1)
    found = right.long() - wrong.long()
    for column, made in enumerate(captions):
        if made.photo:  # written for one photograph; of others that it would fit, one cannot say
            own = torch.tensor([s.photo is not None and s.photo.name == made.photo for s in scenes])
            found[:, column] = torch.where(own, 1, found[:, column].clamp(max=0))
    return found


def contrast(products: Tensor, fit: Tensor) -> Tensor:
    """InfoNCE with several positives (Khosla et al. 2020, Eq. 2) of rows: the mean over those that have any.

    What neither fits nor does not is left out of the sum below the line."""
    logs = log_softmax(products.masked_fill(fit == 0, -math.inf), 1).masked_fill(fit != 1, 0)
    count = (fit == 1).sum(1)
    return (-logs.sum(1) / count.clamp(min=1))[count > 0].mean()


def among_values(products: Tensor, known: Tensor, common: Tensor) -> Tensor:
    """InfoNCE of pictures against a phrase for every claim (N, C), within each factor; rare values count as common."""
    found = []
    for factor in WORDINGS:
        columns = [column for column, claim in enumerate(CLAIMS) if claim[0] == factor]
        fit = known[:, columns]
        there = ((fit == 1).sum(1) == 1) & ((fit == -1).any(1))
        if there.any():
            logs = log_softmax(products[there][:, columns].masked_fill(fit[there] == 0, -math.inf), 1)
            true = fit[there].argmax(1)
            weight = 1 / common[columns][true]
            found.append(-(weight * logs.gather(1, true[:, None])[:, 0]).sum() / weight.sum())
    return torch.stack(found).mean()


# -- the training -----------------------------------------------------------------------------------------------------


def train(scenes: list[Scene], views: Views, options: argparse.Namespace) -> DualEncoder:
    rng = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    chosen = [index for index, scene in enumerate(scenes) if not scene.held]
    known, rows = truth(scenes), views.of(list(range(len(scenes))))
    from_photos = [index for index in chosen if scenes[index].photo]
    from_renderings = [index for index in chosen if not scenes[index].photo]
    sentences = [text for index in from_photos for text in scenes[index].photo.captions]
    vocabulary = Vocabulary.of(everything(sentences))
    model = DualEncoder(DualEncoderConfig(vocabulary.pieces, views.seen.shape[1], known=KNOWN), dropout=options.dropout)
    usual = views.seen[torch.cat([rows[index] for index in from_renderings])]
    model.image.mean.copy_(usual.mean(0))
    model.image.deviation.copy_(usual.std(0).clamp(min=1e-3))
    torch.nn.init.normal_(model.text.pieces.weight, std=0.05)
    torch.nn.init.normal_(model.text.places, std=0.01)
    scale = torch.nn.Parameter(torch.tensor(2.5))
    weights = [*model.parameters(), scale]
    optimizer = torch.optim.AdamW(weights, lr=options.rate, weight_decay=options.decay, betas=(0.9, 0.98))
    print(
        f"{sum(p.numel() for p in model.text.parameters()) / 1e6:.2f} M parameters of the tower of words, "
        f"{sum(p.numel() for p in model.image.parameters()) / 1e6:.2f} M of that of pictures; "
        f"{len(vocabulary.pieces)} pieces of words; {len(from_renderings)} renderings, {len(from_photos)} photographs"
    )
    common = (known[from_renderings] == 1).float().mean(0).clamp(min=0.03)
    rarity = dict(zip(CLAIMS, (1 / common.sqrt()).tolist(), strict=True))
    weight = np.array([max(rarity[claim] for claim, true in scenes[i].facts.items() if true) for i in from_renderings])
    means = np.zeros(3)
    for step in range(options.steps):
        slow = min(1, (step + 1) / 100) * (0.51 + 0.49 * math.cos(math.pi * step / options.steps))
        optimizer.param_groups[0]["lr"] = options.rate * slow
        some = round(OF_PHOTOS * options.batch)
        batch = [
            *rng.choice(from_photos, some),
            *rng.choice(from_renderings, options.batch - some, p=weight / weight.sum()),
        ]
        here = [scenes[index] for index in batch]
        told = [here[i] for i in rng.permutation(len(here))[: options.captions]]
        captions = [of_photo(s.photo, rng, rarity) if s.photo else caption(s.facts, rng, rarity=rarity) for s in told]
        pieces = [forgetful(vocabulary.numbers(made.text, model.config.length), rng) for made in captions]
        picked = torch.stack([rows[index][int(rng.integers(len(rows[index])))] for index in batch])
        noise = NOISE * model.image.deviation * torch.randn(len(batch), views.seen.shape[1])
        images = model.images(views.seen[picked] + noise) * scale.exp().clamp(max=60)
        products, fit = images @ read(model, pieces).T, fits(here, known[batch], captions)
        every = read(model, [vocabulary.numbers(phrase([claim], rng), model.config.length) for claim in CLAIMS])
        among = among_values(images @ every.T, known[batch], common)
        terms = contrast(products, fit), contrast(products.T, fit.T), among
        optimizer.zero_grad()
        (sum(terms[:2]) / 2 + VALUES * among).backward()
        optimizer.step()
        means += [term.item() for term in terms]
        if (step + 1) % options.report == 0:
            told_of = ", ".join(
                f"{what} {mean / options.report:.3f}"
                for what, mean in zip(("pictures", "captions", "values"), means, strict=True)
            )
            print(f"step {step + 1}: {told_of}, scale {scale.exp().item():.1f}", flush=True)
            means[:] = 0
    return model.eval().requires_grad_(False)


def read(model: DualEncoder, pieces: list[list[int]]) -> Tensor:
    """Vectors of phrases; long ones and short ones apart, which saves half of the time."""
    order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]))
    parts = [order[start : start + GROUP] for start in range(0, len(order), GROUP)]
    vectors = torch.cat([model.texts(padded([pieces[index] for index in part])) for part in parts])
    return vectors[torch.tensor(order).argsort()]


def forgetful(numbers: list[int], rng: np.random.Generator) -> list[int]:
    """Some pieces unknown, so that unknown ones mean little."""
    return [UNKNOWN if len(numbers) > 1 and rng.random() < FORGOTTEN else number for number in numbers]


# -- the file ---------------------------------------------------------------------------------------------------------


def remember(model: DualEncoder, scenes: list[Scene], seed: int) -> None:
    """Keep the vectors of captions of the training, and how far from the nearest 99 of 100 other captions are."""
    vocabulary, chosen = Vocabulary(model.config.vocabulary), [scene for scene in scenes if not scene.held]
    rng = np.random.default_rng([seed, 1])

    def vectors(texts: list[str]) -> Tensor:
        return read(model, [vocabulary.numbers(text, model.config.length) for text in texts])

    def drawn(count: int) -> list[str]:
        return [caption(chosen[int(index)].facts, rng).text for index in rng.integers(len(chosen), size=count)]

    texts = [text for claim in CLAIMS for text in alone(claim)]
    texts += [text for scene in chosen if scene.photo for text in scene.photo.captions]
    model.known.copy_(vectors((texts + drawn(KNOWN))[:KNOWN]))
    model.threshold.fill_(float(model.distance_to_known(vectors(drawn(2000))).quantile(0.99)))


def options() -> argparse.ArgumentParser:
    """What training and measuring have in common."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path, help="file of the model")
    parser.add_argument("--renderings", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--keep", type=Path, default=Path("views.safetensors"), help="file of what the network sees")
    return parser


def opened(told: argparse.Namespace) -> tuple[list[Scene], Views]:
    scenes = [scene for folder in told.renderings for scene in renderings(folder)] + photographs(told.photos)
    return scenes, looked_at(scenes, told.keep)


def main() -> None:
    parser = options()
    parser.description = __doc__.split("\n")[0]
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=384, help="pictures of a step")
    parser.add_argument("--captions", type=int, default=128, help="of so many of them")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--decay", type=float, default=0.05, help="weight decay")
    parser.add_argument("--dropout", type=float, default=0.25, help="of the tower of pictures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=int, default=100, help="steps between two lines of progress")
    told = parser.parse_args()
    torch.set_num_threads(1)
    scenes, views = opened(told)
    model = train(scenes, views, told)
    remember(model, scenes, told.seed)
    about = {
        "trained_on": f"captions of {sum(not s.held and s.photo is None for s in scenes)} rendered landscapes and "
        f"{sum(not s.held and s.photo is not None for s in scenes)} photographs (recipes/words)",
        "licence": "Apache-2.0",
        "training": {
            name: getattr(told, name) for name in ("steps", "batch", "captions", "rate", "decay", "dropout", "seed")
        },
    }
    model.save(told.model, about, half=True)
    print(f"{told.model}: {told.model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
