"""`graft film blend`: a network that changes while the codes stay."""

from contextlib import nullcontext
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

from graftlab.blending import family
from graftlab.blending.blend import adopt, blend
from graftlab.blending.family import Family
from graftlab.blending.inputs import photos_in, seeds_in
from graftlab.blending.layers import layers_of
from graftlab.blending.weights import interpolate, layer_swap
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.figures.sheets import block
from graftlab.images import read, read_recipe, to_uint8
from graftlab.rendering import Renderer
from graftlab.video.films.blends import blends, fading, passing

A, B, C = "a.safetensors", "b.safetensors", "c.safetensors"
FPS = Fraction(10)
SHORT = ("--frames", 5, "--fps", 10, "-o", "frames/%02d.png")
SEED = ("--seeds", 3, "--psi", 1)


@pytest.fixture
def networks():
    return [tiny.stylegan2(), tiny.tuned(tiny.stylegan2(), 1), tiny.tuned(tiny.stylegan2(), 2)]


@pytest.fixture
def models(graft, networks):
    for path, network in zip((A, B, C), networks, strict=True):
        save_model(Path(path), network)
    save_model(Path("apart.safetensors"), tiny.stylegan2(4))
    return [load(path, device="cpu") for path in (A, B, C)]


def drawn(base, network, seed=3):
    return network.decode(adopt(base.codes_of([seed]), base, network))


def frame(number):
    return read(f"frames/{number:02d}.png")


def equal(picture, want):
    have, want = (to_uint8(each).astype(int) for each in (picture, want))
    return abs(have - want).max() <= 1


# -- in Python --------------------------------------------------------------------------------------------------------


def test_all_models_of_a_circle_are_met_bit_for_bit_and_it_closes(networks):
    a = networks[0]
    film = blends(Renderer(networks[0]), networks, passing(3, closed=True), seeds_in(a, [3], 1), 6, FPS, closed=True)
    frames = list(film.play())
    for i, network in enumerate(networks):
        assert torch.equal(frames[2 * i], network.decode(a.codes_of([3])))
    halfway = blend(networks[2], a, interpolate(0.5))
    assert tiny.differ(frames[5], halfway.decode(a.codes_of([3]))) < 1e-5
    assert torch.equal(film.frame(6), frames[0])  # the frame after the last


def test_an_open_way_ends_at_the_last(networks):
    film = blends(Renderer(networks[0]), networks, passing(3), seeds_in(networks[0], [3], 1), 5, FPS)
    assert torch.equal(film.frame(4), networks[2].decode(networks[0].codes_of([3])))
    assert torch.equal(film.frame(2), networks[1].decode(networks[0].codes_of([3])))


def test_every_frame_is_the_same_wherever_one_begins(networks):
    two = seeds_in(networks[0], [1, 2], 1)
    film = blends(Renderer(networks[0]), networks, passing(3, ease="smooth"), two, 6, FPS, across=2)
    whole = list(film.play())
    assert whole[0].shape == (1, 3, 32, 64)
    assert all(torch.equal(*pair) for pair in zip(film.play(3), whole[3:], strict=True))
    assert torch.equal(film.frame(1), whole[1])
    assert not torch.equal(whole[0], whole[1])


def test_a_moving_switch_passes_those_of_graft_blend(networks):
    a, b, _ = networks
    rule = fading(levels=(32, 4), width=0.3)
    for share, level in ((0, 32), (1 / 3, 16), (2 / 3, 8), (1, 4)):
        for layer in layers_of(a):
            mine, theirs = rule(share)(layer)[1], layer_swap(level, width=0.3)(layer)
            assert mine == pytest.approx(theirs, abs=1e-9)
    shares = [[rule(share / 50)(layer)[1] for share in range(51)] for layer in layers_of(a)]
    assert all(row == sorted(row) for row in shares)  # nothing jumps back
    assert max(after - before for row in shares for before, after in pairwise(row)) < 0.15
    film = blends(Renderer(a), [a, b], rule, seeds_in(a, [3], 1), 2, FPS)
    want = blend(a, b, layer_swap(4, width=0.3))
    assert tiny.differ(film.frame(1), want.decode(a.codes_of([3]))) < 1e-5


def test_share_and_switch_together(networks):
    rule = fading((0.5, 0.5), (8, 8))
    for layer in layers_of(networks[0]):
        assert rule(0.3)(layer)[1] == pytest.approx(0.5 * layer_swap(8, width=0.5)(layer))


def test_random_noise_is_another_in_each_frame_and_the_same_again(networks):
    same = [networks[0], networks[0]]
    film = blends(Renderer(same[0], "random", 5), same, passing(2), seeds_in(networks[0], [3, 4], 1), 3, FPS, across=2)
    assert not torch.equal(film.frame(0), film.frame(1))
    assert torch.equal(film.frame(1), film.frame(1))
    still = blends(Renderer(same[0]), same, passing(2), seeds_in(networks[0], [3], 1), 3, FPS)
    assert torch.equal(still.frame(0), still.frame(1))


