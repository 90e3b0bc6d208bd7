#!/usr/bin/env python3
"""Real nature photographs: small training crops from four free Debian packages.

    python photos.py PACKAGES OUT                        # OUT/Bridge-000.jpg ... OUT/credits.csv
    python photos.py PACKAGES OUT --held-out HELD_OUT    # also the photographs nothing may train on

PACKAGES is the folder the packages were unpacked into with `dpkg -x`: it holds usr/share/backgrounds and
usr/share/wallpapers. Needs numpy and pillow.
"""

import argparse
import csv
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SMALLEST = 0.35  # side of the closest crop, as a fraction of the photograph's short side


@dataclass(frozen=True)
class Photo:
    """One photograph of a package."""

    name: str  # what its crops are called
    use: str  # "landscape" and "close-up" are trained on; "held-out" never is
    file: str  # below usr/share
    package: str
    author: str
    licence: str


# Authors and licences are those of usr/share/doc/PACKAGE/copyright. For plasma-workspace-wallpapers that file only says
# GPL-2+ for the whole package; the metadata.json beside each of its photographs names the author, and LGPLv3.


def lomiri(name: str, use: str, file: str, author: str, licence: str, release: str = "16.04") -> Photo:
    return Photo(name, use, f"backgrounds/{file}.jpg", f"lomiri-wallpapers-{release}", author, licence)


def mate(name: str, use: str, author: str) -> Photo:
    return Photo(name, use, f"backgrounds/mate/nature/{name}.jpg", "mate-backgrounds", author, "GPL-2.0-or-later")


def kde(name: str, use: str, author: str) -> Photo:
    file, licence = f"wallpapers/{name}/contents/images/2560x1600.jpg", "LGPL-3.0 (package: GPL-2.0-or-later)"
    return Photo(name, use, file, "plasma-workspace-wallpapers", author, licence)


PHOTOS = [
    lomiri("Bridge", "landscape", "Bridge_by_Sander_Klootwijk", "Sander Klootwijk", "CC-BY-SA-4.0"),
    kde("BytheWater", "landscape", "Maciej Wiklo"),
    kde("DarkestHour", "landscape", "Risto Saukonpää"),
    mate("Dune", "landscape", "Marco Cogoni, Hylke Bons"),
    mate("GreenMeadow", "landscape", "Timothy Schellhase, Lapo Calamandrei"),
    kde("Kite", "landscape", "Risto Saukonpää"),
    kde("Path", "landscape", "Risto Saukonpää"),
    mate("Storm", "landscape", "Sergey Nazarov"),
    #
    mate("Aqua", "close-up", "Charles Barbin"),
    mate("Blinds", "close-up", "Lennart Poettering, Andrea Cimitan"),
    lomiri("Dragonfly", "close-up", "Dragonfly_by_Bolly", "Bolly", "CC-BY-SA-4.0"),
    kde("FallenLeaf", "close-up", "Martin Klapetek"),
    mate("FreshFlower", "close-up", "Jens Ansorg"),
    mate("Garden", "close-up", "Charles Barbin"),
    lomiri("Kleiber", "close-up", "Kleiber_by_Lukas_Baubkus", "Lukas Baubkus", "CC-BY-SA-3.0", release="20.04"),
    mate("LadyBird", "close-up", "Charles Barbin"),
    kde("OneStandsOut", "close-up", "Risto Saukonpää"),
    mate("RainDrops", "close-up", "blackcombwhistler07"),
    mate("TwoWings", "close-up", "Charles Barbin, Hylke Bons"),
    mate("YellowFlower", "close-up", "Charles Barbin"),
    #
    lomiri("aitzgorri", "held-out", "aitzgorri_by_Aitzol_Berasategi", "Aitzol Berasategi", "CC-BY-4.0"),
    lomiri("life", "held-out", "life_by_Aitzol_Berasategi", "Aitzol Berasategi", "CC-BY-4.0"),
    lomiri("picosdeeuropa", "held-out", "picosdeeuropa_by_Aitzol_Berasategi", "Aitzol Berasategi", "CC-BY-4.0"),
    lomiri("seeding", "held-out", "seeding_by_Clements_Engelhardt", "Clemens Engelhardt", "CC0-1.0"),
    lomiri("sunset", "held-out", "sunset_by_Aitzol_Berasategi", "Aitzol Berasategi", "CC-BY-4.0"),
    kde("ColdRipple", "held-out", "Risto Saukonpää"),
    kde("EveningGlow", "held-out", "Ian Hex"),
    kde("summer_1am", "held-out", "Risto Saukonpää"),
]
SHARE = {"landscape": 1.0, "close-up": 0.33, "held-out": 0.0}  # crops of a photograph, relative to a landscape


