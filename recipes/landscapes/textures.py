#!/usr/bin/env python3
"""Fit the distribution of textures and structures that ships with a model trained on landscapes.

    python recipes/landscapes/textures.py MODEL pictures.pack OUT

MODEL is a model file or a bundled name, pictures.pack what it was trained on (or the folder that it was packed from),
OUT the file to write, such as graftlab/bundled/colours-128.textures.safetensors. There are many more renderings
than photographs, so only as many of them are taken, at random: photographs are what the model is for. Takes less than a
minute of one core, and needs scikit-learn.

    python recipes/landscapes/textures.py MODEL MODEL.textures.safetensors OUT --calibrate PHOTOS

gives a distribution that is there the percentiles of a folder of photographs: how far from its middle their codes lie,
and how well the model reconstructs them.
"""

import argparse
import sys

import numpy as np

import graftlab
from graftlab.data import open_source
from graftlab.editing.distributions import Distribution, calibrate, distribution
from graftlab.errors import GraftError

PHOTOS = "photos/"  # the folder of the photographs among the pictures


class Balanced:
    """All photographs of a source, and as many other pictures."""

    def __init__(self, source, seed):
        self.kind, self.path, self._source = source.kind, source.path, source
        photos = [i for i, name in enumerate(source.names) if name.startswith(PHOTOS)]
        others = sorted(set(range(len(source))) - set(photos))
        if not photos or len(others) < len(photos):
            sys.exit(f"error: {source.path} needs {PHOTOS} and more pictures that are none; see README.md here")
        drawn = np.random.default_rng(seed).choice(others, len(photos), replace=False)
        self._chosen = sorted([*photos, *drawn.tolist()])
        self.names = [source.names[i] for i in self._chosen]

    def __len__(self):
        return len(self._chosen)

    def read(self, index):
        return self._source.read(self._chosen[index])


def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", help="model file, or the name of a bundled model")
    p.add_argument("pictures", help="pack or folder of the pictures it was trained on; to calibrate, its distribution")
    p.add_argument("out", help="file to write")
    p.add_argument("--calibrate", metavar="PHOTOS", help="folder of photographs whose percentiles a file is to have")
    p.add_argument("--clusters", type=int, default=8, help="Gaussians that textures are drawn from")
    p.add_argument("--seed", type=int, default=0, help="picks the pictures")
    p.add_argument("--device", help="cpu, cuda or mps; the fastest by default")
    a = p.parse_args(arguments)
    try:
        model = graftlab.load(a.model, device=a.device)
        if a.calibrate:
            found = calibrate(model, Distribution.load(a.pictures), a.calibrate, model.config.size)
            print(f"{found.save(a.out)}: percentiles of {found.about['percentiles']['pictures']} photographs")
            return
        source = Balanced(open_source(a.pictures), a.seed)
        found = distribution(model, source, model.config.size, seed=a.seed, clusters=a.clusters)
        found.save(a.out)
    except GraftError as error:
        sys.exit(f"error: {error}")
    print(f"{a.out}: {found.about['pictures']} pictures, {found.about['held_out']} of them held out")


if __name__ == "__main__":
    main()