def test_autoencoders(networks):
    a, b = tiny.new_model(), tiny.tuned(tiny.new_model(), 1)
    images = [tiny.pictures(seed=seed) for seed in (0, 1)]
    film = blends(Renderer(a), [a, b], fading((0, 1)), photos_in(a, images), 3, FPS, across=2)
    want = torch.cat([b.decode(b.encode(image), noise="fixed") for image in images])
    assert tiny.differ(film.frame(2), block(want, 2)) < 1e-5
    given = (Renderer(a), [a, networks[0]], fading((0, 1)), photos_in(a, images), 3, FPS)
    refused("have nothing in common", blends, *given)


# -- the command ------------------------------------------------------------------------------------------------------


def test_from_model_to_model(graft, models):
    a, b, _ = models
    for options, first, middle, last in (
        (("--ease", "linear"), interpolate(0), interpolate(0.5), interpolate(1)),
        (("--ease", "linear", "--alpha=-0.5:1.5", "--reverse"), *map(interpolate, (1.5, 0.5, -0.5))),
        (("--swap-at", "32:8", "--width", 0.2), layer_swap(32, width=0.2), None, layer_swap(8, width=0.2)),
    ):
        assert graft("film", "blend", A, B, *SEED, *options, *SHORT, "--overwrite").code == 0
        for number, rule in ((0, first), (2, middle), (4, last)):
            assert rule is None or equal(frame(number), drawn(a, blend(a, b, rule)))
        assert not equal(frame(0), frame(4))
        recipe = read_recipe("frames/00.png")
        assert recipe.get("of", recipe)["models"] == [a.fingerprint, b.fingerprint]  # backwards: of the film forwards


def test_a_circle_and_its_preview(graft, models):
    command = ("film", "blend", A, B, C, *SEED, "--circle", "--frames", 6, "--fps", 10)
    assert graft(*command, "-o", "frames/%02d.png").code == 0
    assert equal(frame(2), drawn(models[0], models[1]))
    assert equal(frame(4), drawn(models[0], models[2]))
    assert graft(*command, "-o", "film.mp4", "--preview").code == 0
    assert Path("film-preview.jpg").is_file()
    assert not Path("film.mp4").exists()


def test_another_model_under_the_same_name_is_no_continuation(graft, models, monkeypatch):
    command = ("film", "blend", A, B, *SEED, *SHORT)
    with monkeypatch.context() as patch:
        patch.setattr("graftlab.video.film.assemble", lambda *_: 1 / 0)
        assert graft(*command).code == 1
    save_model(Path(B), tiny.tuned(tiny.stylegan2(), 9))
    result = graft(*command)
    assert result.code == 0
    assert equal(frame(4), drawn(models[0], load(B, device="cpu")))


def test_photos(graft, models):
    save_model(Path(A), tiny.new_model())
    save_model(Path(B), tiny.tuned(tiny.new_model(), 1))
    assert graft("film", "blend", A, B, "--photo", "photos/hill.png", *SHORT).code == 0
    last, image = load(B, device="cpu"), read("photos/hill.png", 32, square=True)
    assert equal(frame(4), last.decode(last.encode(image)))


def test_more_models_than_are_kept_have_the_same_precision(graft, models, monkeypatch):
    monkeypatch.setattr(family, "KEPT", 1)
    seen: list[tuple[float, float | None]] = []

    def watch(what, total, done=0, unit="images"):
        seen.append((done, total))
        return nullcontext(lambda done, total, note="": seen.append((done, total)))

    opened = Family([A, B, C], device="cpu", precision="bfloat16", watch=watch)
    assert seen == [(1, 3), (2, 3), (3, 3)]  # the first is open when the bar begins
    assert {opened.load(path).precision for path in (A, B, C)} == {torch.bfloat16}


def test_bad_input_is_one_sentence(graft, models):
    before = Path(B).read_bytes()
    for arguments, says in (
        ((A,), "two models"),
        ((A, B, C, "--alpha", "0:1"), "for two models"),
        ((A, B, "--circle", "--swap-at", "32:4"), "for two models"),
        ((A, B, "--width", "1"), "--width"),
        ((A, B, "--swap-at", "64:4"), "64 pixels"),
        ((A, B, "--swap-at", "nan:4"), "--swap-at"),
        ((A, B, "--swap-at", "x"), "--swap-at"),
        ((A, B, "--alpha", "0:inf"), "not at inf (--alpha)"),
        ((A, B, "--swap-at", "32.5:4"), "two resolutions in pixels"),
        ((A, B, "--seeds", "1;2"), "--seeds"),
        ((A, B, "--ease", "jerky"), "jerky"),
        ((A, B, "--noise", "loud"), "noise"),
        ((A, B, "--precision", "float8"), "precision"),
        ((A, B, "-m", A), "--model"),
        ((A, "apart.safetensors"), "apart.safetensors does not go with"),
        ((A, "none.safetensors"), "none.safetensors"),
        ((A, B, "--photo", "photos/hill.png", "--codes", "own"), "--codes own"),
        ((A, B, "-o", B), B),
    ):
        out = ["-o", "film.mp4"] if "-o" not in arguments else []
        assert says in graft("film", "blend", *out, "--frames", 3, *arguments).refusal()
    assert Path(B).read_bytes() == before
