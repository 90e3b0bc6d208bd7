"""What a StyleGAN's pictures begin with, as people name it: seeds, files of codes, photos.

    for source in read_sources(model, ["0-3", "codes.safetensors", "@peaks"]):
        model.decode(source.codes)

Codes of photos are searched for, all at once, and kept in the cache by what they depend on: the pixels, the model's
fingerprint and how they are searched for. Whatever shows a photo again has them at once.
"""

import contextlib
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Generic, NamedTuple

from torch import Tensor

from graftlab.checkpoints.catalogue.cache import writable_folder
from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.formats.latents import read_latents
from graftlab.checkpoints.native import header_of
from graftlab.codes import Codes, CodesT, StyleCodes
from graftlab.errors import GraftError
from graftlab.images import FORMATS, dimensions
from graftlab.inversion.photos import Photo, cut_parts, invert, name_encoder
from graftlab.networks.style import StyleGAN
from graftlab.work.examples import by_name, with_examples
from graftlab.work.parts import forget
from graftlab.work.progress import Watch, unwatched
from graftlab.work.texts import parse_seeds

FOLDER = "codes"  # of the cache

Tell = Callable[[str], object]


class Source(NamedTuple, Generic[CodesT]):
    """What one picture begins with."""

    name: str  # on sheets
    codes: CodesT  # of one picture
    picture: Tensor | None = None  # (1, 3, H, W) in [-1, 1], of which these are the codes


@dataclass(frozen=True)
class Latent:
    """A numbered latent vector."""

    number: int


@dataclass(frozen=True)
class CodesFile:
    """A file of codes, ours or another program's."""

    path: Path


@dataclass(frozen=True)
class PhotoFile:
    """A picture, whose codes are to be found."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How codes of photos are searched for: options of `invert`, whose defaults these are."""

    space: str = "w+"
    """w+ (one w per layer: closer to the photo) or w (one for all: easier to edit)."""
    steps: int | None = None
    """Of the search; 500, with --encoder none unless they are asked for."""
    encoder: Path | None = None
    """An encoder of this model: from 'graft train-encoder', or a checkpoint of pSp, e4e or ReStyle."""
    features: float = 1.0
    """Weight of the deep-feature distance."""
    pixels: float = 1.0
    """Weight of the squared difference of pixels."""
    free_noise: bool = False
    """Optimise the noise too, so that grain does not affect w (the noise is not kept)."""
    enlarge: bool = False
    """Enlarge photos smaller than the model's pictures instead of refusing them."""
    faces: str | None = None
    """Of each photo the 'largest' face, or 'all', upright as in FFHQ's pictures (extra 'faces'), not its middle."""


USUAL = Finding()


Named = Latent | CodesFile | PhotoFile


def parse_sources(texts: Sequence[str | Path | Named]) -> list[Named]:
    """Seeds ("7", "1,4,10-20"), files of codes, pictures, and all pictures of folders, in the order given.

    A file is told by its content. GraftError for what is none of these."""
    found: list[Named] = []
    for text in texts:
        if isinstance(text, Named):
            found.append(text)
            continue
        path = Path(with_examples(str(text)))
        if path.is_dir():
            found += [PhotoFile(each) for each in pictures_in(path)]
        elif path.is_file():
            found.append(PhotoFile(path) if _is_picture(path) else CodesFile(path))
        else:
            numbers = parse_seeds(str(text), f"{text} is no file, and beside files a StyleGAN2")
            found += [Latent(number) for number in numbers]
    return found


def read_sources(
    model: StyleGAN,
    named: Sequence[str | Path | Named],  # of `parse_sources`
    psi: float = 0.7,  # truncation of seeds
    label: int | str | None = None,  # class of seeds, of a conditional model
    finding: Finding = USUAL,
    seed: int = 0,  # of the search
    kin: Collection[str | None] = (),  # fingerprints of models whose codes mean the same to this one
    watch: Watch = unwatched,
    tell: Tell = lambda sentence: None,  # of photos whose codes are there already
) -> list[Source[StyleCodes]]:
    """The codes of all that is named, one by one, as the model's own.

    GraftError for codes that belong to neither the model, nor its ancestors, nor its kin, and as of `find_codes`."""
    wanted = parse_sources(named)
    photos = [each.path for each in wanted if isinstance(each, PhotoFile)]
    of: dict[int, list[Source[StyleCodes]]] = defaultdict(list)  # each photo
    if photos:
        pieces, parts = cut_parts(model, photos, finding.enlarge, finding.faces)
        names, cut = [str(photos[part.number]) for part in parts], replace(finding, faces=None)
        for part, source in zip(parts, find_codes(model, pieces.split(1), cut, seed, names, watch, tell), strict=True):
            of[part.number].append(source)
    numbers = count()
    sources: list[Source[StyleCodes]] = []
    for each in wanted:
        if isinstance(each, PhotoFile):
            sources += of[next(numbers)]
        elif isinstance(each, CodesFile):
            codes = read_codes(each.path, model, kin)
            names = [each.path.stem] if len(codes) == 1 else [f"{each.path.stem} {i}" for i in range(len(codes))]
            sources += [Source(name, codes[i]) for i, name in enumerate(names)]
        else:
            sources.append(Source(f"seed {each.number}", model.codes_of([each.number], psi, labels=label)))
    return sources


