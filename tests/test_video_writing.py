"""Files of films: what goes in comes out, the same bytes twice, and a film that was cut short becomes the same file."""

import hashlib
import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import refused
from PIL import Image
from test_video_reading import gray as pixels_of
from test_video_reading import write_video
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import from_uint8, read, read_recipe, to_uint8
from graftlab.video import recipes, writing
from graftlab.video.film import Film, render, reverse
from graftlab.video.reading import Video
from graftlab.work import parts as parts_module

av = pytest.importorskip("av")

MOVIES = [("f.mp4", None), ("f.mp4", "av1"), ("f.webm", None), ("f.webm", "av1")]
ALL = [*MOVIES, ("f.gif", None), ("f.png", None), ("f/%04d.png", None)]
RECIPE = {"seed": 3, "command": "graft film «Zürich»"}
REAL_PART, PART = writing.PART, 8


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    """Short films have several parts."""
    monkeypatch.setattr(writing, "PART", PART)


def picture(number: int, height: int = 32, width: int = 48) -> Tensor:
    """Waves that move, in 8-bit values."""
    y, x = np.mgrid[:height, :width]
    shades = [np.sin(x / 9 + number / 5), np.cos(y / 7 - number / 9), np.sin((x + y) / 11 + number / 7)]
    return from_uint8((128 + 100 * np.stack(shades, -1)).astype(np.uint8)[None])


def film(frames: int = 20, fps: Fraction | int = 25, make=picture, **options) -> Film:
    return Film(frames, Fraction(fps), make, **{"recipe": RECIPE, **options})


def digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()


