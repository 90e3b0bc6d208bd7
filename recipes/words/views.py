"""What the frozen network sees of every picture of the training, computed once and kept in a file.

A picture has several views: the whole as a square, which is what a model looks at later; the same without fine detail,
as a small model would have drawn it; and crops, many of them of a photograph, since there are few photographs.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.images import open_rgb, resize, to_tensor
from graftlab.language.seeing import SIDE, statistics
from graftlab.perception.choice import feature_network

SMALLEST = 0.6  # side of a crop, as a share of the picture's short side
BLUR = (0.25, 0.7)  # share of the pixels' side that a view without detail keeps
CROPS = {"rendering": 1, "photo": 14}


@dataclass(frozen=True)
class Views:
    """A row for each view: its statistics, and which of the pictures it shows."""

    pictures: list[str]  # paths
    seen: Tensor  # (V, F)
    picture: Tensor  # (V,) index of `pictures`; of each the first view is the whole

    def of(self, chosen: list[int]) -> list[Tensor]:
        """For each of some pictures, the rows of its views."""
        rows: dict[int, list[int]] = {}
        for row, index in enumerate(self.picture.tolist()):
            rows.setdefault(index, []).append(row)
        return [torch.tensor(rows[index]) for index in chosen]

    def number(self, which: int, chosen: list[int]) -> Tensor:
        """(N, F): view 0 of some pictures, which is the whole, or 1, which is the whole without detail."""
        return self.seen[torch.stack([rows[which] for rows in self.of(chosen)])]


def views(path: Path, crops: int) -> list[Image.Image]:
    """The whole, the whole without detail, and crops, every other one without detail. By the file's name alone."""
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    image = resize(open_rgb(path, shrink_to=2 * SIDE), 2 * SIDE)
    made = [image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)]
    made.append(blurred(made[0], rng))
    for number in range(crops):
        side = round(min(image.size) * SMALLEST ** rng.random())
        left, top = (int(rng.integers(length - side + 1)) for length in image.size)
        box = (left, top, left + side, top + side)
        crop = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
        made.append(blurred(crop, rng) if number % 2 else crop)
    return made


def blurred(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = round(SIDE * rng.uniform(*BLUR))
    return image.resize((side, side), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def compute(wanted: dict[str, int], kept: Path) -> Views:
    """Views of pictures, by path with the number of crops of each. What the file `kept` holds of them is taken."""
    known = {path: rows for path, rows in stored(kept).items() if len(rows) == 2 + wanted.get(path, 0)}
    missing = [path for path in wanted if path not in known]
    for number, path in enumerate(missing):
        known[path] = look(path, wanted[path])
        if (number + 1) % 100 == 0 or path == missing[-1]:
            print(f"{number + 1} of {len(missing)} pictures seen", flush=True)
            tensors = {"seen": torch.cat(list(known.values())), "count": torch.tensor([len(x) for x in known.values()])}
            write_tensors(kept, tensors, {"pictures": list(known)})
    chosen = [known[path].float() for path in wanted]
    picture = torch.tensor([index for index, rows in enumerate(chosen) for _ in rows])
    return Views(list(wanted), torch.cat(chosen), picture)


def stored(kept: Path) -> dict[str, Tensor]:
    """The rows of pictures that were looked at before."""
    if not kept.exists():
        return {}
    tensors, header = read_tensors(kept)
    return dict(zip(header["pictures"], tensors["seen"].split(tensors["count"].tolist()), strict=True))


@torch.no_grad()
def look(path: str, crops: int) -> Tensor:
    """The statistics of a picture's views, float16 (V, F)."""
    images = torch.cat([to_tensor(view) for view in views(Path(path), crops)])
    return statistics(feature_network().seen(images, SIDE).maps).half()
