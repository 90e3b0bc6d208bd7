"""How far pictures are from words: directions of change, wishes that are weighed, cut-outs."""

import pytest
import torch
from planted_words import Colours
from tiny import differ, pictures

from graftlab.errors import GraftError
from graftlab.objectives.words import Aim, Prompt, cut_outs, look

MODEL = Colours()


def flat(*colours: tuple[float, float, float]) -> torch.Tensor:
    """Pictures of one colour each, in [0, 1]."""
    return (torch.tensor(colours, dtype=torch.float)[:, :, None, None] * 2 - 1).expand(-1, -1, 8, 8)


def test_a_change_counts_by_the_angle_between_it_and_the_words():
    grey, red, green, hint = MODEL.images(flat((0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0), (0.51, 0.5, 0.5)))
    aim = Aim.of(MODEL, [Prompt("red")], neutral="grey")
    wish = MODEL.texts(["red"])[0] - MODEL.texts(["grey"])[0]
    for now in (red, green):
        wanted = 1 - torch.cosine_similarity(now - grey, wish, dim=0)
        assert aim.away(now[None], grey[None]) == pytest.approx(float(wanted), abs=1e-4)
    assert aim.away(grey[None], grey[None]) == 1
    assert aim.away(hint[None], grey[None]) == pytest.approx(
        1 - 10 * float((hint - grey) @ wish / wish.norm()), abs=1e-4
    )
    from_green = Aim.of(MODEL, [Prompt("red")], neutral="green")
    assert from_green.away(red[None], green[None]) < 0.01 < aim.away(red[None], green[None])


def test_wishes_are_weighed_and_what_is_avoided_counts_the_other_way():
    now, before = MODEL.images(pictures(3)), MODEL.images(pictures(3, seed=1))
    red, blue = (Aim.of(MODEL, [Prompt(word)], "grey").away(now, before) for word in ("red", "blue"))
    both = Aim.of(MODEL, [Prompt("red", 3), Prompt("blue", -1)], "grey")
    assert differ(both.away(now, before), 1 - (0.75 * (1 - red) - 0.25 * (1 - blue))) < 1e-5
    assert not both.contradicts
    assert Aim.of(MODEL, [Prompt("red"), Prompt("red", -0.1)], "grey").contradicts


def test_a_picture_is_a_wish_too_from_where_each_picture_is():
    start = flat((0.5, 0.5, 0.5), (0, 1, 0))
    aim = Aim.of(MODEL, [], like=[flat((0, 0, 1))], pictures=start)
    away = aim.away(MODEL.images(flat((0, 0, 1), (0, 0, 1))), MODEL.images(start))
    assert away.abs().max() < 1e-4
    mixed = Aim.of(MODEL, [Prompt("blue")], "grey", [flat((0, 0, 1))], start)
    assert mixed.targets.shape == (2, 2, 3)


def test_cut_outs_are_the_same_for_every_picture_and_of_a_seed():
    several = pictures(3, 40, 64).requires_grad_()
    found = cut_outs(several, 4, seed=5)
    assert found.shape == (12, 3, 40, 40)
    assert torch.equal(found.unflatten(0, (4, 3))[:, 1:2].flatten(0, 1), cut_outs(several[1:2], 4, seed=5))
    assert differ(found, cut_outs(several, 4, seed=6)) > 0.1
    found.unflatten(0, (4, 3))[:, 1].sum().backward()
    touched = several.grad.abs().amax((1, 2, 3)) > 0
    assert touched.tolist() == [False, True, False]
    ramp = torch.linspace(-1, 1, 65)[:64].expand(1, 3, 64, 64)
    inside = cut_outs(ramp, 50, seed=0)
    assert inside.diff(dim=3).mean() == pytest.approx(2 / 64 * 0.7, rel=0.15)  # sides of 60% to 100%, corners inwards
    assert look(MODEL, several, 4, 5).shape == (5, 3, 3)
    assert torch.equal(look(MODEL, several, 0, 5), MODEL.images(several)[None])


def test_wishes_that_make_no_sense():
    for prompts, sentence in (
        ([], "Say what to become"),
        ([Prompt("red", 0), Prompt("blue", -0.0)], "a weight other than 0"),
        ([Prompt("?!")], "holds no words"),
        ([Prompt("ein Sonnenuntergang")], "knows none of the words of 'ein Sonnenuntergang'"),
        ([Prompt("a picture of a landscape")], "means the same to colours"),
    ):
        with pytest.raises(GraftError, match=sentence):
            Aim.of(MODEL, prompts, "a landscape")
    for weight in (float("nan"), float("inf")):
        with pytest.raises(GraftError, match="must be a finite number"):
            Prompt("red", weight)
