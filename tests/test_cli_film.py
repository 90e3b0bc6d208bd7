"""`graft film`: what it writes is what the same calls in Python give, and mistakes are one sentence."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import new_model, pictures, stylegan2

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.editing.fitting import principal
from graftlab.editing.style_directions import ganspace
from graftlab.images import read, read_recipe, to_uint8
from graftlab.rendering import Renderer
from graftlab.video.easing import between
from graftlab.video.film import Film, render, slow
from graftlab.video.films import walk
from graftlab.video.films.desync import Desync, rework
from graftlab.video.films.detail import Detail
from graftlab.video.films.drawing import from_codes, from_way
from graftlab.video.films.recurse import Motion, recurse
from graftlab.video.films.ride import ride
from graftlab.video.films.sweep import sweep
from graftlab.video.films.timeline import Key, Timeline, becoming
from graftlab.video.reading import Video

HILL, LAKE, SEA = "photos/hill.png", "photos/lake at dusk.jpg", "photos/海.png"
FRAMES = "frames/%02d.png"
SHORT = ("--size", 32, "--frames", 4, "--fps", 10, "-o", FRAMES)
FPS = Fraction(10)


@pytest.fixture(scope="module")
def model(bundle):
    return load(bundle / "landscapes-128.safetensors", device="cpu").requires_grad_(False)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    wide = pictures(1, 32, 60)
    film = Film(6, FPS, lambda number: wide[..., 3 * number : 3 * number + 40].contiguous())
    return render(film, tmp_path_factory.mktemp("clip") / "clip.mp4", quality=100)


@pytest.fixture
def clip(rendered, tmp_path) -> Path:
    return shutil.copy(rendered, tmp_path / "clip.mp4")


@pytest.fixture(scope="module")
def found(model, photo_folder):
    return principal(model, photo_folder, 32, 2)


@pytest.fixture
def directions(graft, found):
    found.save("d.safetensors")
    return found


@pytest.fixture
def style(tmp_path):
    """A StyleGAN2 in a file; its fingerprint is the file's."""
    save_model(tmp_path / "style.safetensors", stylegan2())
    return load(tmp_path / "style.safetensors", device="cpu").requires_grad_(False)


def codes_of(model, path, square=False):
    return model.encode(read(path, 32, square))


def wrote(graft, command, film) -> None:
    """The command succeeds, and writes these frames."""
    result = graft("film", *command)
    assert result.code == 0, result.err
    wanted = [to_uint8(frame) for frame in film.play()]
    found = [to_uint8(read(path)) for path in sorted(Path("frames").iterdir()) if path.suffix == ".png"]
    assert len(found) == len(wanted)
    assert all((a == b).all() for a, b in zip(found, wanted, strict=True))


# -- videos -----------------------------------------------------------------------------------------------------------


def test_recon(graft, model, clip):
    wrote(graft, ("recon", clip, "-o", FRAMES), rework(Renderer(model), Video.open(clip)))
    recipe = read_recipe(Path("frames/00.png"))
    assert (recipe["model"], recipe["seed"]) == (model.fingerprint, 0)
    assert "film recon" in recipe["command"]
    assert graft("film", "recon", clip, "-o", "out.mp4").code == 0
    was, now = Video.open(clip), Video.open("out.mp4")
    assert (now.size, now.fps, now.frames) == (was.size, was.fps, was.frames) == ((32, 40), 10, 6)


def test_what_is_wrong_with_a_video_is_said(graft, tmp_path):
    film = Film(60, FPS, lambda number: pictures(seed=number))
    whole = render(film, tmp_path / "whole.mp4", quality=100).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    result = graft("film", "recon", "cut.mp4", "--frames", 2, "-o", "out.mp4")
    assert result.code == 0, result.err
    assert "cut.mp4 is cut short" in " ".join(result.err.split())


def test_a_video_at_another_rate_and_size(graft, model, clip):
    video = Video.open(clip, fps=5, size=48)
    command = ("recon", clip, "-o", FRAMES, "--fps", 5, "--size", 48, "--seconds", 0.4, "--noise", "none")
    wrote(graft, command, rework(Renderer(model, "none"), video, frames=2))


