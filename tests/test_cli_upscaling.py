"""`graft upscale`, and `--upscale` and `--upscaler` of the commands that write pictures and films."""

from pathlib import Path

import pytest
import torch
from claims import shows
from test_language import small as reader
from test_upscaling import esrgan, small, theirs
from tiny import pictures, stylegan2

from graftlab import cli
from graftlab.checkpoints.formats.upscalers import compact, real
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.editing.upscaling import upscale
from graftlab.images import read, read_recipe, write
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.video.reading import Video

HILL, SEA, LAKE = "photos/hill.png", "photos/海.png", "photos/lake at dusk.jpg"


@pytest.fixture
def large(graft):
    """An upscaler of somebody's in the current folder."""
    torch.save({"params": theirs(small(factor=2), compact)}, "large.pth")
    return load("large.pth", device="cpu")


def test_a_picture(graft, large):
    assert graft("upscale", HILL, "--upscaler", "large.pth").code == 0
    assert shows("upscaled.png", upscale(large, read(HILL)))
    assert read_recipe("upscaled.png")["upscaler"] == large.fingerprint
    assert graft("upscale", HILL, "--upscaler", "large.pth", "--factor", 3, "--tile", 64, "-o", "a.png").code == 0
    assert shows("a.png", upscale(large, read(HILL), 3))


def test_several_pictures_and_folders(graft, large):
    assert graft("upscale", HILL, LAKE, "--upscaler", "large.pth", "-o", "a.png").code == 0
    assert shows("a-001.png", upscale(large, read(LAKE)))
    assert graft("upscale", "photos", "--upscaler", "large.pth", "-o", "all").code == 0
    assert sorted(path.name for path in Path("all").iterdir()) == ["hill.png", "lake at dusk.png", "海.png"]
    assert shows("all/海.png", upscale(large, read(SEA)))
    Path("photos/torn.png").write_bytes(Path(HILL).read_bytes()[:200])
    told = graft("upscale", "photos", "--upscaler", "large.pth", "--workers", 2, "-o", "shared")
    assert (told.code, "torn.png is missing: the picture is damaged" in told.err) == (0, True)
    assert all(shows(f"shared/{file.name}", read(file)) for file in Path("all").iterdir())
    Path("photos/torn.png").unlink()
    assert (
        "the next call would take both"
        in graft("upscale", "photos", "--upscaler", "large.pth", "-o", "photos").refusal()
    )
    said = graft("upscale", "photos", HILL, "--upscaler", "large.pth", "-o", "all").refusal()
    assert "Two of the pictures would become all/hill.png" in said


def test_a_video(graft, large):
    assert graft("film", "walk", HILL, SEA, "--frames", 3, "-o", "walk.mp4").code == 0
    assert graft("upscale", "walk.mp4", "--upscaler", "large.pth", "-o", "large.mp4").code == 0
    before, after = (Video.open(path) for path in ("walk.mp4", "large.mp4"))
    assert (after.frames, after.fps, after.size) == (3, before.fps, tuple(2 * side for side in before.size))
    assert graft("upscale", "walk.mp4", "--upscaler", "large.pth", "-o", "large/%d.png").code == 0
    assert len(list(Path("large").iterdir())) == 3
    assert shows("large/2.png", upscale(large, before.frame(2)))


def test_every_command_for_pictures(graft, large, bundle):
    """What is written is what the same command writes without the option, made larger."""
    save_model(Path("faces.safetensors"), stylegan2())
    reader().save("words.safetensors", {})
    graft("encode", HILL, "-o", "codes.safetensors")
    write(pictures(1, 37, 50, 5), "mask.png")
    for command in (
        ("swap", HILL, SEA),
        ("decode", "codes.safetensors"),
        ("panorama", HILL, HILL, "--overlap", 2),
        ("weave", HILL, HILL),
        ("regions", HILL, "--texture", f"mask.png={SEA}"),
        ("mix", HILL, "--texture", SEA),
        ("sample", "-m", "faces.safetensors", "--seeds", 3),
        ("guide", HILL, "--text", "snow", "--words", "words.safetensors", "--steps", 1, "--cutouts", 0),
        ("toonify", LAKE, "--base", "faces.safetensors", "--blend", "faces.safetensors", "--steps", 1, "--features", 0),
    ):
        assert graft(*command, "-o", "plain.png").code == 0, command
        done = graft(*command, "-o", "larger.png", "--upscale", 2, "--upscaler", "large.pth")
        assert done.code == 0, (command, done.err)
        plain, found = read("plain.png"), read("larger.png")
        assert found.shape == (1, 3, 2 * plain.shape[2], 2 * plain.shape[3]), command
        # the plain one was rounded to 8 bits, and the network may double that and more
        assert (found - upscale(large, plain)).abs().mean() < 0.02, command
        recipe = read_recipe("larger.png")
        assert recipe["upscaler"] == large.fingerprint
        assert "--upscale 2" in recipe["command"]
    several = ("guide", "1,2", "--text", "snow", "--words", "words.safetensors", "-m", "faces.safetensors")
    assert "A sheet of pictures is not made larger" in graft(*several, "--upscaler", "large.pth").refusal()


def test_films(graft, large):
    for number, options in enumerate(((), ("--slow", 2), ("--boomerang",), ("--reverse",))):
        given = ("film", "walk", HILL, SEA, "--frames", 3, *options)
        assert graft(*given, "-o", f"plain{number}/%d.png").code == 0
        done = graft(*given, "-o", f"larger{number}/%d.png", "--upscale", 2, "--upscaler", "large.pth")
        assert done.code == 0, done.err
        plain, found = (sorted(Path(f"{name}{number}").iterdir()) for name in ("plain", "larger"))
        assert [path.name for path in found] == [path.name for path in plain]
        assert (read(found[0]) - upscale(large, read(plain[0]))).abs().mean() < 0.02


