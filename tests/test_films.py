"""Films against closed forms: loops close, ways meet their keys, the same numbers give the same frames."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import islice, pairwise
from math import nan, pi

import pytest
import torch
from claims import refused
from tiny import differ, model, new_model, pictures, stylegan2

from graftlab import films
from graftlab.codes import StyleCodes, SwapCodes
from graftlab.editing.fitting import fit
from graftlab.editing.recall import Recall
from graftlab.rendering import Renderer
from graftlab.video.easing import between
from graftlab.video.film import Film, render, reverse
from graftlab.video.films import walk
from graftlab.video.films.detail import Detail, Keeper, fineness
from graftlab.video.films.drawing import from_codes, from_way
from graftlab.video.films.recurse import Chain, Motion, match_colours, move_structure, recurse, soften_structure
from graftlab.video.films.ride import bands, endless, ride
from graftlab.video.films.sweep import sweep
from graftlab.video.films.timeline import Key, Mark, Timeline, becoming, parse_mark, read_marks
from graftlab.video.films.world import World

FPS = Fraction(10)


def codes(count=1, seed=0, size=32) -> SwapCodes:
    with torch.no_grad():
        return model().encode(pictures(count, size, size, seed))


def keys(count=3) -> list[SwapCodes]:
    return [codes(seed=seed) for seed in range(count)]


def equal(a, b) -> bool:
    return all(torch.equal(getattr(a, part), getattr(b, part)) for part in a.parts)


def near(a, b) -> bool:
    return all(torch.allclose(getattr(a, part), getattr(b, part), atol=1e-5) for part in a.parts)


def played(film, first=0) -> list[torch.Tensor]:
    return list(film.play(first))


# -- drawing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["fixed", "none", "random"])
def test_frames_in_order_are_those_by_number_whatever_is_decoded_at_once(noise):
    way = walk.through(keys())
    wanted = None
    for batch in (None, 1, 2, 3):
        film = from_way(Renderer(model(), noise, 7, batch), way, 7, FPS)
        found = played(film)
        wanted = wanted or found
        assert [frame.shape for frame in found] == [(1, 3, 32, 32)] * 7
        assert max(differ(a, b) for a, b in zip(found, wanted, strict=True)) < 1e-5
        assert max(differ(film.frame(i), found[i]) for i in range(7)) < 1e-5


def test_a_film_that_goes_on_is_the_film_that_never_stopped():
    film = from_way(Renderer(model()), walk.through(keys()), 20, FPS)
    whole = played(film)
    for first in (1, 7, 8, 19):
        assert all(map(torch.equal, played(film, first), whole[first:]))
    assert played(film, 20) == []


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_batches_are_drawn_side_by_side_by_half_of_the_threads_each(threads, monkeypatch):
    used = []

    def draw(self, codes, first):
        used.append(torch.get_num_threads())
        return codes.structure[:, :3]

    monkeypatch.setattr(Renderer, "draw", draw)
    renderer = Renderer(model(), batch=1)
    assert renderer.workers(codes()) == min(threads, 2)
    assert renderer.workers(codes(size=1024)) == 1  # large pictures keep all threads busy
    film = from_way(renderer, walk.through(keys()), 9, FPS)
    assert max(map(differ, played(film), map(film.frame, range(9)))) < 1e-5  # other threads, other sums
    assert used == [(threads + 1) // 2] * 9 + [threads] * 9  # single frames are drawn by all
    assert torch.get_num_threads() == threads


def test_random_noise_is_another_in_each_frame_and_with_each_seed_and_the_same_twice():
    def film(seed):
        return played(from_codes(Renderer(model(), "random", seed), lambda number: keys()[0], 3, FPS))

    first, other = film(0), film(100)
    assert all(map(torch.equal, first, film(0)))
    frames = [*first, *other]
    assert not any(torch.equal(a, b) for i, a in enumerate(frames) for b in frames[:i])
    refused("one or more at once, not 0", Renderer, model(), batch=0)


# -- walks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["linear", "spherical", "spline"])
@pytest.mark.parametrize(("closed", "ease"), [(False, "linear"), (True, "bounce")])
def test_every_way_meets_its_keys(path, closed, ease):
    way = walk.through(keys(), path, closed, ease)
    legs = 3 if closed else 2
    assert all(near(way(i / legs), key) for i, key in enumerate(keys()))
    assert near(way(1), keys()[0 if closed else 2])


@pytest.mark.parametrize("path", ["linear", "spherical", "spline"])
def test_a_closed_way_repeats_exactly(path):
    way = walk.through(keys(), path, closed=True)
    assert all(equal(way(share), way(share + 1)) for share in (0, 0.25, 0.5))
    film = from_way(Renderer(model()), way, 12, FPS, closed=True)
    assert film.closed
    frames = [*played(film), film.frame(12)]
    assert differ(frames[12], frames[0]) < 1e-6
    steps = [(a - b).abs().mean().item() for a, b in pairwise(frames)]
    assert steps[-1] < 1.5 * max(steps[:-1])  # the last and the first frame follow each other as any two do


def test_only_the_parts_that_are_named_change():
    for path in ("linear", "spherical", "spline"):
        way = walk.through([codes(), codes(seed=1, size=40)], path, parts=["texture"])
        assert torch.equal(way(0.3).structure, codes().structure)
        assert not torch.equal(way(0.3).texture, codes().texture)


def test_great_circles_keep_the_length():
    way = walk.through(keys(), "spherical")
    for share in (0.1, 0.3, 0.8):
        assert torch.allclose(way(share).texture.norm(dim=1), torch.ones(1), atol=1e-5)
        assert torch.allclose(way(share).structure.norm(dim=1), torch.ones(1, 8, 8), atol=1e-5)
    assert walk.through(keys())(0.25).texture.norm() < 0.999


def test_a_spline_has_no_corner_where_a_straight_way_has_one():
    def corner(path):
        way, step = walk.through(keys(), path), 1e-3
        before, at, after = (way(0.5 + i * step).texture for i in (-1, 0, 1))
        return ((after - at) - (at - before)).norm() / (after - before).norm()

    assert corner("spline") < 0.02 < 0.2 < corner("linear")


def test_linear_halfway_is_the_mixture_and_a_spline_through_a_straight_line_is_that_line():
    a, b = keys(2)
    assert near(walk.through([a, b])(0.5), a.mix(b, structure=0.5, texture=0.5))
    line = [a.mix(b, structure=i, texture=i) for i in (0, 1, 2, 3)]
    assert near(walk.through(line, "spline")(0.4), a.mix(b, structure=1.2, texture=1.2))
    assert sum(walk.spline(0.3)) == pytest.approx(1)


def test_walks_that_make_no_sense_are_refused():
    a, b = keys(2)
    for wrong, says in (
        (lambda: walk.through([a]), "A walk needs two keyframes or more, not 1"),
        (lambda: walk.through([a], closed=True), "A loop needs two keyframes"),
        (lambda: walk.through([a, b], "curve"), "no path 'curve', only linear, spherical, spline"),
        (lambda: walk.through([a, b], ease="slow"), "no easing 'slow'"),
        (lambda: walk.through([a, codes(size=40)]), "differ in size"),
        (lambda: walk.through([a, replace(b, model="x"), replace(b, model="y")]), "different models"),
        (lambda: walk.through([StyleCodes(w=torch.zeros(1, 2, 3))] * 2, "spherical"), "take another path"),
    ):
        refused(says, wrong)


def test_a_circle_passes_through_its_codes_and_closes():
    directions = fit(codes(20).texture, 4)
    way = walk.circle(codes(), directions, 2, seed=3)
    assert near(way(0), codes())
    assert near(way(1), codes())
    steps = [(way((i + 1) / 40).texture - way(i / 40).texture).norm().item() for i in range(40)]
    assert max(steps) < 1.6 * min(steps)  # an ellipse at the most, since directions differ in length
    away = directions.positions(way(0.5).texture - codes().texture + directions.mean)
    assert away.norm().item() == pytest.approx(4, rel=1e-3)  # the other end of the circle, in standard deviations
    assert not near(way(0.3), walk.circle(codes(), directions, 2, seed=4)(0.3))
    refused("radius must be a finite number", walk.circle, codes(), directions, nan)


def test_a_noise_loop_leaves_its_codes_and_comes_back_by_turns_of_its_own():
    directions = fit(codes(20).texture, 4)
    way, plain = (walk.circle(codes(), directions, 2, seed=3, turns=turns) for turns in (3, 1))
    assert near(way(0), codes())
    assert near(way(1), codes())
    assert not near(way(0.5), plain(0.5))
    assert near(way(0.001), way(1.001))
    axes = torch.randn(3, 2, 500, generator=torch.Generator().manual_seed(0))
    points = torch.stack([walk.circles(axes, i / 12) for i in range(12)])
    assert points.var().item() == pytest.approx(1, abs=0.05)
    turning = torch.fft.rfft(points, dim=0).abs().mean(1)
    assert turning[1] > 1.9 * turning[2] > 1.4 * turning[3] > 100 * turning[4]


# -- walks of a StyleGAN2 ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def style():
    return stylegan2()


def test_a_latent_circle_closes_and_keeps_the_length(style):
    z = torch.linalg.qr(torch.randn(12, 2, generator=torch.Generator().manual_seed(0)))[0].T
    seen = []
    way = walk.latent_circle(lambda x: seen.append(x.norm().item()) or style.map(x), z)
    assert near(way(0), style.map(z[:1]))
    assert near(way(0.25), style.map(z[1:]))
    assert near(way(1), way(0))
    assert seen == pytest.approx([1] * len(seen))
    four = torch.randn(4, 12, generator=torch.Generator().manual_seed(1))
    loop = walk.latent_circle(style.map, four)
    assert near(loop(1), loop(0))
    assert near(loop(0), style.map((2 * four[:1] + four[2:3]) / 5**0.5))


def test_a_latent_walk_meets_its_seeds(style):
    z = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    way = walk.latent_walk(style.map, z, closed=True)
    assert all(near(way(i / 3), style.map(z[i : i + 1])) for i in range(3))
    film = from_way(Renderer(style, "const"), way, 6, FPS, closed=True)
    assert differ(film.frame(6), film.frame(0)) < 1e-5


def test_truncation_along_a_way(style):
    average, two = style.codes_of([0], psi=0), [style.codes_of([seed]) for seed in (1, 2)]
    way = walk.truncating(walk.through(two), average, between(0.3, 1))
    assert near(way(0), style.codes_of([1], psi=0.3))
    assert near(way(1), style.codes_of([2]))


def test_coarse_layers_are_held(style):
    two = [style.codes_of([seed]) for seed in (1, 2)]
    way = walk.holding(walk.through(two), lambda codes, held: codes.style_mix(held, [0, 1]))
    assert near(way(1), two[1].style_mix(two[0], [0, 1]))
    assert near(way(0), two[0])
    refused("layers 0 to", walk.holding, walk.through(two), lambda codes, held: codes.style_mix(held, [99]))


# -- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_goes_there_and_back():
    directions = fit(codes(20).texture, 3)
    way = sweep(codes(), directions, {"component 2": (-1, 2)}, "linear")
    for share, gain in ((0, -1), (0.25, 0.5), (0.5, 2), (0.75, 0.5), (1, -1)):
        assert near(way(share), directions.apply(codes(), {"component 2": gain}))
    assert near(sweep(codes(), directions, {"component 2": (-1, 2)}, and_back=False)(1), way(0.5))


def test_sweeps_that_make_no_sense_are_refused():
    directions = fit(codes(20).texture, 3)
    for gains, says in (
        ({}, "needs a direction"),
        ({"x": (0, 1)}, "no direction 'x'"),
        ({"component 1": (0, nan)}, "finite"),
    ):
        refused(says, sweep, codes(), directions, gains)
    refused(
        "another model", sweep, replace(codes(), model="a"), replace(directions, model="b"), {"component 1": (0, 1)}
    )


# -- timelines --------------------------------------------------------------------------------------------------------


def test_textures_melt_into_each_other():
    own, a, b = keys()
    line = Timeline((Key(1, a), Key(3, b, "linear"), Key(4, None, "in")))
    for seconds, wanted in (
        (0, own.mix(a, texture=1)),
        (1, own.mix(a, texture=1)),
        (1.5, own.mix(a, texture=1).mix(b, texture=0.25)),
        (3, own.mix(b, texture=1)),
        (3.5, own.mix(b, texture=1).mix(own, texture=0.25)),
        (9, own),
    ):
        assert near(line.at(own, seconds), wanted)
    assert near(line.edit(Fraction(2))(own, 3), line.at(own, 1.5))


def test_a_closed_timeline_ends_as_it_begins():
    """If its first key comes later, on the way to it."""
    own, a, b = keys()
    line = Timeline((Key(0, a), Key(2, b))).closed(5)
    assert near(line.at(own, 5), line.at(own, 0))
    assert near(line.at(own, 3.5), own.mix(a, texture=1).mix(b, texture=0.5))
    line = Timeline((Key(1, a), Key(2, b))).closed(5)
    halfway = own.mix(a, texture=1).mix(b, texture=0.15625)  # smooth, a quarter before a
    assert near(line.at(own, 0), line.at(own, 5))
    assert near(line.at(own, 0), halfway)


def test_structures_and_textures_change_each_in_its_own_time():
    own, a, b = keys()
    structures, textures = Timeline((Key(0, None), Key(4, a, "linear"))), Timeline((Key(1, None), Key(3, b, "linear")))
    at = becoming(own, structures, textures, 8, Fraction(1), ahead=1)
    for number, wanted in (
        (0, own),
        (1, own.mix(a, structure=0.25, texture=0.25).mix(b, texture=0.5)),
        (3, own.mix(a, structure=0.75).mix(b, texture=1)),
        (6, a.mix(b, texture=1)),
    ):
        assert near(at(number), wanted)
    assert near(becoming(own, structures, None, 8, Fraction(1))(2), own.mix(a, structure=0.5, texture=0.5))
    closed = becoming(own, structures, textures, 8, Fraction(1), loop=True, ahead=8)
    assert near(closed(6), own.mix(a, structure=0.5, texture=0.5).mix(b, texture=0.5))
    held = becoming(own, structures, Timeline((Key(2, b),)), 8, Fraction(1), loop=True)
    assert near(held(0), held(8))
    film = films.textures(model(), own, {3: b}, fps=1, structures={4: a}, ease="linear")
    assert film.frames == 6
    assert differ(film.frame(2), model().decode(own.mix(a, structure=0.5).mix(b, texture=1))) < 1e-5


TOML = 'ease = "in"\n[[texture]]\nat = 0\npicture = "own"\n[[texture]]\nat = 2.5\npicture = "a/snow.jpg"\n'
JSON = '{"ease": "in", "texture": [{"at": 0, "picture": "own"}, {"at": 2.5, "picture": "a/snow.jpg"}]}'
YAML = "ease: in\ntexture:\n- {at: 0, picture: own}\n- {at: 2.5, picture: a/snow.jpg}\n"


@pytest.mark.parametrize(("name", "text"), [("line.toml", TOML), ("line.json", JSON), ("line.yaml", YAML)])
def test_timelines_come_from_files(tmp_path, name, text):
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    file = tmp_path / name
    file.write_text(text)
    assert read_marks(file) == [Mark(0, "own", "in"), Mark(2.5, str(tmp_path / "a" / "snow.jpg"), "in")]
    assert parse_mark("4:snow: deep.jpg") == Mark(4, "snow: deep.jpg", "smooth")


def test_timelines_without_sense_are_refused(tmp_path):
    file = tmp_path / "line.toml"
    for text, says in (
        ("at = [", "is malformed"),
        ("", "must hold"),
        ("[[texture]]\nat = 0", "has 'at'"),
        ("[[texture]]\nat = 0\npicture = 'a'\nease = 'slow'", "no easing 'slow'"),
        ("[[texture]]\nat = '0'\npicture = 'a'", "'at' is a number"),
        ("[[texture]]\nat = nan\npicture = 'a'", "0 seconds or later"),
        ("texture = 1", "must hold"),
        ("speed = 1\n[[texture]]\nat = 0\npicture = 'a'", "must hold"),
    ):
        file.write_text(text)
        refused(says, read_marks, file)
    refused(r"none.toml: no such file\.$", read_marks, tmp_path / "none.toml")
    (tmp_path / "list.json").write_text("[1]")
    refused("must hold a list of textures", read_marks, tmp_path / "list.json")
    refused("cannot be read", read_marks, tmp_path)
    for text in ("snow.jpg", "x:snow.jpg", "3:", "-1:snow.jpg", "nan:snow.jpg"):
        refused("", parse_mark, text)
    own = codes()
    for wrong in ((), (Key(1, own), Key(1, own)), (Key(2, own), Key(1, own))):
        refused(r"needs a texture|one after the other", Timeline, wrong)
    refused("loop needs two textures", Timeline((Key(0, own),)).closed, 3)
    for seconds in (2, 3):
        refused("no way back from 3 seconds to 0", Timeline((Key(0, own), Key(3, own))).closed, seconds)


# -- recursion --------------------------------------------------------------------------------------------------------


def test_no_motion_is_plain_recursion():
    picture = pictures()
    still = {"hold_colours": 0, "soften": 0, "detail": None}
    film = recurse(Renderer(model()), picture, 4, FPS, lambda own, number: own, Motion(1), **still)
    wanted = [picture]
    with torch.no_grad():
        for _ in range(3):
            wanted.append(model().decode(model().encode(wanted[-1])).clamp(-1, 1))
    assert all(map(torch.equal, played(film), wanted))


def test_a_chain_gives_its_frames_in_any_order_and_makes_each_at_most_twice():
    made = []
    chain = Chain(torch.zeros(1), lambda image, number: made.append(number) or image + number, 30)
    wanted = [sum(range(i + 1)) for i in range(30)]
    assert [chain(i).item() for i in range(30)] == wanted
    assert len(made) == 30
    assert [chain(i).item() for i in reversed(range(30))] == wanted[::-1]
    assert [chain(i).item() for i in (17, 3, 29, 4)] == [wanted[i] for i in (17, 3, 29, 4)]
    backwards = Chain(torch.zeros(1), lambda image, number: made.append(number) or image + number, 30)
    made.clear()
    assert [backwards(i).item() for i in reversed(range(30))] == wanted[::-1]
    assert len(made) <= 60


@pytest.mark.parametrize(
    ("motion", "wanted"),
    [
        (Motion(1), lambda x: x),
        (Motion(1, shift=(1 / 8, 0)), lambda x: torch.cat([x[..., :1], x[..., :-1]], 3)),
        (Motion(1, shift=(0, 1 / 8)), lambda x: torch.cat([x[..., :1, :], x[..., :-1, :]], 2)),
        (Motion(1, rotate=90), lambda x: torch.rot90(x, 1, (2, 3))),
        (Motion(1, rotate=180), lambda x: x.flip(2, 3)),
        (Motion(2), lambda x: torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")[..., 4:12, 4:12]),
    ],
)
def test_motions_move_cells(motion, wanted):
    x = codes().structure
    assert torch.allclose(move_structure(x, motion.grid((8, 8))), wanted(x), atol=1e-5)


def test_motions_are_of_the_picture_and_shear_leans_upright_lines_to_the_left():
    x = codes(size=32).structure.repeat(1, 1, 1, 2)
    turned = move_structure(x, Motion(1, rotate=90).grid((8, 16)))
    assert torch.allclose(turned[..., 4:12], torch.rot90(x[..., 4:12], 1, (2, 3)), atol=1e-5)  # and not of the square
    grid = Motion(1, shear=45).grid((8, 8))
    assert grid[0, 0, 0, 0] > grid[0, 7, 0, 0]  # above, what is seen comes from further right: it moved to the left
    assert torch.allclose(grid[0, :, 0, 1], grid[0, :, 7, 1])


def test_softening_wears_down_what_alternates_and_nothing_else():
    x = codes().structure
    checks = torch.tensor([1.0, -1.0]).repeat(4)
    rows, both = checks.expand(1, 3, 8, 8), checks * checks[:, None].expand(1, 3, 8, 8)
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # at the border a neighbour is missing
    assert torch.allclose(soften_structure(rows, 0.05)[inside], 0.8 * rows[inside], atol=1e-6)
    assert torch.allclose(soften_structure(both, 0.05)[inside], 0.64 * both[inside], atol=1e-6)
    assert soften_structure(rows, 0.25)[inside].abs().max() < 1e-6
    assert torch.allclose(soften_structure(torch.ones_like(x), 0.1), torch.ones_like(x))
    assert soften_structure(x, 0) is x


def chained(made: list[int], frames: int = 100) -> Film:
    def step(image, number):
        made.append(number)
        return (image * 0.9 + torch.sin(image * 40 + number)).clamp(-1, 1)

    chain = Chain(pictures(1, 16, 16), step, frames)
    return Film(frames, FPS, chain, recipe={"film": "chain"}, remember=chain.remember)


@pytest.mark.parametrize(("how", "flipped"), [(lambda film: film, True), (reverse, False)])
def test_a_chain_that_was_cut_short_goes_on_without_what_came_before(tmp_path, how, flipped):
    """A frame that was kept and is damaged is made again, from the one before it."""
    whole, made = [], []
    render(how(chained(whole)), tmp_path / "whole" / "%03d.png")
    film = how(chained([]))

    def cut(first):
        for number, picture in enumerate(film.play(first), first):
            if number == 75:
                raise KeyboardInterrupt
            yield picture

    with pytest.raises(KeyboardInterrupt):
        render(replace(film, start=cut), tmp_path / "film" / "%03d.png")
    if flipped:
        (bad,) = tmp_path.rglob("chain-00000070.*")
        bad.write_bytes(bad.read_bytes()[:-1] + bytes([bad.read_bytes()[-1] ^ 1]))
    render(how(chained(made)), tmp_path / "film" / "%03d.png")
    for number in range(100):
        names = [tmp_path / folder / f"{number:03d}.png" for folder in ("whole", "film")]
        assert names[0].read_bytes() == names[1].read_bytes(), number
    assert len(whole) >= 100
    assert len(made) <= 45  # the 25 that are missing, and blocks of 10 from their beginnings


def test_zooming_out_brings_in_reflections_and_a_share_of_a_motion_is_less():
    x = codes().structure
    out = move_structure(x, Motion(0.5).grid((8, 8)))
    assert torch.allclose(out[..., :2], out[..., 2:4].flip(3), atol=1e-5)
    half = Motion(0.25, rotate=20).grid((8, 8), 0.5)
    assert torch.allclose(half, Motion(0.5, rotate=10).grid((8, 8)), atol=1e-6)
    assert Motion(0.25).grid((8, 8), 0) is None


def test_colours_are_held():
    image, like = pictures(seed=1), pictures(seed=2) * 0.3 + 0.2
    held = match_colours(image, like, 1)
    for statistic in (torch.mean, torch.std):
        assert torch.allclose(statistic(held, dim=(2, 3)), statistic(like, dim=(2, 3)), atol=1e-5)
    assert match_colours(image, like, 0) is image
    assert torch.allclose(match_colours(image, like, 0.5), (image + held) / 2, atol=1e-6)


def test_the_motion_sets_in():
    def film(ramp):
        texture = Timeline((Key(0, codes()),)).edit(FPS)
        return played(recurse(Renderer(model()), pictures(), 4, FPS, texture, Motion(0.8), 0.5, ramp, "jump"))

    fast, slow = film(0), film(0.2)
    assert not torch.equal(fast[1], slow[1])
    assert all(frame.abs().max() <= 1 for frame in fast)


@pytest.mark.parametrize("size", [(32, 32), (30, 45)])  # whole cells, and pictures that are extended
def test_a_picture_recalls_itself(size):
    picture = pictures(1, *size)
    memory = Recall(model(), picture)
    alike = memory.find(memory.codes.structure)
    assert torch.equal(alike.index, torch.arange(len(alike.index)))
    assert torch.allclose(memory.structure(alike), memory.codes.structure, atol=1e-5)
    assert torch.allclose(model().decode(memory.codes) + memory.lost(alike), picture, atol=1e-4)


def test_cells_that_moved_are_found_again():
    memory = Recall(model(), pictures(1, 64, 64))
    structure = memory.codes.structure
    index = memory.find(torch.roll(structure, (2, -3), (2, 3))).index.reshape(16, 16)
    there = torch.arange(256).reshape(16, 16)
    assert torch.equal(index[4:-1, 1:-5], there[2:-3, 4:-2])


def test_noise_stays_with_the_world():
    size = 32, 32
    here = World.first().noise(3, 2, size, 2.0)
    step = Motion(shift=(1 / 16, -1 / 8), zoom=1).back(size)
    moved_on = World.first().after(step).after(step).noise(3, 2, size, 2.0)
    assert torch.allclose(moved_on[..., :24, 4:], here[..., 8:, :28], atol=1e-5)
    for zoom in (0.999, 1.001):  # nothing jumps where an octave comes or goes
        zoomed = World.first().after(Motion(zoom).back(size)).noise(3, 2, size, 2.0)
        assert (zoomed - here).abs().max() < 0.1
    world, motion = World.first(), Motion(0.6)  # so that octaves come and go
    for number in range(1000):
        world = world.after(motion.back(size))
        if number % 50:
            continue
        assert torch.isfinite(noise := world.noise(0, 2, size, 2.0)).all()
        assert 0.7 < noise.std() < 1.3


def test_detail_is_measured_and_held():
    line = torch.arange(64)
    fine, coarse = (torch.cos(2 * pi * line * cycles / 64).expand(1, 3, 64, 64) for cycles in (20, 8))
    assert fineness(0.3 * fine + coarse) == pytest.approx(0.3**2 / 2, rel=1e-4)
    keeper = Keeper(Detail(), model(), 0.3 * fine + 0.2 * coarse, 0, lambda number: Motion().back((64, 64)))
    for amount in (0.24, 0.42):
        assert fineness(keeper.balance(amount * fine + 0.2 * coarse)) == pytest.approx(0.3**2 / 2, rel=1e-3)
    assert fineness(keeper.balance(0.01 * fine)) < 0.016**2 / 2  # no more than half as strong again in one step


def test_a_recursion_keeps_its_detail_and_is_the_same_from_any_frame():
    picture = (pictures(1, 48, 48) * 0.5 + pictures(1, 192, 192, 1)[..., ::4, ::4] * 0.3).clamp(-1, 1)
    texture = Timeline((Key(0, model().encode(picture)),)).edit(FPS)

    def film(**options):
        return recurse(Renderer(model()), picture, 12, FPS, texture, Motion(0.95, 3), **options)

    kept, lost = played(film()), played(film(detail=None))
    assert fineness(kept[-1]) > 0.5 * fineness(picture)
    assert fineness(kept[-1]) > 2 * fineness(lost[-1])
    assert torch.equal(film().frame(11), kept[11])
    assert not torch.equal(played(film(detail=Detail(novelty=0.3)))[-1], kept[-1])


def test_recursions_that_make_no_sense_are_refused():
    def film(**options):
        recurse(Renderer(model()), pictures(), 4, FPS, lambda own, number: own, **options)

    for wrong, says in (
        (lambda: Motion(nan), "zoom must be a finite"),
        (lambda: Motion(0), "between 0.1 and 10"),
        (lambda: Motion(1, shift=(nan, 0)), "shift must be"),
        (lambda: Motion(1, shear=90), "between -80 and 80"),
        (lambda: film(hold_colours=2), "from 0 .not. to 1"),
        (lambda: film(hold_colours=nan), "finite"),
        (lambda: film(soften=0.3), "by 0 to 0.25"),
        (lambda: film(soften=nan), "finite"),
        (lambda: Detail(recall=2), "from 0 .nothing. to 1"),
        (lambda: Detail(novelty=nan), "finite"),
        (lambda: Detail(variety=-1), "from 0 to 10"),
        (lambda: film(ease="slow"), "no easing"),
    ):
        refused(says, wrong)


# -- rides ------------------------------------------------------------------------------------------------------------


def scenes(count=3):
    with torch.no_grad():
        return [model().encode(pictures(1, 32, 48, seed)) for seed in range(count)]


def driven(**options):
    return ride(Renderer(model()), scenes(), 20, FPS, 40, 4, **options)


def test_an_endless_strip_has_no_end():
    strip = endless(scenes(), 4)
    assert strip.structure.shape == (1, 8, 8, 24)
    assert strip.texture.shape[2:] == (1, 24)
    assert torch.equal(strip.structure[..., :2], scenes()[0].structure[..., 6:8])
    assert torch.equal(strip.structure[..., -2:], scenes()[0].structure[..., 4:6])


def test_what_passes_the_window_moves_and_does_not_change():
    film = driven(speed=0.25)  # a pixel per frame
    frames = played(film)
    still = [(a[..., 1:] - b[..., :-1]).abs().max().item() for a, b in pairwise(frames)]
    assert max(still) < 1e-5
    assert min((a - b).abs().mean().item() for a, b in pairwise(frames)) > 1e-3


def test_shares_of_a_pixel_hardly_flicker():
    fast, slow = played(driven(speed=0.25)), played(driven(speed=0.25 / 4))
    assert max(differ(slow[4 * i], fast[i]) for i in range(5)) < 1e-5
    motion = (fast[1] - fast[0]).abs().mean()
    steps = [(b - a).abs().mean() for a, b in islice(pairwise(slow), 8)]
    assert max(steps) < 0.5 * motion


@pytest.mark.parametrize(("speed", "parallax"), [(0.6, 0), (-0.6, 0.5), (0.01, 0.5)])
def test_a_closed_ride_closes(speed, parallax):
    film = driven(speed=speed, closed=True, parallax=parallax)
    assert differ(film.frame(20), film.frame(0)) < 1e-5
    assert not torch.equal(film.frame(10), film.frame(0))


def test_noise_does_not_jump_where_a_closed_ride_begins_again():
    film = ride(Renderer(model()), scenes(), 96, FPS, 40, 4, speed=0.25, closed=True)  # a pixel per frame
    for number in (50, 94, 95):
        a, b = film.frame(number), film.frame((number + 1) % 96)
        assert (a[..., 1:] - b[..., :-1]).abs().max() < 1e-5


def test_near_rows_pass_faster():
    film = driven(speed=1, parallax=0.75, depths=2)
    a, b = film.frame(0), film.frame(1)  # near rows move by 4 pixels, far ones by 1
    assert (a[..., :8, 1:] - b[..., :8, :-1]).abs().max() < 1e-5
    assert (a[..., -8:, 4:] - b[..., -8:, :-4]).abs().max() < 1e-5


@pytest.mark.parametrize("count", [1, 3, 8])
def test_bands_share_every_row(count):
    found = bands(8, 4, 3, count, 0.5)
    assert torch.allclose(sum(band.weight for band in found), torch.ones(32, 1))
    assert [found[0].speed, found[-1].speed] == ([0.5, 1] if count > 1 else [0.5, 0.5])
    for band in found:
        assert band.weight[: band.rows.start * 4].sum() == 0 == band.weight[band.rows.stop * 4 :].sum()


def test_a_ride_can_ease_and_drift():
    texture = Timeline((Key(0, codes(seed=5)), Key(1, codes(seed=6)))).edit(FPS)
    film = driven(texture=texture, ease="in-out")
    strip = texture(endless(scenes(), 4), 3)
    assert torch.equal(strip.texture, codes(seed=5).mix(codes(seed=6), texture=0.216).texture)
    assert film.frame(3).shape == (1, 3, 32, 40)
    assert not torch.equal(film.frame(0), driven(ease="in-out").frame(0))


def test_rides_that_make_no_sense_are_refused():
    for options, says in (
        ({"speed": nan}, "speed must be a finite"),
        ({"parallax": 1}, "between 0 .none. and 1"),
        ({"speed": -1e9}, "at most 1000 widths"),
        ({"depths": 0}, "of 1 or more"),
        ({"parallax": 0.5, "depths": 99}, "as many depths at the most"),
        ({"ease": "slow"}, "no easing"),
    ):
        refused(says, driven, **options)
    for wrong, says in (([], "a landscape or more"), ([codes(), codes(size=40)], "differ|different")):
        refused(says, endless, wrong, 2)
    refused("overlap", endless, scenes(), 12)


# -- the same twice ---------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, "tests")
import torch
torch.set_num_threads(1)
import test_films
print(test_films.several())
"""


def several() -> str:
    """The hash of frames of a walk, a recursion and a ride on a model of their own."""
    own = new_model(3)
    renderer = Renderer(own, "random", 1)
    with torch.no_grad():
        two = [own.encode(pictures(seed=seed)) for seed in (0, 1)]
    texture = Timeline((Key(0, two[1]),)).edit(FPS)
    films = (
        from_way(renderer, walk.through(two, "spherical"), 3, FPS),
        recurse(renderer, pictures(), 3, FPS, texture),
        ride(renderer, two, 3, FPS, 20, 2, parallax=0.5, closed=True),
    )
    return sha256(b"".join(frame.numpy().tobytes() for film in films for frame in film.play())).hexdigest()


def test_the_same_frames_in_two_processes():
    assert subprocess.check_output([sys.executable, "-c", PROGRAM], text=True).strip() == several()
