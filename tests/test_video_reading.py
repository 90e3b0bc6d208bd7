"""Videos as films: every frame once, at its time, upright; what cannot be read is refused in one sentence."""

import math
import struct
import sys
import threading
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from graftlab.errors import GraftError
from graftlab.images import to_uint8
from graftlab.video.reading import Video

av = pytest.importorskip("av")

GRAYS = 20  # frames of the plain videos, each of its own gray


def gray(number: int, height: int = 32, width: int = 48) -> np.ndarray:
    return np.full((height, width, 3), 20 + 10 * number, np.uint8)


def write_video(
    path: Path, pictures, fps=10, ticks=None, codec="libx264", options=None, sound=0.0, aspect=None
) -> Path:
    """Pictures (H, W, 3) as a video with a key frame every eight, 1 / fps apart or at ticks of 10 ms."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps, options=options or {"crf": "4", "g": "8"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100) if ticks else 1 / Fraction(fps)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        track = out.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = ticks[number] if ticks else number, stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track:
            for block in range(int(sound * 48000 / 1024)):
                wave = np.sin(2 * np.pi * 440 * (np.arange(1024) + 1024 * block) / 48000).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(wave[None] / 2, format="fltp", layout="mono")
                frame.rate, frame.pts, frame.time_base = 48000, 1024 * block, Fraction(1, 48000)
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "plain.mp4", [gray(i) for i in range(GRAYS)], sound=2.0)


def numbers(pictures) -> list[int]:
    """Which gray each picture is of."""
    return [round((to_uint8(picture).mean() - 20) / 10) for picture in pictures]


# -- what is read -----------------------------------------------------------------------------------------------------


def test_a_video_says_what_it_is(plain):
    video = Video.open(plain)
    assert (video.frames, video.fps, video.size, video.duration) == (GRAYS, 10, (32, 48), 2)
    assert video.has_audio
    assert video.note == ""


def test_frames_are_pictures_in_order_within_the_codec_s_loss(plain):
    frames = list(Video.open(plain).play())
    assert numbers(frames) == list(range(GRAYS))
    for number, frame in enumerate(frames):
        assert frame.shape == (1, 3, 32, 48)
        assert frame.dtype == torch.float32
        assert np.abs(to_uint8(frame)[0].astype(int) - gray(number)).max() <= 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".mov"])
@pytest.mark.parametrize("fps", [10, Fraction(30000, 1001)])
def test_every_frame_is_found_by_seeking(tmp_path, suffix, fps):
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    options = {"crf": "4", "g": "8", "b": "0"} | ({"bf": "0"} if suffix == ".avi" else {})  # an avi has no other order
    path = write_video(tmp_path / f"v{suffix}", [gray(i) for i in range(GRAYS)], fps, codec=codec, options=options)
    video = Video.open(path)
    assert (video.frames, video.fps) == (GRAYS, fps)
    assert numbers(map(video.frame, range(GRAYS))) == list(range(GRAYS))
    assert numbers(video.play(13)) == list(range(13, GRAYS))


def test_seeking_gives_the_same_pixels_as_playing(plain):
    video = Video.open(plain)
    assert all(torch.equal(video.frame(i), frame) for i, frame in enumerate(video.play()))


def test_a_variable_rate_becomes_a_constant_one(tmp_path):
    ticks = [0, 10, 14, 50, 60, 61, 100]  # hundredths of a second
    video = Video.open(write_video(tmp_path / "v.mp4", [gray(i) for i in range(len(ticks))], 10, ticks), fps=10)
    # Numbers nearest to the times: 0, 1, 1, 5, 6, 6, 10; of several the last, and none is lost in between.
    assert numbers(video.play())[:11] == [0, 2, 2, 2, 2, 3, 5, 5, 5, 5, 6]
    assert numbers(map(video.frame, range(11))) == numbers(video.play())[:11]


def test_another_rate_repeats_or_drops_frames(plain):
    assert numbers(Video.open(plain, fps=20).play())[:9] == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    slow = Video.open(plain, fps=5)
    assert (slow.frames, slow.duration) == (GRAYS // 2, 2)
    assert numbers(slow.play(2)) == [4, 6, 8, 10, 12, 14, 16, 18]


def test_a_video_can_begin_later(plain):
    video = Video.open(plain, begin=0.7)
    assert (video.frames, numbers(video.play())) == (GRAYS - 7, list(range(7, GRAYS)))
    assert numbers([video.frame(2)]) == [9]


def test_times_are_counted_from_the_first_picture(tmp_path):
    path = write_video(tmp_path / "late.mkv", [gray(i) for i in range(8)], 10, [500 + 10 * i for i in range(8)])
    assert numbers(Video.open(path).play()) == list(range(8))


def test_size_and_crop(tmp_path):
    pixels = gray(0, 34, 62)
    pixels[:, :14] = pixels[:, 48:] = 255  # outside of the central square
    path = write_video(tmp_path / "wide.mp4", [pixels] * 3)
    assert Video.open(path, size=17).size == (17, 31)
    square = Video.open(path, size=17, square=True)
    assert (square.size, numbers(square.play())) == ((17, 17), [0, 0, 0])
    assert square.frame(1).max() < 0


def test_odd_sizes(tmp_path):
    path = write_video(tmp_path / "odd.webm", [gray(i, 31, 45) for i in range(3)], codec="libvpx-vp9")
    assert Video.open(path).size == (31, 45)


def test_pixels_that_are_not_square_become_so(tmp_path):
    path = write_video(tmp_path / "dv.mp4", [gray(i) for i in range(3)], aspect=Fraction(4, 3))
    assert Video.open(path).size == (32, 64)


TURNED = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # clockwise, as cameras store it


@pytest.mark.parametrize("degrees", TURNED)
def test_the_rotation_flag_turns_pictures_upright(tmp_path, degrees):
    pixels = gray(0)
    pixels[:8, :8] = 255  # the corner from which turning is seen
    path = write_video(tmp_path / "phone.mp4", [pixels] * 3)
    data, (a, b, c, d) = bytearray(path.read_bytes()), TURNED[degrees]
    matrix = data.index(b"tkhd") + 4 + 40  # ISO 14496-12, 8.3.2: nine numbers, 16.16 and 2.30
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    video = Video.open(path)
    wanted = np.rot90(pixels, -degrees // 90)
    assert video.size == wanted.shape[:2]
    assert np.abs(to_uint8(video.frame(1))[0].astype(int) - wanted).mean() < 6


def test_colours_of_a_tagged_video_are_true(tmp_path):
    """Red is where the two ways to make colour differences of RGB are far apart."""
    from graftlab.video.film import Film, render

    red = torch.tensor([1.0, -0.8, -0.6]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    path = render(Film(3, Fraction(10), lambda number: red), tmp_path / "red.mp4", quality=100)
    assert (Video.open(path).frame(1) - red).abs().max() < 0.04


def test_nothing_is_decoded_far_ahead(plain):
    frames = Video.open(plain).play()
    next(frames)
    before = threading.active_count()
    frames.close()
    assert threading.active_count() == before - 1, "the thread ends with the iterator"


# -- what is refused --------------------------------------------------------------------------------------------------


def refused(path, **options) -> str:
    with pytest.raises(GraftError) as caught:
        list(Video.open(path, **options).play())
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_is_no_video_is_refused_by_name(tmp_path, plain):
    text, photo, empty = tmp_path / "a.txt", tmp_path / "p.png", tmp_path / "e.mp4"
    text.write_text("hello " * 500)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    empty.write_bytes(b"")
    from PIL import Image

    Image.new("RGB", (20, 20)).save(photo)
    for path in (text, photo, empty, noise):
        message = refused(path)
        assert str(path) in message
        assert "no video" in message
    assert "does not exist" in refused(tmp_path / "none.mp4")
    assert "folder" in refused(tmp_path)


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as out:
        track = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate, frame.pts = 8000, 0
        out.mux(track.encode(frame))
    assert "sound and no pictures" in refused(path)


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.height = stream.width = 32
        stream.pix_fmt = "yuv420p"
        out.start_encoding()
    assert str(path) in refused(path)


def test_a_video_cut_short_before_its_index_is_refused(tmp_path, plain):
    path = tmp_path / "cut.mp4"
    path.write_bytes(plain.read_bytes()[:-900])
    assert "beginning or end is missing" in refused(path)


def test_of_a_video_cut_short_behind_its_index_the_beginning_is_read(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (30, 32, 48, 3)).astype(np.uint8)
    from graftlab.images import from_uint8
    from graftlab.video.film import Film, render

    film = Film(30, Fraction(10), lambda number: from_uint8(pixels[number : number + 1]))
    whole = render(film, tmp_path / "whole.mp4").read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    video = Video.open(path)
    assert 8 < video.frames < 22
    assert "cut short" in video.note
    assert str(path) in video.note
    frames = list(video.play())
    assert len(frames) == video.frames
    original = list(Video.open(tmp_path / "whole.mp4").play())
    assert all(torch.equal(a, b) for a, b in islice(zip(frames, original, strict=False), video.frames - 1))


def test_damage_in_the_middle_leaves_the_number_of_frames(tmp_path, plain):
    data = bytearray(plain.read_bytes())
    start = data.index(b"mdat") + 1200
    data[start : start + 300] = bytes(300)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    video = Video.open(path)
    assert len(list(video.play())) == video.frames == GRAYS


@pytest.mark.parametrize("fps", [0, -5, math.nan, math.inf, "0", "fast", "1/0", 5000])
def test_impossible_rates_are_refused(plain, fps):
    assert str(fps) in refused(plain, fps=fps)
    assert "frame rate" in refused(plain, fps=fps)


def test_a_beginning_behind_the_end_is_refused(plain):
    assert "2.00 seconds" in refused(plain, begin=2.5)
    assert str(plain) in refused(plain, begin=-1)


def test_a_playlist_opens_no_other_address(tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert str(path) in refused(path)


def test_without_av_the_extra_is_named(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert "graftlab[video]" in refused(plain)
