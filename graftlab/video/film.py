"""A film is a number of pictures and a way to make each: what is written, previewed, reversed and slowed down.

    film.start or film.frame --> pictures (1, 3, H, W) --> parts, encoded in another thread --> file

Making pictures knows nothing of files, and writing files nothing of models; they meet in `render`.
"""

import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import torch
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.figures.sheets import sheet
from graftlab.images import from_uint8, to_png, to_uint8, write
from graftlab.video.times import plain
from graftlab.video.writing import PART, Target, assemble, record
from graftlab.work.bulk import ALONE, SHARING, Bulk, carried_out
from graftlab.work.parts import Parts, digests, open_parts
from graftlab.work.progress import Progress, silent
from graftlab.work.shards import Work

FASTEST = 1000  # frames per second
TELEVISION = (24, 30, 48, 60, 120)  # frames per second, which there run slower by a thousandth
CLEAR = 128  # pixels of a short side up to which a preview enlarges frames
NOTEBOOK = 4  # frames that a notebook shows of a film
BLOCK = 32  # frames held in memory, 8-bit, while a film runs backwards


@dataclass(frozen=True)
class Film:
    """Pictures (1, 3, H, W) in [-1, 1] of one size that follow each other at a constant rate.

    A picture is not changed any more once it was handed over: another thread encodes it. GraftError for less than
    one frame, and for a rate outside of (0, 1000] frames per second."""

    frames: int  # how many, known beforehand
    fps: Fraction  # frames per second
    frame: Callable[[int], Tensor]  # number -> picture, by the number alone
    start: Callable[[int], Iterator[Tensor]] | None = None  # the same from a number on, where that is faster in order
    audio: Path | None = None  # a file whose sound goes along; None, or a file without any: a silent film
    recipe: Mapping[str, object] = field(default_factory=dict)  # JSON, tells films apart; without, none is continued
    audio_start: Fraction = Fraction(0)  # the second of `audio` that is heard with the first frame
    files: tuple[str | Path | None, ...] = ()  # that it is made of: one that is edited makes it another film
    closed: bool = False  # the first frame follows the last as any two follow each other
    remember: Callable[[Path], object] | None = None  # told of a folder, where to keep what makes going on faster

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise GraftError(f"A film needs one frame or more, not {self.frames}: make it longer.")
        frame_rate(self.fps)

    def play(self, first: int = 0) -> Iterator[Tensor]:
        """The frames from a number on, in order."""
        if self.start is None:
            return map(self.frame, range(first, self.frames))
        return islice(self.start(first), self.frames - first)

    def _repr_html_(self) -> str:
        """In a notebook: some of its frames, and how long it lasts."""
        data = b64encode(to_png(glance(self, NOTEBOOK))).decode()
        told = f"{self.frames} frames, {float(self.frames / self.fps):.2f} seconds"
        return f'<figure><img src="data:image/png;base64,{data}"><figcaption>{told}</figcaption></figure>'


def frame_rate(value: float | str | Fraction) -> Fraction:
    """Frames per second as an exact fraction: 25, "24000/1001", and 29.97, which is short for 30000/1001.

    GraftError unless 0 < rate ≤ 1000."""
    try:
        rate = Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):  # words, 1/0, infinity, NaN
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise GraftError(f"{value} is no frame rate: give frames per second, more than 0 and at most {FASTEST}.")
    television = Fraction(round(rate) * 1000, 1001)
    short = round(rate) in TELEVISION and rate.denominator > 1 and abs(rate - television) < Fraction(1, 200)
    return television if short else plain(rate)


# ---------------------------------------------------------------- to a file


def render(
    film: Film,
    out: str | Path,
    quality: int = 90,  # 0 to 100, of codecs that lose something
    progress: Progress = silent,  # of frames
    resume: bool = True,  # continue what was begun with the same recipe, if there is one; False: begin anew
    codec: str | None = None,  # "h264", "vp9" or "av1"; None: the first that belongs to the extension
    bulk: Bulk = ALONE,  # who makes the frames
) -> Path:
    """Make a film and write it: .mp4, .webm, .gif, animated .png or .apng, or pictures (a folder, or frames/%05d.png).

    Frames are encoded while the next are made, and kept in a hidden folder `.NAME.parts` beside the output, 64 in a
    file in the final encoding (each alone and lossless for .gif, .png and pictures). A film that was cut short goes on
    at the first frame that is not there, and becomes the same file as one that never stopped. At the end the parts
    are put together under the film's name, so that for a moment the disk holds twice the film. Returns its path, for
    pictures that of their folder. GraftError for an extension, codec or size that does not work, if another process
    writes the same film, and for whatever the disk refuses: run it again, and it goes on."""
    target = Target.of(out, film.fps, codec, quality)
    target.check_room(film.frames, bool(film.recipe))
    plan, resume = target.plan(film.frames, film.recipe) | digests(film.files), resume and bool(film.recipe)
    path = target.path.parent if target.in_pictures else target.path
    if bulk.alone:
        _write(film, target, plan, resume, progress, ())
        return path
    if film.remember:
        raise GraftError(f"The frames of {out} follow from each other; leave out {SHARING}.")
    if bulk.shard and not resume:
        raise GraftError(f"{out} is shared work, which is always gone on with; leave out --no-resume.")

    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        parts = Parts(into, target.suffix, target.length)
        frames = islice(film.play(numbers.start), len(numbers))
        for done in record(frames, numbers.start, film.frames, target, parts, film.recipe):
            progress(done - numbers.start)
        return {}

    with carried_out(Work(make, film.frames, PART, plan), path if resume else None, bulk, progress) as results:
        if results:
            _write(
                film, target, plan, resume, silent, [file for folder in results.folders for file in folder.iterdir()]
            )
    return path


