"""The sound of a film: copied from another file as it is, or encoded anew where the container needs it."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from graftlab.errors import GraftError
from graftlab.video import open_video, pyav
from graftlab.video.decoding import by_default, moving
from graftlab.video.times import Clock, longest_pause

COPIED = {"mp4": {"aac", "mp3", "ac3", "eac3", "alac"}, "webm": {"opus", "vorbis"}}  # codecs that players expect there
ENCODERS = {"mp4": "aac", "webm": "libopus"}
RATE = 48_000  # samples per second of sound that is encoded here
GAP = Fraction(1, 10)  # seconds; if less is missing nobody sees that sound and pictures part


def add_sound(movie: Any, kind: str, path: Path, start: Fraction, seconds: Fraction) -> Iterator[Any]:
    """Give a movie that is being written a sound track; yields its packets, from second `start` of `path` on.

    A file without sound gives none. Sound that is copied is cut where its packets end, a few hundredths of a second
    off. GraftError if the file cannot be read."""
    av = pyav()
    try:
        source = open_video(path)
    except (av.FFmpegError, OSError) as error:
        raise GraftError(f"{path} cannot be read for its sound ({error}): check the path.") from error
    if (track := sounding(source)) is None:
        source.close()
        return iter(())
    begin = origin(source) + start
    if track.codec_context.codec.canonical_name in COPIED[kind]:
        return _copied(source, track, movie.add_stream_from_template(track, opaque=True), begin, seconds)
    stream = movie.add_stream(ENCODERS[kind], rate=RATE, layout="mono" if track.layout.nb_channels == 1 else "stereo")
    return _encoded(source, track, stream, begin, seconds)


def check_sound(path: Path, suffix: str) -> None:
    """GraftError unless a file has sound, and a film of this extension can have it too."""
    if suffix.lower()[1:] not in COPIED:
        raise GraftError(f"--sound is for .mp4 and .webm; a film of {suffix or 'pictures'} is silent.")
    try:
        with open_video(path) as source:
            if source.streams.audio:
                return
    except (pyav().FFmpegError, OSError) as error:
        raise GraftError(f"{path} cannot be read for its sound ({error}): check the path.") from error
    raise GraftError(f"{path} has no sound; choose another file (--sound).")


def sounding(source: Any) -> Any:
    """The track of a file that is heard: of several the default one; None if there is none that can be decoded."""
    return next(iter(by_default(track for track in source.streams.audio if track.codec_context)), None)


def origin(source: Any) -> Fraction:
    """The time of the first picture, in seconds, or of the sound if there is none."""
    first = [*moving(source), *source.streams.audio][0]
    return (first.start_time or 0) * first.time_base


def _copied(source: Any, track: Any, stream: Any, begin: Fraction, seconds: Fraction) -> Iterator[Any]:
    with source:
        for packet in _from(source, track, begin, source.demux):
            if packet.dts is None or packet.pts is None:  # the last, which is empty
                continue
            shift = round(begin / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.pts * packet.time_base >= seconds:
                break
            if packet.pts + (packet.duration or 0) >= 0:  # the packet before the first primes the decoder
                packet.stream = stream
                yield packet


def _encoded(source: Any, track: Any, stream: Any, begin: Fraction, seconds: Fraction) -> Iterator[Any]:
    context = stream.codec_context
    with source:
        for piece in heard(source, track, begin, context.format.name, context.layout.name, RATE):
            if piece.time >= seconds:
                break
            yield from _within(stream.encode(piece), seconds)
        yield from _within(stream.encode(None), seconds)


def heard(source: Any, track: Any, begin: Fraction, sample: str, layout: str, rate: int) -> Iterator[Any]:
    """A track from a time on, as frames of one kind that follow each other and count from there.

    Where it begins later, or its times skip more than GAP, there is silence; its own kind may change on the way."""
    resampler, known, count = None, None, None

    def counted(pieces: list[Any]) -> Iterator[Any]:
        nonlocal count
        for piece in pieces:
            piece.pts, piece.time_base = count, Fraction(1, rate)
            count += piece.samples
            yield piece

    for frame in chain(_from(source, track, begin, source.decode), [None]):
        kind, place = None, count or 0
        if frame is not None:
            kind = frame.format.name, frame.layout.name, frame.sample_rate
            place = place if frame.pts is None else round((frame.pts * frame.time_base - begin) * rate)
            if count is None and place * frame.sample_rate <= -frame.samples * rate:
                continue
            count, frame.pts = min(place, 0) if count is None else count, None
        if resampler and (kind != known or place - (count or 0) > GAP * rate):
            yield from counted([piece for piece in resampler.resample(None) if piece])
            resampler = None
        if frame is None:
            return
        if resampler is None:
            while (missing := place - (count or 0)) > 0:
                yield from counted([_silence(min(missing, rate), sample, layout, rate)])
            resampler, known = pyav().AudioResampler(sample, layout, rate), kind
        yield from counted(resampler.resample(frame))


def _silence(samples: int, sample: str, layout: str, rate: int) -> Any:
    """A frame of a kind of sample that is signed."""
    frame = pyav().AudioFrame(sample, layout, samples)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate = rate
    return frame


def _within(packets: list[Any], seconds: Fraction) -> Iterator[Any]:
    return (packet for packet in packets if packet.pts * packet.time_base < seconds)


def _from(source: Any, track: Any, begin: Fraction, read: Any) -> Iterator[Any]:
    """What the file holds of a track from a little before a time on, where its clock jumps joined as the pictures are;
    damaged pieces are left out."""
    av, clock = pyav(), None
    try:
        if begin > 0:
            source.seek(int(begin / track.time_base), stream=track)
        for piece in read(track):
            if piece.pts is not None:
                clock = clock or Clock(piece.duration or 1, int(longest_pause(source) / piece.time_base))
                shift = clock(piece.pts) - piece.pts
                if shift:
                    piece.pts, piece.dts = piece.pts + shift, None if piece.dts is None else piece.dts + shift
            yield piece
    except av.FFmpegError:  # the sound ends where the file is damaged
        return