def test_desync(graft, model, clip):
    video = Video.open(clip)
    for options, moments, average in (
        (("--texture-offset", 0.2, "--ends", "hold"), Desync(0.2, ends="hold"), 0),
        (("--texture-held", 0.3), Desync(0.3, speed=0), 0),
        (("--texture-reversed", "--texture-speed", 0.5), Desync(speed=0.5, backwards=True), 0),
        (("--average", 0.4), Desync(average=0.4), 0),
        (("--average", 0.4, "--average-what", "structure"), Desync(), 0.4),
    ):
        film = rework(Renderer(model), video, moments, average_structure=average)
        wrote(graft, ("desync", clip, "-o", FRAMES, *options), film)


def test_textures_from_another_video(graft, model, clip, tmp_path):
    other = render(Film(3, FPS, lambda number: pictures(seed=number)), tmp_path / "other.mp4", quality=100)
    film = rework(Renderer(model), Video.open(clip), texture_from=Video.open(other))
    wrote(graft, ("desync", clip, "--texture-from", other, "-o", FRAMES), film)


def test_what_moves_is_told_by_the_content(graft, tmp_path):
    """A picture under a video's name is one, and can have --structure; an animated PNG or WebP is a video."""
    Path("still.mp4").write_bytes(Path(HILL).read_bytes())
    shown = [Image.fromarray(to_uint8(pictures(seed=number))[0]) for number in range(3)]
    for name in ("moving.png", "moving.webp"):
        shown[0].save(name, save_all=True, append_images=shown[1:], duration=100)
    for source, code in (("still.mp4", 0), ("moving.png", 2), ("moving.webp", 2)):
        command = ("film", "textures", source, "-t", f"0:{LAKE}", "--frames", 2, "-o", FRAMES, "--square")
        assert graft(*command).code == 0
        assert graft(*command, "--structure", f"0:{HILL}").code == code


def test_textures_over_a_video_and_a_still(graft, model, clip):
    lake, sea = (codes_of(model, path) for path in (LAKE, SEA))
    line = Timeline((Key(0, lake), Key(0.4, sea)))
    textures = ("--size", 32, "--texture", f"0:{LAKE}", "--texture", f"0.4:{SEA}")
    film = rework(Renderer(model), Video.open(clip), edit=line.edit(FPS))
    wrote(graft, ("textures", clip, *textures, "-o", FRAMES), film)
    closed, still = line.closed(0.6).edit(FPS), codes_of(model, HILL)
    film = from_codes(Renderer(model), lambda number: closed(still, number), 6, FPS)
    command = ("textures", HILL, *textures, "--loop", "--seconds", 0.6, "--fps", 10, "-o", FRAMES)
    wrote(graft, command, film)


def test_a_picture_becomes_another_and_its_texture_a_third(graft, model):
    own, lake, sea = (codes_of(model, path, square=True) for path in (HILL, LAKE, SEA))
    structures, textures = Timeline((Key(0, None), Key(0.2, lake))), Timeline((Key(0.1, None), Key(0.3, sea)))
    at = becoming(own, structures, textures, 4, FPS, loop=True, ahead=0.1)
    keys = ("--structure", f"0.2:{LAKE}", "--texture", "0.1:own", "--texture", f"0.3:{SEA}", "--texture-offset", 0.1)
    film = from_codes(Renderer(model), at, 4, FPS)
    wrote(graft, ("textures", HILL, *keys, "--loop", "--square", *SHORT), film)


def test_a_timeline_file(graft, model):
    Path("line.toml").write_text(
        f'ease = "in"\n[[texture]]\nat = 0\npicture = "own"\n[[texture]]\nat = 0.3\npicture = "{LAKE}"\n', "utf-8"
    )
    edit = Timeline((Key(0, None, "in"), Key(0.3, codes_of(model, LAKE), "in"))).edit(FPS)
    still = codes_of(model, HILL)
    film = from_codes(Renderer(model), lambda number: edit(still, number), 4, FPS)
    wrote(graft, ("textures", HILL, "--timeline", "line.toml", *SHORT), film)


def test_rides(graft, model, clip):
    scenes = [codes_of(model, path) for path in (HILL, LAKE)]
    command = ("ride", HILL, LAKE, "--overlap", 3, "--parallax", 0.4, "--loop", "--width", 50, *SHORT)
    wrote(graft, command, ride(Renderer(model), scenes, 4, FPS, 50, 3, parallax=0.4, closed=True))
    edit = Timeline((Key(0, codes_of(model, SEA)),)).edit(FPS)
    film = rework(Renderer(model), Video.open(clip), Desync(0.2, ends="mirror"), edit=edit)
    wrote(graft, ("ride", clip, "--size", 32, "--texture", f"0:{SEA}", "--texture-offset", 0.2, "-o", FRAMES), film)


