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
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import graftlab
from graftlab import SwappingAutoencoder
from graftlab.data import open_source
from graftlab.errors import GraftError


@torch.no_grad()
def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", help="model file, or the name of a bundled model")
    p.add_argument("photos", help="folder, zip or pack of square pictures")
    p.add_argument("out", type=Path, help="folder to write")
    p.add_argument("--size", type=int, default=160, help="side of the pictures that are written, pixels")
    p.add_argument("--seed", type=int, default=0, help="who goes with whom, and the noise")
    a = p.parse_args(arguments)
    try:
        model, source = graftlab.load(a.model, SwappingAutoencoder), open_source(a.photos)
        if len(source) < 2:
            raise GraftError(f"{a.photos} holds one picture, and hybrids are of two")
        a.out.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(a.seed).permutation(len(source)).tolist()
        for i, j in zip(range(0, len(order), 2), range(1, len(order), 2), strict=False):
            pictures = [read(source, order[number], model.config.size) for number in (i, j)]
            mine, theirs = map(model.encode, pictures)
            swapped = mine.mix(theirs, texture=1), theirs.mix(mine, texture=1)
            hybrids = [model.decode(codes, seed=number) for codes, number in zip(swapped, (i, j), strict=True)]
            for (scene, light), picture in zip(((i, i), (j, j), (i, j), (j, i)), [*pictures, *hybrids], strict=True):
                small = F.interpolate(picture, (a.size, a.size), mode="bicubic", antialias=True)
                graftlab.write(small, a.out / f"k{scene:06}@k{light:06}.jpg")
    except GraftError as error:
        sys.exit(f"error: {error}")


def read(source, index, size):
    """A picture of a folder, zip or pack, as the square that the model takes."""
    return graftlab.read(source.read(index), size, True, source.names[index])


if __name__ == "__main__":
    main()
