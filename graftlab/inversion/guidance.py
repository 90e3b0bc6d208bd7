"""Codes that follow words: a descent of textures, structures or w towards what phrases say.

    work = Guidance(model, codes, pictures, Aim.of(words, [Prompt("golden sunset")]), words, Guiding(steps=100))
    carry_out(work)
    model.decode(work.codes)

The loop is that of inversion; only the loss is another (`objectives.words`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.codes import CodesT
from graftlab.config.base import Config, Seed, Weight, Within, require
from graftlab.editing.distributions import Distribution
from graftlab.hardware import exact_convolutions
from graftlab.inversion.descent import Descent, parts
from graftlab.language import TextModel
from graftlab.networks.model import Decoder
from graftlab.objectives.words import SLIGHT, Aim, look
from graftlab.work.progress import Progress, silent

PLACES = 8  # draws of cut-outs, which take turns: what the pictures were like there is looked at once
SEEN = 128  # pixels of the short side at which sampled textures are tried
TRIED = 16  # textures at once
UNIT = 1e-3  # how far from 1 the length of codes may be that were normalised
SPACES = ("w", "w+")
FAR = 0.8  # length of a change up to which going farther counts, too, where every texture is one that can be drawn
NEAR = 0.5  # the same for w, of which the first small step may have the best angle, and nobody sees it


@dataclass(frozen=True)
class Guiding(Config):
    """How codes follow words."""

    steps: Annotated[int, Within(0, 10**6)] = 100
    """Steps of the descent."""
    learning_rate: Annotated[float, Within(0, 10)] = 0.1
    """Of Adam: for textures in standard deviations along their axes; without these, and for w, in root mean squares."""
    structure_rate: Annotated[float, Within(0, 10)] = 0.3
    """Of structures, in root mean squares."""
    hold: Weight = 0.008
    """Weight of the squared distance from where the codes began, in mean squares of their numbers (StyleCLIP, Patashnik
    et al. 2021, eq. 1)."""
    smooth: Weight = 1.0
    """Weight of the total variation of what is added to a structure."""
    cutouts: Annotated[int, Within(0, 256)] = 8
    """Parts through which a picture is looked at, beside the whole of it."""
    candidates: Annotated[int, Within(0, 2**16)] = 256
    """Random textures that are tried before the first step, if the model comes with a distribution of them."""
    mixed: Annotated[int, Within(1, 2**16)] = 5
    """How many of these, the nearest to the words, are mixed to begin with."""
    patience: Annotated[int, Within(0, 10**6)] = 0
    """Steps without a better picture after which it ends; 0: it goes on."""
    space: str = "w+"
    """Of a StyleGAN: w+ (each layer's w moves by itself) or w (all alike)."""
    seed: Seed = 0
    """Of cut-outs and of textures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.space in SPACES, f"The space of codes is {' or '.join(SPACES)}, not '{self.space}'.")


USUAL = Guiding()


class Guidance(Generic[CodesT]):
    """Words being followed, and the best codes so far. Each picture follows as if it were alone."""

    def __init__(
        self,
        model: Decoder[CodesT],  # frozen
        start: CodesT,
        pictures: Tensor,  # (N, 3, H, W) of them, as they are now
        aim: Aim,
        words: TextModel,
        settings: Guiding = USUAL,
        moving: Iterable[str] | None = None,  # parts of the codes; None: all
        mask: Tensor | None = None,  # (1, 1, h, w) in [0, 1]: where; a texture becomes a map on the structure's grid
        textures: Distribution | None = None,  # along whose axes textures move; None: any way
        batch: int = 1,  # pictures drawn at once, which memory bounds and the result does not depend on
        keep_every: int = 0,  # steps between the codes in `history`; 0: keep none
        **rendering: Any,  # noise and seed, as they will be decoded
    ) -> None:
        self.model, self.pictures, self.aim, self.words, self.settings = model, pictures, aim, words, settings
        self.batch, self.keep_every, self.rendering = batch, keep_every, rendering
        self.steps, self.done = settings.steps, 0
        self._seen: dict[int, Tensor] = {}
        self.moving = tuple(start.parts if moving is None else moving)
        self.mask = mask
        self.start = self._spread(start)
        self.begin = self.start
        self.units = {name: _unit(getattr(self.start, name)) for name in self.moving}
        self.normal = {name for name in self.moving if _normal(getattr(self.start, name))}
        self.textures = textures if "texture" in self.moving else None
        self.axes = None if self.textures is None else self.textures.texture.axes.to(self.start.texture)
        self.whole = FAR if self.axes is not None else NEAR if "w" in self.moving else SLIGHT
        free = {name: self._still(name, getattr(self.start, name)) for name in self.moving}
        rates = {name: settings.structure_rate if name == "structure" else settings.learning_rate for name in free}
        self.best = {name: each.clone() for name, each in free.items()}
        self.least = torch.full((len(start),), torch.inf)
        self.stale = torch.zeros(len(start), dtype=torch.long)  # steps since there was a better one
        self.history: list[dict[str, Tensor]] = []
        self.descent = Descent(free, rates, self._loss, batch)

    @property
    def codes(self) -> CodesT:
        """The best so far, of the start's model and size."""
        return self._codes(slice(None), self.best)

    @torch.no_grad()
    def try_textures(self, progress: Progress = silent) -> None:
        """Begin with a mixture of those of many random textures that come nearest to the words (FuseDream, Liu et al.
        2021). They are tried on small pictures, by number, so that the same are nearest at every call."""
        textures, count = self.textures, self.settings.candidates
        if textures is None or not count:
            return
        grid = self.start.structure.shape[2:]
        scale = min(1.0, SEEN / (self.model.config.stride * min(grid)))
        small = F.interpolate(self.start.structure, size=[max(1, round(scale * side)) for side in grid], mode="area")
        drawn = textures.textures([(self.settings.seed * count + i) % 2**32 for i in range(count)])
        mixed = []
        for item in range(len(self.start)):
            here, away = replace(self.start[item], structure=small[item : item + 1], size=None), list[Tensor]()
            for part in drawn.split(TRIED):
                away.append(self._away(here, part.to(small), item).cpu())
                progress(item * count + min(count, TRIED * len(away)), len(self.start) * count)
            nearest = torch.cat(away).topk(min(self.settings.mixed, len(drawn)), largest=False).indices
            mixture = drawn[nearest].mean(0, keepdim=True)
            mixed.append(F.normalize(mixture, dim=1) if textures.unit else mixture)
        self.begin = self._placed(self.start, torch.cat(mixed).to(small))

    def recall(self) -> list[CodesT]:
        """Codes after every `keep_every` steps, from the beginning on."""
        return [self._codes(slice(None), free) for free in self.history]

    def step(self) -> float:
        """One step of Adam for every picture. Returns the mean of their losses before it."""
        if self.keep_every and self.done % self.keep_every == 0:
            self.history.append({name: each.detach().clone() for name, each in self.descent.free.items()})
        loss = self.descent.step((self.done + 0.5) / self.steps)
        if self.settings.patience and bool((self.stale >= self.settings.patience).all()):
            self.done = self.steps - 1  # this step was the last
        if self.done == self.steps - 1:  # where it led is looked at, too
            with torch.no_grad(), exact_convolutions():
                for which in parts(len(self.pictures), self.batch):
                    self._loss(which, 1.0)
        return loss

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        best = {f"best.{name}": each for name, each in self.best.items()}
        history = {
            f"history.{name}": torch.stack([free[name] for free in self.history]) for name in self.best if self.history
        }
        return {**self.descent.state(), **best, **history, "least": self.least, "stale": self.stale}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.descent.restore(tensors)
        self.best = {name: tensors[f"best.{name}"].to(each) for name, each in self.best.items()}
        kept = {
            name: tensors[f"history.{name}"].to(self.best[name]) for name in self.best if f"history.{name}" in tensors
        }
        self.history = [dict(zip(kept, each, strict=True)) for each in zip(*kept.values(), strict=True)]
        self.least, self.stale = tensors["least"], tensors["stale"]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _away(self, here: Any, textures: Tensor, item: int) -> Tensor:
        """How far one picture is from the words with each of some textures (n, C): (n,)."""
        made = self.model.decode(
            self._placed(here[torch.zeros(len(textures), dtype=torch.long)], textures), **self.rendering
        )
        before = self._before(0)[0, item : item + 1]
        return self.aim[item : item + 1].away(self.words.images(made), before, self.whole)

    def _still(self, name: str, code: Tensor) -> Tensor:
        """What is free of a part of the codes, before it has moved."""
        if name == "texture" and self.axes is not None:
            return code.new_zeros(len(code), len(self.axes), *code.shape[2:])
        return torch.zeros_like(code[:, :1] if name == "w" and self.settings.space == "w" else code)

    def _spread(self, start: Any) -> Any:
        """The start, with textures as maps where a mask is to tell their places apart."""
        return start if self.mask is None or "texture" not in self.moving else self._placed(start, start.texture)

    def _placed(self, codes: Any, textures: Tensor) -> Any:
        """Codes with other textures (N, C), within the mask if there is one; in the place of maps, maps of them."""
        if self.mask is None:
            places = codes.texture.shape[2:]
            return replace(codes, texture=textures.reshape(*textures.shape, *[1] * len(places)).expand(-1, -1, *places))
        return codes.mix(replace(codes, texture=textures), texture=_resized(self.mask, codes.structure))

    def _before(self, draw: int) -> Tensor:
        """Vectors of the pictures as they were, through the cut-outs of one draw: (1 + cutouts, N, D)."""
        if draw not in self._seen:
            with torch.no_grad():
                seen = [self._look(self.pictures[which], draw) for which in parts(len(self.pictures), self.batch)]
            self._seen[draw] = torch.cat(seen, 1)
        return self._seen[draw]

    def _look(self, pictures: Tensor, draw: int) -> Tensor:
        return look(self.words, pictures, self.settings.cutouts, self.settings.seed * 1_000_003 + draw)

    def _codes(self, which: slice, free: Mapping[str, Tensor]) -> CodesT:
        moved: dict[str, Any] = {name: self._moved(name, which, free[name][which]) for name in free}
        return replace(self.begin[which], **moved)

    def _moved(self, name: str, which: slice, free: Tensor) -> Tensor:
        """A part of the codes, with what was added to it."""
        begin = getattr(self.begin, name)[which]
        if name == "texture" and self.axes is not None:
            added = torch.einsum("nk...,kc->nc...", free, self.axes)
        else:
            added = free * self.units[name][which]
        if self.mask is not None:
            added = added * _resized(self.mask, begin)
        return F.normalize(begin + added, dim=1) if name in self.normal else begin + added

    def _loss(self, which: slice, share: float) -> tuple[Tensor, Tensor | float]:
        """Of some pictures: how far they are from the words and from where they began."""
        codes = self._codes(which, self.descent.free)
        draw = self.done % PLACES
        seen = self._look(self.model.decode(codes, **self.rendering), draw)
        away = self.aim[which].away(seen, self._before(draw)[:, which], self.whole)
        moved = {
            name: (getattr(codes, name) - getattr(self.start, name)[which]) / self.units[name][which]
            for name in self.moving
        }
        held = sum(self.settings.hold * each.square().flatten(1).mean(1) for each in moved.values())
        if "structure" in moved:
            held = held + self.settings.smooth * variation(moved["structure"])
        self._keep(which, (away[0] + held).detach().cpu())
        return away.mean(0) + held, 0.0

    def _keep(self, which: slice, loss: Tensor) -> None:
        """Those of the pictures, seen as a whole, that are better than any before; no more of one that has ended."""
        ended = (self.stale[which] >= self.settings.patience) if self.settings.patience else torch.zeros(())
        better = (loss < self.least[which]) & ~ended.bool()
        self.least[which] = torch.where(better, loss, self.least[which])
        self.stale[which] = torch.where(better, 0, self.stale[which] + 1)
        for name, each in self.descent.free.items():
            chosen = better.to(each.device).reshape(-1, *[1] * (each.ndim - 1))
            self.best[name][which] = torch.where(chosen, each[which].detach(), self.best[name][which])


def variation(maps: Tensor) -> Tensor:
    """Total variation of maps (N, C, h, w), per number: (N,)."""
    down, across = (maps.diff(dim=dim).abs().sum((1, 2, 3)) for dim in (2, 3))
    return (down + across) / maps[0].numel()


def _resized(mask: Tensor, like: Tensor) -> Tensor:
    """The mask on the grid of codes."""
    return F.interpolate(mask.to(like), size=like.shape[2:], mode="area")


def _unit(code: Tensor) -> Tensor:
    """Root mean square of the numbers of each item's code: (N, 1, ...)."""
    return code.square().mean(tuple(range(1, code.ndim)), keepdim=True).sqrt().clamp(min=1e-8)


def _normal(code: Tensor) -> bool:
    """Whether the vectors of codes have length 1, as the authors' model makes them."""
    return code.ndim in (2, 4) and bool(((code.norm(dim=1) - 1).abs() < UNIT).all())
