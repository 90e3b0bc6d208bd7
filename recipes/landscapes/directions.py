#!/usr/bin/env python3
"""Find the directions of a model trained on landscapes: principal components, and season, hour, haze by name.

    python recipes/landscapes/directions.py MODEL pictures/alpine OUT

MODEL is a model file or a bundled name, pictures/alpine a folder that landscapes.py made, OUT the file to write, such
as graftlab/bundled/colours-128.directions.safetensors. A quarter of the structures is kept apart, and every
correlation that is printed and written is over their pictures. Takes a minute or two on one core.
"""

import argparse
import csv
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

import graftlab
from graftlab.data import open_source
from graftlab.editing.directions import Directions
from graftlab.editing.factors import correlate, fit_factors, named
from graftlab.editing.fitting import encode_photos, fit
from graftlab.errors import GraftError

HELD_OUT = 0.25  # share of the structures


def standardised(column):
    """A column of mean 0 and deviation 1; zeros if all of it is the same."""
    return (column - column.mean()) / (column.std() or 1)


def luminance(t, colour):
    """Of a colour of index.csv, linear RGB."""
    return 0.2126 * t[f"{colour}_r"] + 0.7152 * t[f"{colour}_g"] + 0.0722 * t[f"{colour}_b"]


def ratio(t, colour, one, other):
    """Logarithm of one channel over another."""
    return np.log((t[f"{colour}_{one}"] + 1e-3) / (t[f"{colour}_{other}"] + 1e-3))


def hour(t):
    """How dark the sky above the horizon comes out."""
    return -np.log(t["exposure"] * luminance(t, "haze") + 1e-3)


def golden_light(t):
    """How much warmer than white the sky above the horizon is; by day and by night it is not."""
    return np.clip(ratio(t, "haze", "r", "b"), 0, None)


def season(t):
    """Snow: low down on the mountains, on open ground and on trees."""
    # A snow line below the ground or above the summits changes nothing any more.
    parts = (-np.clip(t["snowline"], 0, 1), luminance(t, "grass"), t["tree_snow"])
    return sum(map(standardised, parts))


def dryness(t):
    """How much redder than green meadows and broadleaf trees are."""
    return standardised(ratio(t, "grass", "r", "g")) + standardised(ratio(t, "leaf", "r", "g"))


def haze(t):
    """Clouds, mist and haze."""
    return sum(map(standardised, (np.clip(t["cloud_cover"], 0, 1), t["mist"], -np.log(t["visibility"]))))


FACTORS = {  # name: the number for each picture, and where a positive gain leads
    "hour": (hour, "night"),
    "golden light": (golden_light, "a warm, low sun"),
    "season": (season, "snow"),
    "dryness": (dryness, "ochre meadows"),
    "haze": (haze, "haze under a grey sky"),
}


def read_index(folder):
    """The rows of index.csv: names of the pictures, and the numeric columns."""
    path = folder / "index.csv"
    if not path.exists():
        sys.exit(f"error: {path} is missing; render the pictures with landscapes.py")
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    words = ("file", "place", "archetype")
    return [row["file"] for row in rows], {
        key: np.array([float(row[key]) for row in rows]) for key in rows[0] if key not in words
    }


def related(structures, textures):
    """A number for each row: the same for rows that share a structure or a texture, directly or through others."""
    groups = np.arange(len(structures))
    while True:
        merged = groups
        for column in (structures, textures):
            _, which = np.unique(column, return_inverse=True)
            least = np.full(which.max() + 1, len(groups))
            np.minimum.at(least, which, merged)
            merged = least[which]
        if (merged == groups).all():
            return groups
        groups = merged


