"""Directions from words: least squares find what was planted, a model is looked at once, the command."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from planted_words import COLOURS, Colours
from tiny import stylegan2

from graftlab.checkpoints.catalogue.registry import CACHE
from graftlab.codes import StyleCodes, SwapCodes
from graftlab.editing import word_directions
from graftlab.editing.distributions import Distribution, Gaussian
from graftlab.editing.word_directions import Probe, probe_styles, probe_textures
from graftlab.errors import GraftError

DEVIATIONS = torch.tensor([0.3, 0.1, 0.2, 0.5])  # of textures: red, green, blue, and what draws nothing


class Counting(Colours):
    """Counts the pictures that it is shown."""

    def __init__(self) -> None:
        self.shown = 0

    def images(self, pictures):
        self.shown += len(pictures)
        return super().images(pictures)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "probes"


def flat(colours: torch.Tensor) -> torch.Tensor:
    return (colours / 4)[:, :, None, None].expand(-1, -1, 8, 8)


def encode(images):
    """Structures that colour the picture far more than its texture does."""
    return SwapCodes(images.mean((2, 3), keepdim=True)[:, :1] * 3, torch.zeros(len(images), 4), model="m")


PLANTED = SimpleNamespace(encode=encode, decode=lambda codes: flat(codes.texture[:, :3] + codes.structure[:, :, 0, 0]))
WEATHER = Distribution(
    *(
        Gaussian(torch.zeros(len(axes)), axes, torch.tensor(0.0), torch.zeros(101))
        for axes in (DEVIATIONS.diag(), torch.ones(1, 1))
    ),
    unit=False,
    model="m",
)


def probed(words, **options) -> Probe:
    return probe_textures(PLANTED, WEATHER, words, size=16, count=120, **options)


def test_a_phrase_is_the_component_that_draws_it():
    found = probed(Colours()).directions(Colours(), list(COLOURS), neutral="grey")
    assert (found.names, found.part, found.model) == (COLOURS, "texture", "m")
    places = found.vectors / DEVIATIONS
    assert torch.allclose(places.norm(dim=1), torch.ones(3))  # a gain of 1 is a deviation
    for one, place in enumerate(places):
        wish = torch.full((4,), -1.0)  # less of the others
        wish[one], wish[3] = 2, 0
        assert torch.cosine_similarity(place, DEVIATIONS * wish, dim=0) > 0.95
        assert found.correlations(COLOURS[one])[COLOURS[one]] > 0.8
    opposite = probed(Colours()).directions(Colours(), ["grey"], neutral="red")
    assert torch.nn.functional.cosine_similarity(opposite.vectors, found.vectors[:1]) < -0.8
    moved = found.apply(encode(torch.zeros(1, 3, 8, 8)), {"red": 2})
    assert PLANTED.decode(moved)[0, 0, 0, 0] == pytest.approx(float(2 * found.vectors[0, 0] / 4))


def test_a_model_is_looked_at_once(cache):
    words = Counting()
    first = probed(words)
    assert words.shown == 120
    again = probed(words)
    assert words.shown == 120
    assert torch.equal(again.seen, first.seen)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-4])  # damaged
    assert torch.equal(probed(words).seen, first.seen)
    probed(words, seed=1)
    other = Counting()
    other.texts = lambda phrases: -Colours().texts(phrases)  # another set of weights under the same name
    probed(other, seed=1)
    assert (words.shown, other.shown) == (360, 120)
    with pytest.raises(GraftError, match="by another text model than colours"):
        first.directions(other, ["red"])


def test_w_of_a_stylegan2():
    mixing = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    model = SimpleNamespace(
        codes_of=lambda seeds: StyleCodes(
            torch.stack([torch.randn(6, generator=torch.Generator().manual_seed(seed)) for seed in seeds])[:, None],
            model="s",
        ),
        decode=lambda codes: flat(0.1 * codes.w[:, 0] @ mixing.T),
    )
    found = probe_styles(model, Colours(), k=6).directions(Colours(), ["red"], "grey")
    assert (found.part, found.layers, found.model) == ("w", None, "s")
    ideal = torch.linalg.lstsq(torch.eye(6), mixing.T @ torch.tensor([2.0, -1, -1])).solution
    assert torch.cosine_similarity(found.vectors[0], ideal, dim=0) > 0.95


def test_the_command(graft, monkeypatch, bundle, tmp_path):
    monkeypatch.setattr("graftlab.cli.words.open_text_model", lambda *told: Colours())
    monkeypatch.setattr(word_directions, "PICTURES", 40)
    model = stylegan2()
    model.save("style.safetensors")
    asked = ("directions", "text", "red", "blue", "-m", "style.safetensors", "--neutral", "grey", "--device", "cpu")
    result = graft(*asked, "-o", "colours.safetensors")
    assert result.code == 0, result
    assert "red: " in result.out
    assert "looking" in result.err
    again = graft("directions", "text", "a red zebra", *asked[4:], "-o", "again.safetensors", "--json")
    assert "looking" not in again.err  # but remembered
    assert json.loads(again.out)["about"]["notices"] == [Colours().notice("a red zebra")]
    assert (
        graft("directions", "sweep", "0-1", "colours.safetensors", "-m", "style.safetensors", "-o", "s.png").code == 0
    )
    for more, says in (
        (("--photos", "photos"), "leave out --from, --photos and --size"),
        (("--neutral", "?!"), "holds no words"),
        (("-m", "landscapes-128"), "does not come with the textures of its training"),
        (("-o", "style.safetensors"), "is a file that this command reads"),
    ):
        result = graft(*asked, "-o", "other.safetensors", *more)
        assert result.code == 2
        assert says in result.err, result
    assert graft("directions", "text", "qwertz", "-m", "style.safetensors").err.startswith("graft: colours knows none")


def test_a_file_without_sense_is_no_probe(tmp_path):
    probe = probed(Colours())
    with pytest.raises(GraftError, match="do not fit each other"):
        replace(probe, places=probe.places[:, :2])
    WEATHER.save(tmp_path / "weather")
    with pytest.raises(GraftError, match="holds no probe by words, but distribution"):
        Probe.load(tmp_path / "weather")