def test_textures_of_a_ride_that_is_a_loop_come_back_too(graft, model, clip):
    keys = (Key(0, codes_of(model, SEA)), Key(0.2, None))
    drift, held = Timeline(keys).closed(0.4).edit(FPS), Timeline(keys[:1]).edit(FPS)
    command = ("ride", HILL, "--overlap", 3, "--width", 50, "--loop", "-t", f"0:{SEA}", *SHORT)
    scenes = [codes_of(model, HILL)]
    for edit, more in ((held, ()), (drift, ("-t", "0.2:own"))):
        wrote(graft, (*command, *more), ride(Renderer(model), scenes, 4, FPS, 50, 3, closed=True, texture=edit))
    command = ("ride", clip, "--size", 32, "--loop", "-t", f"0:{SEA}", "-t", "0.2:own", "--seconds", 0.4, "-o", FRAMES)
    wrote(graft, command, rework(Renderer(model), Video.open(clip), edit=drift, frames=4))


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_recurse_plays_backwards(graft, model):
    texture = Timeline((Key(0, codes_of(model, HILL)),)).edit(FPS)
    film = recurse(Renderer(model), read(HILL, 32), 4, FPS, texture)
    frames = list(film.play())
    wrote(graft, ("recurse", HILL, *SHORT), Film(4, FPS, lambda number: frames[3 - number]))
    assert (to_uint8(read("frames/03.png")) == to_uint8(read(HILL, 32))).all()
    plain = list(recurse(Renderer(model), read(HILL, 32), 4, FPS, texture, detail=None).play())
    wrote(graft, ("recurse", HILL, "--preset", "classic", "--no-reverse", *SHORT), Film(4, FPS, plain.__getitem__))
    film = recurse(Renderer(model), read(HILL, 32), 4, FPS, texture, detail=Detail(0.5, 0.3))
    wrote(graft, ("recurse", HILL, "--recall", 0.5, "--novelty", 0.3, "--no-reverse", *SHORT), film)


def test_recurse_with_options(graft, model):
    motion = Motion(1.1, 5, (0.1, -0.2), 3)
    moved = ("--zoom", 1.1, "--rotate", 5, "--shift", "0.1:-0.2", "--shear", 3)
    options = (*moved, "--hold-colours", 0.5, "--ramp", 0.2, "--soften", 0.1)
    film = recurse(Renderer(model), read(HILL, 32), 4, FPS, lambda own, number: own, motion, 0.5, 0.2, "in", 0.1)
    wrote(graft, ("recurse", HILL, *options, "--reencode", "--ease", "in", "--no-reverse", *SHORT), film)
    first, lake = codes_of(model, HILL), codes_of(model, LAKE)
    edit = Timeline((Key(0, first), Key(0.3, lake))).edit(FPS)
    film = recurse(Renderer(model), read(HILL, 32), 4, FPS, edit)
    wrote(graft, ("recurse", HILL, "--texture", "0:own", "-t", f"0.3:{LAKE}", "--no-reverse", *SHORT), film)


def test_walks(graft, model, directions):
    keys = [codes_of(model, path, True) for path in (HILL, LAKE, SEA)]
    way = walk.through(keys, "spline", True, "smooth", ("structure", "texture"))
    command = ("walk", HILL, LAKE, SEA, "--path", "spline", "--loop", *SHORT)
    wrote(graft, command, from_way(Renderer(model), way, 4, FPS, True))
    way = walk.through(keys[:2], "spherical", False, "in", ("texture",))
    command = ("walk", HILL, LAKE, "--path", "spherical", "--what", "texture", "--ease", "in", *SHORT)
    wrote(graft, command, from_way(Renderer(model), way, 4, FPS))
    way = walk.circle(keys[0], directions, 1.5, 3)
    command = ("walk", HILL, "--path", "circle", "--radius", 1.5, "--directions", "d.safetensors", "--seed", 3, *SHORT)
    wrote(graft, command, from_way(Renderer(model, seed=3), way, 4, FPS, True))
    way = walk.circle(keys[0], directions, 2, 3, turns=4)
    command = ("walk", HILL, "--path", "noise", "--directions", "d.safetensors", "--seed", 3, "--slow", 2, *SHORT)
    film = from_way(Renderer(model, seed=3), way, 4, FPS, True)
    wrote(graft, command, slow(film, 2))


