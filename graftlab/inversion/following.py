"""`guide`: from codes and phrases to codes that follow them, in one call.

guided = guide(model, model.encode(photo), ["golden sunset", Prompt("fog", -1)])
graftlab.write(guided.images, "sunset.png")
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic

import torch
from torch import Tensor

from graftlab.checkpoints.load import bundled_textures
from graftlab.codes import CodesT, StyleCodes
from graftlab.editing import masks
from graftlab.editing.distributions import Distribution
from graftlab.errors import GraftError
from graftlab.hardware import require_memory
from graftlab.inversion.guidance import USUAL, Guidance, Guiding
from graftlab.inversion.refine import memory
from graftlab.inversion.search import draw
from graftlab.inversion.work import carry_out, keep_state
from graftlab.language import DEFAULT, TextModel, text_model
from graftlab.networks.model import Decoder
from graftlab.networks.swapping import SwappingModel
from graftlab.objectives.words import NEUTRAL, Aim, Prompt, notices
from graftlab.work.progress import Watch, unwatched

NEARER = 0.01  # cosine from which on a picture has come nearer to the words
PARTS = {"texture": ("texture",), "structure": ("structure",), "both": ("structure", "texture")}


@dataclass(frozen=True, eq=False)
class Guided(Generic[CodesT]):
    """What became of pictures under some words."""

    codes: CodesT
    before: Tensor  # (N, 3, H, W), what the model draws of the codes that they had
    images: Tensor  # (N, 3, H, W), and of those that they have now
    towards: Sequence[float]  # of each picture, cosine between its change and that of the words
    history: Sequence[CodesT]  # what it began with, some between, and the result; none if it was not asked for
    notices: Sequence[str]  # what people should know of the words
    note: str  # why the descent did not go on where it was; else empty


def guide(
    model: Decoder[CodesT],
    start: CodesT,  # of N pictures, each of which follows as if it were alone
    text: str | Prompt | Sequence[str | Prompt] = (),  # phrases; one whose weight is below 0 is avoided
    like: Sequence[Tensor] = (),  # pictures (1, 3, H, W) in [-1, 1], of any size, that these should be like
    neutral: str = NEUTRAL,  # what the phrases change, such as "a photo of a lake"
    part: str | None = None,  # of a Swapping Autoencoder: "texture", "structure" or "both"; None: the texture
    mask: Tensor | None = None,  # (1, 1, h, w) in [0, 1]: where
    textures: Distribution  # that the model's are like: the texture begins with some and moves along them
    | None = None,  # None: what it was trained on, if it is bundled; else the texture moves freely
    settings: Guiding = USUAL,
    words: TextModel | str = DEFAULT,  # one of the hub is opened in the precision of the model
    frames: int = 0,  # about so many codes of the descent in `history`
    batch: int = 1,  # pictures drawn at once, which memory bounds and the result does not depend on
    state: str | Path | None = None,  # file beside which unfinished work is kept, until `forget`; None: nowhere
    resume: bool = True,  # go on with what the same call kept there
    watch: Watch = unwatched,
    follow: Callable[[CodesT], object] = lambda codes: None,  # told of the best codes so far after each step
    tell: Callable[[str], object] = lambda notice: None,  # told of each of the result's notices as soon as it is known
    **rendering: Any,  # noise and seed, as they will be decoded
) -> Guided[CodesT]:
    """Let codes follow phrases, or other pictures, by descent (StyleCLIP, Patashnik et al. 2021; FuseDream, Liu et al.
    2021, with the loss of StyleGAN-NADA, Gal et al. 2021).

    GraftError for phrases without words or weight, for parts that the codes do not have, for a mask of another shape or
    without white, and if memory is short."""
    prompts = _prompts(text)
    moving = _moving(start, part, mask)
    place = next(model.parameters()).device
    start = start.to(place)
    if rendering.get("noise") == "random":  # another every time, and nothing to follow
        rendering["noise"] = "none"
    precision = str(model.precision).removeprefix("torch.")
    seeing = text_model(words, str(place), precision) if isinstance(words, str) else words
    before = draw(model, start, batch, **rendering)
    if mask is not None:
        masks.check(mask, before.shape[2:])
    if isinstance(model, SwappingModel):
        textures = textures or bundled(model.fingerprint)
        height, width = before.shape[2:]
        require_memory(
            place,
            batch * memory(model, height * width),
            f"Guiding a picture of {width} x {height} pixels",
            "make it smaller (--size)",
        )
    aim = Aim.of(seeing, prompts, neutral, like, before)
    known = notices(seeing, prompts, neutral)
    for each in known:
        tell(each)
    plan = {
        **{"model": model.fingerprint, "precision": precision, "words": seeing.name, "neutral": neutral},
        **{"prompts": [asdict(each) for each in prompts], **settings.to_dict(), **rendering, "frames": frames},
        **{"codes": _digest(*(getattr(start, name) for name in start.parts)), "mask": _digest(mask), "parts": moving},
        **{"like": _digest(*like), "textures": _digest(textures.texture.mean if textures else None)},
    }
    every = max(1, settings.steps // frames) if frames else 0
    with keep_state(state, plan, resume) as (folder, note):
        if note:
            tell(note)
        work = Guidance(model, start, before, aim, seeing, settings, moving, mask, textures, batch, every, **rendering)
        if work.textures and settings.candidates:
            with watch("trying textures", len(start) * settings.candidates, unit="textures") as progress:
                work.try_textures(progress)
        with watch("guiding", settings.steps, unit="steps") as progress:

            def stepped(done: float, total: float | None = None, note: str = "") -> None:
                follow(work.codes)
                progress(done, total, note)

            carry_out(work, stepped, folder and folder / "guidance.safetensors")
    codes = work.codes
    images = draw(model, codes, batch, **rendering)
    with torch.no_grad():
        towards = [
            1 - aim[item : item + 1].away(seeing.images(now), seeing.images(then)).item()
            for item, (now, then) in enumerate(zip(images.split(1), before.split(1), strict=True))
        ]
    if still := sum(cosine < NEARER for cosine in towards):
        which = "The picture has" if len(codes) == 1 else f"{still} of {len(codes)} pictures have"
        known.append(f"{which} come no nearer to the words; say it in other words, or from something else (--from).")
        tell(known[-1])
    history = [start, *work.recall(), codes] if frames else []
    return Guided(codes, before, images, towards, history, known, note)


def _prompts(text: str | Prompt | Sequence[str | Prompt]) -> list[Prompt]:
    several = [text] if isinstance(text, str | Prompt) else text
    return [each if isinstance(each, Prompt) else Prompt(each) for each in several]


def _moving(start: CodesT, part: str | None, mask: Tensor | None) -> tuple[str, ...]:
    """Which parts of codes move. GraftError for one that they do not have, and for a mask where they have no places."""
    if not isinstance(start, StyleCodes):
        if part not in (None, *PARTS):
            raise GraftError(f"What moves is texture, structure or both, not '{part}' (--part).")
        return PARTS[part or "texture"]
    if part not in (None, *start.parts):
        raise GraftError(f"The codes of a StyleGAN2 have no {part} (--part); leave it out.")
    if mask is not None:
        raise GraftError("The codes of a StyleGAN2 have no places that a mask could choose (--mask); leave it out.")
    return start.parts


def bundled(fingerprint: str | None) -> Distribution | None:
    """The textures of the training of a model that comes with graftlab; None for others."""
    known = map(Distribution.load, bundled_textures().values())
    return next((found for found in known if fingerprint and found.model == fingerprint), None)


def _digest(*tensors: Tensor | None) -> str:
    """What tells tensors apart."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(b"none" if tensor is None else tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