def choose(structures, textures, count, seed):
    """Numbers of about count rows, in two lists: to fit on, and held out. No structure and no texture is in both."""
    rng = np.random.default_rng(seed)
    groups = related(structures, textures)
    shuffled = rng.permutation(np.unique(groups))
    place = dict(zip(shuffled.tolist(), range(len(shuffled)), strict=True))
    places = np.array([place[one] for one in groups.tolist()])
    order = np.argsort(places, kind="stable")[:count]
    limit = round((1 - HELD_OUT) * (places[order].max() + 1))
    return order[places[order] < limit].tolist(), order[places[order] >= limit].tolist()


def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", help="model file, or the name of a bundled model")
    p.add_argument("pictures", type=Path, help="folder of pictures with index.csv, from landscapes.py")
    p.add_argument("out", type=Path, help="file of directions to write")
    p.add_argument("-k", type=int, default=10, help="principal components")
    p.add_argument("--count", type=int, default=4000, help="pictures at the most, the held-out ones among them")
    p.add_argument("--seed", type=int, default=0, help="picks the pictures")
    p.add_argument("--device", help="cpu, cuda or mps; the fastest by default")
    a = p.parse_args(arguments)
    try:
        found = find(graftlab.load(a.model, device=a.device), a.pictures, a.k, a.count, a.seed)
        found.save(a.out)
    except GraftError as error:
        sys.exit(f"error: {error}")
    print(report(found))


def find(model, folder, k, count, seed):
    """The directions of all FACTORS, then k principal components, with their correlations on held-out pictures."""
    files, columns = read_index(folder)
    source = open_source(folder)
    number = {name: i for i, name in enumerate(source.names)}
    there = np.array([i for i, file in enumerate(files) if file in number])
    if not len(there):
        sys.exit(f"error: {folder} holds none of the pictures of its index.csv; render them with landscapes.py")
    columns = {key: column[there] for key, column in columns.items()}
    factors = {name: measure(columns) for name, (measure, _) in FACTORS.items()}
    textures, values = [], []
    for rows in choose(columns["structure_seed"], columns["texture_seed"], count, seed):
        row_of = {number[files[there[row]]]: row for row in rows}
        read, batches = [], []
        for indices, codes in encode_photos(model, source, list(row_of), model.config.size):
            read += [row_of[index] for index in indices]
            batches.append(codes.texture.cpu())
        if len(read) < 2:
            sys.exit(f"error: {folder} holds too few readable pictures; render more with landscapes.py")
        textures.append(torch.cat(batches))
        values.append({name: column[read] for name, column in factors.items()})
    parts = (
        fit_factors(textures[0], values[0], model.fingerprint),
        fit(textures[0], k, model.fingerprint),
    )
    found = named(correlate(Directions.cat(parts), textures[1], values[1]))
    story = {
        "photos": "rendered alpine lakes (recipes/landscapes)",
        "size": model.config.size,
        "seed": seed,
        "toward": {name: toward for name, (_, toward) in FACTORS.items()},
        "told": {name: round(told(*textures, *(half[name] for half in values)), 4) for name in FACTORS},
    }
    return dataclasses.replace(found, about={**found.about, **story})


def told(textures, held_out, values, truth, penalty=1e-5):
    """How well the whole code tells a factor: the correlation of ridge regression with the truth, held out."""
    x = (textures - textures.mean(0)).double().numpy()
    square = x.T @ x / len(x)
    square += penalty * np.trace(square) * np.eye(len(square))
    weights = np.linalg.solve(square, x.T @ (values - values.mean()))
    return float(np.corrcoef(held_out.double().numpy() @ weights, truth)[0, 1])


def report(found):
    """For each factor: correlation with the whole code, its own direction and the component that follows it best."""
    lines = [f"{'factor':<14}{'whole code':>10}{'direction':>11}   best component"]
    for factor in FACTORS:
        table = {name: found.correlations(name)[factor] for name in found.names if name not in FACTORS}
        best = max(table, key=lambda name: abs(table[name]))
        figures = f"{found.about['told'][factor]:>10.2f}{found.correlations(factor)[factor]:>11.2f}"
        lines.append(f"{factor:<14}{figures}   {table[best]:.2f} {best}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