def read_codes(path: str | Path, model: StyleGAN, kin: Collection[str | None] = ()) -> StyleCodes:
    """The codes in a file, ours or another program's (`read_latents`), as the model's own.

    GraftError if they are a Swapping Autoencoder's, or belong to a model that is none of its ancestors or kin."""
    path = Path(path)
    if header_of(open_contents(path)) is None:
        w = read_latents(path, model.config.layers, model.config.w_channels)
        return StyleCodes(w, model=model.fingerprint)
    codes = Codes.load(path)
    if not isinstance(codes, StyleCodes):
        raise GraftError(
            f"{path} holds codes of another kind than {model.title} draws; find a photo's with 'graft invert PHOTO -m "
            f"{model.name or 'MODEL'}'."
        )
    if codes.model not in (None, model.fingerprint, *model.ancestors, *kin):
        called = model.name or "MODEL"
        raise GraftError(
            f"{path} holds codes of another model than {called}; find the photo's with 'graft invert PHOTO -m "
            f"{called}', or draw them with models that are kin of theirs."
        )
    return replace(codes, model=model.fingerprint)


def find_codes(
    model: StyleGAN,
    photos: Sequence[Photo],
    finding: Finding = USUAL,
    seed: int = 0,
    names: Sequence[str] = (),  # what to call them; none: by their files
    watch: Watch = unwatched,
    tell: Tell = lambda sentence: None,
) -> list[Source[StyleCodes]]:
    """Photos with their codes (`invert`), which the cache keeps: each photo, or face, is searched for once.

    A search that is interrupted goes on there. Where the cache cannot be written, nothing is kept. GraftError as of
    `invert`."""
    pieces, parts = cut_parts(model, photos, finding.enlarge, finding.faces)
    told = {**asdict(finding), "encoder": name_encoder(finding.encoder), "enlarge": None}
    del told["faces"]  # which the pixels tell
    about = json.dumps({"model": model.fingerprint, "seed": seed, **told}, sort_keys=True).encode()
    keys = [hashlib.sha256(about + piece.contiguous().numpy().tobytes()).hexdigest() for piece in pieces]
    names = names or ["the photo" if isinstance(each, Tensor) else str(each) for each in photos]
    names = [names[part.number] for part in parts]
    folder = None
    if model.fingerprint:
        with contextlib.suppress(GraftError):
            folder = writable_folder(FOLDER)
    known = {key: codes for key in keys if folder and (codes := _recall(folder / f"{key}.safetensors", model))}
    if known:
        there = ", ".join(dict.fromkeys(by_name(name) for name, key in zip(names, keys, strict=True) if key in known))
        tell(f"{there}: codes in {model.name or 'this model'} that were found before, from the cache.")
    if missing := [i for i, key in enumerate(keys) if key not in known and key not in keys[:i]]:
        state = folder and folder / f"{hashlib.sha256(''.join(keys[i] for i in missing).encode()).hexdigest()}.search"
        found = invert(
            model, pieces[missing], **vars(replace(finding, faces=None)), seed=seed, state=state, watch=watch
        )
        for i, number in enumerate(missing):
            known[keys[number]] = found.codes[i]
            if folder:
                found.codes[i].save(folder / f"{keys[number]}.safetensors")
        if state:
            forget(state)
    return [
        Source(Path(name).stem, known[key], piece[None]) for name, key, piece in zip(names, keys, pieces, strict=True)
    ]


def pictures_of(paths: Iterable[str | Path]) -> list[Path]:
    """Pictures, and all those of folders, in the order given. GraftError for a folder without any."""
    return [*chain(*(pictures_in(path) if path.is_dir() else [path] for path in map(Path, paths)))]


def pictures_in(folder: Path) -> list[Path]:
    """Files that end as pictures do, without the hidden ones that some systems put beside them.

    GraftError if there are none."""
    files = sorted(
        file for file in folder.iterdir() if file.suffix.lower() in FORMATS and not file.name.startswith(".")
    )
    if not files:
        raise GraftError(f"{folder} holds no pictures; name another folder, or pictures.")
    return files


def _is_picture(path: Path) -> bool:
    try:
        return bool(dimensions(path))
    except GraftError:  # a damaged one is still meant as one
        return path.suffix.lower() in FORMATS


def _recall(file: Path, model: StyleGAN) -> StyleCodes | None:
    """Codes that the cache keeps, unless they are damaged."""
    with contextlib.suppress(GraftError):
        codes = Codes.load(file)
        if isinstance(codes, StyleCodes) and codes.model == model.fingerprint:
            return codes
    return None