def test_walks_through_files_of_codes(graft, model, style):
    assert graft("encode", HILL, LAKE, "--square", "-o", "codes.safetensors").code == 0
    way = walk.through([codes_of(model, path, True) for path in (HILL, LAKE)], ease="smooth")
    wrote(graft, ("walk", "codes.safetensors", *SHORT), from_way(Renderer(model), way, 4, FPS))
    style.codes_of([1, 2]).save("w.safetensors")
    way = walk.through([style.codes_of([1]), style.codes_of([2])], ease="smooth")
    film = from_way(Renderer(style, "const"), way, 4, FPS)
    wrote(graft, ("walk", "w.safetensors", "-m", "style.safetensors", *SHORT), film)


def test_walks_through_seeds(graft, style):
    average, both, renderer = style.codes_of([0], psi=0), style.codes_of([3, 5]), Renderer(style, "const")
    keys = [both[0], both[1]]

    def truncated(way, start, end, back):
        return walk.truncating(way, average, between(start, end, and_back=back))

    seeds = ("walk", "--seeds", "3,5", "-m", "style.safetensors", *SHORT)
    way = truncated(walk.through(keys, ease="smooth"), 0.7, 0.7, False)
    wrote(graft, seeds, from_way(renderer, way, 4, FPS))
    way = truncated(walk.through(keys, "spline", True, "smooth"), 0.3, 1, True)
    way = walk.holding(way, lambda codes, held: codes.style_mix(held, [0, 1]))
    command = (*seeds, "--path", "spline", "--loop", "--psi", "0.3:1", "--hold-layers", "0-1")
    wrote(graft, command, from_way(renderer, way, 4, FPS, True))
    assert graft("film", "walk", "--seeds", "1-4", "-m", "style.safetensors", "--path", "noise", *SHORT).code == 0
    alone = graft("film", "walk", HILL, "-m", "style.safetensors", *SHORT).refusal()
    assert alone.startswith("graft: A walk needs two")  # and nothing of a search
    for path in ("spherical", "circle"):
        assert graft("film", *seeds, "--path", path).code == 0
        first = style.decode(style.codes_of([3], psi=0.7), "const").clamp(-1, 1)
        assert (read("frames/00.png") - first).abs().max() < 0.01


def test_sweep(graft, model, directions):
    way = sweep(codes_of(model, HILL), directions, {"component 2": (-1, 2)}, "linear")
    command = ("sweep", HILL, "d.safetensors", "--name", "component 2", "--gains", "-1:2", "--ease", "linear", *SHORT)
    wrote(graft, command, from_way(Renderer(model), way, 4, FPS, True))
    way = sweep(codes_of(model, HILL), directions, {"component 1": (-3, 3)}, "smooth", and_back=False)
    wrote(graft, ("sweep", HILL, "d.safetensors", "--once", *SHORT), from_way(Renderer(model), way, 4, FPS))


def test_sweep_of_a_stylegan2_from_a_seed(graft, style):
    found = ganspace(style.codes_of, 100, 2)
    found.save("w.safetensors")
    way = sweep(style.codes_of([7], 0.5), found, {"component 1": (-2, 2)}, "smooth", layers=[0, 1])
    options = ("--psi", 0.5, "--layers", "0-1", "--gains", "-2:2", "-m", "style.safetensors")
    wrote(graft, ("sweep", 7, "w.safetensors", *options, *SHORT), from_way(Renderer(style, "const"), way, 4, FPS, True))
    said = graft("film", "sweep", "7,8", "w.safetensors", "-m", "style.safetensors", *SHORT).refusal()
    assert "stands for 2 pictures" in said


# -- what all have in common ------------------------------------------------------------------------------------------


def test_every_film_can_be_previewed(graft, clip, directions):
    for command in (
        ("recon", clip),
        ("desync", clip, "--texture-offset", 0.1),
        ("textures", HILL, "-t", f"0:{LAKE}"),
        ("ride", HILL, "--overlap", 2),
        ("recurse", HILL, "--seconds", 0.5),
        ("walk", HILL, LAKE),
        ("sweep", HILL, "d.safetensors"),
    ):
        result = graft("film", *command, "--preview", "-o", f"{command[0]}.mp4")
        assert result.code == 0, result.err
        sheet = Path(f"{command[0]}-preview.jpg")
        assert str(sheet) in result.err
        assert read_recipe(sheet) is not None
        assert min(read(sheet).shape[2:]) > 2 * 128  # two rows or three, of frames of 32 pixels a side
        assert not Path(f"{command[0]}.mp4").exists()


