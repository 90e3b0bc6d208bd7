#!/usr/bin/env python3
"""Alpine lakes: small procedural landscape pictures with exact ground truth.

Every picture is a *structure* (terrain, camera, water level, tree placement) seen with a *texture* (season,
time of day, sun, weather, materials).  The two are sampled independently, so that any structure can be
rendered with any texture:

    python landscapes.py OUT --count 1000 --size 128 --seed 1 --jobs 2      # OUT/000000.jpg ... OUT/index.csv
    python landscapes.py grid.png --grid 8x8 --seed 1                       # rows = structures, columns = textures
    python landscapes.py OUT --cells 8x8 --seed 4                           # the same as OUT/s0_t0.png ...

Units: 1 scene unit = 1 km; x is right, y up, z ahead; the camera stands near the origin and looks along +z.
Angles are in degrees, colours are linear RGB in 0..1.  Needs numpy, pillow and the `povray` executable.
"""

import argparse
import csv
import dataclasses
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from scene import render, scene
from structure import PLACES, Structure, terrain
from texture import ARCHETYPES, Texture

__all__ = ["ARCHETYPES", "PLACES", "Structure", "Texture", "render", "scene", "terrain"]

VERSION = 3  # of the pictures: a seed's pictures are the same as long as this is
IN_FLIGHT = 3  # pictures in flight per job: a POV-Ray run sleeps for about 0.6 s of its wall time


def sample_pair(seed, index):
    """Seeds, structure and texture of picture number index of data set seed."""
    a, b = np.random.SeedSequence([seed, index]).generate_state(2).tolist()
    return a, b, Structure.sample(np.random.default_rng(a)), Texture.sample(np.random.default_rng(b))


def save(path, structure, texture, size):
    """Render to a JPEG or PNG file that appears only when complete."""
    options = {"format": "JPEG", "quality": 92, "subsampling": 0} if path.endswith(".jpg") else {"format": "PNG"}
    render(structure, texture, size).save(f"{path}.part", **options)
    os.replace(f"{path}.part", path)


def save_all(work, jobs):
    """Carry out a list of save(...) arguments, keeping about `jobs` processor cores busy."""
    with ProcessPoolExecutor(jobs * IN_FLIGHT) as pool:
        for done, _ in enumerate(pool.map(save, *zip(*work, strict=True)), 1):
            if done % 100 == 0 or done == len(work):
                print(f"{done}/{len(work)}", flush=True)


def make_set(out, count, size, seed, jobs, views):
    """Write count structures, each under `views` textures, and index.csv to the folder out.

    Pictures that are already there are kept. As many structures as there are views share their textures: number 6 is
    rendered with textures 6 and 7, and number 7 likewise, as 000006@000007.jpg and so on."""
    rows, work = [], []
    for i in range(count):
        a, _, s, _ = sample_pair(seed, i)
        for j in range(i - i % views, i - i % views + views):
            name = f"{i:06d}@{j:06d}.jpg" if views > 1 else f"{i:06d}.jpg"
            _, b, _, t = sample_pair(seed, j)
            row = {"file": name, "structure_seed": a, "texture_seed": b, "place": s.place, "archetype": t.archetype}
            row["version"] = VERSION
            for key, value in (dataclasses.asdict(s) | dataclasses.asdict(t)).items():
                if isinstance(value, tuple):
                    row |= {f"{key}_{c}": v for c, v in zip("rgb", value, strict=True)}
                elif key not in ("noise_seed", "place", "archetype"):
                    row[key] = round(value, 5)
            rows.append(row)
            if not (out / name).exists():
                work.append((str(out / name), s, t, size))
    out.mkdir(parents=True, exist_ok=True)
    if (out / "index.csv").exists():
        with open(out / "index.csv", newline="") as f:
            old = next(csv.DictReader(f), {"structure_seed": None, "file": None})
        made_by = old.get("version", "1")
        if made_by != str(VERSION):
            sys.exit(
                f"error: {out} holds pictures of version {made_by} of this renderer, which is version {VERSION}: "
                "the same --seed gives other pictures now; choose another folder"
            )
        done = out / rows[0]["file"]
        same = (old["structure_seed"], old["file"]) == (str(rows[0]["structure_seed"]), rows[0]["file"])
        if not same or (done.exists() and Image.open(done).width != size):
            sys.exit(f"error: {out} holds pictures of another --seed, --size or --views; choose another folder")
    with open(out / "index.csv", "w", newline="") as f:
        table = csv.DictWriter(f, rows[0])
        table.writeheader()
        table.writerows(rows)
    save_all(work, jobs)


def grid_of(rows, cols, seed):
    """Structures and textures of a grid; the textures cycle through the archetypes."""
    structures = [sample_pair(seed, r)[2] for r in range(rows)]
    textures = [
        Texture.sample(np.random.default_rng(sample_pair(seed, c)[1]), list(ARCHETYPES)[c % len(ARCHETYPES)])
        for c in range(cols)
    ]
    return structures, textures


def make_grid(out, rows, cols, size, seed, jobs):
    """Write one picture of rows structures x cols textures."""
    structures, textures = grid_of(rows, cols, seed)
    sheet = Image.new("RGB", (cols * size, rows * size))
    with tempfile.TemporaryDirectory() as tmp:
        cells = [(r, c, f"{tmp}/{r}_{c}.jpg") for r in range(rows) for c in range(cols)]
        save_all([(path, structures[r], textures[c], size) for r, c, path in cells], jobs)
        for r, c, path in cells:
            sheet.paste(Image.open(path), (c * size, r * size))
    sheet.save(out)


def make_cells(out, rows, cols, size, seed, jobs):
    """Write the pictures of a grid to the folder out as s{row}_t{column}.png, keeping those that are there."""
    structures, textures = grid_of(rows, cols, seed)
    out.mkdir(parents=True, exist_ok=True)
    cells = [(str(out / f"s{r}_t{c}.png"), structures[r], textures[c], size) for r in range(rows) for c in range(cols)]
    if work := [cell for cell in cells if not os.path.exists(cell[0])]:
        save_all(work, jobs)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("out", type=Path, help="folder for the pictures, or the picture file to write with --grid")
    p.add_argument("--count", type=int, default=100, help="number of structures, at least 1")
    p.add_argument("--views", type=int, default=1, help="textures for each structure, shared by as many structures")
    p.add_argument("--size", type=int, default=128, help="side in pixels")
    p.add_argument("--seed", type=int, default=0, help="picks the data set; same seed, same pictures")
    p.add_argument("--jobs", type=int, default=1, help="processor cores to keep busy")
    p.add_argument("--grid", metavar="ROWSxCOLS", help="write one grid: rows = structures, columns = textures")
    p.add_argument("--cells", metavar="ROWSxCOLS", help="write such a grid as one file per picture")
    a = p.parse_args()
    if not shutil.which("povray"):
        sys.exit("error: the `povray` executable is not on PATH (Debian, Ubuntu: apt-get install povray)")
    if a.cells:
        make_cells(a.out, *map(int, a.cells.lower().split("x")), a.size, a.seed, a.jobs)
    elif a.grid:
        make_grid(a.out, *map(int, a.grid.lower().split("x")), a.size, a.seed, a.jobs)
    else:
        make_set(a.out, a.count, a.size, a.seed, a.jobs, a.views)


if __name__ == "__main__":
    main()
