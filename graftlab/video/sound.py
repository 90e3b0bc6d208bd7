"""The sound of a film: copied from another file as it is, or encoded anew where the container needs it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from graftlab.errors import GraftError
from graftlab.video import open_video, pyav
from graftlab.video.times import Clock, longest_pause

COPIED = {"mp4": {"aac", "mp3", "ac3", "eac3", "alac"}, "webm": {"opus", "vorbis"}}  # codecs that players expect there
ENCODERS = {"mp4": "aac", "webm": "libopus"}
RATE = 48_000  # samples per second of sound that is encoded here


def add_sound(movie: Any, kind: str, path: Path, start: Fraction, seconds: Fraction) -> Iterator[Any]:
    """Give a movie that is being written a sound track; yields its packets, from second `start` of `path` on.

    A file without sound gives none. Sound that is copied is cut where its packets end, a few hundredths of a second
    off. GraftError if the file cannot be read."""
    av = pyav()
    try:
        source = open_video(path)
    except (av.FFmpegError, OSError) as error:
        raise GraftError(f"{path} cannot be read for its sound ({error}): check the path.") from error
    track = next((track for track in source.streams.audio if track.codec_context), None)
    if track is None:
        source.close()
        return iter(())
    begin = _origin(source) + start
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


def _origin(source: Any) -> Fraction:
    """The time of the first picture, in seconds, or of the sound if there is none."""
    first = (source.streams.video or source.streams.audio)[0]
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
    resampler = pyav().AudioResampler(context.format, context.layout, context.rate, context.frame_size or None)
    samples = None
    with source:
        for frame in _from(source, track, begin, source.decode):
            time = frame.pts * frame.time_base - begin
            if time + Fraction(frame.samples, frame.sample_rate) <= 0:
                continue
            if time >= seconds:
                break
            if samples is None:
                samples = round(time * RATE)
            frame.pts = None
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = samples, Fraction(1, RATE)
                samples += piece.samples
                yield from _within(stream.encode(piece), seconds)
        yield from _within(stream.encode(None), seconds)


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
