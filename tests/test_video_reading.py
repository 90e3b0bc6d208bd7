"""Videos as films: every frame once, at its time, upright; what cannot be read is refused in one sentence."""

import math
import os
import struct
import sys
import threading
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from graftlab.errors import GraftError
from graftlab.images import from_uint8, to_uint8
from graftlab.video import CONVERSION
from graftlab.video.film import Film, frame_rate, render
from graftlab.video.hearing import RATE, samples
from graftlab.video.reading import Video
from graftlab.video.times import best_rate, distinct

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


@pytest.mark.parametrize(
    ("suffix", "fps"),
    [(".mp4", 10), (".mkv", Fraction(30000, 1001)), (".webm", 10), (".avi", Fraction(30000, 1001)), (".mov", 10)],
)
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
    twice, slow = Video.open(plain, fps=20), Video.open(plain, fps=5)
    assert numbers(twice.play())[:9] == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert twice.note == ""
    assert (slow.frames, slow.fps, slow.duration) == (GRAYS // 2, 5, 2)
    assert "10 of 20 distinct frames are kept at 5 fps" in slow.note
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


# Display matrices (a, b, c, d): a pixel at x, y is shown at ax + cy, bx + dy. As cameras store turns, and mirrors.
MATRICES = {
    (1, 0, 0, 1): lambda pixels: pixels,
    (0, 1, -1, 0): lambda pixels: np.rot90(pixels, -1),
    (-1, 0, 0, -1): lambda pixels: np.rot90(pixels, 2),
    (0, -1, 1, 0): lambda pixels: np.rot90(pixels),
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda pixels: pixels.swapaxes(0, 1),
    (0, -1, -1, 0): lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
}


def shown_by(path: Path, *matrix: float) -> Path:
    """A .mp4 with another display matrix in its header (ISO 14496-12, 8.3.2: nine numbers, 16.16 and 2.30)."""
    data, (a, b, c, d) = bytearray(path.read_bytes()), (round(number * 2**16) for number in matrix)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_display_matrix_turns_and_mirrors_pictures_upright(tmp_path, matrix):
    pixels = gray(0)
    pixels[:8, :16] = 255  # the corner from which all eight are seen
    path = shown_by(write_video(tmp_path / "phone.mp4", [pixels] * 3), *matrix)
    video, wanted = Video.open(path), MATRICES[matrix](pixels)
    assert video.note == ""
    assert video.size == wanted.shape[:2]
    assert np.abs(to_uint8(video.frame(1))[0].astype(int) - wanted).mean() < 6


@pytest.mark.parametrize(
    "matrix", [(1, 0, 0.5, 1), (1, 0.5, 0, 1), (0.8, 0.6, -0.6, 0.8), (0.5, 1, 0, 1), (1, 1, 1, 1)]
)
def test_a_matrix_that_is_askew_is_not_followed_and_said(tmp_path, matrix):
    path = shown_by(write_video(tmp_path / "askew.mp4", [gray(i) for i in range(3)]), *matrix)
    video = Video.open(path)
    assert video.size == (32, 48)
    assert video.note == f"{path}: its header has it shown askew, which is not followed"
    stretched = Video.open(shown_by(path, 2, 0, 0, 1))
    assert (stretched.size, stretched.note) == ((32, 96), "")


def test_colours_of_a_tagged_video_are_true(tmp_path):
    """Red is where the two ways to make colour differences of RGB are far apart."""
    red = torch.tensor([1.0, -0.8, -0.6]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    path = render(Film(3, Fraction(10), lambda number: red), tmp_path / "red.mp4", quality=100)
    assert (Video.open(path).frame(1) - red).abs().max() < 0.04


CODES = {"PQ": 16, "HLG": 18}  # ITU-T H.273, Table 3


def encoded_light(nits: np.ndarray, transfer: str) -> np.ndarray:
    """BT.2020 light of a display, in nits -> code values from 0 to 1, by the formulas of BT.2100."""
    if transfer == "PQ":
        power = (nits / 10000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    luminance = nits @ [0.2627, 0.678, 0.0593] / 1000
    scene = nits / 1000 * luminance[..., None] ** (1 / 1.2 - 1)
    return np.where(scene <= 1 / 12, (3 * scene) ** 0.5, 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073)


@pytest.mark.parametrize("transfer", CODES)
def test_high_dynamic_range_becomes_srgb(tmp_path, transfer):
    """Patches of sRGB, a white sheet 203 nits bright, in BT.2020 and 10 bits, and one as bright as the display."""
    patches = np.array([[128] * 3, [60, 120, 90], [200, 30, 30], [255] * 3])
    light = np.where(patches > 10, ((patches / 255 + 0.055) / 1.055) ** 2.4, patches / 255 / 12.92)
    bt2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]])  # BT.2087
    nits = np.vstack([203 * light @ bt2020.T, [[1000] * 3]])
    row = np.rint(encoded_light(nits, transfer) * 65535).astype(np.uint16).repeat(16, axis=0)
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"qp": "1"})
        stream.height, stream.width, stream.pix_fmt = 32, 80, "yuv444p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 9, CODES[transfer], 9
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(row[None].repeat(32, axis=0), format="rgb48le")
            frame = frame.reformat(format="yuv444p10le", dst_colorspace="bt2020", interpolation=CONVERSION)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    video = Video.open(path)
    found = to_uint8(video.frame(1))[0, 16, 8::16]
    assert np.abs(found[:3].astype(int) - patches[:3]).max() <= 4  # what is no highlight stays what it is
    assert np.abs(found[3].astype(int) - 243).max() <= 2  # the operator leaves room for highlights
    assert found[4].min() >= 254
    assert f"{transfer} is tone-mapped" in video.note