def hidden(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*")]


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


# -- what goes in comes out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), MOVIES)
def test_movies_hold_every_frame_within_the_codec_s_loss(tmp_path, name, codec):
    path = render(film(fps=Fraction(30000, 1001)), tmp_path / name, codec=codec)
    video = Video.open(path)
    assert (video.frames, video.fps, video.size) == (20, Fraction(30000, 1001), (32, 48))
    for number, frame in enumerate(video.play()):
        assert (frame - picture(number)).abs().mean() < 0.025, number
    assert hidden(tmp_path) == []


def test_quality_is_worth_its_bytes(tmp_path):
    sizes, losses = [], []
    for quality in (20, 90, 100):
        path = render(film(10), tmp_path / f"{quality}.mp4", quality=quality)
        sizes.append(path.stat().st_size)
        losses.append((Video.open(path).frame(5) - picture(5)).abs().mean().item())
    assert sizes == sorted(sizes)
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("suffix", [".png", ".apng"])
def test_animated_png_is_exact(tmp_path, suffix):
    path = render(film(9), tmp_path / f"f{suffix}")
    with Image.open(path) as image:
        assert (image.n_frames, image.info["loop"], image.info["duration"]) == (9, 0, 40)
    frames = decoded(path)
    assert all(np.array_equal(frame, to_uint8(picture(number))[0]) for number, frame in enumerate(frames))
    assert json.dumps(RECIPE).encode() in path.read_bytes()
    with Image.open(path) as image:
        image.seek(8)  # a reader goes over the chunk with the recipe, and finds it sound
        image.load()


def test_gif_has_one_good_palette_and_ends_where_it_begins(tmp_path):
    path = render(film(20), tmp_path / "f.gif")
    frames = decoded(path)
    assert len(frames) == 20
    assert max(np.abs(frame.astype(int) - to_uint8(picture(i))[0]).mean() for i, frame in enumerate(frames)) < 8
    assert len(np.unique(np.concatenate(frames).reshape(-1, 3), axis=0)) <= 256
    with Image.open(path) as image:
        assert (image.n_frames, image.info["loop"], image.info["duration"]) == (20, 0, 40)
    assert b"graft film" in path.read_bytes()


@pytest.mark.parametrize("name", ["frames", "frames/%05d.png", "frames/p-%d.tif"])
def test_pictures_are_exact_and_know_how_they_were_made(tmp_path, name):
    folder = render(film(12), tmp_path / name)
    assert folder == tmp_path / "frames"
    pattern = "%05d.png" if name == "frames" else Path(name).name
    assert {path.name for path in folder.iterdir()} == {pattern % number for number in range(12)}
    for number in range(12):
        assert torch.equal(read(folder / (pattern % number)), picture(number))
    assert read_recipe(folder / (pattern % 3)) == RECIPE


@pytest.mark.parametrize(("name", "codec"), MOVIES)
def test_odd_sizes_get_their_edge_once_more(tmp_path, name, codec):
    path = render(film(3, make=lambda number: picture(number, 31, 45)), tmp_path / name, codec=codec)
    frame = decoded(path)[1].astype(int)
    assert frame.shape == (32, 46, 3)
    assert np.abs(frame[31] - frame[30]).mean() < 6
    assert np.abs(frame[:, 45] - frame[:, 44]).mean() < 6
    assert np.abs(frame[:31, :45] - to_uint8(picture(1, 31, 45))[0]).mean() < 4


@pytest.mark.parametrize(
    ("name", "codec", "frames"),
    [(*movie, PART + 1) for movie in MOVIES] + [("f.mp4", None, frames) for frames in (1, 2, PART, 2 * PART + 1)],
)
def test_any_number_of_frames(tmp_path, name, codec, frames):
    path = render(film(frames, make=lambda number: picture(number, 16, 16)), tmp_path / name, codec=codec)
    with av.open(str(path)) as movie:
        stream = movie.streams.video[0]
        times = [frame.pts * stream.time_base * 25 for frame in movie.decode(stream)]
    assert [round(time) for time in times] == list(range(frames))


@pytest.mark.parametrize("name", ["f.mp4", "f.webm", "f.gif", "f.png"])
def test_films_know_how_they_were_made_and_an_mp4_begins_with_its_index(tmp_path, name):
    path = render(film(2), tmp_path / name)
    data = path.read_bytes()
    assert recipes.read_recipe(path) == recipes.read_recipe(data) == RECIPE
    assert recipes.read_recipe(data[:-20] if name == "f.png" else data[: len(data) // 2]) in (None, RECIPE)
    assert name != "f.mp4" or data.index(b"moov") < data.index(b"mdat")


# -- the same bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), ALL)
def test_the_same_film_is_the_same_bytes(tmp_path, monkeypatch, name, codec):
    """Movies in parts as long as they are: what an encoder looks ahead must not depend on chance."""
    monkeypatch.setattr(writing, "PART", REAL_PART)
    frames = REAL_PART + 6 if (name, codec) in MOVIES else 6
    made = film(frames, make=lambda number: picture(number, 82, 64))
    assert len({digest(render(made, tmp_path / str(i) / name, codec=codec)) for i in range(2)}) == 1


class StopError(Exception):
    pass


def cut_at(number: int):
    def make(wanted: int) -> Tensor:
        if wanted == number:
            raise StopError
        return picture(wanted)

    return make


@pytest.mark.parametrize(
    ("name", "codec", "cut"),
    [(*kind, 17) for kind in ALL]
    + [(name, None, cut) for name in ("f.mp4", "f/%04d.png") for cut in (0, 1, PART - 1, PART, 19)],
)
def test_a_film_that_was_cut_short_goes_on_and_becomes_the_same(tmp_path, name, codec, cut):
    whole = digest(render(film(), tmp_path / "whole" / name, codec=codec))
    with pytest.raises(StopError):
        render(film(make=cut_at(cut)), tmp_path / name, codec=codec)
    assert not list(tmp_path.glob("f.*"))
    made, notes = [], []

    def make(number):
        made.append(number)
        return picture(number)

    path = render(film(make=make), tmp_path / name, codec=codec, progress=lambda *seen: notes.append(seen))
    assert digest(path) == whole
    kept = cut // PART * PART if (name, codec) in MOVIES else cut
    assert made == list(range(kept, 20))
    assert notes[0] == (kept, 20, f"continued at frame {kept}" if kept else "")
    assert [done for done, *_ in notes[1:]] == list(range(kept + 1, 21))
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("name", "place"), [("f.mp4", 0.3), ("f.mp4", 0.99), ("f.gif", 0.99), ("f/%04d.png", 0.3)])
def test_a_part_that_was_damaged_is_made_again(tmp_path, name, place):
    whole = digest(render(film(), tmp_path / "whole" / name))
    with pytest.raises(StopError):
        render(film(make=cut_at(19)), tmp_path / name)
    (folder,) = tmp_path.rglob(".*.parts")
    bad = sorted(folder.glob("000000*.*"))[0 if name == "f.mp4" else 7]
    data = bytearray(bad.read_bytes())
    data[int(place * len(data))] ^= 4
    bad.write_bytes(data)
    begun = []
    assert digest(render(film(), tmp_path / name, progress=lambda done, *_: begun.append(done))) == whole
    assert begun[0] == (0 if name == "f.mp4" else 7)


@pytest.mark.parametrize("place", [None, 0.5])
def test_a_part_that_was_killed_before_it_got_its_digest_is_made_again(tmp_path, place):
    """Whether or not a bit in it has turned over since."""
    with pytest.raises(StopError):
        render(film(make=cut_at(19)), tmp_path / "f.mp4")
    (part,) = (tmp_path / ".f.mp4.parts").glob("00000008.*.nut")
    data = bytearray(part.read_bytes())
    if place:
        data[int(place * len(data))] ^= 4
    part.unlink()
    part.with_name("00000008.nut").write_bytes(data)
    begun = []
    path = render(film(), tmp_path / "f.mp4", progress=lambda done, *_: begun.append(done))
    assert begun[0] == 8
    assert digest(path) == digest(render(film(), tmp_path / "whole" / "f.mp4"))


CHILD = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_video_writing import film, picture, render

def make(number):
    if number == {cut}:
        os.kill(os.getpid(), signal.SIGKILL)
    return picture(number)

render(film(60, make=make), {out!r})
"""


def test_a_film_whose_process_was_killed_goes_on(tmp_path):
    """As pictures, of which several are on their way; of a movie, parts alone are ever on the disk."""
    name = "f/%04d.png"
    whole = digest(render(film(60), tmp_path / "whole" / name))
    here = str(Path(__file__).parent)
    code = CHILD.format(path=[here, str(Path(here).parent)], cut=59, out=str(tmp_path / name))
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert child.returncode == -signal.SIGKILL, child.stderr
    made = []

    def make(number):
        made.append(number)
        return picture(number)

    assert digest(render(film(60, make=make), tmp_path / name)) == whole
    assert 59 - writing.AHEAD - 16 <= made[0] <= 59
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [({"recipe": {**RECIPE, "seed": 4}}, "seed"), ({"frames": 21}, "frames"), ({"fps": 30}, "frame rate")],
)
def test_another_film_of_the_same_name_begins_again_and_says_why(tmp_path, change, what):
    with pytest.raises(StopError):
        render(film(make=cut_at(19)), tmp_path / "f.mp4")
    notes = []
    path = render(film(**change), tmp_path / "f.mp4", progress=lambda *seen: notes.append(seen))
    assert notes[0][0] == 0
    assert notes[0][2] == f"begun again, because {what} changed"
    assert digest(path) == digest(render(film(**change), tmp_path / "new" / "f.mp4"))


def test_a_file_that_was_edited_makes_it_another_film(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"hill")
    with pytest.raises(StopError):
        render(replace(film(make=cut_at(19)), files=(photo,)), tmp_path / "f.mp4")
    photo.write_bytes(b"lake")
    notes = []
    render(replace(film(), files=(photo,)), tmp_path / "f.mp4", progress=lambda *seen: notes.append(seen))
    assert notes[0] == (0, 20, f"begun again, because {photo} changed")


def test_other_options_begin_again_too(tmp_path):
    for options in ({"quality": 50}, {"codec": "av1"}, {"resume": False}):
        with pytest.raises(StopError):
            render(film(make=cut_at(19)), tmp_path / "f.mp4")
        begun = []
        render(film(), tmp_path / "f.mp4", progress=lambda done, *_, begun=begun: begun.append(done), **options)
        assert begun[0] == 0, options


@pytest.mark.parametrize("shown", [lambda film: film, reverse])
def test_films_without_a_recipe_are_never_continued(tmp_path, shown):
    """Nothing tells two of them apart."""
    with pytest.raises(StopError):
        render(shown(film(30, make=cut_at(10), recipe={})), tmp_path / "f")
    other = shown(film(30, make=lambda number: picture(number + 1), recipe={}))
    begun = []
    render(other, tmp_path / "f", progress=lambda done, *_: begun.append(done))
    assert begun[0] == 0
    assert torch.equal(read(tmp_path / "f" / "00000.png"), other.frame(0))


def test_a_second_process_is_kept_out(tmp_path):
    def make(number):
        if number == 3:
            refused("another process", render, film(10), tmp_path / "f.mp4")
        return picture(number)

    render(film(10, make=make), tmp_path / "f.mp4")


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    whole = digest(render(film(), tmp_path / "whole" / "f.mp4"))
    write = writing.atomic_write

    def full(path, fill):
        def fails(file):
            fill(file)
            raise OSError(28, "No space left on device")

        return write(path, fails if path.name in ("00000016.nut", "f.mp4") else fill)

    monkeypatch.setattr(writing, "atomic_write", full)
    refused("no space left", render, film(), tmp_path / "f.mp4")
    assert not (tmp_path / "f.mp4").exists()
    monkeypatch.setattr(
        writing, "atomic_write", lambda path, fill: (full if path.name == "f.mp4" else write)(path, fill)
    )
    seen = []
    with pytest.raises(GraftError, match=r"f\.mp4 could not be written, because there is no space left"):
        render(film(), tmp_path / "f.mp4", progress=lambda *each: seen.append(each))
    assert seen[0][0] == 16
    monkeypatch.setattr(writing, "atomic_write", write)
    assert digest(render(film(make=cut_at(0)), tmp_path / "f.mp4")) == whole, "no frame is made again"


def test_frames_are_made_while_others_are_encoded_and_a_few_ahead(tmp_path, monkeypatch):
    encoded, ahead = [], []
    original = writing._Recorder._encode

    def encode(self, pixels, position):
        original(self, pixels, position)
        encoded.append(position)

    monkeypatch.setattr(writing._Recorder, "_encode", encode)

    def make(number):
        ahead.append(number - len(encoded))
        return picture(number)

    render(film(60, make=make), tmp_path / "f.mp4")
    assert max(ahead) <= writing.AHEAD


# -- sound ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sounding(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    return write_video(folder / "s.mp4", [pixels_of(i) for i in range(20)], sound=2.0)


def sound_of(path: Path):
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(track) if packet.size]
    with av.open(str(path)) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        return container.streams.audio[0].codec_context.name, packets, wave, container.streams.audio[0].rate


def test_sound_that_fits_is_copied_and_cut_to_length(tmp_path, sounding):
    path = render(film(25, audio=sounding), tmp_path / "f.mp4")
    name, packets, wave, rate = sound_of(path)
    _, original, *_ = sound_of(sounding)
    assert name == "aac"
    assert packets == original[: len(packets)]
    assert len(wave) / rate == pytest.approx(1.0, abs=0.05)
    assert Video.open(path).frames == 25
    path = render(film(25, audio=sounding, audio_start=Fraction(1)), tmp_path / "f.mp4")
    _, packets, *_ = sound_of(path)
    _, original, *_ = sound_of(sounding)
    first = original.index(packets[0])
    assert abs(first - 48000 / 1024) < 3
    assert packets == original[first : first + len(packets)]


@pytest.mark.parametrize(("codec", "name"), [("libmp3lame", "f.mp4"), ("libopus", "f.webm"), ("ac3", "f.mp4")])
def test_other_codecs_are_copied_too(tmp_path, codec, name):
    path = write_sound(tmp_path / "s.mka", codec)
    _, original, *_ = sound_of(path)
    _, packets, *_ = sound_of(render(film(12, audio=path), tmp_path / name))
    assert packets == original[: len(packets)]
    assert 0.4 < len(packets) / len(original) * 1.0 < 0.6


@pytest.mark.parametrize("start", [0, Fraction(1, 2)])
def test_sound_that_does_not_fit_is_encoded_anew(tmp_path, sounding, start):
    name, _, wave, rate = sound_of(render(film(25, audio=sounding, audio_start=Fraction(start)), tmp_path / "f.webm"))
    assert (name, rate) == ("opus", 48000)
    assert len(wave) / rate == pytest.approx(1.0, abs=0.05)
    middle = wave[12000:36000]
    pitch = np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle)
    assert pitch == pytest.approx(440, abs=3)


def write_sound(path: Path, codec: str, rate: int = 48000) -> Path:
    """A second of a tone of 300 Hz, in stereo."""
    with av.open(str(path), "w") as out:
        track = out.add_stream(codec, rate=rate, layout="stereo")
        wave = (np.sin(np.arange(rate) * 2 * np.pi * 300 / rate) * 9000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
        frame.rate, frame.pts = rate, 0
        context = track.codec_context
        for piece in av.AudioResampler(context.format, "stereo", rate, context.frame_size or None).resample(frame):
            out.mux(track.encode(piece))
        out.mux(track.encode(None))
    return path


def test_plain_samples_become_aac(tmp_path):
    path = write_sound(tmp_path / "s.wav", "pcm_s16le", 22050)
    name, _, wave, rate = sound_of(render(film(50, audio=path), tmp_path / "f.mp4"))
    assert name == "aac"
    assert len(wave) / rate == pytest.approx(1.0, abs=0.06), "a film that is longer than its sound falls silent"


@pytest.mark.parametrize("name", ["f.mp4", "f.webm"])
def test_films_with_sound_are_the_same_bytes_too(tmp_path, sounding, name):
    assert len({digest(render(film(20, audio=sounding), tmp_path / str(i) / name)) for i in range(3)}) == 1


def test_a_file_without_sound_makes_a_silent_film(tmp_path, sounding):
    silent = write_video(tmp_path / "silent.mp4", [pixels_of(i) for i in range(5)])
    assert not Video.open(render(film(5, audio=silent), tmp_path / "f.mp4")).has_audio
    assert not Video.open(render(film(5, audio=sounding), tmp_path / "f.gif")).has_audio
    refused(r"missing\.mp3", render, film(5, audio=tmp_path / "missing.mp3"), tmp_path / "g.mp4")


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("f.avi", {}, "no extension for films"),
        ("%03d.bmp", {}, "no pattern"),
        ("%03d-%d.png", {}, "no pattern"),
        ("100%.mp4", {}, "no pattern"),
        ("f.mp4", {"codec": "vp9"}, "choose h264 or av1"),
        ("f.webm", {"codec": "h264"}, "choose vp9 or av1"),
        ("f.gif", {"codec": "av1"}, "no choice of codec"),
        ("f.mp4", {"quality": 101}, "between 0 and 100"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_frame_is_made(tmp_path, name, options, words):
    refused(words, render, film(3, make=cut_at(0)), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_made_here_is_refused(tmp_path, monkeypatch):
    refused("50 frames per second", render, film(3, fps=60), tmp_path / "f.gif")
    (tmp_path / "file").write_text("")
    refused("could not be written", render, film(3), tmp_path / "file" / "f.mp4")
    broken = film(4, make=lambda number: picture(number) * (torch.nan if number else 1))
    refused("NaN", render, broken, tmp_path / "n.mp4")
    monkeypatch.setitem(writing.CODECS, "h264", writing.Codec("libnothing", 1, 2, {}))
    refused(r"libnothing.*\.webm", render, film(3), tmp_path / "f.mp4")


def test_frames_of_a_longer_film_are_not_mixed_in(tmp_path):
    render(film(5), tmp_path / "frames")
    refused(r"00003\.png belongs to a longer film", render, film(3), tmp_path / "frames")
    render(film(5, recipe={"seed": 9}), tmp_path / "frames")
    assert read_recipe(tmp_path / "frames" / "00004.png") == {"seed": 9}


@pytest.mark.parametrize("name", ["f.mp4", "f.gif", "frames"])
def test_frames_of_another_size_are_refused(tmp_path, name):
    changing = film(4, make=lambda number: picture(number, 32, 32 if number == 2 else 48))
    refused(r"from 48 × 32 to 32 × 32 pixels at frame 2", render, changing, tmp_path / name)


def test_without_av_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for name in ("f.mp4", "f.gif"):
        refused(r"graftlab\[video\]", render, film(3, make=cut_at(0)), tmp_path / name)
    render(film(3), tmp_path / "frames")  # pictures need no av


def test_a_broken_plan_begins_again(tmp_path):
    for plan in ("{", '{"recipe": 0}', "[" * 100_000):
        with pytest.raises(StopError):
            render(film(make=cut_at(19)), tmp_path / "f.mp4")
        (tmp_path / ".f.mp4.parts" / "plan.json").write_text(plan)
        begun = []
        render(film(), tmp_path / "f.mp4", progress=lambda done, *_, begun=begun: begun.append(done))
        assert begun[0] == 0
    assert parts_module.difference([], {"frames": 3}) == "frames"


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is held")
@pytest.mark.parametrize("name", ["f.mp4", "f.gif"])
def test_memory_stays_flat_over_600_frames(tmp_path, name):
    base, held = torch.rand(1, 3, 64, 64) * 2 - 1, []

    def make(number):
        if number >= 150:
            held.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20)
        return base.roll(number, 3)

    render(film(600, make=make), tmp_path / name, progress=lambda *_: None)
    make(600)
    assert max(held) - held[0] < 10  # megabytes; the other frames are 6 as 8-bit and 21 as they come
