"""`redraw`: photos to what blends of a StyleGAN draw of their codes (Pinkney and Adler 2020); `toonify`: one to one.

for made in redraw(["@peaks", "@autumn-hills"], base, {"prints": prints, "neon": neon}, whole=True):
    graftlab.write(made.image, f"{made.name}-{made.by}.png")
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.codes import StyleCodes
from graftlab.errors import GraftError
from graftlab.figures.sheets import fit_scale, sheet
from graftlab.images import read
from graftlab.images.frames import Frame
from graftlab.inversion.crops import Box, cut, paste
from graftlab.inversion.faces import NoFaceError, frame_faces
from graftlab.inversion.photos import Photo
from graftlab.inversion.search import draw
from graftlab.inversion.sources import USUAL, Finding, Tell, find_codes, read_codes
from graftlab.networks.alike import adopt, check_alike
from graftlab.networks.style import StyleGAN
from graftlab.work.progress import Watch, unwatched


@dataclass(frozen=True, eq=False)
class Redrawing:
    """A photo as one blend draws it."""

    name: str  # of the photo
    by: str  # which blend
    before: Tensor  # (N, 3, H, W) in [-1, 1]: the N parts that are redrawn, at the size of the model's pictures
    after: Tensor  # the same, redrawn
    image: Tensor  # the result: `after`, or the whole photo (1, 3, H, W) with it


def redraw(
    photos: Sequence[Photo],
    base: StyleGAN,  # that knows photos like these
    blends: Mapping[str, StyleGAN],  # made of it, which draw them in their own way, by what they are called
    box: Box | str | None = None,  # left,top,width,height of what is redrawn in each photo; None: its middle
    soft: float = 0.1,  # of the box, the share over which its edge is soft
    whole: bool = False,  # the photo around the middle too, at its own size; of a box always
    codes: StyleCodes | str | Path | None = None,  # of the photos in the base; None: they are searched for
    finding: Finding = USUAL,  # its faces go back into the whole photo
    seed: int = 0,  # of the search
    watch: Watch = unwatched,
    tell: Tell = lambda sentence: None,
) -> Iterator[Redrawing]:
    """Redraw photos by blends: of each photo each blend, in order. All codes are found, once, before the first.

    Of several photos those without a face are left out, and told. GraftError, before any search, if none is left, for
    models of different layers, and for a box that does not fit photos and model."""
    wanted, faces = Box.parse(box) if isinstance(box, str) else box, finding.faces
    if wanted and faces:
        raise GraftError("What is redrawn is a box or faces; leave out --box, or --faces.")
    check_alike(base, *blends.values())
    size = base.config.resolutions[-1]
    pictures, names, boxes = list[Tensor](), list[str](), list[Sequence[Box | Frame]]()
    for photo in photos:
        picture, name = (photo, "the photo") if isinstance(photo, Tensor) else (read(photo), str(photo))
        try:
            framed = frame_faces(picture, faces, name, size[0] / size[1]) if faces else []
        except NoFaceError as error:
            if len(photos) == 1:
                raise
            tell(f"{error} It is left out.")
            continue
        pictures.append(picture)
        names.append(name)
        boxes.append(framed or [wanted or Box.central(picture, size)])
    if not pictures:
        raise NoFaceError(f"None of the {len(photos)} photos shows a face that was found; leave out --faces.")
    pieces, shown = list[Tensor](), list[str]()
    for picture, crops, name in zip(pictures, boxes, names, strict=True):
        for crop in crops:
            pieces.append(cut(picture, crop, size, name, finding.enlarge))
            paste(picture, pieces[-1], crop, soft)  # refuses what it would refuse after the search
            shown.append(name)
    if codes is None:
        found = find_codes(base, pieces, replace(finding, faces=None), seed, shown, watch, tell)
        codes = StyleCodes.cat([each.codes for each in found])
    elif not isinstance(codes, StyleCodes):
        codes = read_codes(codes, base)
    if len(codes) != len(pieces):
        what = "faces" if faces else "photos"
        raise GraftError(f"There are {len(codes)} codes and {len(pieces)} {what}; give one for each.")
    ends = list(accumulate(map(len, boxes)))
    with watch("redrawing", total := len(pictures) * len(blends)) as progress:
        for number, (i, by) in enumerate(product(range(len(pictures)), blends), 1):
            own = slice(ends[i] - len(boxes[i]), ends[i])
            after = draw(blends[by], adopt(codes[own], base, blends[by])).clamp(-1, 1)
            image = after
            if wanted or whole or faces:
                image = pictures[i]
                for crop, piece in zip(boxes[i], after, strict=True):
                    image = paste(image, piece[None], crop, soft)
            progress(number, total)
            yield Redrawing(Path(names[i]).stem, by, torch.cat(pieces[own]), after, image)


def toonify(
    photo: Photo,
    base: StyleGAN,  # that knows photos like this one
    blend: StyleGAN,  # made of it, which draws them in its own way
    box: Box | str | None = None,  # left,top,width,height of what is redrawn in the photo; None: its middle, alone
    soft: float = 0.1,  # of the box, the share over which its edge is soft
    codes: StyleCodes | str | Path | None = None,  # the photo's in the base; None: they are searched for
    seed: int = 0,
    watch: Watch = unwatched,
    **finding: Any,  # of `Finding`: steps, space, faces and the like
) -> Tensor:
    """One photo by one blend (`redraw`): (1, 3, H, W)."""
    how = Finding(**finding)
    (made,) = redraw([photo], base, {"": blend}, box, soft, codes=codes, finding=how, seed=seed, watch=watch)
    return made.image


def draw_comparison(made: Sequence[Redrawing]) -> Tensor:
    """Photos beside what blends made of them, a row for each, or for each of its faces: (1, 3, H, W)."""
    heads = list(dict.fromkeys(each.by for each in made))
    names, cells = list[str](), list[Sequence[Tensor]]()
    for i in range(0, len(made), len(heads)):
        photo, *_ = row = made[i : i + len(heads)]
        names += [photo.name] * len(photo.before)
        cells += zip(*(each.split(1) for each in (photo.before, *(one.after for one in row))), strict=True)
    scale = fit_scale(len(cells), len(heads) + 1, max(made[0].before.shape[2:]))
    return sheet(cells, names, ["photo", *heads], scale=scale)