@pytest.mark.parametrize("lines", [576, 720])
def test_untagged_colours_are_those_of_television_or_of_high_definition(tmp_path, lines):
    """Red and blue are where the matrices of BT.601 and BT.709 are far apart."""
    path, pixels = tmp_path / "untagged.mp4", np.full((lines, 64, 3), (220, 30, 60), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "4", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = lines, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="itu709" if lines >= 720 else "itu601")
        frame.colorspace, frame.pts = 2, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert np.abs(to_uint8(Video.open(path).frame(0))[0].astype(int) - pixels).max() <= 4


def test_transparency_is_laid_over_white(tmp_path):
    path = tmp_path / "clear.apng"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("apng", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 16, "rgba"
        for number, alpha in enumerate((0, 255)):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 4), (30, 60, 90, alpha), np.uint8), format="rgba")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    clear, opaque = (to_uint8(frame)[0, 8, 8].tolist() for frame in Video.open(path).play())
    assert (clear, opaque) == ([255] * 3, [30, 60, 90])


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "ffv1"])
def test_transparency_beside_the_pictures_and_of_high_dynamic_range(tmp_path, codec):
    """VP8 and VP9 keep it in a second picture, which FFmpeg's own decoders leave out. The other is in PQ: a white
    sheet."""
    hdr, path = codec == "ffv1", tmp_path / ("v.mkv" if codec == "ffv1" else "v.webm")
    pixels = np.full((32, 64, 4), 148 if hdr else 90, np.uint8)
    pixels[..., 3] = np.where(np.arange(64) < 32, 255, 0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10, options={} if hdr else {"crf": "4", "b": "1M", "auto-alt-ref": "0"})
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuva444p10le" if hdr else "yuva420p"
        if hdr:
            stream.codec_context.color_primaries, stream.codec_context.color_trc = 9, 16
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format=stream.pix_fmt)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    video = Video.open(path)
    for frame in (video.frame(0), video.frame(2), *video.play()):
        found = to_uint8(frame)[0, 16].astype(int)
        assert np.abs(found[8] - (243 if hdr else 90)).max() <= 3
        assert found[56].tolist() == [255] * 3


