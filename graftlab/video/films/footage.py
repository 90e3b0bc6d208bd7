"""The codes of a video: frame by frame in order, averaged over a window, and its textures by number."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from graftlab.codes import Autoencoder, SwapCodes
from graftlab.video.films.drawing import AT_ONCE
from graftlab.video.reading import Video

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
        """The same of one frame alone."""
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
        height, width = self.video.size
        at_once = max(1, min(max(AT_ONCE), PIXELS_AT_ONCE // (height * width)))
        begin = first - first % at_once
        pictures = self.video.play(begin)
        while batch := list(islice(pictures, at_once)):
            with torch.no_grad():
                codes = self.model.encode(torch.cat(batch))
            yield from (codes[i] for i in range(max(first - begin, 0), len(codes)))
            begin += len(batch)