def crop_boxes(width: int, height: int, count: int, rng: np.random.Generator) -> list[tuple[int, int, int, bool]]:
    """Draw count square crops of a width x height photograph: left, top, side in pixels, and whether to mirror.

    The side is uniform in log between SMALLEST and 1 of the short side, the place uniform in what fits. Half are
    mirrored left to right; none is turned, so that the ground stays below and the horizon level."""
    boxes = []
    for _ in range(count):
        side = round(min(width, height) * SMALLEST ** rng.random())
        left, top = (int(rng.integers(length - side + 1)) for length in (width, height))
        boxes.append((left, top, side, bool(rng.random() < 0.5)))
    return boxes


def cut(picture: Image.Image, left: int, top: int, side: int, size: int, mirror: bool = False) -> Image.Image:
    """The square (left, top, side) of a picture as size x size pixels, low-pass filtered when it shrinks."""
    small = picture.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    return ImageOps.mirror(small) if mirror else small


def read(packages: Path, photo: Photo) -> Image.Image:
    """Open a photograph, upright and RGB. SystemExit if its package is not unpacked there."""
    path = packages / "usr" / "share" / photo.file
    if not path.exists():
        sys.exit(f"error: {path} is missing; unpack {photo.package} with: dpkg -x {photo.package}_*.deb {packages}")
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def others(folder: Path) -> list[Photo]:
    """Photographs of a folder of one's own, all landscapes, so that only their paths are known."""
    return [
        Photo(path.stem, "landscape", str(path.resolve()), "own", "", "")
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]


def make_set(packages: Path, out: Path, crops: int = 125, size: int = 128, seed: int = 1, photos=PHOTOS) -> int:
    """Cut the training crops into the folder out, with credits.csv. Returns how many.

    crops counts those of one landscape; close-ups give a third of that. A photograph's crops depend on its name and
    the seed alone, not on which others are in the list. SystemExit if out holds anything already."""
    if out.exists() and any(out.iterdir()):
        sys.exit(f"error: {out} is not empty; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for photo in photos:
        if not SHARE[photo.use]:
            continue
        picture = read(packages, photo)
        rng = np.random.default_rng([seed, zlib.crc32(photo.name.encode())])
        boxes = crop_boxes(*picture.size, round(crops * SHARE[photo.use]), rng)
        for i, (left, top, side, mirror) in enumerate(boxes):
            file = f"{photo.name}-{i:03d}.jpg"
            cut(picture, left, top, side, size, mirror).save(out / file, quality=92, subsampling=0)
            rows.append([file, photo.file, photo.package, photo.author, photo.licence])
    write_credits(out, rows)
    return len(rows)


def make_held_out(packages: Path, out: Path, size: int = 128, photos=PHOTOS) -> int:
    """Write the centre square of every held-out photograph to the folder out as PNG, with credits.csv."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for photo in photos:
        if photo.use == "held-out":
            picture = read(packages, photo)
            side = min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            cut(picture, left, top, side, size).save(out / f"{photo.name}.png")
            rows.append([f"{photo.name}.png", photo.file, photo.package, photo.author, photo.licence])
    write_credits(out, rows)
    return len(rows)


def write_credits(out: Path, rows: list[list[str]]) -> None:
    """Record where every picture of the folder out comes from."""
    with open(out / "credits.csv", "w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(["file", "photo", "package", "author", "licence"])
        table.writerows(rows)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("packages", type=Path, help="folder the Debian packages were unpacked into")
    p.add_argument("out", type=Path, help="folder for the crops, new or empty")
    p.add_argument("--crops", type=int, default=125, help="crops of each landscape; close-ups give a third of it")
    p.add_argument("--size", type=int, default=128, help="side in pixels")
    p.add_argument("--seed", type=int, default=1, help="same seed, same crops")
    p.add_argument("--also", type=Path, metavar="FOLDER", help="photographs of your own, cut as landscapes too")
    p.add_argument("--held-out", type=Path, metavar="FOLDER", help="also write the photographs kept from training")
    a = p.parse_args()
    photos = PHOTOS + (others(a.also) if a.also else [])
    print(f"{make_set(a.packages, a.out, a.crops, a.size, a.seed, photos)} crops in {a.out}")
    if a.held_out:
        print(f"{make_held_out(a.packages, a.held_out, a.size)} photographs in {a.held_out}")


if __name__ == "__main__":
    main()
