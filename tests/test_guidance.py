"""Codes that follow words: parts, masks, where they begin, what holds them, interruption."""

from dataclasses import replace

import pytest
import tiny
import torch
from claims import refused
from planted_words import Colours
from tiny import differ, pictures

from graftlab.codes import Codes
from graftlab.editing.distributions import Distribution, Gaussian
from graftlab.inversion import work
from graftlab.inversion.following import guide
from graftlab.inversion.guidance import FAR, Guidance, Guiding, variation
from graftlab.inversion.work import carry_out
from graftlab.objectives.words import Aim, Prompt
from graftlab.work.parts import forget

WORDS = Colours()
FAST = Guiding(steps=12, cutouts=2, learning_rate=0.1, structure_rate=0.1, smooth=0.0)


@pytest.fixture(scope="module")
def codes():
    return tiny.model().encode(pictures(2))


@pytest.fixture(scope="module")
def textures(codes):
    """Of the model's photos, wide enough for textures to differ."""
    axes = torch.linalg.qr(torch.randn(codes.texture.shape[1], 4, generator=torch.Generator().manual_seed(0)))[0].T
    level = torch.zeros(101)

    def gaussian(mean, ways):
        return Gaussian(mean, ways * torch.tensor([0.8, 0.7, 0.6, 0.5])[:, None], torch.zeros(()), level)

    cells = torch.linalg.qr(torch.randn(codes.structure.shape[1], 4, generator=torch.Generator().manual_seed(1)))[0].T
    return Distribution(
        gaussian(codes.texture.mean(0), axes), gaussian(codes.structure.mean((0, 2, 3)), cells), True, codes.model
    )


def follow(codes, settings=FAST, text="red", **options):
    return guide(tiny.model(), codes, text, neutral="grey", words=WORDS, settings=settings, **options)


def test_textures_follow_a_phrase_and_nothing_else_does(codes):
    red, green = (follow(codes, text=word) for word in ("red", "green"))
    for guided, channel in ((red, 0), (green, 1)):
        assert min(guided.towards) > 0.4
        share = WORDS.images(guided.images)[:, channel] - WORDS.images(guided.before)[:, channel]
        assert share.min() > 0
        assert torch.equal(guided.codes.structure, codes.structure)
        assert torch.allclose(guided.codes.texture.norm(dim=1), torch.ones(2), atol=1e-5)  # as the encoder's
        assert differ(guided.images, tiny.model().decode(guided.codes)) < 1e-4
    assert guided.codes.model == codes.model
    avoiding = follow(codes, text=[Prompt("red", -1)])
    assert (WORDS.images(avoiding.images) - WORDS.images(avoiding.before))[:, 0].max() < 0
    blue = -torch.ones(1, 3, 9, 14)
    blue[:, 2] = 1
    like = follow(codes, text=(), like=[blue])
    assert (WORDS.images(like.images) - WORDS.images(like.before))[:, 2].min() > 0


def test_each_picture_follows_as_if_it_were_alone_and_a_seed_says_how(codes):
    together = follow(codes, batch=2)
    alone = follow(codes[1])
    assert differ(together.codes.texture[1:], alone.codes.texture) < 1e-4
    assert torch.equal(follow(codes[1]).codes.texture, alone.codes.texture)
    assert not torch.equal(follow(codes[1], replace(FAST, seed=1)).codes.texture, alone.codes.texture)


def test_structures_and_both_follow_too(codes):
    one = codes[0]
    shape, both = (follow(one, part=part) for part in ("structure", "both"))
    assert torch.equal(shape.codes.texture, one.texture)
    assert differ(shape.codes.structure, one.structure) > 0.01
    assert shape.towards[0] > 0
    assert differ(both.codes.texture, one.texture) > 0.01 < differ(both.codes.structure, one.structure)
    held = follow(one, replace(FAST, hold=100.0), part="structure")
    assert (held.codes.structure - one.structure).norm() < 0.5 * (shape.codes.structure - one.structure).norm()
    smooth = follow(one, replace(FAST, smooth=10.0), part="structure")
    rough, calm = (variation(each.codes.structure - one.structure) for each in (shape, smooth))
    assert calm < 0.7 * rough
    steps = torch.tensor([[[[0.0, 1, 1], [2, 2, 0]], [[0, 0, 0], [0, 0, 0]]]])
    assert variation(steps).item() == pytest.approx((1 + 0 + 0 + 2 + 2 + 1 + 1) / 12)


def test_along_axes_going_farther_counts(codes, textures, monkeypatch):
    settings = replace(FAST, candidates=0)

    def moved(**options):
        guided = follow(codes[0], settings, **options)
        return float((WORDS.images(guided.images) - WORDS.images(guided.before)).norm())

    far, free = moved(textures=textures), moved()
    monkeypatch.setattr("graftlab.inversion.guidance.FAR", 0.01)
    assert far > 1.2 * moved(textures=textures)
    assert moved() == free  # where textures go astray, only the angle counts


