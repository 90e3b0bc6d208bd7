"""Directions from words: a text model looks at many pictures of a model once, and any phrase is a direction at once.

    probe = probe_textures(model, Distribution.load("landscapes-256"), text_model())   # a minute or two, once
    night = probe.directions(text_model(), ["night", "snowy winter"], neutral="day")
    model.decode(night.apply(model.encode(picture), {"night": 2}))

StyleCLIP's global directions (Patashnik et al. 2021, section 6) move one channel of the styles at a time, and keep what
moves pictures where the words point. Here pictures differ along all principal components at once, as textures (or a
StyleGAN2's w) do, and least squares tell what each component does to the picture's vector: fewer pictures tell more.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from graftlab.artifacts import Artifact, finite
from graftlab.checkpoints.catalogue.cache import writable_folder
from graftlab.codes import Autoencoder, StyleCodes, SwapCodes
from graftlab.data.image_source import ImageSource
from graftlab.data.sources import open_photos
from graftlab.data.squares import choose
from graftlab.data.training_images import keys_of
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution
from graftlab.editing.fitting import encode_photos
from graftlab.editing.style_directions import ganspace
from graftlab.errors import GraftError
from graftlab.language import TextModel
from graftlab.objectives.words import NEUTRAL, Aim, Prompt, phrase
from graftlab.work import examples
from graftlab.work.progress import Progress, silent

PICTURES = 320  # that a text model looks at
STRUCTURES = 16  # that they have, at the most
COMPONENTS = 32  # along which a StyleGAN2's w differ
HELD_OUT = 5  # one picture in so many tells how well a direction does
FAINT = 0.3  # correlation below which a direction hardly does what its phrase says
BATCH = 8  # pictures drawn at once
SAME = 1e-3  # by which the vector of a phrase may differ for rounding


class Sampler(Protocol):
    """A StyleGAN2."""

    @property
    def codes_of(self) -> Callable[[Sequence[int]], StyleCodes]: ...

    @property
    def decode(self) -> Callable[..., Tensor]: ...


@dataclass(frozen=True, eq=False)
class Probe(Artifact):
    """What one text model saw in N pictures of one model, which differ along k components of their codes."""

    kind: ClassVar[str] = "probe"
    noun: ClassVar[str] = "probe by words"
    remedy: ClassVar[str] = "'graft directions text' makes it anew"
    mean: Tensor  # (C,) of the codes
    axes: Tensor  # (k, C), each as long as the standard deviation along it
    places: Tensor  # (N, k): where the pictures lie, in deviations, less the mean of those of the same structure
    seen: Tensor  # (N, D): their vectors, less the same
    known: Tensor  # (D,): what the text model says of a phrase, by which it is known again
    model: str | None = None
    part: str = "texture"  # of the codes
    about: dict[str, Any] = field(default_factory=dict)  # the text model's name, which pictures

    def __post_init__(self) -> None:
        k, channels = self.axes.shape if self.axes.ndim == 2 else (0, 0)
        pictures, wide = self.seen.shape if self.seen.ndim == 2 else (0, 0)
        shapes = [tuple(tensor.shape) for tensor in (self.mean, self.places, self.known)]
        if (
            shapes != [(channels,), (pictures, k), (wide,)]
            or not pictures > k > 0
            or not finite(*self._tensors().values())
        ):
            raise GraftError("its numbers do not fit each other")

    def fits(self, words: TextModel) -> bool:
        """Whether this text model is the one that looked."""
        known = phrase(words, NEUTRAL).cpu()
        return known.shape == self.known.shape and bool((known - self.known).abs().max() < SAME)

    def directions(self, words: TextModel, texts: Sequence[str], neutral: str = NEUTRAL) -> Directions:
        """The direction that each phrase stands for, from what `neutral` stands for: with all of it, a gain of 1 moves
        codes by one deviation. `about["correlations"]` tells how the pictures held out follow each.

        GraftError for another text model, and for a phrase without words that it knows."""
        if not self.fits(words):
            raise GraftError(f"The probe is by another text model than {words.name}; {self.remedy}.")
        names = list(dict.fromkeys(text.strip() for text in texts))
        targets = Aim.of(words, [Prompt(name) for name in names], neutral).targets[:, 0].cpu().double()  # (K, D)
        places, rising = self.places.double(), self.seen.double() @ targets.T  # (N, k), (N, K)
        out = torch.arange(len(places)) % HELD_OUT == HELD_OUT - 1
        steps = torch.linalg.lstsq(places[~out], rising[~out], driver="gelsd").solution  # (k, K)
        steps = steps / steps.norm(dim=0).clamp(min=1e-12)
        follow = torch.nn.functional.cosine_similarity(places[out] @ steps, rising[out], dim=0)  # both have no mean
        vectors = (steps.T @ self.axes.double()).float()
        shares = vectors.square().sum(1) / self.axes.square().sum()
        correlations = {name: {name: round(r, 4)} for name, r in zip(names, follow.tolist(), strict=True)}
        told = {"texts": names, "neutral": neutral, "held_out": int(out.sum()), "correlations": correlations}
        if notices := list(filter(None, map(words.notice, names))):
            told["notices"] = notices
        return Directions(tuple(names), vectors, self.mean, shares, self.model, {**self.about, **told}, self.part)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("mean", "axes", "places", "seen", "known")}

    def _header(self) -> dict[str, Any]:
        return {"part": self.part, "model": self.model, "about": self.about}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        return cls(**{**tensors, **header})


def probe_textures(
    model: Autoencoder,
    weather: Distribution,  # of textures of this model
    words: TextModel,
    photos: str | Path | ImageSource = examples.FOLDER,  # whose structures the pictures have
    size: int = 256,  # side of the squares that are cut from their centres, pixels
    count: int = PICTURES,
    seed: int = 0,
    progress: Progress = silent,  # of pictures
) -> Probe:
    """Look at random textures on a few structures, or remember what was seen when this was done before.

    GraftError for the textures of another model, or photos of which none can be read."""
    source = open_photos(photos) if isinstance(photos, str | Path) else photos
    chosen = choose(source, STRUCTURES, seed)
    keys = [key[:16] for key in keys_of(source, chosen)]
    about = {"text_model": words.name, "pictures": count, "seed": seed, "size": size, "photos": keys}
    about |= {"textures": weather.about}

    def look() -> Probe:
        found = [codes for _, codes in encode_photos(model, source, chosen, size)]
        if not found:
            raise GraftError(f"{source.path} has no readable picture; give some whose structures can be drawn.")
        codes, drawn = SwapCodes.cat(found), weather.textures(range(seed, seed + count))
        weather.check_owner(codes.model, "this model")

        def pictures() -> Iterator[Tensor]:
            for start in range(0, count, BATCH):
                which = torch.arange(start, min(start + BATCH, count))
                structure = codes.structure[which.to(codes.structure.device) % len(codes)]
                yield model.decode(SwapCodes(structure, drawn[which].to(structure), model=codes.model))

        groups = torch.arange(count) % len(codes)
        places, seen = weather.texture.places(drawn).float(), look_at(words, pictures(), count, progress)
        return made(words, weather.texture.mean, weather.texture.axes, places, seen, groups, weather.model, "texture")

    return remembered(weather.model, "texture", about, words, look)


def probe_styles(
    model: Sampler,
    words: TextModel,
    count: int = PICTURES,
    k: int = COMPONENTS,  # principal components of w, at the most
    seed: int = 0,
    progress: Progress = silent,  # of pictures
) -> Probe:
    """Look at pictures of a StyleGAN2's seeds, or remember what was seen when this was done before."""
    about = {"text_model": words.name, "pictures": count, "seed": seed, "components": k}

    def look() -> Probe:
        components = ganspace(model.codes_of, k=min(k, model.codes_of([0]).w.shape[2]))
        seeds = range(seed, seed + count)
        codes = [model.codes_of(seeds[start : start + BATCH]) for start in range(0, count, BATCH)]
        places = components.positions(torch.cat([batch.w[:, 0] for batch in codes])).float()
        seen = look_at(words, map(model.decode, codes), count, progress)
        groups = torch.zeros(count, dtype=torch.long)
        return made(words, components.mean, components.vectors, places, seen, groups, components.model, "w")

    return remembered(model.codes_of([0]).model, "w", about, words, look)


