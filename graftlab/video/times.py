"""When the pictures of a video are shown, and the constant rate at which none of them is lost.

A file counts time in ticks, `base` seconds each. Its pictures get the numbers of a constant rate; everything is exact.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from math import inf
from pathlib import Path
from typing import Any

from graftlab.video.decoding import attempt, decoded, opened, packets

CEILING = Fraction(60)  # frames per second, above which a variable rate is not followed
USUAL = {Fraction(rate) for rate in (24, 25, 30, 50, 60)}
FASTEST = Fraction(1000)
UNKNOWN = Fraction(25)  # where a file says nothing

BROADCAST = {"mpegts", "mpeg"}  # containers made to be cut and joined
PAUSE, BROADCAST_PAUSE = 600, 10  # seconds for which a picture may stand still; more is a gap in the file's clock,
PAUSES = 100  # if it is so many times the usual distance of pictures, too
RESIZED_ANYWHERE = {"vp9", "av1"}  # codecs whose pictures may change their size where no key frame is
WORDY = {"gif"}  # codecs with packets that hold no picture, but a comment
LOOKED_AT = 3600  # pictures of those that are decoded for their sizes; of the others, and later, key frames are


# ---------------------------------------------------------------- times


class Clock:
    """Times that a file gives to its pictures, one after the other -> times that go forward.

    What has no time, or no later one than the picture before, follows that after `step` ticks; where time begins anew,
    or jumps by more than `pause` ticks, all that comes is moved to follow."""

    def __init__(self, step: int, pause: int) -> None:
        self.joints: list[int] = []  # where something was moved
        self._step, self._pause, self._shift = step, pause, 0
        self._last: int | None = None

    def __call__(self, tick: int | None) -> int:
        if self._last is None:
            self._last = tick or 0
            return self._last
        following = self._last + self._step
        time = following if tick is None else tick + self._shift
        if time < self._last - 2 * self._step or time > self._last + self._pause:
            self._shift += following - time
            self.joints.append(following)
            time = following
        self._last = time if time > self._last else following
        return self._last


def longest_pause(container: Any) -> int:
    """Seconds that may lie between two times of a file before they are taken for those of two clocks."""
    return BROADCAST_PAUSE if container.format.name in BROADCAST else PAUSE


@dataclass(frozen=True)
class Times:
    """When the pictures of a video are shown; only the times are kept.

    Its packets tell, unless times are missing, begin anew or jump, or packets may hold no picture: then all of it is
    decoded, and a clock joins it."""

    ticks: Sequence[int]  # of the pictures, from 0 forwards, `base` seconds each
    base: Fraction
    origin: int  # the file's own tick of the first picture
    length: int  # ticks for which the last picture is shown
    end: Fraction  # second of the file at which its pictures and its sound end
    resized: int | None  # the tick of the first picture of another size that was seen
    joints: Sequence[int] = ()  # ticks at which the clock joined what the file keeps apart
    clock: tuple[int, int] | None = None  # step and pause of that; None: one can seek by the file's own times

    @property
    def seconds(self) -> Fraction:
        """From the first picture to the end of the last."""
        return (self.ticks[-1] + self.length) * self.base

    @classmethod
    def read(cls, path: Path, first: Any) -> "Times":
        """Look at a whole file, of which the first picture is known."""
        size, base, origin = (first.width, first.height), first.time_base, first.pts or 0
        with opened(path) as (container, stream):
            step = round(1 / ([UNKNOWN, *told_rates(stream)][-1] * base)) or 1
            pause, wordy = longest_pause(container), stream.codec_context.codec.canonical_name in WORDY
            seen = _Packets(size)
            for packet in packets(container, stream, *container.streams.audio):
                seen.add(packet, packet.stream is stream)
        step = max(seen.steps, key=lambda step: seen.steps[step], default=step)
        pause = max(int(pause / base), PAUSES * step)
        ticks = array("q", sorted(tick - origin for tick in seen.ticks if tick >= origin))
        begins = first.pts is not None and ticks[:1] == array("q", [0])
        if begins and not wordy and seen.in_order and all(0 < b - a <= pause for a, b in pairwise(ticks)):
            resized = None if seen.resized is None else seen.resized - origin
            return cls(ticks, base, origin, seen.last[1] or step, seen.end, resized)
        clock, ticks, resized, length = Clock(step, pause), array("q"), None, step
        with opened(path) as (container, stream):
            for frame in decoded(container, stream):
                ticks.append(clock(frame.pts) - origin)
                length = frame.duration or step
                if resized is None and (frame.width, frame.height) != size:
                    resized = ticks[-1]
        joints = [joint - origin for joint in clock.joints]
        return cls(ticks, base, origin, length, seen.end, resized, joints, (step, pause))


class _Packets:
    """What packets tell of times, and key frames of sizes."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.ticks = array("q")
        self.steps = Counter[int]()  # from one time of decoding to the next
        self.last = (0, 0)  # the latest picture's tick, and for how long it is shown
        self.end = Fraction(0)  # second
        self.in_order = True
        self.resized: int | None = None
        self._size = size
        self._before: int | None = None

    def add(self, packet: Any, shown: bool) -> None:
        """Take the next packet of the file; those of sounds are not `shown`."""
        if packet.pts is not None:
            self.end = max(self.end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if shown:
            self._look(packet)
        if not shown or packet.is_discard or not packet.size:
            return
        if packet.pts is None:
            self.in_order = False
        else:
            self.ticks.append(packet.pts)
            self.last = max(self.last, (packet.pts, packet.duration or 0))
        if self._before is not None and packet.dts is not None:
            step = packet.dts - self._before
            if step > 0:
                self.steps[step] += 1
            self.in_order &= step > 0
        self._before = packet.dts

    def _look(self, packet: Any) -> None:
        """Decode it, if its size may be another; the last packet of a track is empty, and brings what is late."""
        codec = packet.stream.codec_context.codec
        anywhere = codec.canonical_name in RESIZED_ANYWHERE and len(self.ticks) < LOOKED_AT
        if anywhere or not packet.size or (packet.is_keyframe and not codec.intra_only):
            for frame in attempt(packet):
                if self.resized is None and (frame.width, frame.height) != self._size:
                    self.resized = frame.pts


# ---------------------------------------------------------------- rates


def told_rates(stream: Any) -> list[Fraction]:
    """The rates that a file gives for a track, frames per second: of the mean, and of its clock."""
    rates = (stream.average_rate, stream.guessed_rate)
    return [rate for rate in rates if rate and rate <= FASTEST]


def numbers(ticks: Iterable[int], base: Fraction, fps: Fraction, begin: Fraction = Fraction(0)) -> Iterator[int]:
    """The frame nearest to each time, in ticks from the first picture on; frame 0 is `begin` seconds after that."""
    step, half = base * fps, Fraction(1, 2) - begin * fps
    scale = step.denominator * half.denominator  # whole numbers are as exact as fractions, and much faster
    by, more = int(step * scale), int(half * scale)
    return ((tick * by + more) // scale for tick in ticks)


def distinct(
    ticks: Iterable[int], base: Fraction, fps: Fraction, begin: Fraction = Fraction(0), end: float = inf
) -> int:
    """How many frames, from number 0 up to `end`, have a picture of their own; ticks go forward."""
    pairs = pairwise(chain([-1], numbers(ticks, base, fps, begin)))
    return sum(0 <= after != before and after < end for before, after in pairs)


def is_constant(ticks: Sequence[int], base: Fraction, fps: Fraction) -> bool:
    """Whether each number at this rate, from 0 on, has one picture; above CEILING, whether they are evenly apart."""
    if any(number != place for place, number in enumerate(numbers(ticks, base, fps))):
        return False
    step = float(1 / (fps * base))
    uneven = max(step / 4, 1)  # ticks, more or less
    return fps <= CEILING or all(abs(after - before - step) <= uneven for before, after in pairwise(ticks))


def best_rate(ticks: Sequence[int], base: Fraction, told: Sequence[Fraction]) -> Fraction:
    """The rate at which pictures are shown: one that the file `told`, or their mean, if they are constant at that.

    Of a variable rate the first that was told, or else the slowest of the others and the usual ones up to CEILING, at
    which each picture has a number of its own; where there is none, that at which most of them have."""
    shortest = min((after - before for before, after in pairwise(ticks)), default=None)
    if shortest is None:
        return next((rate for rate in told if rate <= CEILING), UNKNOWN)
    mean = plain((len(ticks) - 1) / (ticks[-1] * base))
    for rate in (*told, mean):
        if is_constant(ticks, base, rate):
            return rate
    densest = plain(1 / (shortest * base))
    rates = [rate for rate in (*told[:1], *sorted({*told, densest, *USUAL})) if rate <= CEILING]
    return max(rates, key=lambda rate: distinct(ticks, base, rate))  # of equals the first


def plain(rate: Fraction) -> Fraction:
    """With a denominator that containers can hold."""
    return max(rate.limit_denominator(1001), Fraction(1, 1001))