def test_every_film_can_be_turned_round_and_slowed_down(graft, model):
    keys = [codes_of(model, path, True) for path in (HILL, LAKE)]
    frames = list(from_way(Renderer(model), walk.through(keys, ease="smooth"), 4, FPS).play())
    for options, numbers in ((("--reverse",), [3, 2, 1, 0]), (("--boomerang",), [0, 1, 2, 3, 2, 1])):
        film = Film(len(numbers), FPS, lambda number, numbers=numbers: frames[numbers[number]])
        wrote(graft, ("walk", HILL, LAKE, *options, *SHORT), film)
    halves = Film(7, FPS, lambda number: torch.lerp(frames[number // 2], frames[(number + 1) // 2], 0.5 * (number % 2)))
    wrote(graft, ("walk", HILL, LAKE, "--slow", 2, *SHORT), halves)


def test_the_same_command_twice_gives_the_same_bytes_and_another_seed_others(graft):
    written = []
    for seed in (0, 0, 1):
        command = ("walk", HILL, LAKE, "--frames", 5, "--noise", "random", "--seed", seed, "-o", "w.mp4")
        assert graft("film", *command).code == 0
        written.append(Path("w.mp4").read_bytes())
    assert written[0] == written[1] != written[2]


def test_codecs(graft):
    import av

    for out, codec in (("w.webm", "vp9"), ("w.mp4", "av1")):
        assert graft("film", "walk", HILL, LAKE, "--frames", 2, "--codec", codec, "-o", out).code == 0
        with av.open(out) as movie:
            assert codec in movie.streams.video[0].codec_context.name


def test_pictures_that_are_read_are_not_written_over(graft):
    frames = Path("frames")
    frames.mkdir()
    for number, path in ((1, HILL), (7, LAKE)):
        shutil.copy(path, frames / f"{number:05d}.png")
    shutil.copy(HILL, "w-preview.jpg")
    for inputs, options in (
        (("frames/00001.png", LAKE), ("-o", "frames/%05d.png")),
        (("frames/00001.png", LAKE), ("-o", "frames")),
        ((HILL, "frames/00007.png"), ("-o", "frames", "--slow", 3)),
        ((HILL, "w-preview.jpg"), ("-o", "w.mp4", "--preview")),
    ):
        before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
        assert "is a file that this command reads" in graft("film", "walk", *inputs, "--frames", 4, *options).refusal()
        assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    (frames / "00001.png").rename("00001.png")
    assert graft("film", "walk", HILL, "frames/00007.png", "--frames", 4, "-o", "frames/%05d.png").code == 0


def test_pictures_of_others_are_not_written_over(graft):
    command = ("film", "walk", HILL, LAKE, *SHORT)
    assert graft(*command).code == 0
    assert graft(*command, "--seed", 3).code == 0  # over one of ours
    Image.new("RGB", (9, 9)).save("frames/02.png")
    before = {path: path.read_bytes() for path in Path("frames").iterdir()}
    refused = graft(*command)
    assert refused.code == 2
    said = (
        f"graft: {Path('frames/02.png')} does not say that graftlab wrote it; choose another name, or add --overwrite"
    )
    assert said in refused.err
    assert "frames/s" not in refused.err  # no bar of work that did not begin
    assert {path: path.read_bytes() for path in Path("frames").iterdir()} == before
    assert graft(*command, "--overwrite").code == 0
    assert read_recipe(Path("frames/02.png"))["command"] == read_recipe(Path("frames/01.png"))["command"]


def test_an_interrupted_film_says_how_it_goes_on(graft, monkeypatch):
    def dying(film, out, quality, progress, *rest):
        progress(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("graftlab.cli.filming.render", dying)
    stopped = graft("film", "walk", HILL, LAKE, *SHORT)
    assert stopped.code == 130
    assert "Interrupted; the same command goes on where it was." in stopped.err
    assert "frames/s" in stopped.err
    assert "goes on" not in graft("film", "walk", HILL, LAKE, *SHORT, "--no-resume").err


def test_mistakes_are_one_sentence(refuses, clip, directions, style):
    save_model(Path("net.safetensors"), new_model())
    replace(directions, model="0" * 64).save("alien.safetensors")
    mistakes = (
        (("recon", "none.mp4"), "none.mp4 does not exist"),
        (("recon", HILL), "is no video"),
        (("recon", "clip.mp4", "--frames", 0), "0 frames shows nothing"),
        (("recurse", HILL, "--seconds", 1e9), "25,000,000,000 frames lasts for days"),
        (("recon", "clip.mp4", "--fps", 0), "no frame rate"),
        (("recon", "clip.mp4", "--frames", 3, "--seconds", 1), "not in both"),
        (("recon", "clip.mp4", "-o", "clip.mp4"), "this command reads"),
        (("recon", "clip.mp4", "-o", "film.xyz"), "no extension for films"),
        (("recon", "clip.mp4", "--noise", "loud"), "noise must be one of"),
        (("desync", "clip.mp4", "--texture-offset", "nan"), "offset must be a finite number"),
        (("desync", "clip.mp4", "--ends", "loop"), "wrap, hold, mirror"),
        (("desync", "clip.mp4", "--average-what", "colour"), "texture, structure, both"),
        (("desync", "clip.mp4", "--texture-held", 1, "--texture-offset", 1), "leave those out"),
        (("textures", "clip.mp4"), "Which textures?"),
        (("textures", "clip.mp4", "-t", "0:none.jpg"), "none.jpg does not exist"),
        (("textures", "clip.mp4", "-t", "soon:x.jpg"), "SECONDS:PICTURE"),
        (("textures", "clip.mp4", "--timeline", "none.toml"), "none.toml: no such file"),
        (("textures", "clip.mp4", "-t", f"0:{HILL}", "--timeline", "x.toml"), "not in both"),
        (("textures", "clip.mp4", "-t", f"0:{HILL}", "--loop"), "loop needs two textures"),
        (("textures", "clip.mp4", "-s", f"1:{HILL}"), "--structure is for pictures"),
        (("textures", HILL, "-t", f"0:{LAKE}", "--ease", "slow"), "no easing 'slow'"),
        (("textures", LAKE, "-t", f"0:{HILL}", "-o", HILL), "this command reads"),
        (("ride", LAKE, "-t", f"0:{HILL}", "--overlap", 2, "-o", HILL), "this command reads"),
        (("recurse", LAKE, "-t", f"0:{HILL}", "-o", HILL), "this command reads"),
        (("ride", HILL, "--overlap", 40), "overlap"),
        (("ride", HILL, "--texture-offset", 1), "for a ride in a video"),
        (("ride", "clip.mp4", "--speed", 0.25), "--speed is for a ride past pictures"),
        (("ride", "clip.mp4", "--ease", "linear"), "--ease is for a ride past pictures"),
        (("recon", "clip.mp4", "--codec", "vp9"), "film.mp4 cannot hold the codec 'vp9': choose h264 or av1"),
        (("recurse", HILL, "--shift", "much"), "--shift takes a number"),
        (("recurse", HILL, "--reencode", "-t", f"0:{LAKE}"), "leave out --texture"),
        (("recurse", HILL, "--preset", "sharp"), "detailed or classic"),
        (("walk",), "Walk through pictures"),
        (("walk", HILL), "two keyframes or more"),
        (("walk", HILL, LAKE, "--no-square"), "differ in size"),
        (("walk", HILL, LAKE, "--what", "colour"), "texture, structure, both"),
        (("walk", HILL, LAKE, "--path", "circle"), "'circle' leaves one picture"),
        (("walk", HILL, "--path", "circle", "-m", "net.safetensors"), "comes without directions"),
        (("walk", HILL, LAKE, "--hold-layers", "0"), "held of a StyleGAN's codes"),
        (("walk", HILL, LAKE, "--psi", "1"), "for --seeds"),
        (("walk", HILL, "--seeds", "1,2"), "one kind at a time"),
        (("walk", "--seeds", "1,2"), "is a Swapping Autoencoder"),
        (("walk", "--seeds", "1", "-m", "style.safetensors"), "two keyframes or more"),
        (("walk", "--seeds", "1,2,3", "--path", "circle", "-m", "style.safetensors"), "two seeds, not 3"),
        (("walk", "--seeds", "1,2,3", "--path", "noise", "-m", "style.safetensors"), "two seeds for each turn"),
        (("walk", "--seeds", "1,2", "--psi", "low", "-m", "style.safetensors"), "--psi takes a number"),
        (("sweep", HILL, "alien.safetensors"), "another model"),
        (("sweep", HILL, "none.safetensors"), "none.safetensors"),
    )
    refuses(mistakes, "film")