def test_a_preview_of_a_film_is_not_made_larger(graft, large):
    for options in ((), ("--upscale", 2, "--upscaler", "large.pth")):
        command = ("film", "walk", HILL, SEA, "--frames", 3, "--preview", "-o", f"{len(options)}.mp4")
        assert graft(*command, *options).code == 0
    assert read("0-preview.jpg").shape == read("4-preview.jpg").shape


def test_upscalers_are_listed_and_converted(graft, large):
    assert "compact-upscaler, × 2; parameters" in graft("inspect", "large.pth").out
    assert graft("models", "add", "large.pth", "--as", "mine").code == 0
    assert "mine: compact-upscaler, × 2, 0.0 M" in graft("models").out
    assert graft("swap", HILL, SEA, "--upscaler", "mine").code == 0
    assert graft("convert", "large.pth", "large.safetensors").code == 0
    assert load("large.safetensors", device="cpu").fingerprint == large.fingerprint


def refusals():
    yield ("upscale", HILL, "--upscaler", "landscapes-128"), "and this needs an upscaler"
    yield ("swap", HILL, SEA, "--upscaler", "swin.pth"), "of a kind that graftlab does not know"
    yield ("swap", HILL, SEA, "--upscale", "2", "--upscaler", "nowhere"), "nowhere is neither a file nor"
    yield ("swap", HILL, SEA, "-m", "large.pth"), "large.pth is an upscaler, and this needs a Swapping Autoencoder"
    yield ("swap", HILL, SEA, "--upscale", "2", "--upscaler", "mends.pth"), "keeps the size of pictures"
    yield ("sample", "-m", "faces.safetensors", "--upscale", "2"), "not made larger (--upscale); write a file for each"
    yield ("upscale", HILL, SEA, "--upscaler", "large.pth", "-o", "a.mp4"), "a film is made of one video"
    yield ("upscale", HILL, "--upscaler", "large.pth", "-o", HILL), "is a file that this command reads"
    yield ("upscale", HILL, "--upscaler", "large.pth", "-o", "a.txt"), "does not end as a picture does"
    yield ("upscale", "gone.png", "--upscaler", "large.pth"), "gone.png does not exist"
    yield ("film", "walk", HILL, SEA, "--upscaler", "swin.pth"), "of a kind that graftlab does not know"


def test_refusals(refuses, large):
    swin = {"conv_first.weight": torch.zeros(4, 3, 3, 3), "layers.0.norm.weight": torch.zeros(4)}
    torch.save({"params": swin}, "swin.pth")
    torch.save({"params": theirs(esrgan(doublings=2, unshuffle=4), real)}, "mends.pth")
    save_model(Path("faces.safetensors"), stylegan2())
    refuses(refusals())


def test_pictures_beyond_the_cap_are_refused_before_the_work(graft, large, monkeypatch):
    from graftlab.editing import upscaling

    assert graft("film", "walk", HILL, SEA, "--frames", 1, "-o", "walk.mp4").code == 0
    write(pictures(1, 8, 8), "photos/first.png")  # is small enough
    monkeypatch.setattr(upscaling, "MAX_PIXELS", 2000)
    monkeypatch.setattr(type(large), "trunk", None)
    monkeypatch.setattr(SwappingAutoencoder, "encode", None)
    for command, size in (
        (("upscale", "photos/first.png", HILL), "50 × 37"),
        (("upscale", "walk.mp4"), "34 × 34"),
        (("swap", HILL, SEA), "50 × 37"),
        (("panorama", HILL, SEA), "45 × 33"),
    ):
        said = graft(*command, "--upscaler", "large.pth", "-o", "a.mp4" if "walk.mp4" in command else "a.png").refusal()
        assert f"A picture of {size} pixels would have 0 million after upscaling by 2" in said
        assert not [*Path().glob(".a*"), *Path().glob("a*")]


def test_all_commands_that_write_pictures_have_the_options():
    """The others write sheets, or files of other kinds."""
    import typer

    def having(group):
        commands = {name: group.resolve_command(typer.Context(group), [name])[1] for name in group.commands}
        options = {name: {o for parameter in one.params for o in parameter.opts} for name, one in commands.items()}
        return {name for name, given in options.items() if {"--upscale", "--upscaler"} <= given}

    group = typer.main.get_command(cli.app)
    assert having(group) == {
        *["swap", "hybrids", "decode", "sample", "panorama", "weave", "regions", "mix", "edit", "guide", "toonify"],
        "translate",
    }
    assert having(group.commands["film"]) == {*group.commands["film"].commands}


def test_the_bundled_upscaler_makes_edges_sharper():
    """A step that was made smaller: its slope is steeper than that of Lanczos, and flat parts stay flat."""
    from graftlab.images import resize, to_image, to_tensor

    network = load(Path(cli.__file__).parents[1] / "bundled" / "upscale-4.safetensors", device="cpu")
    truth = torch.full((1, 3, 128, 128), -0.5)
    truth[..., 62:] = 0.5
    reduced = to_tensor(resize(to_image(truth), 32))
    lanczos = to_tensor(resize(to_image(reduced), 128))
    found = upscale(network, reduced)
    slopes = [image.diff(dim=3).mean(dim=(0, 1, 2)).max() for image in (found, lanczos)]
    assert slopes[0] > 1.5 * slopes[1]
    assert found[..., :40].std() < 0.02
