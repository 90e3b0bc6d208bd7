"""How far pictures are from words: directions of change, wishes that are weighed, cut-outs."""

import pytest
import torch
from planted_words import Colours
from tiny import differ, pictures

from graftlab.errors import GraftError
from graftlab.language import text_model
from graftlab.objectives.words import Aim, Prompt, contradictions, cut_outs, look, notices

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
    assert 1 - aim.away(hint[None], grey[None], 0.8) == pytest.approx(
        (1 - aim.away(hint[None], grey[None])) / 8, rel=1e-3
    )  # the longer, the better
    from_green = Aim.of(MODEL, [Prompt("red")], neutral="green")
    assert from_green.away(red[None], green[None]) < 0.01 < aim.away(red[None], green[None])


def test_wishes_are_weighed_and_what_is_avoided_counts_the_other_way():
    now, before = MODEL.images(pictures(3)), MODEL.images(pictures(3, seed=1))
    red, blue = (Aim.of(MODEL, [Prompt(word)], "grey").away(now, before) for word in ("red", "blue"))
    both = Aim.of(MODEL, [Prompt("red", 3), Prompt("blue", -1)], "grey")
    assert differ(both.away(now, before), 1 - (0.75 * (1 - red) - 0.25 * (1 - blue))) < 1e-5


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


# -- wishes that contradict each other --------------------------------------------------------------------------------

OPPOSITE = """
snow/summer, deep snow/summer, snow/green summer, winter/summer, a snowy mountain/summer, snow/spring, winter/autumn,
autumn/spring, autumn foliage/spring green, autumn colours/blossom, night/day, a starry night/bright midday,
starry night/sunny day, stars/noon, northern lights/bright day, moonlit night/sunshine, dawn/night, night/golden sunset,
sunset/noon, golden sunset/bright midday, fog/clear, fog/clear air, fog/clear sky, thick fog/clear sky, storm/clear sky,
storm clouds/blue sky, rain/blue sky, sunny day/rain, sunshine/storm, overcast sky/clear sky, sunny/overcast,
clouds/cloudless, dry/lush, dry grass/green grass, dry golden grass/lush green meadows, snow/no snow, snow/a desert,
desert/tropical island, palms/snow, a forest/no trees, calm water/waves
"""
COMPATIBLE = """
snow/night, deep snow/a starry night, winter/a sunny day, snow/golden sunset, snow/mountains, snow/blue sky,
winter/fog, winter/storm, winter/dawn, a forest/winter, snow/clear air, snow/frozen lake, golden sunset/a lake, golden
sunset/sea, golden sunset/clouds, clouds/golden sunset, desert/golden sunset, summer/golden sunset, autumn
foliage/golden sunset, night/northern lights, night/mountains, thick fog/night, storm/night, clouds/night,
desert/night, clear sky/starry night, summer/lake, summer/storm clouds, summer/night, summer/dry grass, summer/blue
sky, summer/day, spring/flowers, spring/rain, autumn/a lake, autumn/fog, autumn/dry grass, fog/forest, fog/dawn,
fog/clouds, overcast sky/fog, storm/overcast sky, storm/sea, lush green meadows/flowers, lush green meadows/blue sky,
dry golden grass/bright midday, green meadows/forest, no snow/fog, no trees/snow, forest/lake, mountains/sea,
boulders/fog, palms/a calm sea, a tropical island/golden sunset, mesas/a desert, volcanic/snow, clouds/blue sky, a
lake/a waterfall, waves/golden sunset
"""


@pytest.fixture(scope="module")
def mini():
    return text_model("graft-mini", device="cpu")


def pairs(text: str) -> list[tuple[str, ...]]:
    return [tuple(pair.strip().split("/")) for pair in text.split(",")]


def contrary(model, *wishes: str | Prompt) -> bool:
    return bool(contradictions(model, [wish if isinstance(wish, Prompt) else Prompt(wish) for wish in wishes]))


def test_opposites_contradict_each_other_and_what_goes_together_does_not(mini):
    assert [pair for pair in pairs(OPPOSITE) if not contrary(mini, *pair)] == []
    assert [pair for pair in pairs(COMPATIBLE) if contrary(mini, *pair)] == []


def test_what_is_wished_for_may_not_be_avoided(mini):
    for wish, avoided, wanted in (
        ("snow", "snow", True),
        ("a boat on a lake", "A boat on a lake!", True),  # of which no factor says anything
        ("a starry night", "night", True),
        ("snow", "summer", False),
        ("dawn", "fog", False),
    ):
        assert contrary(mini, wish, Prompt(avoided, -0.1)) == wanted, (wish, avoided)
    assert not contrary(mini, Prompt("night", -1), Prompt("day", -1))
    assert not contrary(mini, Prompt("night", 0), "day")
    assert contrary(MODEL, "red", Prompt("red", -0.1))  # of a model that knows no word of the factors
    assert not contrary(MODEL, Prompt("red", 3), Prompt("blue", -1), "green")
    assert notices(mini, [Prompt("snow"), Prompt("a lake"), Prompt("summer", 0.5), Prompt("deep snow", -1)]) == [
        "'snow' and 'summer' contradict each other; the result lies in between.",
        "'snow' and avoiding 'deep snow' contradict each other; the result lies in between.",
    ]