def test_textures_move_along_the_axes_of_a_distribution(codes, textures):
    settings = replace(FAST, candidates=0)
    moved = follow(codes, settings, textures=textures).codes.texture - codes.texture
    basis = torch.cat([textures.texture.axes, codes.texture])  # the codes' own direction: they keep their length
    basis = torch.linalg.qr(basis.T)[0]
    assert differ(moved @ basis @ basis.T, moved) < 1e-4
    free = follow(codes, settings).codes.texture - codes.texture
    assert differ(free @ basis @ basis.T, free) > 0.1


def test_a_mask_confines_it(codes):
    one = codes[0]
    height, width = one.structure.shape[2:]
    left = torch.zeros(1, 1, 32, 32)
    left[..., :16] = 1
    guided = follow(one, part="both", mask=left)
    texture, half = guided.codes.texture, width // 2
    assert texture.shape == (1, one.texture.shape[1], height, width)
    own = one.texture[:, :, None, None]
    assert differ(texture[..., half:], own.expand_as(texture[..., half:])) < 1e-5
    assert differ(texture[..., :half], own.expand_as(texture[..., :half])) > 0.01
    assert differ(guided.codes.structure[..., half:], one.structure[..., half:]) < 1e-5
    assert differ(guided.codes.structure[..., :half], one.structure[..., :half]) > 0.01
    for mask, sentence in (
        (torch.ones(1, 1, 30, 20), "mask of 20 x 30 pixels has another shape than the picture of 32 x 32"),
        (torch.zeros(1, 1, 32, 32), "mask is black all over"),
    ):
        refused(sentence, follow, one, mask=mask)


def test_it_begins_with_the_nearest_of_many_textures(codes, textures):
    settings = replace(FAST, steps=0, candidates=20, mixed=3, seed=2)
    guided = follow(codes[0], settings, textures=textures)
    drawn = textures.textures(range(40, 60))
    aim = Aim.of(WORDS, [Prompt("red")], "grey")
    before = WORDS.images(tiny.model().decode(codes[0]))
    made = [WORDS.images(tiny.model().decode(replace(codes[0], texture=each[None]))) for each in drawn]
    away = torch.cat([aim.away(each, before, FAR) for each in made])
    nearest = drawn[away.topk(3, largest=False).indices].mean(0, keepdim=True)
    assert differ(guided.codes.texture, torch.nn.functional.normalize(nearest, dim=1)) < 1e-5
    better = follow(codes[0], replace(settings, steps=12), textures=textures)
    assert aim.away(WORDS.images(better.images), before, FAR) < aim.away(WORDS.images(guided.images), before, FAR)
    assert differ(follow(codes[0], settings).codes.texture, codes[0].texture) < 1e-6  # of a model without
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    masked = follow(codes[0], settings, textures=textures, mask=mask).codes.texture
    assert differ(masked[..., -1], codes[0].texture[:, :, None].expand_as(masked[..., -1])) < 1e-5
    again = follow(replace(codes[0], texture=masked), replace(settings, steps=1), textures=textures)  # of a map
    assert again.codes.texture.shape == masked.shape


def test_the_best_is_kept_and_it_ends_when_nothing_gets_better(codes):
    start, model = codes[0], tiny.model()
    wild = Guiding(steps=12, cutouts=0, learning_rate=10.0, hold=0.0)
    pictured = model.decode(start)
    aim = Aim.of(WORDS, [Prompt("red")], "grey")
    followed = Guidance(model, start, pictured, aim, WORDS, wild, ["texture"])
    losses = []
    for _ in range(12):
        losses.append(followed.descent.loss(slice(0, 1), 0)[0].item())
        followed.step()
        followed.done += 1
    losses.append(followed.descent.loss(slice(0, 1), 1)[0].item())  # where the last step led
    found = aim.away(WORDS.images(model.decode(followed.codes)), WORDS.images(pictured))
    assert found.item() == pytest.approx(min(losses), abs=1e-5)
    still = Guidance(model, start, pictured, aim, WORDS, replace(wild, learning_rate=0.0, patience=3), ["texture"])
    seen: list[float] = []
    carry_out(still, lambda done, total=None, note="": seen.append(done))
    assert len(seen) == 4  # a first, and three that are no better
    assert still.done == 12


def test_w_and_w_plus(codes, monkeypatch):
    model = tiny.stylegan2()
    start = Codes.cat([model.codes_of([seed], 0.7) for seed in (1, 2)])
    plus, plain = (
        guide(model, start, "red", neutral="grey", words=WORDS, settings=replace(FAST, space=space))
        for space in ("w+", "w")
    )
    for guided in (plus, plain):
        assert min(guided.towards) > 0.2
        assert guided.codes.model == start.model
    moved = plain.codes.w - start.w
    assert differ(moved[:, 1:], moved[:, :1].expand_as(moved[:, 1:])) < 1e-4
    moved = plus.codes.w - start.w
    assert differ(moved[:, 1:], moved[:, :1].expand_as(moved[:, 1:])) > 0.01
    refused("have no texture", guide, model, start, "red", words=WORDS, part="texture")
    monkeypatch.setattr("graftlab.inversion.guidance.NEAR", 0.01)
    slight = guide(model, start, "red", neutral="grey", words=WORDS, settings=FAST)
    assert (slight.codes.w - start.w).norm() < 0.9 * moved.norm()  # the best angle alone
    refused("no places that a mask could choose", guide, model, start, "red", words=WORDS, mask=torch.ones(1, 1, 8, 8))