@torch.no_grad()
def look_at(words: TextModel, pictures: Iterator[Tensor], count: int, progress: Progress) -> Tensor:
    """Vectors (N, D) of pictures that come in batches."""
    seen: list[Tensor] = []
    for batch in pictures:
        seen.append(words.images(batch).cpu())
        progress(sum(map(len, seen)), count)
    return torch.cat(seen)


def made(
    words: TextModel,
    mean: Tensor,
    axes: Tensor,
    places: Tensor,
    seen: Tensor,
    groups: Tensor,
    model: str | None,
    part: str,
) -> Probe:
    """A probe of pictures of which those of one group (N,) have the same structure, which is not to matter."""
    for group in groups.unique():
        for rows in (places, seen):
            rows[groups == group] -= rows[groups == group].mean(0)
    return Probe(mean.cpu(), axes.cpu(), places, seen, phrase(words, NEUTRAL).cpu(), model, part)


def remembered(
    model: str | None, part: str, about: dict[str, Any], words: TextModel, look: Callable[[], Probe]
) -> Probe:
    """The probe in the cache, if it is of this model, these pictures and this text model; or a new one, kept there."""
    slug = re.sub(r"[^a-z0-9]+", "-", words.name.lower()).strip("-")
    kept = None
    with contextlib.suppress(GraftError):  # nothing can be written there, or what is there is of no use
        kept = writable_folder("probes") / f"{(model or 'none')[:16]}-{slug}-{part}.safetensors"
        found = Probe.load(kept)
        if model and found.model == model and found.about == about and found.fits(words):
            return found
    probe = replace(look(), about=about)
    if kept and model:
        with contextlib.suppress(GraftError):
            probe.save(kept)
    return probe