def _write(
    film: Film,
    target: Target,
    plan: Mapping[str, object],
    resume: bool,
    progress: Progress,
    made: Sequence[Path],  # parts that are there already
) -> None:
    """Make what is missing of the parts, and put them together."""
    with open_parts(target.path, target.suffix, target.length, plan, resume) as parts:
        for path in made:
            shutil.move(path, parts.folder / path.name)
        if film.remember:
            film.remember(parts.folder)
        first = done = min(parts.done(), film.frames)
        progress(done, film.frames, parts.note or (f"continued at frame {first}" if first else ""))
        for done in record(film.play(first), first, film.frames, target, parts, film.recipe):
            progress(done, film.frames, "")
        if done < film.frames:
            raise GraftError(f"{target.path} ended after {done} of {film.frames} frames: make the film shorter.")
        assemble(parts.files(), target, film.recipe, film.frames, film.audio, film.audio_start)
        parts.finished = True


def preview(film: Film, out: str | Path, count: int = 12, title: str | None = None) -> Path:
    """Write `glance` at a film. Returns its path. GraftError for a count below 1, and as `images.write`."""
    return write(glance(film, count, title), out, film.recipe)


def glance(film: Film, count: int = 12, title: str | None = None) -> Tensor:
    """A labelled sheet (1, 3, H, W) of `count` frames at even distances, the first and the last among them.

    Small frames are enlarged by whole pixels, so that one can judge them by eye. GraftError for a count below 1."""
    if count < 1:
        raise GraftError(f"A preview shows one frame or more, not {count}.")
    count = min(count, film.frames)
    numbers = [i * (film.frames - 1) // max(1, count - 1) for i in range(count)]
    across = min(4, count)
    rows = [numbers[i : i + across] for i in range(0, count, across)]
    return torch.cat([_row(film, row, across, None if i else title) for i, row in enumerate(rows)], dim=2)


def _row(film: Film, numbers: list[int], across: int, title: str | None) -> Tensor:
    """Frames beside each other under their times, as minutes, seconds and hundredths."""
    seconds = [float(number / film.fps) for number in numbers]
    times = [f"{int(second // 60)}:{second % 60:05.2f}" for second in seconds]
    empty = across - len(numbers)
    frames = list(map(film.frame, numbers))
    scale = max(1, CLEAR // min(frames[0].shape[2:]))
    return sheet([[*frames, *[None] * empty]], columns=[*times, *[""] * empty], title=title, scale=scale)


# ---------------------------------------------------------------- the same pictures at another time


def reverse(film: Film) -> Film:
    """From the last frame to the first, without sound. Made in blocks, of which one is held in memory as 8-bit."""
    last = film.frames - 1

    def start(first: int) -> Iterator[Tensor]:
        end = film.frames - first
        while end > 0:
            begin = (end - 1) // BLOCK * BLOCK
            block = [to_uint8(picture) for picture in islice(film.play(begin), end - begin)]
            yield from map(from_uint8, reversed(block))
            end = begin

    return _retime(film, film.frames, lambda number: film.frame(last - number), start, "reversed")


def boomerang(film: Film) -> Film:
    """To the last frame and back, without sound, as a loop: neither the last nor the first frame comes twice."""
    back = reverse(film)
    frames = max(1, 2 * film.frames - 2)

    def frame(number: int) -> Tensor:
        return film.frame(min(number, frames - number))

    def start(first: int) -> Iterator[Tensor]:
        forward = film.play(first) if first < film.frames else iter(())
        return chain(forward, back.play(max(1, first - film.frames + 1)))

    return replace(_retime(film, frames, frame, start, "boomerang"), closed=True)


def slow(film: Film, factor: int) -> Film:
    """`factor` times as slow, without sound: every frame at its time, and mixtures of two neighbours in between.

    A closed film stays one: its last frame melts into its first. GraftError for a factor below 1."""
    if factor < 1:
        raise GraftError(f"A film is slowed down by a whole number of 1 or more, not by {factor}.")

    def frame(number: int) -> Tensor:
        at, between = divmod(number, factor)
        if not between:
            return film.frame(at)
        return torch.lerp(film.frame(at), film.frame((at + 1) % film.frames), between / factor)

    def start(first: int) -> Iterator[Tensor]:
        at, skipped = divmod(first, factor)
        pictures = chain(film.play(at), map(film.frame, [0] if film.closed else []))
        here = next(pictures)
        for following in pictures:
            for between in range(skipped, factor):
                yield torch.lerp(here, following, between / factor) if between else here
            here, skipped = following, 0
        if not film.closed:
            yield here

    frames = film.frames * factor if film.closed else (film.frames - 1) * factor + 1
    return _retime(film, frames, frame, start, f"slowed {factor}")


def enlarge(film: Film, larger: Callable[[Tensor], Tensor]) -> Film:
    """Each frame made larger, with sound and recipe as they are; `larger` is given pictures (1, 3, H, W)."""
    return replace(
        film, frame=lambda number: larger(film.frame(number)), start=lambda first: map(larger, film.play(first))
    )


def _retime(
    film: Film, frames: int, frame: Callable[[int], Tensor], start: Callable[[int], Iterator[Tensor]], how: str
) -> Film:
    recipe = {"of": dict(film.recipe), "shown": how} if film.recipe else {}
    return replace(film, frames=frames, frame=frame, start=start, audio=None, recipe=recipe)
