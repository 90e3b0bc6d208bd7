"""The codes of a video: frame by frame in order, averaged over a window, and its textures by number."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, Following, SwapCodes
from graftlab.rendering.renderer import AT_ONCE
from graftlab.video.reading import Video
from graftlab.work.parts import seal, unsealed

REMEMBERED = 64  # frames from one to the next whose beginning is kept
PIXELS_AT_ONCE = 2**18  # of frames that are encoded together


@dataclass(frozen=True, eq=False)
class Footage:
    """A video as codes. Frames are encoded several at once, always the same ones together."""

    model: Autoencoder
    video: Video

    def play(self, first: int = 0, window: int = 0) -> Iterator[SwapCodes]:
        """Codes of the frames from a number on, one at a time; structures are the mean over `window` frames before and
        as many after, as far as there are so many."""
        oldest = max(0, first - window)
        source, near = self._encoded(oldest), deque[SwapCodes]()
        for number in range(first, self.video.frames):
            near.extend(islice(source, min(number + window + 1, self.video.frames) - oldest - len(near)))
            while oldest < number - window:
                near.popleft()
                oldest += 1
            codes = near[number - oldest]
            if window:
                codes = replace(codes, structure=torch.cat([each.structure for each in near]).mean(0, keepdim=True))
            yield codes

    def at(self, number: int, window: int = 0) -> SwapCodes:
        """The same of one frame alone, which then follows none."""
        if window:
            return next(self.play(number, window))
        with torch.no_grad():
            return self.model.encode(self.video.frame(number))

    def textures(self, numbers: Sequence[int]) -> Tensor:
        """Of some frames, in any order: (N, Ct). Each frame is encoded when it is first asked for, and remembered."""
        unknown = set(numbers) - self._known.keys()
        for begin in sorted(number for number in unknown if number - 1 not in unknown):
            for number, codes in enumerate(self._encoded(begin), begin):
                if number not in unknown:
                    break
                self._known[number] = codes.texture
        return torch.cat([self._known[number] for number in numbers])

    @cached_property
    def _known(self) -> dict[int, Tensor]:
        return {}

    def _encoded(self, first: int) -> Iterator[SwapCodes]:
        if isinstance(self.model, Following):
            yield from self._followed(self.model, first)
            return
        height, width = self.video.size
        at_once = max(1, min(max(AT_ONCE), PIXELS_AT_ONCE // (height * width)))
        begin = first - first % at_once
        pictures = self.video.play(begin)
        while batch := list(islice(pictures, at_once)):
            with torch.no_grad():
                codes = self.model.encode(torch.cat(batch))
            yield from (codes[i] for i in range(max(first - begin, 0), len(codes)))
            begin += len(batch)

    def _followed(self, model: Following, first: int) -> Iterator[SwapCodes]:
        """Each frame's codes begin with what the one before it left, so all before the first are worked out too, from
        the last on of which that is remembered."""
        begin, before = self._trail.latest(first)
        for number, picture in enumerate(self.video.play(begin), begin):
            if before is not None:
                self._trail.pass_by(number, before)
            codes, before = model.follow(picture, before)
            if number >= first:
                yield codes

    def remember(self, folder: Path, name: str) -> None:
        """Keep in a folder, as files of this name, what makes going on faster, and begin with what is there."""
        self._trail.remember(folder, name)

    @cached_property
    def _trail(self) -> "Trail":
        return Trail()


class Trail:
    """What every 64th of the frames that follow each other began with."""

    def __init__(self) -> None:
        self._begun: dict[int, SwapCodes] = {}
        self._folder: Path | None = None
        self._name = ""

    def latest(self, number: int) -> tuple[int, SwapCodes | None]:
        """The last frame up to a number of which that is known, and what it is; the first frame begins with nothing."""
        begin = max((known for known in self._begun if known <= number), default=0)
        return begin, self._begun.get(begin)

    def pass_by(self, number: int, before: SwapCodes) -> None:
        """Frame `number` is about to begin with this."""
        if number % REMEMBERED == 0 and number not in self._begun:
            self._begun[number] = before
            if self._folder:
                seal(before.save(self._path(self._folder, number)))

    def remember(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        while path := unsealed(self._path(folder, number := REMEMBERED * (len(self._begun) + 1))):
            self._begun[number] = SwapCodes.load(path)

    def _path(self, folder: Path, number: int) -> Path:
        return folder / f"{self._name}-{number:08d}.safetensors"