def test_grays_of_narrow_range(tmp_path):
    """HEVC of one channel, as infrared cameras write it: 16 is black and 235 white."""
    with av.open(str(tmp_path / "gray.mkv"), "w") as out:
        stream = out.add_stream("libx265", rate=10, options={"crf": "1", "x265-params": "log-level=none"})
        stream.height, stream.width, stream.pix_fmt = 64, 64, "gray"
        for number, value in enumerate((16, 126, 235)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64), value, np.uint8), format="gray")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    means = [to_uint8(frame).mean() for frame in Video.open(tmp_path / "gray.mkv").play()]
    assert np.abs(np.array(means) - [0, 128, 255]).max() <= 2


def test_moving_pictures_beside_a_still_are_a_video_and_stills_are_not(tmp_path):
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    pictures = [Image.fromarray(gray(number)) for number in range(8)]
    pictures[0].save(tmp_path / "moving.avif", save_all=True, append_images=pictures[1:], duration=100, quality=95)
    video = Video.open(tmp_path / "moving.avif")
    assert (numbers(video.play()), video.fps) == (list(range(8)), 10)
    pictures[0].save(tmp_path / "still.avif")
    with pytest.raises(GraftError, match=r"still\.avif is no video, but a picture"):
        Video.open(tmp_path / "still.avif")


# -- times ------------------------------------------------------------------------------------------------------------


def test_a_hold_keeps_the_frames_around_it(tmp_path):
    """Ten pictures in 0.4 s, 20 s of the last, ten more: one a second on average, but 24 keep each of them."""
    ticks = [4 * i for i in range(10)] + [2000 + 4 * i for i in range(10)]
    path = write_video(tmp_path / "v.mp4", [gray(i) for i in range(20)], 25, ticks)
    video = Video.open(path)
    assert (video.fps, video.frames) == (24, 490)
    seen = numbers(video.play())
    assert (seen[:10], seen[480:]) == (list(range(10)), list(range(10, 20)))
    assert set(seen[10:480]) == {9}
    assert video.note == f"{path}: variable rate: 20 distinct frames, 24 fps, film of 20.4 s"
    assert numbers([video.frame(479), video.frame(483)]) == [9, 13]


@pytest.mark.parametrize("name", ["v.gif", "v.webp", "v.png", "v.apng"])
def test_the_pictures_of_an_animation_are_all_there_at_their_delays(tmp_path, name):
    delays = [20, 30, 500, 20, 20, 1000, 40, 40, 40, 40]  # milliseconds
    pictures = [Image.fromarray(gray(i)) for i in range(10)]
    options = {"save_all": True, "append_images": pictures[1:], "duration": delays, "lossless": True}
    pictures[0].save(tmp_path / name, None if name != "v.apng" else "PNG", **options)
    video = Video.open(tmp_path / name)
    assert sorted(set(numbers(video.play()))) == list(range(10))
    assert numbers([video.frame(3), video.frame(87)]) == [2, 9]
    assert (video.fps, video.duration) == (50, Fraction(88, 50))
    assert "10 distinct frames, 50 fps" in video.note


