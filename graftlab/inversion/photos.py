"""`invert`: photos to the codes of a StyleGAN in one call.

found = invert(model, ["@peaks", "@autumn-hills"], state="codes.safetensors")
found.codes.save("codes.safetensors")
forget("codes.safetensors")
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from graftlab.codes import StyleCodes
from graftlab.errors import GraftError
from graftlab.figures.sheets import fit_scale, sheet
from graftlab.images import l1, psnr, read
from graftlab.images.frames import Frame
from graftlab.inversion.crops import Box, cut
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.faces import frame_faces
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.published import PublishedEncoder, read_encoder
from graftlab.inversion.search import Search, Settings, draw
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out, keep_state
from graftlab.networks.style import StyleGAN
from graftlab.perception.distances import deep
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.perception.features import FeatureNetwork
from graftlab.work.progress import Watch, part, unwatched

STEPS = 500  # of a search that begins with nothing
Photo = Tensor | str | Path
"""(1, 3, H, W) in [-1, 1], or a file."""


class Part(NamedTuple):
    """What is searched for in a photo."""

    number: int  # of the photo among those given
    box: Box | Frame  # its middle, or how a face lies in it


@dataclass(frozen=True, eq=False)
class Inversion:
    """What was found for photos."""

    codes: StyleCodes  # w (N, L, Cw) of `model`
    photos: Tensor  # (N, 3, H, W) in [-1, 1]: the part of each that was searched for, at the size of the model's
    images: Tensor  # (N, 3, H, W), what the model draws of the codes
    model: StyleGAN  # the one that was searched, or if it was tuned the one that it became
    untuned: Tensor | None  # (N, 3, H, W), what it drew before; None where it was not tuned
    parts: Sequence[Part]  # where each of the N lies
    figures: Sequence[dict[str, float]]  # of each photo: L1, PSNR and, where features count, their distance
    history: Sequence[StyleCodes]  # of the search: the first, some between, the last; none if it was not asked for
    note: str  # what people should know: why the search did not go on where it was; else empty

    def draw_sheet(self, names: Sequence[str]) -> Tensor:
        """Every photo beside what its codes became, with its figures: (1, 3, H, W)."""
        columns = [self.images] if self.untuned is None else [self.untuned, self.images]
        rows = list(zip(self.photos, *columns, strict=True))
        labels = [
            f"{name}: L1 {each['l1']:.3f}, {each['psnr']:.1f} dB"
            for name, each in zip(names, self.figures, strict=True)
        ]
        heads = ["photo", "inverted", "tuned"][: 1 + len(columns)]
        return sheet(
            rows, labels, heads, self.model.name or None, scale=fit_scale(len(rows), len(heads), self.model.config.size)
        )


def invert(
    model: StyleGAN,
    photos: Photo | Sequence[Photo],  # (N, 3, H, W) in [-1, 1] of any size, or several of different sizes, or files
    steps: int | None = None,  # of the search; None: 500, or none where an encoder guesses
    space: str = "w+",  # "w": the same row for every layer; "w+": a row for each, which finds more and means less
    features: float = 1.0,  # weight of the deep-feature distance (extra `metrics`)
    pixels: float = 1.0,  # weight of the squared difference of pixels
    free_noise: bool = False,  # search for the noise too, which keeps grain out of w; it is put aside
    encoder: Encoder
    | PublishedEncoder
    | str
    | Path
    | None = None,  # whose guess the search begins with; None: the mean of w
    tune: int = 0,  # steps in which the generator is bent towards the photos then (`tuning`)
    frames: int = 0,  # about so many codes of the search in `history`
    enlarge: bool = False,  # take photos smaller than the model's pictures too
    faces: str | None = None,  # "largest" or "all": faces instead of middles, upright (`find_faces`)
    seed: int = 0,
    batch: int = 8,  # photos drawn at once, which memory bounds and the result does not depend on
    state: str | Path | None = None,  # file beside which unfinished work is kept, until `forget`; None: nowhere
    resume: bool = True,  # go on with what the same call kept there
    watch: Watch = unwatched,
) -> Inversion:
    """Codes from which a StyleGAN2 draws photos, all at once, by descent (Karras et al. 2020, appendix D).

    Of a photo the middle is taken, in the shape of the model's pictures, or its faces.
    GraftError for photos that are smaller than
    those, unless they may be enlarged, for settings that make no sense, and for another model's encoder."""
    photos = [photos] if isinstance(photos, str | Path) else photos
    steps = (0 if encoder else STEPS) if steps is None else steps
    settings = Settings(space=space, steps=steps, free_noise=free_noise, seed=seed)
    (images, parts), place = cut_parts(model, photos, enlarge, faces), next(model.parameters()).device
    network = efficientnet_lite(DEFAULT, place) if features else None
    likeness = Likeness(images.to(place), network, features, pixels, batch)
    plan = {
        **{"model": model.fingerprint, "photos": hashlib.sha256(images.contiguous().numpy().data).hexdigest()},
        **{"encoder": name_encoder(encoder), **settings.to_dict(), "features": features, "pixels": pixels},
        **{"tune": tune, "frames": frames},
    }
    encoder = read_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    start = encoder.fitting(model).encode(images) if encoder else None
    with keep_state(state, plan, resume) as (folder, note):
        search = Search(model, likeness, settings, start, batch, max(1, steps // frames) if frames else 0)
        if steps:
            with watch("searching", total := steps * len(images), unit="steps") as progress:
                file = folder and folder / "search.safetensors"
                carry_out(search, part(progress, 0, total, len(images)), file)
        codes = search.codes
        made, untuned = draw(model, codes, batch), None
        history = [*search.recall(), codes] if frames else []
        if tune:
            work, each = Tuning(model, codes, likeness, tune, batch), min(batch, len(codes))
            with watch("tuning", total := tune * each, unit="steps") as progress:
                carry_out(work, part(progress, 0, total, each), folder and folder / "tuning.safetensors")
            model, codes = work.finish()
            untuned, made = made, draw(model, codes, batch)
            names = (
                []
                if isinstance(photos, Tensor)
                else [Path(each).name for each in photos if not isinstance(each, Tensor)]
            )
            model.about = {**model.about, **({"tuned_to": names} if names else {})}
    return Inversion(codes, images, made, model, untuned, parts, _compare(images, made, network), history, note)


def cut_parts(
    model: StyleGAN, photos: Tensor | Sequence[Photo], enlarge: bool, faces: str | None = None
) -> tuple[Tensor, list[Part]]:
    """The middle of every photo, or its faces, at the size of the model's pictures: (N, 3, H, W), with their places."""
    if not isinstance(model, StyleGAN):
        raise GraftError(f"Codes are searched for in a StyleGAN, and this is {model.title}.")
    size, several = model.config.resolutions[-1], [photos] if isinstance(photos, Tensor) else photos
    if not len(several):
        raise GraftError("There are no photos to search for; name one or more.")
    pieces, parts = list[Tensor](), list[Part]()
    for number, photo in enumerate(several):
        if not isinstance(photo, str | Path) and not (isinstance(photo, Tensor) and photo.ndim == 4):
            what = f"{type(photo).__name__} {tuple(getattr(photo, 'shape', ()))}"
            raise GraftError(f"Photos are files, or tensors (N, 3, H, W) in [-1, 1], not {what}.")
        image, name = (photo, "the photo") if isinstance(photo, Tensor) else (read(photo), str(photo))
        for box in frame_faces(image, faces, name, size[0] / size[1]) if faces else [Box.central(image, size)]:
            pieces.append(cut(image, box, size, name, enlarge))
            parts += [Part(number + i, box) for i in range(len(image))]
    return torch.cat(pieces), parts


def name_encoder(encoder: Encoder | PublishedEncoder | str | Path | None) -> str | None:
    """What tells encoders apart."""
    if isinstance(encoder, Encoder | PublishedEncoder):
        return encoder.digest
    if encoder is None or not Path(encoder).is_file():
        return None
    with Path(encoder).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(images: Tensor, made: Tensor, network: FeatureNetwork | None) -> list[dict[str, float]]:
    """How close pictures came to photos, for each."""
    columns = {"l1": l1(made, images), "psnr": psnr(made, images)}
    if network is not None:
        columns["features"] = deep(network(made), network(images))
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(images))]
