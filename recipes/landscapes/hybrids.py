#!/usr/bin/env python3
"""Let a larger model's hybrids teach a smaller one: groups of four pictures of two photographs each.

    python recipes/landscapes/hybrids.py MODEL PHOTOS OUT --size 160

MODEL is a model file or a bundled name, PHOTOS a folder of square crops, at best no smaller than its pictures, OUT the
folder to write, from which `graft train --views 0.6 --shared-lights` learns: k000000@k000000.jpg and
k000001@k000001.jpg are two photographs, k000000@k000001.jpg is the first's structure with the second's texture as MODEL
draws it. A photograph is in one group; the k keeps the lights apart from those of renderings. A group takes 0.2 s of
one core with landscapes-256.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import graftlab
from graftlab import SwappingAutoencoder
from graftlab.data import open_source


@torch.no_grad()
def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", help="model file, or the name of a bundled model")
    p.add_argument("photos", help="folder or pack of square pictures")
    p.add_argument("out", type=Path, help="folder to write")
    p.add_argument("--size", type=int, default=160, help="side of the pictures that are written, pixels")
    p.add_argument("--seed", type=int, default=0, help="who goes with whom, and the noise")
    a = p.parse_args(arguments)
    model = graftlab.load(a.model, SwappingAutoencoder)
    a.out.mkdir(parents=True, exist_ok=True)
    photos = [Path(a.photos) / name for name in open_source(a.photos).names]
    np.random.default_rng(a.seed).shuffle(photos)
    for i, j in zip(range(0, len(photos), 2), range(1, len(photos), 2), strict=False):
        pictures = [graftlab.read(photos[number], size=model.config.size, square=True) for number in (i, j)]
        mine, theirs = map(model.encode, pictures)
        hybrids = [model.decode(mine.mix(theirs, texture=1), seed=i), model.decode(theirs.mix(mine, texture=1), seed=j)]
        for (scene, light), picture in zip(((i, i), (j, j), (i, j), (j, i)), [*pictures, *hybrids], strict=True):
            small = F.interpolate(picture, (a.size, a.size), mode="bicubic", antialias=True)
            graftlab.write(small, a.out / f"k{scene:06}@k{light:06}.jpg")


if __name__ == "__main__":
    main()
