"""Films of videos: which frame's texture goes with which frame's structure."""

from dataclasses import replace
from math import nan

import pytest
import torch
from claims import refused
from test_films import FPS, codes, played
from tiny import differ, model, pictures

from graftlab.codes import SwapCodes
from graftlab.images import to_uint8
from graftlab.rendering import Renderer
from graftlab.video.film import Film, render, reverse
from graftlab.video.films.desync import Desync, rework
from graftlab.video.films.timeline import Key, Timeline
from graftlab.video.reading import Video


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Video:
    """Eleven frames of 40 x 32 pixels, ten a second."""
    return filmed(tmp_path_factory.mktemp("clips") / "clip.mp4", 11, 0)


def filmed(path, frames, seed) -> Video:
    wide = pictures(1, 32, 40 + 3 * frames, seed)
    render(Film(frames, FPS, lambda number: wide[..., 3 * number : 3 * number + 40].contiguous()), path, quality=100)
    return Video.open(path)


@pytest.fixture(scope="module")
def seen(clip) -> list[SwapCodes]:
    with torch.no_grad():
        return [model().encode(frame) for frame in clip.play()]


def reworked(clip, **options):
    return rework(Renderer(model()), clip, **options)


def made_of(structure, texture) -> torch.Tensor:
    with torch.no_grad():
        return model().decode(structure.mix(texture, texture=1))


def same_frames(film, wanted):
    found = played(film)
    assert len(found) == len(wanted)
    assert max(map(differ, found, wanted)) < 1e-5
    assert max(differ(film.frame(i), wanted[i]) for i in range(len(wanted))) < 1e-5


def test_a_video_goes_through_its_codes(clip, seen):
    film = reworked(clip)
    assert (film.frames, film.fps, film.audio) == (11, 10, clip.path)
    same_frames(film, [made_of(codes, codes) for codes in seen])
    assert played(film)[0].shape == (1, 3, 32, 40)
    same_frames(reworked(clip, frames=3), [made_of(codes, codes) for codes in seen[:3]])


def test_no_offset_is_the_video_through_its_codes(clip):
    assert all(map(torch.equal, played(reworked(clip, desync=Desync())), played(reworked(clip))))


@pytest.mark.parametrize(
    ("desync", "numbers"),
    [
        (Desync(0.2), [2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1]),
        (Desync(-0.2), [9, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Desync(0.8, ends="hold"), [8, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10]),
        (Desync(-0.3, ends="mirror"), [2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7]),
        (Desync(0.9, ends="mirror"), [9, 10, 10, 9, 8, 7, 6, 5, 4, 3, 2]),
        (Desync(0.4, speed=0), [4] * 11),
        (Desync(backwards=True), list(range(10, -1, -1))),
        (Desync(speed=2), [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9]),
        (Desync(speed=-1), [0, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_textures_come_from_other_moments(clip, seen, desync, numbers):
    wanted = [made_of(codes, seen[number]) for codes, number in zip(seen, numbers, strict=True)]
    same_frames(reworked(clip, desync=desync), wanted)


def test_textures_between_two_frames_are_mixed(clip, seen):
    film = reworked(clip, desync=Desync(speed=0.5, ends="hold"))
    halves = [seen[i // 2].mix(seen[(i + 1) // 2], texture=0.5 * (i % 2)) for i in range(11)]
    same_frames(film, [made_of(codes, texture) for codes, texture in zip(seen, halves, strict=True)])


def test_textures_are_averaged(clip, seen):
    film = reworked(clip, desync=Desync(average=0.2, ends="hold"))
    near = [[seen[min(max(j, 0), 10)].texture for j in (i - 1, i, i + 1)] for i in range(11)]
    means = [replace(codes, texture=torch.cat(group).mean(0, True)) for codes, group in zip(seen, near, strict=True)]
    same_frames(film, [made_of(codes, codes) for codes in means])


def test_structures_are_averaged(clip, seen):
    film = reworked(clip, average_structure=0.4)
    near = [torch.cat([codes.structure for codes in seen[max(0, i - 2) : i + 3]]) for i in range(11)]
    means = [replace(codes, structure=group.mean(0, True)) for codes, group in zip(seen, near, strict=True)]
    same_frames(film, [made_of(codes, codes) for codes in means])


def test_textures_come_from_another_video(clip, seen, tmp_path):
    other = filmed(tmp_path / "other.mp4", 4, 1)
    with torch.no_grad():
        textures = [model().encode(frame) for frame in other.play()]
    wanted = [made_of(codes, textures[i % 4]) for i, codes in enumerate(seen)]
    same_frames(reworked(clip, texture_from=other), wanted)


def test_a_timeline_over_a_video(clip, seen):
    line = Timeline((Key(0, None), Key(1, codes(seed=7), "linear")))
    wanted = [made_of(own, own.mix(codes(seed=7), texture=i / 10)) for i, own in enumerate(seen)]
    same_frames(reworked(clip, edit=line.edit(FPS)), wanted)


def test_a_video_that_goes_on_is_the_one_that_never_stopped(clip):
    for options in ({}, {"desync": Desync(0.3, average=0.3)}, {"average_structure": 0.5}):
        whole = played(reworked(clip, **options))
        assert all(map(torch.equal, played(reworked(clip, **options), 5), whole[5:]))


def test_videos_without_sense_are_refused(clip):
    for wrong, says in (
        (lambda: Desync(nan), "offset must be a finite"),
        (lambda: Desync(speed=nan), "speed must be a finite"),
        (lambda: Desync(ends="loop"), "wrap, hold, mirror, not 'loop'"),
        (lambda: Desync(speed=1e300), "lie between -1000000 and 1000000"),
        (lambda: reworked(clip, desync=Desync(average=-1)), "0 seconds or more"),
        (lambda: reworked(clip, desync=Desync(average=1e9)), "not over 1e.09"),
        (lambda: reworked(clip, average_structure=nan), "0 seconds or more"),
        (lambda: reworked(clip, frames=0), "one frame or more"),
    ):
        refused(says, wrong)


def test_back_and_forth(clip):
    film = reworked(clip)
    twice = reverse(reverse(film))
    assert all((to_uint8(a) == to_uint8(b)).all() for a, b in zip(played(twice), played(film), strict=True))
    assert [film.frame(3).sum(), film.frame(7).sum()] == [reverse(film).frame(i).sum() for i in (7, 3)]