def test_interrupted_and_resumed_it_is_the_same_bit_for_bit(codes, textures, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    settings = replace(FAST, candidates=8, patience=9)
    options = {"part": "both", "textures": textures, "frames": 4}
    whole = follow(codes, settings, **options)
    told: list[str] = []

    def interrupting(what, total=None, done=0, unit="images"):
        from contextlib import nullcontext

        def progress(done, total=None, note=""):
            told.append(f"{what} {done}")
            if what == "guiding" and done == 5:
                raise KeyboardInterrupt

        return nullcontext(progress)

    out = tmp_path / "guided.png"
    with pytest.raises(KeyboardInterrupt):
        follow(codes, settings, state=out, watch=interrupting, **options)
    told.clear()
    with pytest.raises(KeyboardInterrupt):  # of the fifth step again, which was not saved: four were
        follow(codes, settings, state=out, watch=interrupting, **options)
    assert [line for line in told if line.startswith("guiding")] == ["guiding 4", "guiding 5"]
    resumed = follow(codes, settings, state=out, **options)
    for name in codes.parts:
        assert torch.equal(getattr(resumed.codes, name), getattr(whole.codes, name))
        for mine, theirs in zip(resumed.history, whole.history, strict=True):
            assert torch.equal(getattr(mine, name), getattr(theirs, name))
    assert resumed.note == ""
    assert "prompts changed" in follow(codes, settings, "blue", state=out, **options).note
    forget(out)
    assert list(tmp_path.iterdir()) == []


def test_what_makes_no_sense_is_refused_and_what_may_miss_the_point_is_said(codes):
    for options, sentence in (
        ({"text": ()}, "Say what to become"),
        ({"text": "?"}, "holds no words"),
        ({"text": "ein Sonnenuntergang"}, "knows none of the words"),
        ({"text": [Prompt("red", 0)]}, "a weight other than 0"),
        ({"part": "colour"}, "texture, structure or both, not 'colour'"),
    ):
        refused(sentence, follow, codes, **options)
    refused("space of codes is w or w", Guiding, space="z")
    brief, told = replace(FAST, steps=1), list[str]()
    assert follow(codes, brief).notices == []

    def stop(codes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # of the first step: what is known before is told before
        follow(
            codes, brief, ["a red zebra", Prompt("red", -0.5), Prompt("a red zebra", -1)], tell=told.append, follow=stop
        )
    assert "does not know 'zebra'" in told[0]
    assert told[-1].startswith("'a red zebra' and avoiding 'a red zebra' contradict each other")


def test_a_picture_that_comes_no_nearer_is_told_of(codes):
    told: list[str] = []
    still = follow(codes, replace(FAST, learning_rate=0.0), tell=told.append)
    assert differ(still.codes.texture, codes.texture) < 1e-6
    assert still.towards == pytest.approx([0, 0], abs=1e-6)
    assert told == list(still.notices)
    assert told[0].startswith("2 of 2 pictures have come no nearer to the words")


def test_one_step_moves_and_a_phrase_alone_is_enough(codes, textures, monkeypatch):
    once = replace(FAST, steps=1, candidates=0)
    assert min(follow(codes, once).towards) > 0.01  # what a step led to counts
    assert torch.equal(follow(codes, once, "red").codes.texture, follow(codes, once, [Prompt("red")]).codes.texture)
    monkeypatch.setattr("graftlab.inversion.following.bundled", lambda fingerprint: textures)
    settings = replace(FAST, candidates=8)
    own = follow(codes, settings)  # as the command does
    assert torch.equal(own.codes.texture, follow(codes, settings, textures=textures).codes.texture)


def test_prompts_are_written_with_weights():
    assert [Prompt.parse(text) for text in ("snow", "snow:0.5", "lake: calm", "fog:-1", "5 islands: 2")] == [
        Prompt("snow"),
        Prompt("snow", 0.5),
        Prompt("lake: calm"),
        Prompt("fog", -1),
        Prompt("5 islands", 2),
    ]
    for clock in ("12:30", "dawn at 5:30", "a 16:9", "12:0.5", "1:2:3"):
        assert Prompt.parse(clock) == Prompt(clock)
    assert Prompt.parse("dawn at 5:30:0.5") == Prompt("dawn at 5:30", 0.5)
    refused("weight of 'snow' must be a finite number", Prompt.parse, "snow:nan")