@pytest.mark.parametrize(
    ("ticks", "told", "rate", "kept"),
    [
        (range(0, 960, 40), [], 25, 24),  # milliseconds, as browsers record
        ([round(i * 1001 / 30) for i in range(3000)], [1000], Fraction(30000, 1001), 3000),
        ([0, 15, 49, 64, 99, 114, 149], [1000], Fraction(6000, 149), 7),  # none is half a frame off
        ([0, 15, 30, 100, 150, 166, 250], [1000], 60, 7),
        ([0, 10, 20, 30, 1000], [1000], 50, 4),  # 100 would keep all, but 60 is the ceiling
        ([i * 100 // 12 for i in range(240)], [120], 120, 240),  # a constant rate may be higher
        ([0, 4, 16, 20, 32, 36, 48], [125], 60, 4),  # not though it varies
        ([i * 1000 // 240 for i in range(480)], [1000], 240, 480),
        ([0, 500, 1100, 1500, 2300, 2900], [2, 30], Fraction(50, 29), 6),  # slides
        ([0, 3_600_000, 7_200_000], [], Fraction(1, 1001), 3),
        ([0], [1000], 25, 1),
    ],
)
def test_the_rate_keeps_every_picture_up_to_sixty_a_second(ticks, told, rate, kept):
    found = best_rate(ticks, Fraction(1, 1000), [Fraction(each) for each in told])
    assert frame_rate(found) == pytest.approx(rate, rel=0.002)
    assert distinct(ticks, Fraction(1, 1000), found) == kept


def test_an_animated_webp_is_upright_srgb_as_far_as_it_can_be_read(tmp_path):
    """What is transparent is laid over white; a picture shown for no time is shown for a tenth of a second."""
    clear = [Image.new("RGBA", (16, 16), (10 * i, 0, 0, 255 * (i % 2))) for i in range(6)]
    clear[0].save(tmp_path / "v.webp", save_all=True, append_images=clear[1:], duration=0, lossless=True)
    video = Video.open(tmp_path / "v.webp")
    assert (video.fps, video.frames) == (10, 6)
    shown = [to_uint8(frame)[0, 0, 0].tolist() for frame in video.play()]
    assert shown == [[255] * 3, [10, 0, 0], [255] * 3, [30, 0, 0], [255] * 3, [50, 0, 0]]
    data = (tmp_path / "v.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[:60])
    with pytest.raises(GraftError, match=r"cut\.webp"):
        Video.open(tmp_path / "cut.webp")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_transparency_of_a_moving_avif(tmp_path):
    """It is in another track, which FFmpeg does not lay over the pictures."""
    pictures = [Image.fromarray(gray(number)).convert("RGBA") for number in range(3)]
    for picture in pictures:
        picture.paste((0, 0, 0, 0), (0, 0, 24, 32))
    pictures[0].save(tmp_path / "v.avif", save_all=True, append_images=pictures[1:], duration=100)
    video = Video.open(tmp_path / "v.avif")
    shown = [to_uint8(picture)[0][16] for picture in video.play()]
    assert (video.frames, [int(row[40].mean().round(-1)) for row in shown]) == (3, [20, 30, 40])
    assert all(row[5].min() > 250 for row in shown)


def test_a_stream_without_times_has_the_rate_of_its_codec(tmp_path):
    path = write_video(tmp_path / "raw.h264", [gray(i) for i in range(GRAYS)], 24)
    video = Video.open(path)
    assert (video.frames, video.fps, video.note) == (GRAYS, 24, "")
    assert numbers(video.play()) == list(range(GRAYS))
    assert numbers([video.frame(7)]) == [7]


@pytest.mark.parametrize(("name", "codec"), [("v.ts", "libx264"), ("v.mpg", "mpeg2video")])
def test_recordings_joined_byte_by_byte_are_shown_one_after_the_other(tmp_path, name, codec):
    path = write_video(tmp_path / name, [gray(i) for i in range(GRAYS)], 25, codec=codec, options={"g": "8"})
    path.write_bytes(path.read_bytes() * 3)
    video = Video.open(path)
    assert (video.frames, video.fps) == (3 * GRAYS, 25)
    assert numbers(video.play()) == 3 * list(range(GRAYS))
    assert numbers(video.play(GRAYS + 5))[:3] == [5, 6, 7]
    assert numbers([video.frame(2 * GRAYS + 3)]) == [3]
    assert "begins anew or jumps at 0.8 s, and 1 more times: joined" in video.note


def test_containers_that_state_no_length_are_not_cut_short(tmp_path):
    """FFmpeg measures a broadcast by its end, with the pause before the last picture once more."""
    ticks = [*range(0, 40, 4), 100, 190]
    note = Video.open(write_video(tmp_path / "v.ts", [gray(i) for i in range(12)], 25, ticks)).note
    assert "variable rate: 12 distinct frames" in note
    assert "cut short" not in note


@pytest.mark.parametrize("name", ["v.ts", "v.mkv"])
def test_a_clock_that_jumps_by_hours_is_joined(tmp_path, name):
    ticks = [4 * i + (6 * 360_000 if i >= 12 else 0) for i in range(GRAYS)]
    video = Video.open(write_video(tmp_path / name, [gray(i) for i in range(GRAYS)], 25, ticks))
    assert numbers(video.play()) == list(range(GRAYS))
    assert "jumps at 0.5 s: joined" in video.note


def test_pictures_of_another_size_are_fitted_to_the_first(tmp_path):
    """Upright instead of wide, from a key frame on; what sticks out of the first size is cut off."""
    path, tall = tmp_path / "turned.mkv", gray(6, 64, 32)
    tall[:15] = tall[49:] = 255
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        packets = []
        for pictures in ([gray(i) for i in range(5)], [tall] * 5):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.height, encoder.width = pictures[0].shape[:2]
            encoder.pix_fmt, encoder.time_base, encoder.options = "yuv420p", Fraction(1, 10), {"crf": "4", "b": "1M"}
            for pixels in pictures:
                packets += encoder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
            packets += encoder.encode(None)
        for number, packet in enumerate(packets):
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            out.mux(packet)
    for options in ({}, {"size": 16}, {"size": 16, "square": True}):
        video = Video.open(path, **options)
        assert numbers(video.play()) == [0, 1, 2, 3, 4, *[6] * 5]
        assert {tuple(frame.shape[2:]) for frame in video.play()} == {video.size}
        assert "change their size at 0.5 s: fitted to" in video.note


def test_nothing_is_decoded_far_ahead(plain):
    frames = Video.open(plain).play()
    next(frames)
    before = threading.active_count()
    frames.close()
    assert threading.active_count() == before - 1, "the thread ends with the iterator"


def test_the_sound_of_joined_recordings_is_joined(tmp_path):
    path = write_video(tmp_path / "v.ts", [gray(i) for i in range(20)], 25, sound=0.8)
    path.write_bytes(path.read_bytes() * 2)
    video = Video.open(path)
    film = Film(video.frames, video.fps, video.frame, video.play, video.path)
    for name in ("film.mp4", "film.webm"):  # copied, encoded anew
        with av.open(str(render(film, tmp_path / name))) as movie:
            ends = [max(p.pts * p.time_base for p in movie.demux(audio=0) if p.size)]
        assert 1.4 < ends[0] < 1.65


def test_pauses_of_a_sound_stay_where_it_is_encoded_anew_and_heard(tmp_path):
    """A microphone that was switched on after half a second, and off for another: packets are missing."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as out:
        stream, track = out.add_stream("mpeg4", rate=10), out.add_stream("pcm_s16le", rate=8000, layout="mono")
        stream.height, stream.width = 32, 48
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(gray(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
            if number in (*range(5, 10), *range(15, 20)):
                wave = (np.sin(np.arange(800) * 0.3) * 9000).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
                frame.rate, frame.pts, frame.time_base = 8000, 800 * number, Fraction(1, 8000)
                out.mux(track.encode(frame))
        out.mux(stream.encode(None))
    video = Video.open(path)
    made = render(Film(video.frames, video.fps, video.frame, video.play, path), tmp_path / "f.webm")
    for source in (path, made):
        heard = samples(source)[: 2 * RATE]
        loud = [np.abs(part).max() > 0.1 for part in np.array_split(heard, 20)]
        assert [loud[place] for place in (1, 3, 6, 8, 11, 13, 16, 18)] == [False, False, True, True] * 2


def test_a_sound_may_change_its_kind(tmp_path):
    """As broadcasts do, between mono and stereo."""
    files = []
    for layout, rate in (("mono", 48000), ("stereo", 44100)):
        with av.open(str(tmp_path / "part.mp2"), "w") as out:
            track = out.add_stream("mp2", rate=rate, layout=layout)
            wave = np.full((1, rate * (1 + (layout == "stereo"))), 5000, np.int16)
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout=layout)
            frame.rate, frame.pts = rate, 0
            out.mux(track.encode(frame))
            out.mux(track.encode(None))
        files.append((tmp_path / "part.mp2").read_bytes())
    (tmp_path / "both.mp2").write_bytes(b"".join(files))
    assert len(samples(tmp_path / "both.mp2")) / RATE == pytest.approx(2, abs=0.1)


def test_of_several_tracks_the_default_one_is_read(tmp_path):
    with av.open(str(tmp_path / "v.mkv"), "w") as out:
        tracks = [out.add_stream("mpeg4", rate=10) for _ in range(2)]
        for track in tracks:
            track.height, track.width = 32, 48
        tracks[0].disposition, tracks[1].disposition = av.stream.Disposition(0), av.stream.Disposition.default
        for number in range(3):
            for track, more in zip(tracks, (0, 9), strict=True):
                frame = av.VideoFrame.from_ndarray(gray(number + more), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                out.mux(track.encode(frame))
        for track in tracks:
            out.mux(track.encode(None))
    video = Video.open(tmp_path / "v.mkv")
    assert numbers(video.play()) == [9, 10, 11]
    assert video.note.endswith("it holds 2 tracks of pictures, of which one is read")


@pytest.mark.skipif(os.name == "nt", reason="no colons in names there")
def test_the_beginning_of_a_name_is_no_protocol(tmp_path, plain, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("12:30.mp4").write_bytes(plain.read_bytes())
    video = Video.open("12:30.mp4")
    for name in ("a:1.mp4", "a:1.gif"):
        film = Film(3, video.fps, video.frame, video.play, Path("12:30.mp4"))
        assert numbers(Video.open(render(film, Path(name))).play()) == [0, 1, 2]


def test_what_stands_beside_frames_and_has_no_name_is_no_fault(tmp_path):
    """EXIF, for which av has none; it turns the pictures."""
    exif = Image.Exif()
    exif[0x0112] = 6
    first, *more = (Image.fromarray(gray(number)) for number in range(3))
    first.save(tmp_path / "v.png", save_all=True, append_images=more, duration=100, exif=exif)
    video = Video.open(tmp_path / "v.png")
    assert (video.size, numbers(video.play())) == ((48, 32), [0, 1, 2])


def test_titles_in_another_encoding_do_not_matter(tmp_path):
    path = write_video(tmp_path / "v.mkv", [gray(i) for i in range(3)])
    with av.open(str(path)) as movie:
        name = movie.metadata["ENCODER"].encode()
    path.write_bytes(path.read_bytes().replace(name, b"\xe9\xff" + name[2:]))
    assert numbers(Video.open(path).play()) == [0, 1, 2]


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
    pointer = tmp_path / "lfs.mp4"
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in refused(pointer)
    Image.new("RGB", (20, 20)).save(photo)
    for path in (text, photo, empty, noise):
        message = refused(path)
        assert str(path) in message
        assert "no video" in message
    assert "does not exist" in refused(tmp_path / "none.mp4")
    assert "folder" in refused(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "pipe or a device" in refused(tmp_path / "pipe.mp4")


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


def test_rates_too_slow_for_a_container_are_the_slowest(plain):
    """A damaged clock told 1 / 72,089 a second."""
    assert frame_rate(Fraction(100, 7208961)) == Fraction(1, 1001)
    assert Video.open(plain, fps=0.00001).frames == 1


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
